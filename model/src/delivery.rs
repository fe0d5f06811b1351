//! A delivery: one notification that is told to one receiver, until that is done. The row of the outbox.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    alert::{Event, Severity},
    notification::Notification,
    words::words,
};

/// What identifies a delivery: one notification, told to one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// The notification's idempotency key.
    pub notification: String,
    /// The receiver's name.
    pub receiver: String,
}

/// One notification on its way to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What identifies it.
    pub key: DeliveryKey,
    /// What it tells.
    pub event: Event,
    /// The worst of its alerts.
    pub severity: Severity,
    /// The ids of all alerts that it tells of, the leading one first.
    pub alerts: Vec<String>,
    /// The notification, as JSON.
    pub document: Arc<str>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this time.
    pub next_at: DateTime<Utc>,
    /// The digest that tells it together with others: the key of another delivery to the same receiver.
    pub digest: Option<String>,
}

impl Delivery {
    /// A new delivery of `notification`, which `document` is as JSON, to `receiver`: due at once.
    #[must_use]
    pub fn new(notification: &Notification, document: Arc<str>, receiver: &str, now: DateTime<Utc>) -> Self {
        Self {
            key: DeliveryKey {
                notification: notification.idempotency_key.clone(),
                receiver: receiver.to_owned(),
            },
            event: notification.event,
            severity: notification.severity(),
            alerts: notification.alerts().map(str::to_owned).collect(),
            document,
            created_at: now,
            attempts: 0,
            next_at: now,
            digest: None,
        }
    }
}

words! {
    /// How far a delivery has come.
    pub enum DeliveryState {
        /// Still to be delivered.
        Pending = "pending",
        /// The receiver has it.
        Delivered = "delivered",
        /// Given up: the receiver refused it for good, or is gone.
        Dead = "dead",
        /// Left out, because what follows tells that it is over.
        Superseded = "superseded",
    }
}
