//! The verdict on the source address, from the flows of one round.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr};

use super::{Scene, connections};
use crate::{
    address::AddressBook,
    egress::Comparison,
    flow::{FailureKind, Outcome, SourceReport},
    observation::Sight,
    probe::{Expectation, Probe, Subject, TrafficPolicy},
    state::State,
    verdict::{Finding, Responder, Seen, Verdict},
};

/// How the flows of a round divide.
#[derive(Default)]
struct Tally<'a> {
    answered: u32,
    preserved: u32,
    translated: u32,
    /// Answered, but with nothing that could be compared; a reason why.
    inconclusive: Option<&'a str>,
    /// Failed by the target's fault.
    failed: BTreeMap<FailureKind, (u32, Option<&'a str>)>,
    /// Not made, by the agent's own fault.
    ours: Option<&'a str>,
}

/// Judges one round of a source or reachability probe.
///
/// Faults of the agent never count against the target: a round in which only they occurred is
/// [`Finding::Blind`] and its state unknown. A single translated flow outweighs everything else where
/// the address ought to survive.
#[must_use]
pub fn source(probe: &Probe, sight: &Sight, scene: &Scene<'_>) -> Verdict {
    let Scene { egress, book, .. } = *scene;
    let flows = &sight.flows;
    let mut seen: Vec<Seen> = Vec::new();
    let mut expected = Vec::new();
    let mut responders: Vec<Responder> = Vec::new();
    let mut tally = Tally::default();

    for flow in flows {
        match &flow.outcome {
            Outcome::Answered => tally.answered += 1,
            Outcome::Unreadable(why) => {
                tally.answered += 1;
                keep_least(&mut tally.inconclusive, why);
            }
            Outcome::Failed(failure) if failure.kind.is_ours() => {
                keep_least(&mut tally.ours, &failure.detail);
            }
            Outcome::Failed(failure) => {
                let (n, detail) = tally.failed.entry(failure.kind).or_default();
                *n += 1;
                keep_least(detail, &failure.detail);
            }
            Outcome::Echoed(report) => {
                tally.answered += 1;
                for address in egress.expected(flow.local) {
                    if !expected.contains(&address) {
                        expected.push(address);
                    }
                }
                answered_by(&mut responders, report);
                match egress.compare(flow.local, report.address) {
                    Comparison::Same
                        if flow.local.is_some_and(|local| book.classify(local.ip()).is_cluster()) =>
                    {
                        keep_least(&mut tally.inconclusive, INSIDE);
                    }
                    Comparison::Same => {
                        tally.preserved += 1;
                        count(&mut seen, report.address, None);
                    }
                    Comparison::Different => {
                        tally.translated += 1;
                        count(&mut seen, report.address, Some(book));
                    }
                    Comparison::NoBaseline => {
                        let why = egress.why_unknown(flow.local).unwrap_or(NO_BASELINE);
                        keep_least(&mut tally.inconclusive, why);
                    }
                }
            }
        }
    }
    seen.sort_by(|a, b| b.flows.cmp(&a.flows).then(a.address.cmp(&b.address)));
    responders.sort();
    expected.sort();

    let (finding, state) = decide(&probe.expectation, &tally);
    Verdict {
        reason: reason(probe, finding, state, &tally, &seen, &expected),
        remedy: remedy(probe, finding, state, &seen),
        expected: if probe.expectation == Expectation::Preserved { expected } else { Vec::new() },
        seen,
        answered: tally.answered,
        flows: u32::try_from(flows.len()).unwrap_or(u32::MAX),
        answered_by: responders,
        ..Verdict::new(finding, state, "")
    }
}

const INSIDE: &str =
    "this agent's own address lies inside the cluster, where traffic to a VIP is never translated";
const NO_BASELINE: &str = "the agent's egress address of this address family is not known";

fn decide(expectation: &Expectation, tally: &Tally<'_>) -> (Finding, State) {
    let failing = !tally.failed.is_empty();
    let finding = match (tally.preserved, tally.translated) {
        (0, 0) if tally.answered == 0 && failing => return (Finding::Unreachable, State::Down),
        (0, 0) if tally.answered == 0 => return (Finding::Blind, State::Unknown),
        (0, 0) if *expectation == Expectation::Answer => Finding::Answering,
        (0, 0) => Finding::Inconclusive,
        (_, 0) => Finding::Preserved,
        (0, _) => Finding::Translated,
        (_, _) => Finding::PartlyTranslated,
    };
    match (expectation, finding) {
        (Expectation::Preserved, Finding::Translated | Finding::PartlyTranslated) => {
            (finding, State::Translated)
        }
        _ if failing => (Finding::PartlyFailing, State::Degraded),
        (Expectation::Preserved, Finding::Inconclusive) => (finding, State::Unknown),
        _ => (finding, State::Up),
    }
}

/// One detail stands for all of its kind; which one must not depend on the order of the flows.
fn keep_least<'a>(kept: &mut Option<&'a str>, detail: &'a str) {
    if kept.is_none_or(|kept| detail < kept) {
        *kept = Some(detail);
    }
}

