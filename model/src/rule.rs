//! When an alert of a kind is opened and resolved, and how bad it is: what the configuration says of one probe.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;

use crate::{
    alert::{AlertKind, Severity},
    state::State,
};

/// The most rounds that a rule or a flapping window looks back.
pub const LONGEST_WINDOW: u32 = 64;
/// How long before a certificate expires that is told, where nothing else is configured.
pub const EXPIRES_WITHIN: TimeDelta = TimeDelta::days(14);

/// The rule of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether there are alerts of the kind at all.
    pub enabled: bool,
    /// How bad they are.
    pub severity: Severity,
    /// Bad rounds that it takes. Zero means the same as one.
    pub rounds: u32,
    /// Among how many of the latest, up to [`LONGEST_WINDOW`]; the same as `rounds` where they have to be consecutive.
    pub of: u32,
    /// How long there have to be so many besides, counted from the first of them.
    pub lasting: TimeDelta,
    /// Good rounds on end that resolve it. Zero means the same as one.
    pub resolve_after: u32,
}

/// When a probe changes its mind too often: as in Nagios, a share of changes over a window, and a smaller one to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flapping {
    /// Rounds that are looked at, up to [`LONGEST_WINDOW`]; zero turns it off.
    pub window: u32,
    /// From which share of changes on a probe flaps, in percent.
    pub enter: u32,
    /// Below which share it does so no longer, in percent.
    pub leave: u32,
}

/// All rules for one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The rule of every kind that has one of its own.
    pub own: Arc<BTreeMap<AlertKind, Rule>>,
    /// Bad rounds on end that it takes for every other kind.
    pub alert_after: u32,
    /// Good rounds on end that resolve every other kind.
    pub resolve_after: u32,
    /// The kind that goes with *down*: [`AlertKind::Unreachable`], or of a node [`AlertKind::NodeDown`].
    pub down: AlertKind,
    /// With fewer healthy nodes than this, a service's redundancy is lost; zero for no such wish.
    pub min_healthy_nodes: u32,
    /// When the probe flaps.
    pub flapping: Flapping,
    /// A certificate that is valid for less than this is about to expire.
    pub expires_within: TimeDelta,
    /// Rounds further apart than this are not consecutive: the agent was away in between.
    pub stale_after: TimeDelta,
}

impl Flapping {
    /// Never.
    pub const OFF: Self = Self { window: 0, enter: 100, leave: 100 };
}

impl Default for Flapping {
    /// The share of Nagios over its 21 checks.
    fn default() -> Self {
        Self { window: 21, enter: 30, leave: 20 }
    }
}

impl Rule {
    /// Whether the rounds that it takes have to be on end.
    #[must_use]
    pub fn is_on_end(&self) -> bool {
        self.of <= self.rounds
    }
}

impl Rules {
    /// The same thresholds for every kind, and no flapping.
    #[must_use]
    pub fn uniform(alert_after: u32, resolve_after: u32, stale_after: TimeDelta) -> Self {
        Self {
            own: Arc::default(),
            alert_after,
            resolve_after,
            down: AlertKind::Unreachable,
            min_healthy_nodes: 0,
            flapping: Flapping::OFF,
            expires_within: EXPIRES_WITHIN,
            stale_after,
        }
    }

    /// The rule of `kind`.
    #[must_use]
    pub fn of(&self, kind: AlertKind) -> Rule {
        self.own.get(&kind).copied().unwrap_or_else(|| self.base(kind))
    }

    /// The rule of `kind` where it has none of its own.
    #[must_use]
    pub fn base(&self, kind: AlertKind) -> Rule {
        let (rounds, resolve_after) = match kind {
            // They follow from states that took as many rounds to confirm.
            AlertKind::NoHealthyNode | AlertKind::RedundancyLost => (1, 1),
            _ => (self.alert_after, self.resolve_after),
        };
        Rule {
            enabled: true,
            severity: kind.severity(),
            rounds,
            of: rounds,
            lasting: TimeDelta::zero(),
            resolve_after,
        }
    }

    /// The rule by which a probe enters `state`: that of the alert that goes with it.
    #[must_use]
    pub fn of_state(&self, state: State) -> Rule {
        self.of(self.kind_of(state))
    }

    /// The alert that goes with `state`; where there is none, the one that goes with *down*.
    #[must_use]
    pub fn kind_of(&self, state: State) -> AlertKind {
        match state {
            State::Translated => AlertKind::SourceTranslated,
            State::Degraded => AlertKind::Degraded,
            State::Idle => AlertKind::NodeUnhealthy,
            State::Up | State::Down | State::Unknown => self.down,
        }
    }
}
