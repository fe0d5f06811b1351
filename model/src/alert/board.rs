//! The board of open alerts: at most one of a kind for a subject.
//!
//! What is open follows from confirmed states on every round, not from the moment of their change: a
//! state without the alert that explains it (after a crash, a lost database, a kind that was turned on) gets one by the second
//! round after that, and an alert whose state is over is resolved. So nothing can stay open, or
//! stay untold, for ever.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use chrono::{DateTime, Utc};

use super::{Alert, AlertKey, AlertKind, Scope, condition::hints_at_drift, story};
use crate::{
    notification::Resolution,
    probe::{Probe, ProbeName, Subject},
    state::{Machine, State, Transition},
    verdict::{Finding, Verdict},
};

/// What is known of a probe after its last round.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The probe.
    pub probe: &'a Probe,
    /// Its state machine.
    pub machine: &'a Machine,
    /// The last round's verdict.
    pub verdict: &'a Verdict,
    /// When that was given.
    pub at: DateTime<Utc>,
}

/// The nodes of the service that a probe belongs to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nodes<'a> {
    /// What is known of those that have been polled.
    pub known: &'a [Known<'a>],
    /// How many there are.
    pub configured: usize,
}

/// What a round changed on the board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Alerts that it opened.
    pub opened: Vec<Alert>,
    /// Alerts that it resolved, and how they ended.
    pub resolved: Vec<(Alert, Resolution)>,
}

/// The alerts that are open.
#[derive(Debug, Clone, Default)]
pub struct Board {
    open: HashMap<AlertKey, Alert>,
    /// Nodes that a fresh round found to have lost their endpoints: the alert is for the next one to open.
    lost: HashSet<ProbeName>,
}

impl Board {
    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.open.values()
    }

    /// Whether the alert with this key is open.
    #[must_use]
    pub fn is_open(&self, key: &AlertKey) -> bool {
        self.open.contains_key(key)
    }

    /// Whether an update for a probe needs to know the service's nodes.
    #[must_use]
    pub fn needs_nodes(&self, probe: &Probe, machine: &Machine) -> bool {
        let quiet = machine.state == State::Up && machine.streaks.is_empty() && self.open.is_empty();
        probe.subject.node().is_some() && !quiet
    }

    /// Puts back an alert that was open before a restart. When another one was opened in its place
    /// meanwhile, the older is given back: it has to be told as over.
    #[must_use]
    pub fn remember(&mut self, alert: Alert) -> Option<Alert> {
        if let Some(newer) = self.open.get(&alert.key) {
            return (newer.id != alert.id).then_some(alert);
        }
        self.open.insert(alert.key.clone(), alert);
        None
    }

    /// Takes out the alerts for which `gone` holds, oldest first.
    pub fn remove_if(&mut self, gone: impl Fn(&Alert) -> bool) -> Vec<Alert> {
        let mut removed: Vec<Alert> =
            self.open.extract_if(|_, alert| gone(alert)).map(|(_, alert)| alert).collect();
        removed.sort_by(|a, b| a.id.cmp(&b.id));
        removed
    }

    /// Opens an alert that no round gives rise to, unless it is open already.
    pub fn raise(&mut self, key: &AlertKey, alert: impl FnOnce() -> Alert) -> Changes {
        match self.open.entry(key.clone()) {
            Entry::Occupied(_) => Changes::default(),
            Entry::Vacant(place) => {
                Changes { opened: vec![place.insert(alert()).clone()], ..Changes::default() }
            }
        }
    }

    /// Brings the board up to date after a round of `this`. `nodes` are those of the same service, if
    /// [`Board::needs_nodes`] said so; `transition` is the change of state that the round completed; `new_id` gives a
    /// unique id. A `fresh` round, as for [`Machine::step`], ends alerts, but it opens none: that is for the next one.
    pub fn update(
        &mut self,
        this: &Known<'_>,
        transition: Option<&Transition>,
        nodes: &Nodes<'_>,
        fresh: bool,
        mut new_id: impl FnMut() -> String,
    ) -> Changes {
        let mut changes = Changes::default();
        if !self.open.is_empty() {
            for alert in self.remove_if(|alert| concerns(alert, this) && is_over(alert.key.kind, this, nodes))
            {
                let kind = alert.key.kind;
                let moved_to = successor(this, nodes.known).filter(|_| kind == AlertKind::NodeUnhealthy);
                let resolution = match moved_to {
                    Some(node) => Resolution::by_move(&alert, node, this.at),
                    None => Resolution::because(&alert, story::end(&alert, this, nodes), this.at),
                };
                changes.resolved.push((alert, resolution));
            }
        }
        let steady = this.machine.is_steady();
        // A loss of endpoints is an event: told when it happens, even when another node has taken over
        // already, and not told again when that one passes them on.
        // A node that was silent, or not to be seen, and still has none has lost nothing.
        let untold = self.lost.remove(&this.probe.name);
        let loses = (transition.is_some() || untold) && settled_anew(this.machine) && lost_endpoints(this);
        if loses && (fresh || !steady) {
            self.lost.insert(this.probe.name.clone());
        }
        if fresh {
            return changes;
        }
        let lost = loses.then_some(AlertKind::NodeUnhealthy);
        let of_state = wanted(this, nodes.known).or(lost).filter(|_| steady);
        let flaps = this.machine.flapping.map(|_| AlertKind::Flapping);
        let counted = this.machine.streaks.keys().copied().filter(|kind| this.machine.holds(*kind).is_some());
        for kind in of_state.into_iter().chain(flaps).chain(counted) {
            if this.probe.rules.of(kind).enabled
                && let Entry::Vacant(place) = self.open.entry(AlertKey::new(kind, this.probe))
            {
                let alert = Alert::open(new_id(), kind, this);
                changes.opened.push(place.insert(alert).clone());
            }
        }
        changes
    }
}

