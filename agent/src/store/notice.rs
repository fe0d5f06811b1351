//! What passes between the store and the outbox.
//!
//! Deliveries reach the outbox by one way only, the stream of [`Notice`]s, in the order in which the writer did what they tell of. So
//! a lane that hears of a decision as written, and then of what waits, can rely on that the one is in the other.

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use vipwatch_model::{
    delivery::Delivery,
    lane::{Decision, Stock},
};

use super::{Replay, Replayed};

/// Which lane: that of a receiver, and which one of those that it has had since the agent started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneId {
    /// The receiver's name.
    pub receiver: String,
    /// The number of the lane, unique among all lanes since the agent started.
    pub number: u64,
}

/// What a lane has decided about deliveries.
#[derive(Debug)]
pub struct Decided {
    /// The lane.
    pub lane: LaneId,
    /// What it decided.
    pub decision: Decision,
}

/// A lane asks what waits for its receiver.
#[derive(Debug)]
pub struct Refill {
    /// The lane.
    pub lane: LaneId,
    /// How many of the oldest deliveries it wants.
    pub most: usize,
}

/// Dead letters are to be delivered after all.
#[derive(Debug)]
pub struct Retry {
    /// The numbers of the deliveries; all of them where it is empty.
    pub ids: Vec<i64>,
    /// To this receiver only.
    pub receiver: Option<String>,
    /// The receivers that there are.
    pub configured: Vec<String>,
    /// When that was asked for.
    pub at: DateTime<Utc>,
    /// What came of it, or why it could not be done.
    pub reply: mpsc::Sender<Result<Replayed, String>>,
}

/// What the outbox hears from the store.
#[derive(Debug, Clone)]
pub enum Notice {
    /// There is a new delivery. It is written, unless the database cannot be.
    New(Delivery),
    /// The answer to a [`Refill`].
    Waiting {
        /// Who asked.
        lane: LaneId,
        /// What there is.
        stock: Stock,
    },
    /// A [`Refill`] cannot be answered now; it will be.
    Unreadable(LaneId),
    /// A decision is written, or cannot be.
    Written {
        /// Whose.
        lane: LaneId,
        /// Its ticket.
        ticket: u64,
    },
    /// Dead letters of a receiver wait again, or need not be told any more.
    PutBack {
        /// The receiver's name.
        receiver: String,
        /// How many.
        replay: Replay,
    },
    /// Another file has taken the place of the database: each lane writes what it holds into that one, too.
    Replaced,
}

impl Notice {
    /// Whom it concerns, if not everybody.
    #[must_use]
    pub fn receiver(&self) -> Option<&str> {
        match self {
            Self::New(delivery) => Some(&delivery.key.receiver),
            Self::Waiting { lane, .. } | Self::Unreadable(lane) | Self::Written { lane, .. } => {
                Some(&lane.receiver)
            }
            Self::PutBack { receiver, .. } => Some(receiver),
            Self::Replaced => None,
        }
    }

    /// Whether a lane that was there before was told, not `lane`.
    #[must_use]
    pub fn is_of_another(&self, lane: &LaneId) -> bool {
        match self {
            Self::Waiting { lane: of, .. } | Self::Unreadable(of) | Self::Written { lane: of, .. } => {
                of != lane
            }
            Self::New(_) | Self::PutBack { .. } | Self::Replaced => false,
        }
    }
}
