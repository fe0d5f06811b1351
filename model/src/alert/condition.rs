//! What a round says about alerts that do not follow from the state: each of these is counted by a streak of its own.

use super::{AlertKind, Known, Nodes};
use crate::{
    probe::{Subject, TrafficPolicy},
    state::State,
    verdict::{Finding, NoteKind},
};

/// The kinds that the last round of `this` speaks about, and whether it speaks for them. A round that could not see
/// says nothing of its target. Of the service it passes on what the other nodes say, and only where that has been confirmed to
/// hold before: a node that is not seen for ever must not keep an alert open for ever.
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
    let may_say = move |(kind, _): &(AlertKind, bool)| sees || this.machine.holds(*kind).is_some();
    of_notes.chain(of_nodes(this, nodes).into_iter().flatten().filter(may_say))
}

/// Whether the service has too few nodes with a ready endpoint. Only a service that ought to be Local has such nodes,
/// and only when all of them have been asked is it known how many there are.
fn of_nodes(this: &Known<'_>, nodes: &Nodes<'_>) -> Option<[(AlertKind, bool); 2]> {
    let over = Some([(AlertKind::NoHealthyNode, false), (AlertKind::RedundancyLost, false)]);
    match this.probe.subject {
        Subject::Node { policy: TrafficPolicy::Local, .. } => {}
        // What was counted while the service was configured as Local is over.
        Subject::Node { .. } => return over,
        _ => return None,
    }
    let nobody_sees = nodes.known.iter().all(|node| node.verdict.state == State::Unknown);
    if nobody_sees || nodes.known.len() < nodes.configured {
        return None;
    }
    if is_drifted(nodes) {
        return over;
    }
    let least = this.probe.rules.min_healthy_nodes as usize;
    let holds = |kind, too_few: fn(usize, usize) -> bool| {
        let over_when = if this.machine.holds(kind).is_some() { Health::Confirmed } else { Health::Possible };
        (kind, too_few(healthy(nodes, over_when), least))
    };
    Some([
        holds(AlertKind::NoHealthyNode, |healthy, _| healthy == 0),
        holds(AlertKind::RedundancyLost, |healthy, least| healthy < least),
    ])
}

/// Which nodes count as having a ready endpoint. What opens an alert has to be beyond doubt, and so has what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Those whose state says so, or did when they spoke of it last.
    Confirmed,
    /// Those whose last word says so, too, and those that cannot be seen.
    Possible,
}

/// How many nodes have a ready endpoint. A node that was never seen may well have. A port that is closed or answers for another
/// service says nothing of it: the node counts for what it was when its port answered last.
pub(super) fn healthy(nodes: &Nodes<'_>, health: Health) -> usize {
    let has_none = match health {
        Health::Confirmed => confirmed_to_have_none,
        Health::Possible => seems_to_have_none,
    };
    nodes.known.iter().filter(|node| !has_none(node)).count()
}

fn confirmed_to_have_none(node: &Known<'_>) -> bool {
    match node.machine.seen() {
        State::Down if hints_at_drift(node.verdict.finding) => node.machine.settled == Some(State::Idle),
        state => matches!(state, State::Idle | State::Down),
    }
}

fn seems_to_have_none(node: &Known<'_>) -> bool {
    let last_word = node.verdict.finding;
    matches!(node.machine.state, State::Idle | State::Down)
        && matches!(last_word, Finding::NoEndpoints | Finding::NodeSilent | Finding::ProxyUnhealthy)
}

/// Whether the ports are closed, or another service's, on every node: they do not tell any more who has a ready endpoint.
pub(super) fn is_drifted(nodes: &Nodes<'_>) -> bool {
    let drifted =
        |node: &Known<'_>| node.machine.state == State::Down && hints_at_drift(node.verdict.finding);
    nodes.known.iter().all(drifted)
}

/// Whether a node's health check port behaves as it does once the service's policy was changed.
pub(super) fn hints_at_drift(finding: Finding) -> bool {
    matches!(finding, Finding::PortClosed | Finding::OtherService | Finding::PolicyLocal)
}
