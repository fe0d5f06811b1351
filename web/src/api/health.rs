//! How the agent itself is doing: what it says about its configuration, store
//! and schedule, and whether it is ready.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ConnectivityView, EgressChangeView, EgressView};

/// How many probes are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// As they ought to be.
    pub up: u32,
    /// Working, but not on every flow.
    pub degraded: u32,
    /// Answering, but losing the client's address.
    pub translated: u32,
    /// Nodes without a ready endpoint of a service: no fault by itself.
    pub idle: u32,
    /// Not answering.
    pub down: u32,
    /// Not known.
    pub unknown: u32,
}

/// How the agent itself is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentView {
    /// The configuration in force.
    pub config: ConfigView,
    /// The store behind history and alerts.
    pub store: StoreView,
    /// The scheduler of the probes.
    pub scheduler: SchedulerView,
    /// Whether it can see.
    pub connectivity: ConnectivityView,
    /// Its own source addresses as the far side ought to see them.
    pub egress: Vec<EgressView>,
    /// The latest changes among those that are asked for, newest first, since the agent started; at most
    /// [`RECENT_EGRESS_CHANGES`](super::RECENT_EGRESS_CHANGES).
    pub egress_changes: Vec<EgressChangeView>,
    /// Loud facts, such as that the agent's own address lies on a node.
    pub notices: Vec<String>,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigView {
    /// The file it came from.
    pub path: String,
    /// When it was loaded.
    pub loaded_at: DateTime<Utc>,
    /// Why a newer version of the file was refused, if one was.
    pub error: Option<String>,
}

/// The store behind history and alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreView {
    /// Whether the latest write succeeded.
    pub ok: bool,
    /// Why it did not.
    pub error: Option<String>,
    /// Results held in memory until the store takes them again.
    pub buffered: u64,
    /// Results lost because that memory was full, since the agent started.
    pub lost: u64,
}

/// The scheduler of the probes; counts are since the agent started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SchedulerView {
    /// Probes scheduled.
    pub probes: u32,
    /// Rounds finished.
    pub rounds: u64,
    /// Flows finished.
    pub flows: u64,
    /// Ticks skipped because of a suspend, a clock jump or a late round.
    pub missed: u64,
    /// Median lateness of a round's start, in milliseconds.
    pub lateness_p50_ms: Option<f64>,
    /// 99th percentile of a round's lateness, in milliseconds.
    pub lateness_p99_ms: Option<f64>,
}

/// Whether the agent does its job, check by check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether every check is fine.
    pub ready: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

/// One readiness check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// Its name, such as `store`.
    pub name: String,
    /// Whether it is fine.
    pub ok: bool,
    /// What is wrong, or what was looked at.
    pub detail: Option<String>,
}

/// What the API answers instead of data, after RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The HTTP status code.
    pub status: u16,
    /// What the status means, in words.
    pub title: String,
    /// What is wrong with this request.
    pub detail: String,
}
