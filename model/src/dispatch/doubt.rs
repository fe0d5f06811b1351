//! Which open alerts nothing new is told of before it is known that they still hold: those from before a restart, and those that
//! another alert inhibited that is over now.
//!
//! Each kind asks for a round that would call for such an alert by itself. What is about several nodes waits until each of
//! them has been asked since: what the others said before may be out of date.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    alert::{Alert, AlertKind, Known, Nodes, conditions},
    probe::ProbeName,
    state::State,
    verdict::Finding,
};

/// The alerts in doubt, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubts(BTreeMap<String, Settled>);

/// The nodes of the alert's service that have been asked since the doubt arose, and of whose state nothing is being counted.
type Settled = BTreeSet<ProbeName>;

impl Doubts {
    /// From now on it is in doubt whether the alert still holds. That the egress was another one is news, and stays true.
    pub(super) fn raise(&mut self, alert: &Alert) {
        if alert.key.kind != AlertKind::EgressChanged {
            self.0.insert(alert.id.clone(), Settled::new());
        }
    }

    /// Whether the alert with this id is in doubt.
    pub(super) fn cover(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// There is no doubt any more. Tells whether there was.
    pub(super) fn settle(&mut self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    /// A round of `this` was judged, and left these alerts open. Tells whether that settles anything.
    pub(super) fn judged<'a>(
        &mut self,
        this: &Known<'_>,
        nodes: &Nodes<'_>,
        open: impl Fn(&str) -> Option<&'a Alert>,
    ) -> bool {
        let before = self.0.len();
        if before == 0 {
            return false;
        }
        let round = Heard::of(this, nodes);
        self.0.retain(|id, settled| open(id).is_some_and(|alert| !round.confirms(alert, settled)));
        self.0.len() < before
    }
}

/// What a round said.
struct Heard<'a> {
    this: &'a Known<'a>,
    nodes: &'a Nodes<'a>,
    /// What it took note of.
    noted: Vec<AlertKind>,
}

impl<'a> Heard<'a> {
    fn of(this: &'a Known<'a>, nodes: &'a Nodes<'a>) -> Self {
        let noted = conditions(this, nodes).filter(|(_, holds)| *holds).map(|(kind, _)| kind);
        Self { this, nodes, noted: noted.collect() }
    }

    /// Whether the alert holds. `settled` is kept up to date.
    fn confirms(&self, alert: &Alert, settled: &mut Settled) -> bool {
        let kind = alert.key.kind;
        let probe = self.this.probe;
        let own = alert.probe == probe.name.as_str();
        let of_service =
            probe.subject.node().is_some() && probe.subject.service() == alert.service.as_deref();
        match kind {
            AlertKind::SourceTranslated => own && self.is(&[State::Translated, State::Degraded]),
            AlertKind::Degraded => own && self.is(&[State::Degraded]),
            AlertKind::Unreachable | AlertKind::NodeDown => own && self.is(&[State::Down]),
            AlertKind::Flapping => {
                own && self.this.verdict.state != State::Unknown && self.this.machine.flapping.is_some()
            }
            AlertKind::HeadersTrusted | AlertKind::DnsDrift | AlertKind::CertificateExpiring => {
                own && self.noted.contains(&kind)
            }
            // Its pod may have moved to any other node.
            AlertKind::NodeUnhealthy => of_service && self.all_are(settled) && own && self.is(&[State::Idle]),
            AlertKind::NoHealthyNode | AlertKind::RedundancyLost => {
                of_service && self.all_are(settled) && self.noted.contains(&kind)
            }
            AlertKind::PolicyDrift => of_service && self.all_are(settled) && self.is(&[State::Down]),
            AlertKind::VantageBlind => self.this.verdict.finding == Finding::Blind,
            AlertKind::EgressChanged => true,
        }
    }

    /// Whether it says what the state says, and that is one of these.
    fn is(&self, states: &[State]) -> bool {
        self.this.machine.is_steady() && states.contains(&self.this.machine.state)
    }

    /// Whether all nodes are settled, after this one was asked.
    fn all_are(&self, settled: &mut Settled) -> bool {
        let machine = self.this.machine;
        let unknown = machine.state == State::Unknown && machine.candidate.is_none();
        if machine.is_steady() || unknown {
            settled.insert(self.this.probe.name.clone());
        } else {
            settled.remove(&self.this.probe.name);
        }
        let known = self.nodes.known;
        known.len() >= self.nodes.configured && known.iter().all(|node| settled.contains(&node.probe.name))
    }
}
