//! The verdict on one node, from its health check node port.

use crate::{
    flow::FailureKind,
    node_health::{HealthAnswer, NodeHealth},
    probe::{Probe, Subject},
    state::State,
    verdict::{Finding, Verdict},
};

/// Judges one poll of a health check node port.
///
/// The status code decides. A closed port, a silent node, a node without endpoints and an answer of
/// another kind are four things and stay four. The state is *down* where the port does not speak for the
/// service as it should: silent, closed, somebody else's, or with an unhealthy proxy behind it; *idle*
/// where it says that the node has no ready endpoint.
#[must_use]
pub fn node_health(probe: &Probe, health: &NodeHealth) -> Verdict {
    let (service, node) = match &probe.subject {
        Subject::Node { service, node, .. } => (service.as_str(), node.as_str()),
        subject => (subject.service().unwrap_or_default(), ""),
    };
    let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
    let target = probe.subject.target();
    let detail = health.answer.detail();
    let foreign =
        detail.and_then(|detail| detail.service.as_deref()).filter(|answering| *answering != service);

    let mut verdict = match (&health.answer, foreign) {
        (HealthAnswer::Ready(_) | HealthAnswer::NotReady(_), Some(other)) => {
            let reason = format!(
                "{target} on {node} answers for {other}, not for {service}: the health check node port was given to another service."
            );
            let mut verdict = Verdict::new(Finding::OtherService, State::Down, reason);
            verdict.remedy = Some(port_question(namespace, name));
            verdict
        }
        (HealthAnswer::Ready(detail), None) => {
            let reason = match detail.local_endpoints {
                Some(1) => format!("{node} has 1 ready endpoint of {service}."),
                Some(n) => format!("{node} has {n} ready endpoints of {service}."),
                None => format!("{node} has ready endpoints of {service}."),
            };
            Verdict::new(Finding::Ready, State::Up, reason)
        }
        (HealthAnswer::NotReady(detail), None) if detail.proxy_healthy == Some(false) => {
            let reason = format!(
                "The service proxy on {node} says that it is unhealthy itself, so {node} takes no traffic for {service}."
            );
            let mut verdict = Verdict::new(Finding::ProxyUnhealthy, State::Down, reason);
            verdict.remedy = Some(super::look_at_proxy(node));
            verdict
        }
        (HealthAnswer::NotReady(_), None) => {
            let reason = format!("{node} has no ready endpoint of {service} (HTTP 503).");
            let mut verdict = Verdict::new(Finding::NoEndpoints, State::Idle, reason);
            verdict.remedy = Some(format!(
                "See where the endpoints are: `kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o wide`"
            ));
            verdict
        }
        (HealthAnswer::Unreadable(what), _) => {
            let reason = format!("{target} on {node} does not answer like a health check node port: {what}.");
            Verdict::new(Finding::Unreadable, State::Unknown, reason)
        }
        (HealthAnswer::Failed(failure), _) if failure.kind.is_ours() => {
            let reason = format!("Nothing can be said about {node}: {}.", failure.detail);
            Verdict::new(Finding::Blind, State::Unknown, reason)
        }
        (HealthAnswer::Failed(failure), _) if failure.kind == FailureKind::Refused => {
            let reason = format!(
                "{target} on {node} is closed: the service's policy is no longer Local, its port changed, or kube-proxy on {node} is not running."
            );
            let mut verdict = Verdict::new(Finding::PortClosed, State::Down, reason);
            verdict.remedy = Some(port_question(namespace, name));
            verdict
        }
        (HealthAnswer::Failed(failure), _) => super::silent_node(node, &target, failure),
    };
    verdict.flows = 1;
    verdict.answered = u32::from(!matches!(health.answer, HealthAnswer::Failed(_)));
    verdict.local_endpoints = detail.and_then(|detail| detail.local_endpoints);
    verdict.weight = detail.and_then(|detail| detail.weight);
    verdict
}

fn port_question(namespace: &str, name: &str) -> String {
    format!(
        "Compare with the cluster: `kubectl -n {namespace} get service {name} -o \
         jsonpath='{{.spec.externalTrafficPolicy}} {{.spec.healthCheckNodePort}}'`"
    )
}
