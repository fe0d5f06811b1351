//! What the pipeline knows of the agent itself, and tells of it: that it is blind, and that its egress address has changed.
//!
//! No round gives rise to these alerts. So they are looked after several times a second: what is open follows from what
//! is known, here too.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::{
    alert::{Alert, AlertKind, Changes, Scope},
    connectivity::{Blindness, Vision},
    egress::Change,
    notification::Resolution,
    verdict::Finding,
};

use super::Pipeline;
use crate::store::Effects;

/// What is known of the agent itself.
pub(crate) struct Vantage {
    /// Whether it sees.
    pub(crate) vision: Vision,
    /// The change of the egress that was looked at last.
    change: Option<Change>,
}

impl Vantage {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self { vision: Vision::new(now), change: None }
    }
}

impl Pipeline {
    /// Opens and ends the alerts about the agent itself.
    pub(super) fn look_after_vantage(&mut self) {
        let now = self.parts.clock.now();
        let mut changes = Changes::default();
        self.look_whether_it_sees(&mut changes, now);
        self.look_for_another_egress(&mut changes, now);
        self.end_what_is_turned_off(&mut changes, now);
        if changes != Changes::default() {
            let effects = self.desk.take(changes, &self.plan, &self.watched, now);
            self.tend(effects);
        }
    }

    /// Goes on with an alert from before a restart.
    pub(super) fn resume_vantage(&mut self) {
        let Some(alert) = self.alerts.iter().find(|alert| alert.key == Blindness::key()) else { return };
        let unseen = self.watched.iter().filter_map(|(name, watched)| {
            let last = watched.last.as_ref().filter(|last| last.verdict.finding == Finding::Blind)?;
            Some((name.clone(), last.at))
        });
        self.vantage.vision.resume(alert.since, unseen, self.parts.clock.now());
    }

    fn look_whether_it_sees(&mut self, changes: &mut Changes, now: DateTime<Utc>) {
        let outlook = self.parts.gate.outlook();
        let probes = self.watched.iter().map(|(name, watched)| {
            (name, TimeDelta::from_std(watched.planned.gap).unwrap_or(TimeDelta::MAX))
        });
        if let Some(missed) = self.vantage.vision.step(&outlook, probes, now) {
            self.end_apart(changes, |alert| alert.key == Blindness::key(), |alert| missed.end(alert, now));
        }
        let rule = self.plan.rules.of(AlertKind::VantageBlind);
        // What was known before a restart is no proof; that no target answers since then is.
        if self.vantage.vision.is_blind()
            && outlook.failing.is_some()
            && self.desk.dispatcher.confirmed(&Blindness::key())
        {
            self.tend(Effects::default());
        }
        if let Some(blindness) = self.vantage.vision.blindness().filter(|_| rule.enabled) {
            let alert = || blindness.alert(new_id(), rule.severity, now);
            changes.opened.extend(self.alerts.raise(&Blindness::key(), alert).opened);
        }
    }

    fn look_for_another_egress(&mut self, changes: &mut Changes, now: DateTime<Utc>) {
        let rule = self.plan.rules.of(AlertKind::EgressChanged);
        let known = self.parts.baseline.known();
        let is_new = |change: &&Change| Some(*change) != self.vantage.change.as_ref();
        let news: Vec<Change> = known.changes().iter().take_while(is_new).cloned().collect();
        self.vantage.change = known.changes().front().cloned();
        let mut keys = BTreeSet::new();
        for change in news {
            let key = change.key();
            // They are known newest first; what it was in between is no news.
            if !keys.insert(key.clone()) {
                continue;
            }
            self.end_apart(changes, |alert| alert.key == key, |alert| change.end(alert, now));
            if rule.enabled {
                let alert = || change.alert(new_id(), rule.severity, now);
                changes.opened.extend(self.alerts.raise(&key, alert).opened);
            }
        }
        let is_old = |alert: &Alert| alert.key.kind == AlertKind::EgressChanged && Change::is_old(alert, now);
        self.end_apart(changes, is_old, |alert| Change::end_of_news(alert, now));
    }

    fn end_what_is_turned_off(&mut self, changes: &mut Changes, now: DateTime<Utc>) {
        let rules = self.plan.rules.clone();
        let is_off = |alert: &Alert| {
            let kind = alert.key.kind;
            kind.scope() == Scope::Vantage && !rules.of(kind).enabled
        };
        let why = "Alerts of this kind are turned off now.";
        self.end_apart(changes, is_off, |alert| Resolution::because(alert, why.to_owned(), now));
    }

    /// Ends alerts apart from any round.
    fn end_apart(
        &mut self,
        changes: &mut Changes,
        which: impl Fn(&Alert) -> bool,
        how: impl Fn(&Alert) -> Resolution,
    ) {
        for alert in self.alerts.remove_if(which) {
            let end = how(&alert);
            changes.resolved.push((alert, end));
        }
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
