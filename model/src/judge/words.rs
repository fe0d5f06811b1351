//! Verdicts in a sentence or two, as a colleague would say them.

use std::fmt::Write as _;

use chrono::TimeDelta;

use super::tally::Tally;
use crate::{
    probe::{Expectation, Probe, Transport},
    state::State,
    verdict::Finding,
};

/// "1 connection", "4 connections".
pub(super) fn count(n: u32, transport: Transport) -> String {
    let noun = transport.noun();
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// "3 days", "47 hours", "61 minutes": a time that is not negative, rounded down, in a unit that it has two of if it can.
pub(super) fn time(time: TimeDelta) -> String {
    let units = [(time.num_days(), "days"), (time.num_hours(), "hours"), (time.num_minutes(), "minutes")];
    let (n, unit) = units.into_iter().find(|(n, _)| *n >= 2).unwrap_or((time.num_seconds(), "seconds"));
    format!("{n} {unit}")
}

/// The addresses that were expected, as far as some were.
pub(super) fn expected(expectation: &Expectation, baseline: Vec<String>) -> Vec<String> {
    match expectation {
        Expectation::Preserved | Expectation::InHeader => baseline,
        Expectation::Within(networks) => networks.iter().map(ToString::to_string).collect(),
        Expectation::Any | Expectation::Answer => Vec::new(),
    }
}

/// Why the verdict is what it is.
pub(super) fn reason(
    probe: &Probe,
    finding: Finding,
    state: State,
    tally: &Tally<'_>,
    latency_us: Option<u32>,
) -> String {
    let target = probe.subject.target();
    let noun = probe.transport.noun();
    let some = |n| count(n, probe.transport);
    let wanted = expected(&probe.expectation, tally.expected.clone()).join(" or ");
    let conclusive = tally.conclusive();
    let mut text = match finding {
        Finding::Preserved => format!(
            "{} of {conclusive} {noun}s to {target} arrived from {}, this agent's own address.",
            tally.preserved,
            own(tally)
        ),
        Finding::OnlyInHeader if state == State::Translated => format!(
            "All {} to {target} arrived from {} instead of {wanted}; only a header that a proxy sets still names the client.",
            some(conclusive),
            foreign(tally)
        ),
        Finding::OnlyInHeader => format!(
            "{} of {conclusive} {noun}s to {target} arrived from {}, with the client's address in a header, which is allowed here.",
            tally.only_in_header,
            foreign(tally)
        ),
        Finding::Translated if state == State::Translated => format!(
            "All {} to {target} arrived from {} instead of {wanted}: the client's address is lost on the way.",
            some(conclusive),
            foreign(tally)
        ),
        Finding::PartlyTranslated if state == State::Translated => format!(
            "{} of {conclusive} {noun}s to {target} arrived from {} instead of {wanted}: some clients' addresses are lost on the way.",
            tally.foreign(),
            foreign(tally)
        ),
        Finding::Translated | Finding::PartlyTranslated => format!(
            "{} of {conclusive} {noun}s to {target} arrived from {}, which is allowed here.",
            tally.foreign(),
            foreign(tally)
        ),
        Finding::Inconclusive if state == State::Up && tally.header_trusted > 0 => {
            format!(
                "{} answered by {target}, which found this agent's own address in a header.",
                some(tally.answered)
            )
        }
        Finding::Inconclusive => format!(
            "{} answered by {target}, but the source address cannot be judged: {}.",
            some(tally.answered),
            tally.inconclusive.unwrap_or("no answer tells it")
        ),
        Finding::Answering => format!("{target} answered {}.", some(tally.answered)),
        Finding::PartlyFailing => {
            format!("{} to {target} answered, but {}.", some(tally.answered), tally.failures())
        }
        Finding::Slow => format!(
            "{target} answered {}, but the middle one of them took {}, over the limit of {}.",
            some(tally.answered),
            millis(latency_us.unwrap_or_default()),
            millis(probe.limits.latency_us.unwrap_or_default())
        ),
        Finding::Blind => {
            format!("Nothing can be said about {target}: {}.", tally.ours.unwrap_or("no connection was made"))
        }
        Finding::WrongAnswer => format!("{target} answers, but not as it should: {}.", tally.failures()),
        _ => format!("No {noun} to {target} was answered: {}.", tally.failures()),
    };
    if matches!(state, State::Translated | State::Up) && !tally.failed.is_empty() {
        let within = if state == State::Up { ", which is within the limit" } else { "" };
        let _ = write!(text, " Besides, {}{within}.", tally.failures());
    }
    if finding != Finding::Blind
        && let Some(ours) = tally.ours
    {
        let _ = write!(text, " {} not made: {ours}.", some(tally.not_made));
    }
    if state == State::Up && finding == Finding::Preserved && tally.inconclusive.is_some() {
        let _ = write!(text, " {} could not be judged.", some(tally.answered - conclusive));
    }
    text
}

/// "0.8 ms", "812 ms"
fn millis(us: u32) -> String {
    let ms = f64::from(us) / 1_000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// The addresses of this agent that were seen.
fn own(tally: &Tally<'_>) -> String {
    let own = tally.seen.iter().filter(|seen| seen.class.is_none());
    own.map(|seen| seen.address.to_string()).collect::<Vec<_>>().join(" or ")
}

/// "10.244.1.1 (pod bridge of node-1 in 10.244.1.0/24), 192.0.2.12 (address of node-2)"
fn foreign(tally: &Tally<'_>) -> String {
    let named: Vec<String> =
        tally.foreign_classes().map(|(address, class)| format!("{address} ({class})")).collect();
    named.join(", ")
}
