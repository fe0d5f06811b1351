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
        self.note(delivery, &waits);
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
        self.note(delivery, &recent);
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

    fn note(&mut self, delivery: &Delivery, how_far: &RecentDelivery) {
        for alert in &delivery.alerts {
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
