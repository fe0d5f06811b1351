//! The flows of a round, counted by what they say.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr};

use super::{Scene, flow};
use crate::{
    address::{AddressClass, default_pod_network, unmapped},
    flow::{FailureKind, Flow, Outcome, SourceReport},
    verdict::{Evidence, FlowFinding, Responder, Seen},
};

/// How the flows of a round divide. The order of the flows makes no difference to it, except to the evidence.
#[derive(Default)]
pub(super) struct Tally<'a> {
    /// Flows that were tried.
    pub(super) flows: u32,
    /// Flows that got an answer.
    pub(super) answered: u32,
    /// Flows that arrived from an egress address, with whatever port.
    pub(super) preserved: u32,
    /// Those of them that arrived from another port.
    pub(super) port_changed: u32,
    /// Flows that arrived from a foreign address, which no header makes up for.
    pub(super) translated: u32,
    /// Flows that arrived from a foreign address, with an egress address in a header.
    pub(super) only_in_header: u32,
    /// Flows whose report comes out of a header.
    pub(super) header_trusted: u32,
    /// Answered, but with nothing that could be compared; a reason why.
    pub(super) inconclusive: Option<&'a str>,
    /// Failed by the target's fault, and a detail.
    pub(super) failed: BTreeMap<FailureKind, (u32, Option<&'a str>)>,
    /// Those of them whose connection stood: somebody answers at the target's address.
    pub(super) failed_connected: u32,
    /// Not made, by the agent's own fault.
    pub(super) ours: Option<&'a str>,
    /// How many were not made.
    pub(super) not_made: u32,
    /// Datagrams that were sent again.
    pub(super) retransmits: u32,
    /// A flow's own port and the one that was seen in its place.
    pub(super) a_changed_port: Option<(u16, u16)>,
    /// Whether the agent's own end lies inside the cluster.
    pub(super) inside: Option<IpAddr>,
    /// The addresses that were reported, most flows first.
    pub(super) seen: Vec<Seen>,
    /// The addresses that were expected.
    pub(super) expected: Vec<String>,
    /// Who answered.
    pub(super) answered_by: Vec<Responder>,
    /// Flow by flow.
    pub(super) evidence: Vec<Evidence>,
}

impl<'a> Tally<'a> {
    pub(super) fn of(flows: &'a [Flow], scene: &Scene<'a>) -> Self {
        let mut tally = Self { flows: u32::try_from(flows.len()).unwrap_or(u32::MAX), ..Self::default() };
        for flow in flows {
            tally.add(flow, scene);
        }
        tally.seen.sort_by(|a, b| b.flows.cmp(&a.flows).then(a.address.cmp(&b.address)));
        tally.answered_by.sort();
        tally.expected.sort();
        tally
    }

    /// Flows that tell whether the connection's own source address survives.
    pub(super) fn conclusive(&self) -> u32 {
        self.preserved + self.foreign()
    }

    /// Flows that arrived from a foreign address.
    pub(super) fn foreign(&self) -> u32 {
        self.translated + self.only_in_header
    }

    /// Flows that failed by the target's fault, as a share of those that were made, in percent and rounded up.
    pub(super) fn loss_percent(&self) -> u32 {
        let failed: u32 = self.failed.values().map(|(n, _)| n).sum();
        (failed * 100).div_ceil((failed + self.answered).max(1))
    }

    /// Whether nothing but answers of the wrong content came.
    pub(super) fn only_wrong_answers(&self) -> bool {
        self.failed.keys().all(|kind| matches!(kind, FailureKind::Status | FailureKind::Unexpected))
    }

    /// Whether an address of the cluster, or of what is usually a pod network, took the client's place.
    pub(super) fn blames_cluster(&self) -> bool {
        self.foreign_classes()
            .any(|(address, class)| class.is_cluster_network() || default_pod_network(address).is_some())
    }

    /// The target's address, where the flows agree on one.
    pub(super) fn remote(&self) -> Option<IpAddr> {
        let mut remotes = self.evidence.iter().filter_map(|flow| Some(flow.remote?.ip()));
        let first = remotes.next()?;
        remotes.all(|other| other == first).then_some(first)
    }

    /// Whether every flow that failed had a connection first.
    pub(super) fn all_connected(&self) -> bool {
        self.failed_connected > 0
            && self.failed_connected == self.failed.values().map(|(n, _)| n).sum::<u32>()
    }

