//! Sums up what a rate limit has held back: one notification in place of several.

use chrono::{DateTime, Utc};

use super::{Decision, Lane, Row};
use crate::{
    alert::Event,
    delivery::{Delivery, DeliveryKey, DeliveryState},
    notification::{Companion, Notification},
};

/// The most of documents that is summed up in one; receivers do not take everything.
const BYTES: usize = 128 * 1024;

impl Lane {
    /// Sums up what is due, if that is how the receiver wants to be told.
    pub(super) fn sum_up(
        &mut self,
        due: &[usize],
        now: DateTime<Utc>,
        new_key: impl FnOnce() -> String,
    ) -> Option<Decision> {
        let one_waits = self.waiting.first().is_some_and(|first| first.event == Event::Digest);
        if due.len() < 2 || !self.manner.digests || self.refuses_digests || one_waits {
            return None;
        }
        let due: Vec<_> = due.iter().map(|&i| &self.waiting[i]).collect();
        let (digest, members) = digest(new_key(), &due, now)?;
        let mut rows = vec![Row::new(digest.clone(), DeliveryState::Pending, None, now)];
        for member in &mut self.waiting {
            if members.contains(&member.key) {
                member.digest = Some(digest.key.notification.clone());
                rows.push(Row::new(member.clone(), DeliveryState::Pending, None, now));
            }
        }
        // What follows on what it sums up goes after it.
        self.waiting.insert(0, digest);
        self.issue(rows)
    }
}

/// A delivery under `key` that tells what all of `deliveries` tell, as far as they fit into one. `None` where that is not two of them
/// at least.
fn digest(key: String, deliveries: &[&Delivery], now: DateTime<Utc>) -> Option<(Delivery, Vec<DeliveryKey>)> {
    let mut room = BYTES;
    let fitting = deliveries.iter().filter_map(|delivery| {
        let left = room.checked_sub(delivery.document.len())?;
        let notification: Notification = serde_json::from_str(&delivery.document).ok()?;
        room = left;
        Some((&delivery.key, notification))
    });
    let (keys, notifications): (Vec<_>, Vec<_>) = fitting.map(|(key, told)| (key.clone(), told)).unzip();
    if keys.len() < 2 {
        return None;
    }
    let receiver = &keys.first()?.receiver;
    let notification = sum_up(key, notifications)?;
    let document = serde_json::to_string(&notification).ok()?;
    Some((Delivery::new(&notification, document.into(), receiver, now), keys))
}

/// One notification that tells what `notifications` tell. The worst leads, of equally bad ones what was opened, of these the earliest.
fn sum_up(key: String, mut notifications: Vec<Notification>) -> Option<Notification> {
    let rank = |told: &Notification| (told.alert.severity, told.event != Event::Opened);
    let (leading, _) = notifications.iter().enumerate().min_by_key(|(_, told)| rank(told))?;
    let mut digest = notifications.remove(leading);
    digest.alert_event = Some(digest.event);
    for told in notifications {
        let Notification { event, alert, resolution, acknowledgement, also, .. } = told;
        let apart = |companion: Companion| Companion { consequence: false, ..companion };
        digest.also.push(Companion { event, consequence: false, alert, resolution, acknowledgement });
        // They are consequences of an alert that does not lead any more.
        digest.also.extend(also.into_iter().map(apart));
    }
    digest.event = Event::Digest;
    digest.idempotency_key = key;
    Some(digest)
}
