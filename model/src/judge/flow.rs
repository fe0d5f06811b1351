//! The verdict on a single flow.

use std::net::{IpAddr, SocketAddr};

use super::Scene;
use crate::{
    address::{AddressClass, unmapped},
    egress::Comparison,
    flow::{Flow, Outcome, SourceReport},
    verdict::{Evidence, FlowFinding},
};

/// What one flow says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowVerdict<'a> {
    /// In one word.
    pub finding: FlowFinding,
    /// Whose address the far side saw, where that is not this agent's.
    pub class: Option<AddressClass>,
    /// Why it says nothing about the source address, or why it failed.
    pub why: Option<&'a str>,
}

const INSIDE: &str = "this agent's own address lies inside the cluster, where traffic to a VIP is not translated as a client's is";
const NO_BASELINE: &str = "the agent's egress address of this address family is not known";
const TRUSTED: &str = "the far side takes the address out of a header that a proxy on the way has set";

/// Judges one flow: from whom did the far side see it come?
#[must_use]
pub fn flow<'a>(flow: &'a Flow, scene: &Scene<'a>) -> FlowVerdict<'a> {
    let plain = |finding, why| FlowVerdict { finding, class: None, why };
    match &flow.outcome {
        Outcome::Answered => plain(FlowFinding::Answered, None),
        Outcome::Unreadable(why) => plain(FlowFinding::Inconclusive, Some(why.as_str())),
        Outcome::Failed(failure) if failure.kind.is_ours() => {
            plain(FlowFinding::NotMade, Some(failure.detail.as_str()))
        }
        Outcome::Failed(failure) => plain(FlowFinding::Failed, Some(failure.detail.as_str())),
        Outcome::Echoed(report) => echoed(flow.local, report, scene),
    }
}

fn echoed<'a>(local: Option<SocketAddr>, report: &SourceReport, scene: &Scene<'a>) -> FlowVerdict<'a> {
    let plain = |finding, why| FlowVerdict { finding, class: None, why };
    if local.is_some_and(|local| is_inside(local.ip(), scene)) {
        return plain(FlowFinding::Inconclusive, Some(INSIDE));
    }
    // A measuring flow sends no such header, so a proxy has set it, and the connection's own peer stays unknown.
    if report.trusts_headers && report.forwarded.contains(&report.address) {
        return plain(FlowFinding::HeaderTrusted, Some(TRUSTED));
    }
    match compare(local, report.address, scene) {
        Comparison::NoBaseline => plain(FlowFinding::Inconclusive, Some(no_baseline(local, scene))),
        Comparison::Same if port_changed(local, report) => plain(FlowFinding::PortChanged, None),
        Comparison::Same => plain(FlowFinding::Preserved, None),
        Comparison::Different => {
            let ours = |claimed: &IpAddr| scene.egress.compare(local, *claimed) == Comparison::Same;
            let finding = if report.forwarded.iter().any(ours) {
                FlowFinding::OnlyInHeader
            } else if report.forwarded.iter().any(|claimed| scene.egress.doubts(local, *claimed)) {
                return plain(FlowFinding::Inconclusive, Some(no_baseline(local, scene)));
            } else {
                FlowFinding::Translated
            };
            FlowVerdict { finding, class: Some(scene.book.classify(report.address)), why: None }
        }
    }
}

fn no_baseline<'a>(local: Option<SocketAddr>, scene: &Scene<'a>) -> &'a str {
    scene.egress.why_unknown(local).unwrap_or(NO_BASELINE)
}

/// Whether `local` is an address of the cluster: from there no translation can be seen.
pub(super) fn is_inside(local: IpAddr, scene: &Scene<'_>) -> bool {
    scene.book.classify(local).is_cluster()
}

/// As [`Egress::compare`](crate::egress::Egress::compare), but a flow of one address family that arrives from the
/// other one has been translated, whether or not there is an egress of that family.
fn compare(local: Option<SocketAddr>, seen: IpAddr, scene: &Scene<'_>) -> Comparison {
    let comparison = scene.egress.compare(local, seen);
    let crossed = local.is_some_and(|local| unmapped(local.ip()).is_ipv4() != unmapped(seen).is_ipv4());
    if comparison == Comparison::NoBaseline && crossed && !scene.egress.expected(local).is_empty() {
        return Comparison::Different;
    }
    comparison
}

/// Whether the far side saw the agent's very address with another port. Behind a NAT of the agent's own the
/// address differs as well, and the port means nothing.
fn port_changed(local: Option<SocketAddr>, report: &SourceReport) -> bool {
    let same_address = |local: &SocketAddr| unmapped(local.ip()) == unmapped(report.address);
    let ports = local.filter(same_address).zip(report.port);
    ports.is_some_and(|(local, port)| local.port() != port)
}

/// The flow as evidence.
pub(super) fn evidence(flow: &Flow, finding: FlowFinding) -> Evidence {
    let report = match &flow.outcome {
        Outcome::Echoed(report) => Some(report),
        _ => None,
    };
    Evidence {
        finding,
        local: flow.local,
        remote: flow.remote,
        seen: report.map(|report| unmapped(report.address)),
        port: report.and_then(|report| report.port),
        failure: flow.failure().map(|failure| failure.kind),
    }
}