    /// The foreign addresses and whose they are.
    pub(super) fn foreign_classes(&self) -> impl Iterator<Item = (IpAddr, &AddressClass)> {
        self.seen.iter().filter_map(|seen| Some((seen.address, seen.class.as_ref()?)))
    }

    /// "3 timed out, 1 was refused"
    pub(super) fn failures(&self) -> String {
        let mut text = String::new();
        for (kind, (n, detail)) in &self.failed {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{n} {}", kind.words(*n));
            let telling = matches!(
                kind,
                FailureKind::Status
                    | FailureKind::Tls
                    | FailureKind::Resolve
                    | FailureKind::Unexpected
                    | FailureKind::Protocol
            );
            if let Some(detail) = detail.filter(|_| telling) {
                let _ = write!(text, " ({detail})");
            }
        }
        text
    }

    fn add(&mut self, flow: &'a Flow, scene: &Scene<'a>) {
        let verdict = flow::flow(flow, scene);
        self.evidence.push(flow::evidence(flow, verdict.finding));
        match verdict.finding {
            FlowFinding::NotMade => {
                self.not_made += 1;
                keep_least(&mut self.ours, verdict.why);
            }
            FlowFinding::Failed => {
                let kind = flow.failure().map_or(FailureKind::Protocol, |failure| failure.kind);
                let after_connecting =
                    matches!(kind, FailureKind::Reset | FailureKind::Protocol | FailureKind::Tls);
                let connected = after_connecting || flow.phases.connect_us.is_some();
                self.failed_connected += u32::from(connected);
                let (n, detail) = self.failed.entry(kind).or_default();
                *n += 1;
                keep_least(detail, verdict.why);
            }
            _ => {
                self.answered += 1;
                self.retransmits += u32::from(flow.retransmits);
            }
        }
        match verdict.finding {
            FlowFinding::Preserved => self.preserved += 1,
            FlowFinding::PortChanged => {
                self.preserved += 1;
                self.port_changed += 1;
            }
            FlowFinding::Translated => self.translated += 1,
            FlowFinding::OnlyInHeader => self.only_in_header += 1,
            FlowFinding::HeaderTrusted => {
                self.header_trusted += 1;
                keep_least(&mut self.inconclusive, verdict.why);
            }
            FlowFinding::Inconclusive => keep_least(&mut self.inconclusive, verdict.why),
            FlowFinding::Answered | FlowFinding::Failed | FlowFinding::NotMade => {}
        }
        if let Some(local) = flow.local.filter(|local| flow::is_inside(local.ip(), scene)) {
            self.inside = Some(self.inside.map_or(local.ip(), |other| other.min(local.ip())));
        }
        if let Outcome::Echoed(report) = &flow.outcome {
            self.note_report(flow, report, verdict.finding, verdict.class, scene);
        }
    }

    fn note_report(
        &mut self,
        flow: &Flow,
        report: &SourceReport,
        finding: FlowFinding,
        class: Option<AddressClass>,
        scene: &Scene<'_>,
    ) {
        for address in scene.egress.expected(flow.local) {
            if !self.expected.contains(&address) {
                self.expected.push(address);
            }
        }
        if finding == FlowFinding::PortChanged {
            let ports = flow.local.map(|local| local.port()).zip(report.port);
            self.a_changed_port = self.a_changed_port.into_iter().chain(ports).min();
        }
        if finding != FlowFinding::Inconclusive && finding != FlowFinding::HeaderTrusted {
            let in_header = u32::from(finding == FlowFinding::OnlyInHeader);
            let address = unmapped(report.address);
            let known = |seen: &&mut Seen| seen.address == address && seen.class == class;
            match self.seen.iter_mut().find(known) {
                Some(seen) => {
                    seen.flows += 1;
                    seen.in_header += in_header;
                }
                None => self.seen.push(Seen { address, class, flows: 1, in_header }),
            }
        }
        // Only those who say who they are can be told apart.
        if report.node.is_some() || report.pod.is_some() {
            let known = |by: &&mut Responder| by.node == report.node && by.pod == report.pod;
            match self.answered_by.iter_mut().find(known) {
                Some(by) => by.flows += 1,
                None => {
                    let (node, pod) = (report.node.clone(), report.pod.clone());
                    self.answered_by.push(Responder { node, pod, flows: 1 });
                }
            }
        }
    }
}

/// One detail stands for all of its kind; which one must not depend on the order of the flows.
fn keep_least<'a>(kept: &mut Option<&'a str>, detail: Option<&'a str>) {
    if let Some(detail) = detail
        && kept.is_none_or(|kept| detail < kept)
    {
        *kept = Some(detail);
    }
}
