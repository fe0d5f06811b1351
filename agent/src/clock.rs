//! Wall time, behind a handle that tests can set. Intervals are measured with tokio's `Instant`, never
//! with this; [`until`] waits for one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep_until};

/// The source of wall time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|| DateTime::from(std::time::SystemTime::now())))
    }

    /// A clock that reads `read`.
    pub fn from_fn(read: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

/// Waits for the instant, or for ever where there is none.
pub(crate) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