fn count(seen: &mut Vec<Seen>, address: IpAddr, book: Option<&AddressBook>) {
    let class = book.map(|book| book.classify(address));
    match seen.iter_mut().find(|seen| seen.address == address && seen.class == class) {
        Some(seen) => seen.flows += 1,
        None => seen.push(Seen { address, class, flows: 1, in_header: 0 }),
    }
}

/// Counts who answered, as far as they say who they are.
fn answered_by(responders: &mut Vec<Responder>, report: &SourceReport) {
    if report.node.is_none() && report.pod.is_none() {
        return;
    }
    match responders.iter_mut().find(|known| known.node == report.node && known.pod == report.pod) {
        Some(known) => known.flows += 1,
        None => {
            responders.push(Responder { node: report.node.clone(), pod: report.pod.clone(), flows: 1 });
        }
    }
}

fn foreign(seen: &[Seen]) -> String {
    let foreign = seen.iter().filter_map(|seen| Some((seen, seen.class.as_ref()?)));
    let named: Vec<String> = foreign.map(|(seen, class)| format!("{} ({class})", seen.address)).collect();
    named.join(", ")
}

fn failures(tally: &Tally<'_>) -> String {
    let mut text = String::new();
    for (kind, (n, detail)) in &tally.failed {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{n} {}", kind.words(*n));
        if *kind == FailureKind::Status || *kind == FailureKind::Tls || *kind == FailureKind::Resolve {
            let _ = write!(text, " ({})", detail.unwrap_or("no detail"));
        }
    }
    text
}

fn reason(
    probe: &Probe,
    finding: Finding,
    state: State,
    tally: &Tally<'_>,
    seen: &[Seen],
    expected: &[String],
) -> String {
    let target = probe.subject.target();
    let conclusive = tally.preserved + tally.translated;
    let expected = expected.join(" or ");
    let mut text = match finding {
        Finding::Preserved => {
            format!(
                "{} of {conclusive} connections to {target} arrived from {expected}, this agent's own address.",
                tally.preserved
            )
        }
        Finding::Translated if state == State::Translated => format!(
            "All {} to {target} arrived from {} instead of {expected}: the client's address is lost on the way.",
            connections(conclusive),
            foreign(seen)
        ),
        Finding::PartlyTranslated if state == State::Translated => format!(
            "{} of {conclusive} connections to {target} arrived from {} instead of {expected}: some clients' addresses are lost on the way.",
            tally.translated,
            foreign(seen)
        ),
        Finding::Translated | Finding::PartlyTranslated => format!(
            "{} of {conclusive} connections to {target} arrived from {}, which is allowed here.",
            tally.translated,
            foreign(seen)
        ),
        Finding::Inconclusive => format!(
            "{} answered by {target}, but the source address cannot be judged: {}.",
            connections(tally.answered),
            tally.inconclusive.unwrap_or("no answer tells it")
        ),
        Finding::Answering => format!("{target} answered {}.", connections(tally.answered)),
        Finding::PartlyFailing => {
            format!("{} to {target} answered, but {}.", connections(tally.answered), failures(tally))
        }
        Finding::Blind => {
            format!("Nothing can be said about {target}: {}.", tally.ours.unwrap_or("no connection was made"))
        }
        _ => format!("No connection to {target} was answered: {}.", failures(tally)),
    };
    if state == State::Translated && !tally.failed.is_empty() {
        let _ = write!(text, " Besides, {}.", failures(tally));
    }
    if state == State::Up && finding == Finding::Preserved && tally.inconclusive.is_some() {
        let _ = write!(text, " {} could not be judged.", connections(tally.answered - conclusive));
    }
    text
}

fn remedy(probe: &Probe, finding: Finding, state: State, seen: &[Seen]) -> Option<String> {
    let service = match &probe.subject {
        Subject::Vip { service, policy, .. } => {
            Some((service.split_once('/').unwrap_or(("default", service)), *policy))
        }
        _ => None,
    };
    let in_cluster =
        seen.iter().any(|seen| seen.class.as_ref().is_some_and(crate::address::AddressClass::is_cluster));
    match (state, service) {
        (State::Translated, Some(((namespace, name), TrafficPolicy::Local))) if in_cluster => Some(format!(
            "Look at the policy: `kubectl -n {namespace} get service {name} -o jsonpath='{{.spec.externalTrafficPolicy}}'`. \
             If it says Cluster, restore it: `kubectl -n {namespace} patch service {name} -p '{{\"spec\":{{\"externalTrafficPolicy\":\"Local\"}}}}'`. \
             If it still says Local, a CNI or kube-proxy masquerade rule is at work on the node named above."
        )),
        (State::Translated, _) => Some(
            "The address belongs to nothing in [cluster]. If this agent reaches the target through a NAT, tell vipwatch \
             the address behind it with `[egress] from = [\"static\"]`; otherwise look for a proxy in between."
                .to_owned(),
        ),
        (State::Down, Some(((namespace, name), _))) => Some(format!(
            "See whether the service has ready endpoints and who announces the VIP: `kubectl -n {namespace} get \
             endpointslices -l kubernetes.io/service-name={name}` and `kubectl -n {namespace} describe service {name}`."
        )),
        (State::Unknown, _) if finding == Finding::Blind => {
            Some("Look at this agent's host: link, address, default route, limits.".to_owned())
        }
        _ => None,
    }
}
