//! The one thing this crate wants from the agent.

use std::sync::Arc;

use tokio::sync::watch;

use crate::api::{Overview, Readiness};

/// Where the page gets what it shows. Both answers come from memory: a page
/// view must never wait for the store or for a probe.
pub trait Status: Send + Sync + 'static {
    /// The current overview and its changes. The sender should be dropped only
    /// when the agent ends.
    fn overview(&self) -> watch::Receiver<Arc<Overview>>;

    /// Whether the agent does its job, asked anew for every request.
    fn readiness(&self) -> Readiness;
}
