//! The alerts that are open, at most one per kind and subject.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use vipwatch_model::{
    alert::{self, Alert, AlertKey},
    notification::Resolution,
    probe::Probe,
    state::{Machine, Transition},
    verdict::Verdict,
};

/// The alerts that are open.
#[derive(Debug, Default)]
pub struct OpenAlerts {
    by_key: HashMap<AlertKey, Alert>,
}

impl OpenAlerts {
    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.by_key.values()
    }

    /// Takes over an alert that the database remembers, unless a newer one stands in its place.
    pub(super) fn remember(&mut self, alert: Alert) {
        self.by_key.entry(alert.key.clone()).or_insert(alert);
    }

    /// The alert that a transition opens, if it opens one that is not open yet.
    pub(super) fn open(
        &mut self,
        probe: &Probe,
        transition: &Transition,
        verdict: &Verdict,
        drift_everywhere: bool,
    ) -> Option<Alert> {
        let kind = alert::opened_by(probe, transition, verdict.finding, drift_everywhere)?;
        let key = AlertKey::new(kind, probe);
        if self.by_key.contains_key(&key) {
            return None;
        }
        let id = uuid::Uuid::now_v7().to_string();
        let alert = Alert::open(id, kind, probe, verdict, transition);
        self.by_key.insert(key, alert.clone());
        Some(alert)
    }

    /// The alerts of `probe` that are over in the state that is confirmed now. While a change is being
    /// counted nothing is resolved.
    pub(super) fn resolve(
        &mut self,
        probe: &Probe,
        machine: &Machine,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Vec<(Alert, Resolution)> {
        if self.by_key.is_empty() || machine.candidate.is_some() || machine.blind > 0 {
            return Vec::new();
        }
        let service = probe.subject.service().filter(|_| probe.subject.node().is_some());
        let over = |alert: &Alert| {
            let subject = alert.key.subject.as_str();
            let mine = subject == probe.name.as_str()
                || (alert.key.kind.is_about_service() && Some(subject) == service);
            mine && alert.key.kind.is_over_in(machine.state)
        };
        let resolved = self.remove_if(over).into_iter();
        resolved
            .map(|alert| {
                let resolution = Resolution::by(&alert, verdict, now);
                (alert, resolution)
            })
            .collect()
    }

    /// Takes out the alerts that `gone` says so of, oldest first.
    pub(super) fn remove_if(&mut self, gone: impl Fn(&Alert) -> bool) -> Vec<Alert> {
        let mut removed: Vec<Alert> =
            self.by_key.extract_if(|_, alert| gone(alert)).map(|(_, alert)| alert).collect();
        removed.sort_by(|a, b| a.id.cmp(&b.id));
        removed
    }
}
