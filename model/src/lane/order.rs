//! What goes first.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::Lane;
use crate::{
    alert::{Event, Severity},
    delivery::Delivery,
};

/// What of a lane is due.
pub(super) enum Due {
    /// Nothing, until something else happens.
    Nothing,
    /// Nothing before this time.
    At(DateTime<Utc>),
    /// These places of the queue, the one that is due longest first.
    Now(Vec<usize>),
}

impl Lane {
    pub(super) fn due(&self, now: DateTime<Utc>) -> Due {
        let heads = self.heads();
        let a_digest_waits = self.waiting.first().is_some_and(|first| first.event == Event::Digest);
        if a_digest_waits && heads.first() != Some(&0) {
            return Due::Nothing; // It is not written yet.
        }
        let hold = self.circuit.hold().unwrap_or(now);
        if self.circuit.open_since().is_some() {
            // Not always the same one: it may be the only one that the receiver has trouble with.
            let longest_ago = heads.into_iter().min_by_key(|&i| self.waiting[i].next_at);
            return match longest_ago {
                None => Due::Nothing,
                Some(_) if now < hold => Due::At(hold),
                Some(place) => Due::Now(vec![place]),
            };
        }
        let due_at = |i: usize| {
            self.circuit.hold().map_or(self.waiting[i].next_at, |hold| hold.max(self.waiting[i].next_at))
        };
        let mut due: Vec<_> = heads.iter().copied().filter(|&i| due_at(i) <= now).collect();
        due.sort_by_key(|&i| due_at(i));
        match heads.into_iter().map(due_at).min() {
            None => Due::Nothing,
            Some(at) if due.is_empty() => Due::At(at),
            Some(_) => Due::Now(due),
        }
    }

    /// The places that may be attempted: none before an earlier one that shares an alert with it, none whose alerts something
    /// unwritten was decided about, and none that a digest tells.
    fn heads(&self) -> Vec<usize> {
        let unwritten = self.unwritten.iter().flat_map(|decision| &decision.rows);
        let alerts = unwritten.flat_map(|row| &row.delivery.alerts);
        let mut taken: HashSet<&str> = alerts.map(String::as_str).collect();
        let mut heads = Vec::new();
        for (i, delivery) in self.waiting.iter().enumerate() {
            if delivery.digest.is_some() {
                continue;
            }
            if !delivery.alerts.iter().any(|alert| taken.contains(alert.as_str())) {
                heads.push(i);
            }
            taken.extend(delivery.alerts.iter().map(String::as_str));
        }
        heads
    }
}

/// What goes before others when not everything may go out.
pub(super) fn is_critical_opening(delivery: &Delivery) -> bool {
    delivery.event == Event::Opened && delivery.severity == Severity::Critical
}
