//! What is not told for a while: silences that somebody asked for, and maintenance windows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Severity;

/// Which alerts something is about: those that fit every list that is not empty. In names `*` stands for any number of
/// any characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatcherView {
    /// Kinds of alerts, by their stored words such as `source_translated`.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Severities.
    #[serde(default)]
    pub severities: Vec<Severity>,
    /// Services, `namespace/name`.
    #[serde(default)]
    pub services: Vec<String>,
    /// Nodes.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Probes.
    #[serde(default)]
    pub probes: Vec<String>,
    /// Labels: all of them have to be there with such a value.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl MatcherView {
    /// Whether it is about every alert there is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// What an operator does not want to be told for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceView {
    /// Its identity.
    pub id: String,
    /// Which alerts are not told.
    pub matcher: MatcherView,
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Who asked for it, in their own words.
    pub by: String,
    /// Why.
    pub comment: String,
}

/// Asks for a silence that begins now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Which alerts are not to be told.
    #[serde(default)]
    pub matcher: MatcherView,
    /// A matcher that says nothing is meant: no alert at all is told.
    #[serde(default)]
    pub all: bool,
    /// For how long, in seconds. Either this or `until`.
    #[serde(default)]
    pub for_seconds: Option<u32>,
    /// Until when. Either this or `for_seconds`.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
    /// Who asks for it, in their own words: up to 100 characters.
    pub by: String,
    /// Why: up to 500 characters.
    pub comment: String,
}

/// Who asks, where a request has no body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asking {
    /// Who asks for it, in their own words: up to 100 characters.
    pub by: String,
}

/// A maintenance window as configured: while it is open, the alerts that it is about are not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceView {
    /// Its name.
    pub name: String,
    /// Which alerts are not told.
    pub matcher: MatcherView,
    /// Until when it is open, if it is.
    pub open_until: Option<DateTime<Utc>>,
    /// When it opens next, if it ever does again.
    pub opens_at: Option<DateTime<Utc>>,
}
