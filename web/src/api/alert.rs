//! Alerts, the changes of state behind them, and who is told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should look now.
    Critical,
    /// Somebody should look today.
    Warning,
    /// Good to know.
    Info,
}

/// One open alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// Its identity, the same in every delivery.
    pub id: String,
    /// What it is about, as one stored word such as `source_translated`.
    pub kind: String,
    /// How urgent it is.
    pub severity: Severity,
    /// The service concerned, if it is about one.
    pub service: Option<String>,
    /// The probe that opened it.
    pub probe: String,
    /// The node concerned, if it is about one.
    pub node: Option<String>,
    /// What was probed, such as `192.0.2.201:80`.
    pub target: String,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// One line that says what is wrong.
    pub title: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What should have been seen.
    pub expected: Vec<String>,
    /// What was seen.
    pub observed: Vec<String>,
    /// What most likely lies behind it, in a sentence or two.
    pub cause: Option<String>,
    /// What to do about it: a sentence, or a command in backticks.
    pub remedy: Option<String>,
    /// How far each receiver has been told.
    pub deliveries: Vec<DeliveryView>,
}

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
    /// How far it has come.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// Why the latest attempt failed, if it did.
    pub last_error: Option<String>,
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TransitionView {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The probe whose state changed.
    pub probe: String,
    /// The service it belongs to, if any.
    pub service: Option<String>,
    /// The node it is about, if any.
    pub node: Option<String>,
    /// The state before.
    pub from: State,
    /// The state since.
    pub to: State,
    /// Why, in one sentence.
    pub reason: String,
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
    /// Why the latest attempt failed, if it did.
    pub last_error: Option<String>,
    /// When it last accepted a delivery.
    pub last_delivered_at: Option<DateTime<Utc>>,
    /// Set while it is asked seldom, because it fails again and again.
    pub circuit: Option<CircuitView>,
}

/// A receiver that fails again and again: it is asked once per pause, and everything else waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CircuitView {
    /// Since when.
    pub open_since: DateTime<Utc>,
    /// When it is asked next.
    pub next_attempt_at: DateTime<Utc>,
}
