//! What the pipeline knows of the agent itself, and tells of it: that it is blind, and that its egress address has changed.
//!
//! No round gives rise to these alerts. So they are looked after several times a second: what is open follows from what
//! is known, here too.

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::{
    alert::{Alert, AlertKind, Board, Changes},
    connectivity::{self, Blindness, Vision},
    egress,
    verdict::Finding,
};

use super::Pipeline;
use crate::store::{Apart, Record};

/// What is known of the agent itself.
pub(crate) struct Vantage {
    /// Whether it sees.
    pub(crate) vision: Vision,
    /// The change of the egress that was looked at last.
    change: Option<egress::Change>,
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
        let mut changes = self.whether_it_sees(now);
        let news = self.egress_news(now);
        changes.opened.extend(news.opened);
        changes.resolved.extend(news.resolved);
        self.tell(changes, now);
    }

    /// Goes on with an alert from before a restart.
    pub(super) fn resume_vantage(&mut self) {
        let Some(alert) = find(&self.alerts, AlertKind::VantageBlind) else { return };
        let unseen = self.watched.iter().filter_map(|(name, watched)| {
            let last = watched.last.as_ref().filter(|last| last.verdict.finding == Finding::Blind)?;
            Some((name.clone(), last.at))
        });
        self.vantage.vision.resume(alert.since, unseen, self.parts.clock.now());
    }

    fn whether_it_sees(&mut self, now: DateTime<Utc>) -> Changes {
        let probes = self.watched.iter().map(|(name, watched)| {
            (name, TimeDelta::from_std(watched.planned.gap).unwrap_or(TimeDelta::MAX))
        });
        match self.vantage.vision.step(&self.parts.gate.outlook(), probes, now) {
            None => Changes::default(),
            Some(connectivity::Change::Blind(blindness)) => {
                self.alerts.raise(&Blindness::key(), || blindness.alert(new_id(), now))
            }
            Some(connectivity::Change::Sees { since, probes }) => {
                let over = self.alerts.remove_if(|alert| alert.key.kind == AlertKind::VantageBlind);
                let with_end = |alert: Alert| {
                    let end = Blindness::end(&alert, since, probes, now);
                    (alert, end)
                };
                Changes { resolved: over.into_iter().map(with_end).collect(), ..Changes::default() }
            }
        }
    }

    fn egress_news(&mut self, now: DateTime<Utc>) -> Changes {
        let mut changes = Changes::default();
        let known = self.parts.baseline.known();
        let is_new = |change: &&egress::Change| Some(*change) != self.vantage.change.as_ref();
        let mut news: Vec<_> = known.changes().iter().take_while(is_new).cloned().collect();
        self.vantage.change = known.changes().front().cloned();
        news.reverse(); // They are known newest first.
        for change in news {
            let key = change.key();
            for alert in self.alerts.remove_if(|alert| alert.key == key) {
                let end = change.end(&alert, now);
                changes.resolved.push((alert, end));
            }
            changes.opened.extend(self.alerts.raise(&key, || change.alert(new_id(), now)).opened);
        }
        let is_old =
            |alert: &Alert| alert.key.kind == AlertKind::EgressChanged && egress::Change::is_old(alert, now);
        for alert in self.alerts.remove_if(is_old) {
            let end = egress::Change::end_of_news(&alert, now);
            changes.resolved.push((alert, end));
        }
        changes
    }

    /// Hands over what was opened and ended outside of any round.
    pub(super) fn tell(&self, changes: Changes, now: DateTime<Utc>) {
        let Changes { opened, resolved } = changes;
        if opened.is_empty() && resolved.is_empty() {
            return;
        }
        super::log(&opened, &resolved);
        let deliveries = self.deliveries(&opened, &resolved, now);
        self.parts.store.push(Record::Apart(Apart { opened, resolved, deliveries }));
    }
}

fn find(board: &Board, kind: AlertKind) -> Option<&Alert> {
    board.iter().find(|alert| alert.key.kind == kind)
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
