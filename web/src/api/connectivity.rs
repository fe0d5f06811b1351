//! Whether the agent itself can see.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether the agent itself can see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConnectivityView {
    /// Whether it is blind: what it cannot reach is unknown then.
    pub blind: bool,
    /// Since when it has seen, or has been blind.
    pub since: DateTime<Utc>,
    /// Who is asked for that, with their latest answers; nobody unless some are configured.
    pub targets: Vec<ConnectivityTargetView>,
}

/// One connectivity target and what came of asking it last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConnectivityTargetView {
    /// The target, as it is configured but without a URL's query.
    pub target: String,
    /// When it was last asked, if it was.
    pub asked_at: Option<DateTime<Utc>>,
    /// How long its answer took, if there was one.
    pub latency_ms: Option<f64>,
    /// Why there was none.
    pub error: Option<String>,
}
