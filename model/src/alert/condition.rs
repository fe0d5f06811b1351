//! What a round says about alerts that do not follow from the state: each of these is counted by a streak of its own.

use super::{AlertKind, Known, Nodes};
use crate::{
    probe::{Subject, TrafficPolicy},
    state::State,
    verdict::{Finding, NoteKind},
};

/// The kinds that the last round of `this` speaks about, and whether it speaks for them. A round that could not see
/// says nothing.
pub fn conditions(this: &Known<'_>, nodes: &Nodes<'_>) -> impl Iterator<Item = (AlertKind, bool)> {
    let notes = [
        (AlertKind::HeadersTrusted, NoteKind::HeadersTrusted),
        (AlertKind::DnsDrift, NoteKind::DnsDrift),
        (AlertKind::CertificateExpiring, NoteKind::CertificateExpiring),
    ];
    let sees = this.verdict.state != State::Unknown;
    // Nothing is noted of a target that does not answer, which does not mean that it is well.
    let answers = sees && this.verdict.state != State::Down;
    let noted = move |(kind, note)| (kind, this.verdict.notes.iter().any(|noted| noted.kind == note));
    let of_notes =
        notes.into_iter().filter(move |_| answers && this.probe.subject.node().is_none()).map(noted);
    of_notes.chain(of_nodes(this, nodes).into_iter().filter(move |_| sees).flatten())
}

/// Whether the service has too few nodes with a ready endpoint. Only a service that ought to be Local has such nodes,
/// and only when all of them have been asked is it known how many there are.
fn of_nodes(this: &Known<'_>, nodes: &Nodes<'_>) -> Option<[(AlertKind, bool); 2]> {
    let Subject::Node { policy: TrafficPolicy::Local, .. } = this.probe.subject else { return None };
    if nodes.known.is_empty() || nodes.known.len() < nodes.configured {
        return None;
    }
    let healthy = healthy(nodes);
    let drifted =
        |node: &Known<'_>| matches!(node.verdict.finding, Finding::PortClosed | Finding::OtherService);
    let none = healthy == 0 && !nodes.known.iter().all(drifted);
    let least = this.probe.rules.min_healthy_nodes as usize;
    Some([(AlertKind::NoHealthyNode, none), (AlertKind::RedundancyLost, healthy > 0 && healthy < least)])
}

/// How many nodes have a ready endpoint. One that nobody can speak for may well have.
pub(super) fn healthy(nodes: &Nodes<'_>) -> usize {
    let healthy = |node: &&Known<'_>| matches!(node.machine.state, State::Up | State::Unknown);
    nodes.known.iter().filter(healthy).count()
}
