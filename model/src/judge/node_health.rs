//! The verdict on one node, from its health check node port.

use super::kubectl::{self, Service};
use crate::{
    cause::{Cause, CauseKind},
    flow::FailureKind,
    node_health::{HealthAnswer, NodeHealth},
    probe::{Probe, Subject, TrafficPolicy},
    state::State,
    verdict::{Finding, Verdict},
};

/// Judges one poll of a health check node port.
///
/// The status code decides. A closed port, a silent node, a node without endpoints and an answer of
/// another kind are four things and stay four. The state is *down* where the port does not speak for the
/// service as it should: silent, closed, somebody else's, or with an unhealthy proxy behind it; *idle*
/// where it says that the node has no ready endpoint. For a service that ought to be Cluster the port ought to
/// be closed, and an answer for the service shows that the policy has become Local.
#[must_use]
pub fn node_health(probe: &Probe, health: &NodeHealth) -> Verdict {
    let (service, node, policy) = match &probe.subject {
        Subject::Node { service, node, policy, .. } => (service.as_str(), node.as_str(), *policy),
        subject => (subject.service().unwrap_or_default(), "", TrafficPolicy::Local),
    };
    let port = Port { service, node, target: probe.subject.target() };
    let detail = health.answer.detail();
    let foreign =
        detail.and_then(|detail| detail.service.as_deref()).filter(|answering| *answering != service);

    let mut verdict = match (&health.answer, policy) {
        (HealthAnswer::Unreadable(what), _) => port.unreadable(what),
        (HealthAnswer::Failed(failure), _) if failure.kind.is_ours() => {
            let reason = format!("Nothing can be said about {node}: {}.", failure.detail);
            Verdict::new(Finding::Blind, State::Unknown, reason)
        }
        (HealthAnswer::Failed(failure), TrafficPolicy::Local) if failure.kind == FailureKind::Refused => {
            port.closed()
        }
        (HealthAnswer::Failed(failure), TrafficPolicy::Cluster) if failure.kind == FailureKind::Refused => {
            let reason = format!("{} on {node} is closed, as it ought to be under Cluster.", port.target);
            Verdict::new(Finding::PortClosed, State::Up, reason)
        }
        (HealthAnswer::Failed(failure), _) => super::silent_node(node, &port.target, failure),
        (HealthAnswer::Ready(_) | HealthAnswer::NotReady(_), TrafficPolicy::Cluster) => match foreign {
            Some(other) => {
                let reason = format!(
                    "{} on {node} answers for {other}, which is no concern of {service}.",
                    port.target
                );
                Verdict::new(Finding::OtherService, State::Up, reason)
            }
            None => port.became_local(),
        },
        (HealthAnswer::Ready(_) | HealthAnswer::NotReady(_), TrafficPolicy::Local) => match foreign {
            Some(other) => port.reallocated(other),
            None => port.answers(&health.answer),
        },
    };
    verdict.flows = 1;
    verdict.answered = u32::from(!matches!(health.answer, HealthAnswer::Failed(_)));
    verdict.local_endpoints = detail.and_then(|detail| detail.local_endpoints);
    verdict.weight = detail.and_then(|detail| detail.weight);
    verdict
}

/// A health check node port, for telling about it.
struct Port<'a> {
    service: &'a str,
    node: &'a str,
    target: String,
}

impl Port<'_> {
    fn named(&self) -> Service<'_> {
        Service::named(self.service)
    }

    /// It speaks for the service, as it does under Local.
    fn answers(&self, answer: &HealthAnswer) -> Verdict {
        let Self { service, node, .. } = self;
        match answer {
            HealthAnswer::NotReady(detail) if detail.proxy_healthy == Some(false) => {
                let reason = format!(
                    "The service proxy on {node} says that it is unhealthy itself, so {node} takes no traffic for {service}."
                );
                let cause = Cause::new(
                    CauseKind::ServiceProxyDown,
                    format!(
                        "The service proxy on {node} cannot write its rules, or cannot reach the API server."
                    ),
                );
                Verdict {
                    cause: Some(cause),
                    remedy: Some(kubectl::ask_service_proxy(node)),
                    ..Verdict::new(Finding::ProxyUnhealthy, State::Down, reason)
                }
            }
            HealthAnswer::NotReady(_) => {
                let reason = format!("{node} has no ready endpoint of {service} (HTTP 503).");
                let remedy = Some(self.named().ask_endpoints());
                Verdict { remedy, ..Verdict::new(Finding::NoEndpoints, State::Idle, reason) }
            }
            _ => {
                let reason = match answer.detail().and_then(|detail| detail.local_endpoints) {
                    Some(1) => format!("{node} has 1 ready endpoint of {service}."),
                    Some(n) => format!("{node} has {n} ready endpoints of {service}."),
                    None => format!("{node} has ready endpoints of {service}."),
                };
                Verdict::new(Finding::Ready, State::Up, reason)
            }
        }
    }

    fn closed(&self) -> Verdict {
        let Self { node, target, .. } = self;
        let reason = format!(
            "{target} on {node} is closed: the service's policy is no longer Local, its port changed, or kube-proxy on {node} is not running."
        );
        let remedy = Some(self.named().ask_health_check_node_port());
        Verdict { remedy, ..Verdict::new(Finding::PortClosed, State::Down, reason) }
    }

    fn became_local(&self) -> Verdict {
        let Self { service, node, target } = self;
        let reason = format!(
            "{target} on {node} answers for {service}, which is done under Local only, and Cluster is configured."
        );
        let cause = Cause::new(
            CauseKind::PolicyBecameLocal,
            "The policy was set to Local: nodes without a ready endpoint no longer serve the VIP.",
        );
        let remedy = Some(format!(
            "{} If Local is meant to be, set `external_traffic_policy = \"Local\"` for it here.",
            self.named().ask_health_check_node_port()
        ));
        Verdict { cause: Some(cause), remedy, ..Verdict::new(Finding::PolicyLocal, State::Down, reason) }
    }

    fn reallocated(&self, other: &str) -> Verdict {
        let Self { service, node, target } = self;
        let reason = format!(
            "{target} on {node} answers for {other}, not for {service}: the health check node port was given to another service."
        );
        let cause = Cause::new(
            CauseKind::PortReallocated,
            format!("{service} was deleted, made anew or set to Cluster, and its port went to {other}."),
        );
        let remedy = Some(self.named().ask_health_check_node_port());
        Verdict { cause: Some(cause), remedy, ..Verdict::new(Finding::OtherService, State::Down, reason) }
    }

    fn unreadable(&self, what: &str) -> Verdict {
        let Self { node, target, .. } = self;
        let reason = format!("{target} on {node} does not answer like a health check node port: {what}.");
        Verdict::new(Finding::Unreadable, State::Unknown, reason)
    }
}
