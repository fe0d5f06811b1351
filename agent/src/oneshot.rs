//! One round of each of several probes, now, judged together: what the nodes say goes into the verdict on the VIPs. Where
//! some got no answer, the connectivity targets are asked whose fault that is.

use futures_util::future::join_all;
use vipwatch_model::{
    connectivity::{Says, blame, is_silent},
    egress::Egress,
    judge::NodeSight,
    observation::Observation,
    verdict::Verdict,
};

use crate::{
    clock::Clock,
    connectivity,
    egress::Known,
    plan::{Plan, Planned},
    prober::Prober,
};

/// A probe and what its round has shown.
#[derive(Debug)]
pub struct Finished<'a> {
    /// The probe.
    pub planned: &'a Planned,
    /// What the round saw.
    pub observation: Observation,
    /// What that means.
    pub verdict: Verdict,
}

/// Runs a round of each of `chosen` at once, next to what is `known` of the egress; gives them back in their order.
pub async fn rounds<'a>(
    plan: &Plan,
    known: &Known,
    chosen: &[&'a Planned],
    prober: &Prober,
    clock: &Clock,
) -> Vec<Finished<'a>> {
    let observations = join_all(chosen.iter().map(|planned| prober.observe(planned))).await;
    let mut seen: Vec<(&'a Planned, Observation)> = chosen.iter().copied().zip(observations).collect();
    if seen.iter().any(|(planned, observation)| is_silent(&planned.probe, observation))
        && let Some(check) = connectivity::check_once(plan, clock).await
        && check.says() == Says::Blind
    {
        let why = check.why_blind();
        for (planned, observation) in &mut seen {
            if is_silent(&planned.probe, observation) {
                blame(observation, &why);
            }
        }
    }
    let at = clock.now();
    // A node's verdict needs no other; those on flows need the nodes'.
    let nodes: Vec<(&Planned, Verdict)> = seen
        .iter()
        .filter(|(_, observation)| matches!(observation, Observation::NodeHealth(_)))
        .map(|(planned, observation)| {
            (*planned, plan.judge(&Egress::default(), &planned.probe, observation, &[], at))
        })
        .collect();
    let finished = seen.into_iter().map(|(planned, observation)| {
        let service = planned.probe.subject.service();
        let of_service =
            |node: &&(&Planned, Verdict)| service.is_some() && node.0.probe.subject.service() == service;
        let sights: Vec<NodeSight<'_>> = nodes
            .iter()
            .filter(of_service)
            .map(|(node, verdict)| NodeSight {
                node: node.probe.subject.node().unwrap_or_default(),
                finding: Some(verdict.finding),
            })
            .collect();
        let egress = known.for_only_round(&planned.probe, &observation);
        let verdict = plan.judge(&egress, &planned.probe, &observation, &sights, at);
        Finished { planned, observation, verdict }
    });
    finished.collect()
}