/// Whether a round of `this` can end the alert.
fn concerns(alert: &Alert, this: &Known<'_>) -> bool {
    let subject = alert.key.subject.as_str();
    match alert.key.kind.scope() {
        Scope::Probe => subject == this.probe.name.as_str(),
        Scope::Service => {
            this.probe.subject.node().is_some() && this.probe.subject.service() == Some(subject)
        }
        Scope::Vantage => false,
    }
}

/// The alert that the confirmed state of `this` calls for.
fn wanted(this: &Known<'_>, nodes: &[Known<'_>]) -> Option<AlertKind> {
    match (this.machine.state, &this.probe.subject) {
        (State::Up | State::Idle | State::Unknown, _) => None,
        (State::Translated, _) => Some(AlertKind::SourceTranslated),
        (State::Degraded, _) => Some(AlertKind::Degraded),
        (State::Down, Subject::Node { .. }) => port_or_node(this, nodes),
        (State::Down, Subject::Host { .. }) => Some(AlertKind::NodeDown),
        (State::Down, _) => Some(AlertKind::Unreachable),
    }
}

/// Tells policy drift from trouble on one node: a health check port that is closed, or another
/// service's, on *every* node is the service's affair; while another node still answers, it is this node's.
/// Until every other node has been polled since the trouble began, it is too early to tell.
fn port_or_node(this: &Known<'_>, nodes: &[Known<'_>]) -> Option<AlertKind> {
    if this.verdict.finding == Finding::PolicyLocal {
        return Some(AlertKind::PolicyDrift); // One node is proof enough: the port is open under Local only.
    }
    if !hints_at_drift(this.verdict.finding) {
        return Some(AlertKind::NodeDown);
    }
    let began = this.machine.began.unwrap_or(this.at);
    let others = || nodes.iter().filter(|node| node.probe.name != this.probe.name);
    if others().any(|node| node.at >= began && answers(node.verdict.finding)) {
        Some(AlertKind::NodeDown)
    } else if others().any(|node| node.at < began) {
        None
    } else if others().all(|node| hints_at_drift(node.verdict.finding)) {
        Some(AlertKind::PolicyDrift)
    } else {
        Some(AlertKind::NodeDown)
    }
}

