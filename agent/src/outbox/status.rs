//! How the receivers are doing, for the page.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use vipwatch_model::{
    alert::Event,
    delivery::{Delivery, DeliveryState},
    lane::Row,
};

use crate::store::Replay;

/// How many alerts' deliveries the page remembers of each receiver; of those that wait, eight times as many.
const RECENT: usize = 256;

/// How one receiver is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// Deliveries that wait.
    pub pending: u32,
    /// Deliveries that it has had since the agent started.
    pub delivered: u64,
    /// Deliveries that were given up since the agent started.
    pub dead: u32,
    /// Openings that were left out since the agent started: they were over before they could be delivered.
    pub superseded: u64,
    /// Deliveries that had been given up and are not any more: they wait again, or were left out.
    pub put_back: u32,
    /// Why the last attempt failed; `None` once one succeeded.
    pub last_error: Option<String>,
    /// When it last took a delivery.
    pub last_delivered_at: Option<DateTime<Utc>>,
    /// That it is asked seldom, because it fails again and again.
    pub circuit: Option<CircuitStatus>,
    /// How far each delivery has come that is not over for long: state, attempts and last error by alert.
    pub recent: HashMap<String, RecentDelivery>,
}

/// That a receiver is asked seldom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitStatus {
    /// Since when.
    pub open_since: DateTime<Utc>,
    /// When it is asked next.
    pub next_at: DateTime<Utc>,
}

/// How far the newest delivery about one alert has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentDelivery {
    /// What it tells.
    pub event: Event,
    /// How far.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// The state of all receivers, by name.
pub type Statuses = watch::Receiver<HashMap<String, ReceiverStatus>>;

impl ReceiverStatus {
    /// A delivery waits.
    pub(super) fn waits(&mut self, delivery: &Delivery) {
        let waits = RecentDelivery {
            event: delivery.event,
            state: DeliveryState::Pending,
            attempts: delivery.attempts,
            last_error: None,
        };
        self.note(&delivery.alerts, &waits);
    }

    /// The openings of these alerts were given up, perhaps before the agent was started.
    pub(super) fn given_up<'a>(&mut self, alerts: impl IntoIterator<Item = &'a String>) {
        let dead = RecentDelivery {
            event: Event::Opened,
            state: DeliveryState::Dead,
            attempts: 0,
            last_error: None,
        };
        let unknown: Vec<&String> =
            alerts.into_iter().filter(|alert| !self.recent.contains_key(*alert)).collect();
        self.note(unknown, &dead);
    }

    /// The lane has decided about a delivery.
    pub(super) fn decided(&mut self, row: &Row) {
        let Row { delivery, state, error, at } = row;
        let recent = RecentDelivery {
            event: delivery.event,
            state: *state,
            attempts: delivery.attempts,
            last_error: error.clone(),
        };
        self.note(&delivery.alerts, &recent);
        match state {
            DeliveryState::Pending => {}
            DeliveryState::Superseded => self.superseded += u64::from(delivery.event == Event::Opened),
            DeliveryState::Dead => self.dead += 1,
            DeliveryState::Delivered => {
                // What a digest tells counts with it.
                self.delivered += u64::from(delivery.digest.is_none());
                self.last_delivered_at = Some(*at);
            }
        }
    }

    /// Dead letters were put back.
    pub(super) fn replayed(&mut self, replay: &Replay) {
        self.put_back += u32::try_from(replay.put_back + replay.superseded).unwrap_or(u32::MAX);
        self.superseded += u64::try_from(replay.openings).unwrap_or(u64::MAX);
    }

    fn note<'a>(&mut self, alerts: impl IntoIterator<Item = &'a String>, how_far: &RecentDelivery) {
        for alert in alerts {
            // Who has no opening does not have it by what follows either.
            let lacks_opening =
                |known: &RecentDelivery| known.event == Event::Opened && known.state == DeliveryState::Dead;
            if how_far.event != Event::Opened && self.recent.get(alert).is_some_and(lacks_opening) {
                continue;
            }
            if !self.recent.contains_key(alert) && self.recent.len() >= RECENT {
                self.recent.retain(|_, recent| recent.state == DeliveryState::Pending);
                if self.recent.len() >= 8 * RECENT {
                    return;
                }
            }
            self.recent.insert(alert.clone(), how_far.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use vipwatch_model::{
        alert::{Alert, AlertKey, AlertKind, Severity},
        notification::Notification,
    };

    use super::*;

    #[test]
    fn who_has_no_opening_is_not_told_by_what_follows() {
        let key = AlertKey::of_vantage(AlertKind::Degraded, "a");
        let at = DateTime::UNIX_EPOCH;
        let alert = Alert::of_vantage("a".into(), key, Severity::Warning, at, at);
        let opened = Notification::opened(alert, "test", "");
        let row = |event, state| {
            let notification = Notification { event, ..opened.clone() };
            Row { delivery: Delivery::new(&notification, "{}".into(), "ops", at), state, error: None, at }
        };
        let shown = |status: &ReceiverStatus| (status.recent["a"].event, status.recent["a"].state);
        let mut status = ReceiverStatus::default();
        status.given_up(&["a".to_owned()]);
        status.decided(&row(Event::Acknowledged, DeliveryState::Delivered));
        assert_eq!(shown(&status), (Event::Opened, DeliveryState::Dead));
        status.decided(&row(Event::Opened, DeliveryState::Delivered));
        status.decided(&row(Event::Reminder, DeliveryState::Pending));
        assert_eq!(shown(&status), (Event::Reminder, DeliveryState::Pending));
    }
}
