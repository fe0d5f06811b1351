//! What of a dead letter is still worth telling to a receiver that has heard of some ends meanwhile. It must not hear that something
//! is wrong after it has heard that it is over.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{Lane, Row};
use crate::{
    alert::Event,
    delivery::{Delivery, DeliveryState},
    notification::Notification,
};

/// How much of a delivery is still to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// All of it.
    All,
    /// Some of its alerts are over, as the receiver knows: they are [left out](Delivery::leave_out).
    Part,
    /// All of them are.
    Nothing,
}

/// How much is still to be told of a delivery that tells `event` of `alerts`, to a receiver that knows of those that `is_over` says that
/// they are.
pub fn rest(event: Event, alerts: &[String], is_over: impl Fn(&str) -> bool) -> Rest {
    let over = alerts.iter().filter(|alert| is_over(alert)).count();
    match event {
        Event::Resolved | Event::Digest | Event::Test => Rest::All,
        Event::Opened | Event::Reminder | Event::Acknowledged if over == 0 => Rest::All,
        Event::Opened | Event::Reminder | Event::Acknowledged if over < alerts.len() => Rest::Part,
        Event::Opened | Event::Reminder | Event::Acknowledged => Rest::Nothing,
    }
}

impl Delivery {
    /// Leaves out those of its alerts that `is_over` says that they are; one at least has to stay. A document that cannot be read
    /// stays as it is.
    pub fn leave_out(&mut self, is_over: impl Fn(&str) -> bool) {
        let Ok(mut notification) = serde_json::from_str::<Notification>(&self.document) else { return };
        if !notification.leave_out(is_over) {
            return;
        }
        let Ok(document) = serde_json::to_string(&notification) else { return };
        self.severity = notification.severity();
        self.alerts = notification.alerts().map(str::to_owned).collect();
        self.document = document.into();
    }
}

impl Lane {
    /// Leaves out what tells of alerts that the receiver was told to be over, before this came out of the database.
    pub(super) fn come_too_late(&mut self, now: DateTime<Utc>) -> Vec<Row> {
        let mut rows = Vec::new();
        for place in (0..self.waiting.len()).rev() {
            let delivery = &mut self.waiting[place];
            if delivery.digest.is_some() || self.in_flight.as_ref() == Some(&delivery.key) {
                continue;
            }
            let is_over = |alert: &str| self.over.contains(alert);
            match rest(delivery.event, &delivery.alerts, is_over) {
                Rest::All => {}
                Rest::Part => {
                    delivery.leave_out(is_over);
                    rows.push(Row::new(delivery.clone(), DeliveryState::Pending, None, now));
                }
                Rest::Nothing => {
                    rows.push(Row::new(self.waiting.remove(place), DeliveryState::Superseded, None, now));
                }
            }
        }
        rows
    }
}

/// The alerts that `rows` tell the end of, if the receiver has them.
pub(super) fn told_over(rows: &[Row]) -> HashSet<String> {
    let told = rows.iter().filter(|row| row.state == DeliveryState::Delivered);
    let ends = told.filter(|row| row.delivery.event == Event::Resolved);
    ends.flat_map(|row| row.delivery.alerts.iter().cloned()).collect()
}
