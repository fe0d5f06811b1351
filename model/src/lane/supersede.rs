//! What need not be told any more, because what follows tells that it is over.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{Lane, Row};
use crate::{
    alert::Event,
    delivery::{Delivery, DeliveryState},
    notification::Notification,
};

impl Lane {
    /// Leaves out what need not be told any more.
    pub(super) fn left_out(&mut self, now: DateTime<Utc>) -> Vec<Row> {
        let mut rows = self.come_too_late(now);
        let fixed = |i: usize| {
            let delivery = &self.waiting[i];
            delivery.digest.is_some() || self.in_flight.as_ref() == Some(&delivery.key)
        };
        let Superseded { out, rewritten } = supersede(&self.waiting, &self.untold, &fixed);
        let ends = self.waiting.iter().filter(|delivery| delivery.event == Event::Resolved);
        for alert in ends.flat_map(|end| &end.alerts) {
            self.untold.remove(alert);
        }
        let mut ends = Vec::new();
        for (place, document) in rewritten {
            let delivery = &mut self.waiting[place];
            delivery.document = document.into();
            ends.push(Row::new(delivery.clone(), DeliveryState::Pending, None, now));
        }
        let out = out.into_iter().rev().map(|place| self.waiting.remove(place));
        rows.extend(out.map(|delivery| Row::new(delivery, DeliveryState::Superseded, None, now)));
        rows.append(&mut ends);
        rows
    }
}

/// What is left out, and what is told instead.
struct Superseded {
    /// Places in the queue that are left out.
    out: Vec<usize>,
    /// New documents of those that tell the end, by place.
    rewritten: Vec<(usize, String)>,
}

/// Looks for what is left out of `waiting`: what tells of alerts all of which have their end waiting behind it, and
/// reminders that have a newer one behind them. Ends say which openings were left out, and which were given up, as those of the
/// alerts in `untold`. `fixed` says which places are not to be touched: what is being
/// attempted, and what a digest tells.
fn supersede(waiting: &[Delivery], untold: &HashSet<String>, fixed: &dyn Fn(usize) -> bool) -> Superseded {
    let free = || waiting.iter().enumerate().filter(|(i, _)| !fixed(*i));
    let (mut ends, mut reminders) = (HashMap::new(), HashMap::new());
    for (i, delivery) in free() {
        let last = match delivery.event {
            // Even one that may have been taken already: what tells of its beginning would come after it.
            Event::Resolved => &mut ends,
            Event::Reminder => &mut reminders,
            _ => continue,
        };
        last.extend(delivery.alerts.iter().map(|alert| (alert.as_str(), i)));
    }
    let mut out = Vec::new();
    let mut openings: BTreeMap<usize, HashSet<&str>> = BTreeMap::new();
    for (i, delivery) in free() {
        let over = |alert: &String| ends.get(alert.as_str()).is_some_and(|&end| end > i);
        let again = |alert: &String| reminders.get(alert.as_str()).is_some_and(|&newer| newer > i);
        let needless = match delivery.event {
            Event::Opened | Event::Acknowledged => delivery.alerts.iter().all(over),
            Event::Reminder => delivery.alerts.iter().all(|alert| over(alert) || again(alert)),
            Event::Resolved | Event::Digest | Event::Test => false,
        };
        if !needless {
            continue;
        }
        out.push(i);
        if delivery.event == Event::Opened {
            for alert in &delivery.alerts {
                openings.entry(ends[alert.as_str()]).or_default().insert(alert);
            }
        }
    }
    for (alert, end) in ends {
        if untold.contains(alert) {
            openings.entry(end).or_default().insert(alert);
        }
    }
    let mut rewritten = Vec::new();
    for (end, alerts) in openings {
        match say_untold(&waiting[end].document, &alerts) {
            Some(document) if *document == *waiting[end].document => {}
            Some(document) => rewritten.push((end, document)),
            // A document that cannot be read cannot say what was left out: it supersedes nothing.
            None => return supersede(waiting, untold, &|i| fixed(i) || i == end),
        }
    }
    Superseded { out, rewritten }
}

/// The document of a resolved notification that says of `alerts` that their opening was not delivered.
fn say_untold(document: &str, alerts: &HashSet<&str>) -> Option<String> {
    let mut notification: Notification = serde_json::from_str(document).ok()?;
    let also = notification.also.iter_mut().map(|also| (&also.alert, &mut also.resolution));
    for (alert, resolution) in also.chain([(&notification.alert, &mut notification.resolution)]) {
        if alerts.contains(alert.id.as_str()) {
            resolution.as_mut()?.supersede_undelivered();
        }
    }
    serde_json::to_string(&notification).ok()
}
