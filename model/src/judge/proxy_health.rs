//! The verdict on one node's kube-proxy, from its own health port.

use super::kubectl;
use crate::{
    cause::{Cause, CauseKind},
    flow::FailureKind,
    probe::Probe,
    proxy_health::{ProxyAnswer, ProxyHealth},
    state::State,
    verdict::{Finding, Verdict},
};

/// Judges one poll of a kube-proxy's health port. Load balancers take a node out of a service with the policy
/// Cluster by the same answer, so a 503 is *down* unless the node is leaving on purpose.
#[must_use]
pub fn proxy_health(probe: &Probe, health: &ProxyHealth) -> Verdict {
    let node = probe.subject.node().unwrap_or_default();
    let target = probe.subject.target();
    let mut verdict = match &health.answer {
        ProxyAnswer::Healthy => {
            let reason = format!("kube-proxy on {node} says that it is healthy.");
            Verdict::new(Finding::ProxyHealthy, State::Up, reason)
        }
        ProxyAnswer::Ineligible => {
            let reason = format!(
                "{node} is leaving: kube-proxy says that the node takes no traffic of load balancers any more."
            );
            let remedy = format!(
                "See why: `kubectl get node {node} -o jsonpath='{{.metadata.deletionTimestamp}} {{.spec.taints}}'`"
            );
            Verdict { remedy: Some(remedy), ..Verdict::new(Finding::NodeIneligible, State::Idle, reason) }
        }
        ProxyAnswer::Unhealthy => {
            let reason =
                format!("kube-proxy on {node} says that it is unhealthy: its rules are not up to date.");
            let cause = Cause::new(
                CauseKind::ServiceProxyDown,
                format!("kube-proxy on {node} cannot write its rules, or cannot reach the API server."),
            );
            let remedy = Some(kubectl::ask_service_proxy(node));
            Verdict {
                cause: Some(cause),
                remedy,
                ..Verdict::new(Finding::ProxyUnhealthy, State::Down, reason)
            }
        }
        ProxyAnswer::Unreadable(what) => {
            let reason = format!("{target} on {node} does not answer like kube-proxy's health port: {what}.");
            Verdict::new(Finding::Unreadable, State::Unknown, reason)
        }
        ProxyAnswer::Failed(failure) if failure.kind.is_ours() => {
            let reason = format!("Nothing can be said about {node}: {}.", failure.detail);
            Verdict::new(Finding::Blind, State::Unknown, reason)
        }
        ProxyAnswer::Failed(failure) if failure.kind == FailureKind::Refused => {
            let reason = format!("{target} on {node} is closed, and the node itself is alive.");
            let cause = Cause::new(
                CauseKind::ServiceProxyDown,
                format!(
                    "kube-proxy does not run on {node}, or is told to serve its health on another address (--healthz-bind-address)."
                ),
            );
            let remedy = Some(kubectl::ask_service_proxy(node));
            Verdict { cause: Some(cause), remedy, ..Verdict::new(Finding::PortClosed, State::Down, reason) }
        }
        ProxyAnswer::Failed(failure) => super::silent_node(node, &target, failure),
    };
    verdict.flows = 1;
    verdict.answered = u32::from(!matches!(health.answer, ProxyAnswer::Failed(_)));
    verdict
}
