//! From observation to verdict. Pure functions of what was seen and what was configured.

mod diagnosis;
mod flow;
mod kubectl;
mod node_health;
mod notes;
mod proxy_health;
mod source;
mod tally;
mod words;

use chrono::{DateTime, Utc};

pub use flow::{FlowVerdict, flow};
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
    /// All nodes whose health check node port is polled for the same service.
    pub nodes: &'a [NodeSight<'a>],
    /// When the round ended.
    pub at: DateTime<Utc>,
}

/// What one node's health check node port said about the service.
#[derive(Debug, Clone, Copy)]
pub struct NodeSight<'a> {
    /// The node.
    pub node: &'a str,
    /// What was found there since the trouble began; `None` while it has not been asked. What it said before is no
    /// evidence: everything may have changed at once.
    pub finding: Option<Finding>,
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
    verdict.remedy = Some(kubectl::ask_node(node));
    verdict
}

#[cfg(test)]
mod tests;
