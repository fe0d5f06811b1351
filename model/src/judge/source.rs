//! The verdict on the source address, from the flows of one round.

use super::{Scene, diagnosis, notes, tally::Tally, words};
use crate::{
    observation::Sight,
    probe::{Expectation, Probe},
    state::State,
    verdict::{Finding, Verdict},
};

/// Judges one round of a source or reachability probe.
///
/// Faults of the agent never count against the target: a round in which only they occurred is
/// [`Finding::Blind`] and its state unknown. A single translated flow outweighs everything else where
/// the address ought to survive.
#[must_use]
pub fn source(probe: &Probe, sight: &Sight, scene: &Scene<'_>) -> Verdict {
    let tally = Tally::of(&sight.flows, scene);
    let latency_us = sight.latency_us();
    let (finding, state) = decide(probe, &tally, latency_us);
    let reason = words::reason(probe, finding, state, &tally, latency_us);
    let diagnosis = diagnosis::of(probe, finding, state, &tally, scene);
    let notes = notes::of(probe, sight, &tally, scene);
    Verdict {
        reason,
        cause: diagnosis.cause,
        remedy: diagnosis.remedy,
        expected: words::expected(&probe.expectation, tally.expected),
        seen: tally.seen,
        answered: tally.answered,
        flows: tally.flows,
        answered_by: tally.answered_by,
        evidence: tally.evidence,
        notes,
        ..Verdict::new(finding, state, "")
    }
}

fn decide(probe: &Probe, tally: &Tally<'_>, latency_us: Option<u32>) -> (Finding, State) {
    let Probe { expectation, limits, .. } = probe;
    let failing = !tally.failed.is_empty();
    if tally.answered == 0 {
        return match failing {
            true if tally.only_wrong_answers() => (Finding::WrongAnswer, State::Down),
            true => (Finding::Unreachable, State::Down),
            false => (Finding::Blind, State::Unknown),
        };
    }
    let finding = match (tally.preserved, tally.foreign()) {
        _ if *expectation == Expectation::Answer => Finding::Answering,
        (0, 0) => Finding::Inconclusive,
        (_, 0) => Finding::Preserved,
        (0, foreign) if foreign == tally.only_in_header => Finding::OnlyInHeader,
        (0, _) => Finding::Translated,
        (_, _) => Finding::PartlyTranslated,
    };
    if is_regression(expectation, tally) {
        (finding, State::Translated)
    } else if tally.loss_percent() > limits.loss_percent {
        (Finding::PartlyFailing, State::Degraded)
    } else if limits.latency_us.zip(latency_us).is_some_and(|(limit, latency)| latency > limit) {
        (Finding::Slow, State::Degraded)
    } else if finding == Finding::Inconclusive && !satisfied_by_header(expectation, tally) {
        (finding, if *expectation == Expectation::Any { State::Up } else { State::Unknown })
    } else {
        (finding, State::Up)
    }
}

/// Whether a flow arrived from an address that is not the expected one.
fn is_regression(expectation: &Expectation, tally: &Tally<'_>) -> bool {
    match expectation {
        Expectation::Preserved => tally.foreign() > 0,
        Expectation::InHeader => tally.translated > 0,
        Expectation::Within(networks) => {
            let within = |address| networks.iter().any(|network| network.contains(&address));
            // A client that is seen as itself has lost nothing: with hostNetwork or Cilium that happens under Cluster, too.
            tally.foreign_classes().any(|(address, _)| !within(address))
        }
        Expectation::Any | Expectation::Answer => false,
    }
}

/// Where the header is what counts, a server that reads it answers the question.
fn satisfied_by_header(expectation: &Expectation, tally: &Tally<'_>) -> bool {
    *expectation == Expectation::InHeader && tally.header_trusted > 0
}