/// Whether an alert of `kind` is over, after a round of `this` that [`concerns`] it.
fn is_over(kind: AlertKind, this: &Known<'_>, nodes: &Nodes<'_>) -> bool {
    let state = this.machine.state;
    if !this.probe.rules.of(kind).enabled {
        return true;
    }
    let over = match kind {
        // Counted on their own, whether the state is steady or not.
        AlertKind::Flapping => return this.machine.flapping.is_none(),
        AlertKind::HeadersTrusted | AlertKind::DnsDrift | AlertKind::CertificateExpiring => {
            return this.machine.holds(kind).is_none();
        }
        AlertKind::NoHealthyNode | AlertKind::RedundancyLost => {
            let all_asked = nodes.known.len() >= nodes.configured;
            return all_asked && nodes.known.iter().all(|node| node.machine.holds(kind).is_none());
        }
        AlertKind::EgressChanged | AlertKind::VantageBlind => return false,
        AlertKind::SourceTranslated => {
            // Some flows fail, but those that tell are as they ought to be.
            let told_well =
                !this.verdict.seen.is_empty() && this.verdict.seen.iter().all(|seen| seen.class.is_none());
            state == State::Up || (state == State::Degraded && told_well)
        }
        AlertKind::Unreachable => matches!(state, State::Up | State::Degraded | State::Translated),
        AlertKind::Degraded => matches!(state, State::Up | State::Translated | State::Down),
        AlertKind::NodeUnhealthy => state == State::Up || successor(this, nodes.known).is_some(),
        AlertKind::NodeDown => {
            matches!(state, State::Up | State::Idle)
                || wanted(this, nodes.known) == Some(AlertKind::PolicyDrift)
        }
        AlertKind::PolicyDrift => answers_for_service(this) && !nodes.known.iter().any(proves_local),
    };
    over && this.machine.is_steady()
}

/// Whether the node's health check port is known to behave as the service's policy has it: to answer for the
/// service under Local, to be closed under Cluster.
fn answers_for_service(node: &Known<'_>) -> bool {
    let finding = node.verdict.finding;
    let as_cluster = node.machine.state == State::Up && finding == Finding::PortClosed;
    as_cluster || matches!(node.machine.state, State::Up | State::Idle) && answers(finding)
}

/// Whether the node is known to serve a health check port that is open under Local only.
fn proves_local(node: &Known<'_>) -> bool {
    node.machine.state == State::Down && node.verdict.finding == Finding::PolicyLocal
}

fn answers(finding: Finding) -> bool {
    matches!(finding, Finding::Ready | Finding::NoEndpoints | Finding::ProxyUnhealthy)
}

/// Whether the node had ready endpoints while it was watched, and has none now.
fn lost_endpoints(this: &Known<'_>) -> bool {
    // A kube-proxy that becomes idle announces that its node is leaving on purpose.
    let has_endpoints = matches!(this.probe.subject, Subject::Node { .. });
    has_endpoints && this.machine.state == State::Idle && this.machine.settled_before == Some(State::Up)
}

/// Whether the state is another one than the last in which the target spoke for itself.
fn settled_anew(machine: &Machine) -> bool {
    machine.settled_began == machine.began
}

/// The node that got its first ready endpoint since this one lost its last: the pod moved. One that was silent, or not to be seen,
/// and still has one did not get it.
fn successor<'a>(this: &Known<'_>, nodes: &[Known<'a>]) -> Option<&'a str> {
    let lost = this.machine.settled_began.or(this.machine.began).filter(|_| lost_endpoints(this))?;
    let since_then = |node: &&Known<'_>| {
        let machine = node.machine;
        machine.state == State::Up
            && settled_anew(machine)
            && machine.since.is_some_and(|since| since >= lost)
    };
    nodes.iter().find(since_then)?.probe.subject.node()
}
