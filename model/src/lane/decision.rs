//! What goes into a lane and what comes out of it, as plain data.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::delivery::{Delivery, DeliveryState};

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The receiver has it.
    Taken,
    /// Not now: try again, not sooner than after the given time if there is one.
    Later {
        /// Why.
        error: String,
        /// What the receiver asked for.
        retry_after: Option<Duration>,
    },
    /// Never: the receiver says that the request itself is wrong.
    Refused {
        /// Why.
        error: String,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something else happens.
    Idle,
    /// Nothing before this time.
    Wait(DateTime<Utc>),
    /// Tell the receiver.
    Attempt(Delivery),
    /// Have this written.
    Write(Decision),
}

/// What the lane has decided about deliveries. All of it is to be written in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it has been [written](Lane::written), is told by this.
    pub ticket: u64,
    /// The deliveries as they are from now on.
    pub rows: Vec<Row>,
}

/// A delivery as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The delivery.
    pub delivery: Delivery,
    /// How far it has come.
    pub state: DeliveryState,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When this was decided.
    pub at: DateTime<Utc>,
}

impl Row {
    pub(super) fn new(
        delivery: Delivery,
        state: DeliveryState,
        error: Option<String>,
        now: DateTime<Utc>,
    ) -> Self {
        Self { delivery, state, error, at: now }
    }
}
