//! Who is told about alerts, and how far each delivery has come.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The most deliveries that one answer lists.
pub const DELIVERIES: u32 = 500;

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting, or being retried.
    Pending,
    /// The receiver has accepted it.
    Delivered,
    /// Given up.
    Dead,
    /// Left out: it was over before it could be delivered.
    Superseded,
}

/// Telling one receiver about one alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// The receiver's name.
    pub receiver: String,
    /// What is told, as one stored word such as `opened`.
    pub event: String,
    /// How far it has come.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// Why the latest attempt failed, if it did; of what was delivered, why not everybody behind the receiver has it.
    pub last_error: Option<String>,
}

/// One notification to one receiver, as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutboxEntry {
    /// Its identity, which `retry` takes.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// What is told, as one stored word such as `opened`.
    pub event: String,
    /// The ids of the alerts that it tells of, the leading one first.
    pub alerts: Vec<String>,
    /// The leading alert in one line.
    pub title: String,
    /// How far it has come.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it is attempted next, while it is pending.
    pub next_at: Option<DateTime<Utc>>,
    /// When it was delivered or given up.
    pub done_at: Option<DateTime<Utc>>,
    /// Why the latest attempt failed, if it did; of what was delivered, why not everybody behind the receiver has it.
    pub last_error: Option<String>,
}

/// Which deliveries to list; the newest come first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryFilter {
    /// Only those to this receiver.
    pub receiver: Option<String>,
    /// Only those that have come this far.
    pub state: Option<DeliveryState>,
    /// Only those that tell of an alert whose id begins like this.
    pub alert: Option<String>,
    /// How many at most: 1 to [`DELIVERIES`], 100 where it is left out.
    pub limit: Option<u32>,
}

impl DeliveryFilter {
    /// How many to list at most.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.limit.unwrap_or(100).clamp(1, DELIVERIES)
    }
}

/// Asks for deliveries that were given up to be attempted again. All that is said has to fit; `all` where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Those with one of these ids.
    #[serde(default)]
    pub deliveries: Vec<String>,
    /// Those to this receiver.
    #[serde(default)]
    pub receiver: Option<String>,
    /// All that were given up.
    #[serde(default)]
    pub all: bool,
    /// Who asks for it.
    pub by: String,
}

/// What came of a [`Retry`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// Deliveries that are attempted again.
    pub deliveries: u64,
    /// Deliveries that are left out for good: their receivers have been told meanwhile that it is over.
    pub superseded: u64,
    /// Deliveries that stay given up: their receivers are not configured.
    pub refused: Vec<RefusedRetry>,
}

/// Deliveries to a receiver that is not configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRetry {
    /// The receiver's name.
    pub receiver: String,
    /// How many they are.
    pub deliveries: u64,
    /// Those of them that were asked for by their ids.
    pub ids: Vec<String>,
}

/// One receiver of alerts and its queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReceiverView {
    /// Its name.
    pub name: String,
    /// Its kind, such as `webhook`.
    pub kind: String,
    /// Deliveries waiting.
    pub pending: u32,
    /// Deliveries accepted, ever.
    pub delivered: u64,
    /// Deliveries given up.
    pub dead: u32,
    /// Alerts that were over before they could be told, ever: only their end was.
    pub superseded: u64,
    /// Why the latest attempt failed, if it did.
    pub last_error: Option<String>,
    /// When it last accepted a delivery.
    pub last_delivered_at: Option<DateTime<Utc>>,
    /// Since when it is only tried now and then, because attempt after attempt failed.
    pub circuit: Option<CircuitView>,
}

/// An open circuit: a receiver that is taken for dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CircuitView {
    /// Since when.
    pub open_since: DateTime<Utc>,
    /// When it is tried next.
    pub next_attempt_at: DateTime<Utc>,
}
