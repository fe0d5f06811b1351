//! What the JSON API says: plain data that the agent fills in and the page
//! shows. Nothing here computes, and nothing here knows where it comes from.
//!
//! Every time is UTC and every duration carries its unit in its name.

mod alert;
mod changed;
mod connectivity;
mod delivery;
mod egress;
mod health;
mod probe;
mod silence;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use alert::{AcknowledgementView, AlertView, HoldView, NewAcknowledgement, Severity, TransitionView};
pub use changed::Changed;
pub use connectivity::{ConnectivityTargetView, ConnectivityView};
pub use delivery::{
    CircuitView, DELIVERIES, DeliveryFilter, DeliveryState, DeliveryView, OutboxEntry, ReceiverView,
    RefusedRetry, Retried, Retry,
};
pub use egress::{EgressChangeView, EgressView};
pub use health::{AgentView, Check, ConfigView, Problem, Readiness, SchedulerView, StoreView, Summary};
pub use probe::{
    Flow, NodeHealthView, Note, Pending, Policy, ProbeView, Responder, RoundView, Seen, ServiceView, State,
    Tick,
};
pub use silence::{Asking, MaintenanceView, MatcherView, NewSilence, SilenceView};

/// The most history ticks a probe carries.
pub const HISTORY_TICKS: usize = 60;

/// The most recent transitions an overview carries.
pub const RECENT_TRANSITIONS: usize = 50;

/// The most recent changes of the egress address an overview carries.
pub const RECENT_EGRESS_CHANGES: usize = 20;

/// Everything the overview page shows, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// The agent's version.
    pub version: String,
    /// Where this agent stands, as configured.
    pub vantage: String,
    /// When the agent started.
    pub started_at: DateTime<Utc>,
    /// When this overview was computed.
    pub at: DateTime<Utc>,
    /// How the agent itself is doing.
    pub agent: AgentView,
    /// How many probes are in which state.
    pub summary: Summary,
    /// The Kubernetes services watched, in configuration order.
    pub services: Vec<ServiceView>,
    /// Stand-alone probes: those that belong to no service.
    pub probes: Vec<ProbeView>,
    /// Open alerts, newest first.
    pub alerts: Vec<AlertView>,
    /// The latest changes of state, newest first, at most
    /// [`RECENT_TRANSITIONS`].
    pub transitions: Vec<TransitionView>,
    /// Who is told about alerts.
    pub receivers: Vec<ReceiverView>,
    /// The silences in force, the one that ends first at the front.
    pub silences: Vec<SilenceView>,
    /// Maintenance windows: those that are open, and then those to come.
    pub maintenance: Vec<MaintenanceView>,
}
