//! From observation to verdict. Pure functions of what was seen and what was configured.

mod node_health;
mod proxy_health;
mod source;

use chrono::{DateTime, Utc};

pub use node_health::node_health;
pub use proxy_health::proxy_health;
pub use source::source;

use crate::{
    address::AddressBook,
    egress::Egress,
    flow::{Failure, FailureKind},
    observation::Observation,
    probe::Probe,
    state::State,
    verdict::{Finding, Verdict},
};

/// What a judgement has to go by besides the observation itself.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The agent's own source address.
    pub egress: &'a Egress,
    /// Whose address is whose.
    pub book: &'a AddressBook,
    /// What the nodes of the same service said last, where that is recent.
    pub nodes: &'a [NodeSight<'a>],
    /// When the round ended.
    pub at: DateTime<Utc>,
}

/// What one node's health check node port said about the service.
#[derive(Debug, Clone, Copy)]
pub struct NodeSight<'a> {
    /// The node.
    pub node: &'a str,
    /// What was found there.
    pub finding: Finding,
    /// Its ready endpoints, where it told them.
    pub local_endpoints: Option<u32>,
}

/// Judges one round of `probe`.
#[must_use]
pub fn observation(probe: &Probe, observation: &Observation, scene: &Scene<'_>) -> Verdict {
    match observation {
        Observation::Flows(sight) => source(probe, sight, scene),
        Observation::NodeHealth(health) => node_health(probe, health),
        Observation::ProxyHealth(health) => proxy_health(probe, health),
    }
}

/// A node that gives no answer at all.
fn silent_node(node: &str, target: &str, failure: &Failure) -> Verdict {
    let how = match failure.kind {
        FailureKind::Timeout => "does not answer in time",
        FailureKind::Unreachable => "cannot be reached",
        _ => "breaks the connection",
    };
    let mut verdict = Verdict::new(Finding::NodeSilent, State::Down, format!("{node} {how} at {target}."));
    verdict.remedy = Some(format!("See whether the node is up: `kubectl get node {node}`"));
    verdict
}

fn look_at_proxy(node: &str) -> String {
    format!(
        "Look at kube-proxy on {node}: `kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={node}`"
    )
}

/// "1 connection", "4 connections".
fn connections(n: u32) -> String {
    if n == 1 { "1 connection".to_owned() } else { format!("{n} connections") }
}

#[cfg(test)]
mod tests;
