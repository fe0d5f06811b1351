//! What goes into a lane and what comes out of it, as plain data.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};

use crate::delivery::{Delivery, DeliveryState};

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The receiver has it.
    Taken,
    /// Some of those behind the receiver have it, and the others will never take it.
    TakenInPart {
        /// Why they do not.
        error: String,
    },
    /// Some of those behind the receiver have it, and the others may take it later. The receiver itself does not fail.
    LaterInPart {
        /// Why they do not have it.
        error: String,
    },
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

impl Reply {
    /// Why not everybody behind the receiver has it; nothing where everybody does.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Taken => None,
            Self::TakenInPart { error }
            | Self::LaterInPart { error }
            | Self::Later { error, .. }
            | Self::Refused { error } => Some(error),
        }
    }
}

/// What the database holds for a receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// All digests that wait, and the oldest of the other deliveries.
    pub oldest: Vec<Delivery>,
    /// How many more wait.
    pub left: usize,
    /// The ids of alerts whose opening was given up, as far as they are open still, or their end is among `oldest`.
    pub untold: HashSet<String>,
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
    /// Why the last attempt failed; of a delivery that was delivered, why not everybody behind the receiver has it.
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
