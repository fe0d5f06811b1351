//! Rounds without any answer: which those are, and what becomes of one that the agent itself is to blame for.

use crate::{
    flow::{Failure, FailureKind, Flow, Outcome},
    node_health::{HealthAnswer, NodeHealth},
    observation::Observation,
    probe::{Probe, Subject, TrafficPolicy},
    proxy_health::{ProxyAnswer, ProxyHealth},
};

/// Whether a round of `probe` that saw `observation` got no answer at all, so that it would speak against the target
/// by its silence alone. What the agent is known to be at fault for anyway is no such round.
#[must_use]
pub fn is_silent(probe: &Probe, observation: &Observation) -> bool {
    match observation {
        Observation::Flows(sight) => {
            let failures = || sight.flows.iter().filter_map(Flow::failure);
            failures().count() == sight.flows.len()
                && failures().all(|failure| !is_answer(failure.kind))
                && failures().any(|failure| !failure.kind.is_ours())
        }
        Observation::NodeHealth(NodeHealth { answer: HealthAnswer::Failed(failure), .. }) => {
            // Under Cluster the port ought to be closed: nothing is held against anybody.
            let expected = failure.kind == FailureKind::Refused
                && matches!(probe.subject, Subject::Node { policy: TrafficPolicy::Cluster, .. });
            !failure.kind.is_ours() && !expected
        }
        Observation::ProxyHealth(ProxyHealth { answer: ProxyAnswer::Failed(failure), .. }) => {
            !failure.kind.is_ours()
        }
        Observation::NodeHealth(_) | Observation::ProxyHealth(_) => false,
    }
}

/// Whether a failure shows that the far side has spoken. A connection that is refused does not: firewalls on the way
/// refuse as well, this host's own among them.
fn is_answer(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Status | FailureKind::Unexpected)
}

/// Blames the agent for the failures of a round, because of `why`, which completes "no answer, but ...".
pub fn blame(observation: &mut Observation, why: &str) {
    match observation {
        Observation::Flows(sight) => {
            for flow in sight.flows.iter_mut().chain(sight.canary.as_deref_mut()) {
                if let Outcome::Failed(failure) = &mut flow.outcome {
                    blame_for(failure, why);
                }
            }
        }
        Observation::NodeHealth(NodeHealth { answer: HealthAnswer::Failed(failure), .. })
        | Observation::ProxyHealth(ProxyHealth { answer: ProxyAnswer::Failed(failure), .. }) => {
            blame_for(failure, why);
        }
        Observation::NodeHealth(_) | Observation::ProxyHealth(_) => {}
    }
}

fn blame_for(failure: &mut Failure, why: &str) {
    if !failure.kind.is_ours() {
        *failure = Failure::new(FailureKind::Blind, format!("{}, but {why}", failure.detail));
    }
}
