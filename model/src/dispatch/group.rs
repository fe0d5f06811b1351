//! Which alerts are told together, and when a group may be told again.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Policy;
use crate::alert::{Alert, Severity};

/// One group of alerts as it was told last. It is stored, so that a restart does not cut its window short.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Since when the first of it waits to be told.
    pub waiting: Option<DateTime<Utc>>,
    /// When alerts of it were told as opened, and how bad the worst was.
    pub opened: Option<(DateTime<Utc>, Severity)>,
    /// When ends of alerts of it were told.
    pub resolved: Option<DateTime<Utc>>,
}

/// What a group is named after. They are in the order of what is written of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name<'a> {
    Node(&'a str),
    Probe(&'a str),
    Service(&'a str),
}

impl<'a> Name<'a> {
    /// The group of an alert that nothing else explains: that of its service, else of its node, else of its own.
    pub(super) fn of(alert: &'a Alert) -> Self {
        match (&alert.service, &alert.node) {
            (Some(service), _) => Self::Service(service),
            (None, Some(node)) => Self::Node(node),
            (None, None) => Self::Probe(&alert.probe),
        }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Probe(name) => write!(f, "probe {name}"),
            Self::Service(name) => write!(f, "service {name}"),
        }
    }
}

impl Group {
    /// Nothing of it lies in the future.
    pub(super) fn clock_is(&mut self, now: DateTime<Utc>) {
        self.waiting = self.waiting.map(|at| at.min(now));
        self.opened = self.opened.map(|(at, worst)| (at.min(now), worst));
        self.resolved = self.resolved.map(|at| at.min(now));
    }

    /// When alerts, the worst of which is of the given severity, may be told as opened.
    pub(super) fn opens_at(&mut self, worst: Severity, policy: &Policy, now: DateTime<Utc>) -> DateTime<Utc> {
        let window = self.opened.map(|(at, told)| (at + policy.group_window, told));
        match window.filter(|(end, _)| now < *end) {
            Some((_, told)) if worst < told => now,
            Some((end, _)) => end.max(*self.waiting.get_or_insert(now) + policy.group_wait),
            None => *self.waiting.get_or_insert(now) + policy.group_wait,
        }
    }

    /// When ends may be told.
    pub(super) fn resolves_at(&self, policy: &Policy, now: DateTime<Utc>) -> DateTime<Utc> {
        self.resolved.map_or(now, |at| at + policy.group_window)
    }

    /// Alerts were told as opened.
    pub(super) fn note_opened(&mut self, worst: Severity, policy: &Policy, now: DateTime<Utc>) {
        let before = self.opened.filter(|(at, _)| now < *at + policy.group_window);
        self.opened = Some((now, before.map_or(worst, |(_, told)| told.min(worst))));
        self.waiting = None;
    }

    /// When its windows end, if any is open.
    pub(super) fn over_at(&self, policy: &Policy) -> Option<DateTime<Utc>> {
        self.opened.map(|(at, _)| at).max(self.resolved).map(|at| at + policy.group_window)
    }

    /// Whether it may be forgotten: nothing waits, and nothing was told lately.
    pub(super) fn is_over(&self, policy: &Policy, now: DateTime<Utc>) -> bool {
        self.waiting.is_none() && self.over_at(policy).is_none_or(|over| over <= now)
    }
}
