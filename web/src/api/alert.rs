//! Alerts, what has become of them, and the changes of state behind them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeliveryView, State};

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
    /// What it is about, beside the kind: a probe, a service, a node or the vantage. At most one alert is open per pair.
    pub subject: String,
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
    /// The labels of its service.
    pub labels: BTreeMap<String, String>,
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
    /// When it was first told to somebody.
    pub told_at: Option<DateTime<Utc>>,
    /// The receivers that it was handed to, whether they have it yet or not.
    pub told_to: Vec<String>,
    /// What keeps it from being told, or from being told again, for as long as something does.
    pub held: Option<HoldView>,
    /// Who has taken it on.
    pub acknowledgement: Option<AcknowledgementView>,
    /// The id of the open alert that most likely explains it.
    pub consequence_of: Option<String>,
    /// How far each receiver has been told.
    pub deliveries: Vec<DeliveryView>,
}

/// What keeps an alert from being told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// What, as one stored word such as `silence`.
    pub by: String,
    /// Why, as a phrase such as "silence by kim: new disks".
    pub why: String,
    /// Until when, where that is known.
    pub until: Option<DateTime<Utc>>,
    /// The id of the open alert that makes this one pointless, where one does.
    pub alert: Option<String>,
}

/// Who has taken an alert on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcknowledgementView {
    /// Who, in their own words.
    pub by: String,
    /// Why, or what they do about it.
    pub comment: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Takes an alert on: it is not told again while it is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAcknowledgement {
    /// Who takes it on, in their own words: up to 100 characters.
    pub by: String,
    /// Why, or what they do about it: up to 500 characters.
    #[serde(default)]
    pub comment: String,
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
