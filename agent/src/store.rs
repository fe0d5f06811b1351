//! The database: one writer thread with group commit, read-only connections beside it.
//!
//! ```text
//! pipeline ──push──▶ Queue ──take──▶ writer thread ──one transaction──▶ SQLite
//!                                        └── deliveries, once committed ──▶ outbox
//! ```
//!
//! Storage never holds up probing: [`Store::push`] never waits. While the database cannot be written,
//! records stay in the bounded queue; when that is full, the oldest rounds without an alert go first
//! and are counted as lost. Alerts are told even then: their deliveries are handed to the outbox
//! without waiting for a disk that may stay full.

mod open;
mod queue;
mod restore;
mod rows;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use vipwatch_model::{
    alert::{Alert, Event},
    flow::{Failure, Flow},
    node_health::{HealthAnswer, NodeHealth},
    notification::Resolution,
    observation::{Observation, Sight},
    proxy_health::{ProxyAnswer, ProxyHealth},
    state::{Machine, Transition},
    verdict::Verdict,
};

pub use open::SCHEMA_VERSION;
use queue::Queue;
pub use restore::{PastTransition, Remembered, Restored, Tally};

use crate::{clock::Clock, heartbeat::Heartbeat, plan::Planned};

/// Everything that one round leaves behind; written in one transaction.
#[derive(Debug, Clone)]
pub struct RoundRecord {
    /// The probe.
    pub planned: Arc<Planned>,
    /// When the round was judged.
    pub at: DateTime<Utc>,
    /// What it saw.
    pub observation: Observation,
    /// What that means.
    pub verdict: Verdict,
    /// The median time of its answered flows, in microseconds.
    pub latency_us: Option<u32>,
    /// The state machine after it.
    pub machine: Machine,
    /// The change of state, if it completed one.
    pub transition: Option<Transition>,
    /// Alerts that it opened.
    pub opened: Vec<Alert>,
    /// Alerts that it resolved, and how they ended.
    pub resolved: Vec<(Alert, Resolution)>,
    /// What is to be told of these.
    pub deliveries: Vec<Delivery>,
}

impl RoundRecord {
    fn flows(&self) -> &[Flow] {
        match &self.observation {
            Observation::Flows(sight) => &sight.flows,
            Observation::NodeHealth(_) | Observation::ProxyHealth(_) => &[],
        }
    }

    /// Why a poll got no answer.
    fn failed_poll(&self) -> Option<&Failure> {
        match &self.observation {
            Observation::NodeHealth(NodeHealth { answer: HealthAnswer::Failed(failure), .. })
            | Observation::ProxyHealth(ProxyHealth { answer: ProxyAnswer::Failed(failure), .. }) => {
                Some(failure)
            }
            _ => None,
        }
    }
}

/// What became of alerts apart from any round: those about the agent itself, and those whose probe is no longer
/// configured.
#[derive(Debug, Clone)]
pub struct Apart {
    /// Alerts that were opened.
    pub opened: Vec<Alert>,
    /// Alerts that ended, and how.
    pub resolved: Vec<(Alert, Resolution)>,
    /// What is to be told of these.
    pub deliveries: Vec<Delivery>,
}

/// What identifies a delivery: one alert's event, told to one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// The alert's id.
    pub alert: String,
    /// What happened to it.
    pub event: Event,
    /// The receiver's name.
    pub receiver: String,
}

/// A row of the outbox.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What identifies it.
    pub key: DeliveryKey,
    /// The webhook document, as JSON.
    pub document: Arc<str>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this time.
    pub next_at: DateTime<Utc>,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Still to be delivered.
    Pending,
    /// The receiver has it.
    Delivered,
    /// Given up.
    Dead,
}

impl DeliveryState {
    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// The outcome of one attempt at a delivery.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// Which delivery.
    pub delivery: Delivery,
    /// How far it has come; `delivery.attempts` and `next_at` are up to date.
    pub state: DeliveryState,
    /// Why it failed.
    pub error: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Anything that is written.
#[derive(Debug, Clone)]
pub enum Record {
    /// A round.
    Round(Box<RoundRecord>),
    /// Alerts apart from any round.
    Apart(Apart),
    /// An attempt at a delivery.
    Attempted(Attempted),
}

impl Record {
    /// What it wants told.
    fn deliveries(&self) -> &[Delivery] {
        match self {
            Self::Round(round) => &round.deliveries,
            Self::Apart(apart) => &apart.deliveries,
            Self::Attempted(_) => &[],
        }
    }

    fn opened(&self) -> &[Alert] {
        match self {
            Self::Round(round) => &round.opened,
            Self::Apart(apart) => &apart.opened,
            Self::Attempted(_) => &[],
        }
    }

    fn resolved(&self) -> &[(Alert, Resolution)] {
        match self {
            Self::Round(round) => &round.resolved,
            Self::Apart(apart) => &apart.resolved,
            Self::Attempted(_) => &[],
        }
    }

    /// Gives up its history to stay within bounds; what an alert depends on stays.
    fn slim(&mut self) -> bool {
        match self {
            Self::Round(round) if !round.flows().is_empty() => {
                round.observation = Observation::Flows(Sight::default());
                true
            }
            _ => false,
        }
    }

    /// Whether a restart would miss it: what is precious, and rounds in the middle of a count.
    fn is_urgent(&self) -> bool {
        self.is_precious() || matches!(self, Self::Round(round) if !round.machine.is_steady())
    }

    /// Whether its loss would lose more than history.
    fn is_precious(&self) -> bool {
        match self {
            Self::Round(round) => {
                round.transition.is_some() || !round.opened.is_empty() || !round.resolved.is_empty()
            }
            Self::Apart(_) | Self::Attempted(_) => true,
        }
    }
}

/// How the database is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it cannot be written now, with the mend.
    pub error: Option<String>,
}

/// Why the database cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The schema is newer than this program.
    #[error(
        "{path} has schema version {found}, and this vipwatch knows versions up to {SCHEMA_VERSION}: install the newer vipwatch again, or let agent.database name another file"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "{path} is damaged or no SQLite database ({source}): move it away (vipwatch then starts a new one) or restore a copy"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// The file or its directory cannot be written.
    #[error(
        "{path} cannot be written ({source}): let the agent's user own the file and its directory, and check that the file system is not mounted read-only"
    )]
    ReadOnly {
        /// The database file.
        path: PathBuf,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// No room.
    #[error("there is no room left for {path} ({source}): make room on its file system")]
    Full {
        /// The database file.
        path: PathBuf,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// Anything else.
    #[error("{path} cannot be used: {source}")]
    Other {
        /// The database file.
        path: PathBuf,
        /// SQLite's word.
        source: rusqlite::Error,
    },
}

/// What a store is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database file.
    pub path: PathBuf,
    /// How long rounds, transitions, resolved alerts and finished deliveries are kept.
    pub keep: Duration,
    /// How many records may wait while the database cannot be written.
    pub buffer: usize,
}

/// What the writer tells the rest of the agent.
pub struct Outlets {
    /// Deliveries, once they are safe.
    pub deliveries: mpsc::Sender<Delivery>,
    /// What the database remembered, when it could be opened; sent once.
    pub restored: mpsc::Sender<Box<Restored>>,
    /// Shows that the thread is alive: a disk that hangs shows as silence.
    pub heartbeat: Heartbeat,
}

/// The handle of the writer thread.
pub struct Store {
    queue: Arc<Queue>,
    health: watch::Receiver<Health>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Store {
    /// Starts the writer thread; it opens the database at once, and again and again while that fails.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: Options, clock: Clock, outlets: Outlets) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(options.buffer));
        let (tell_health, health) = watch::channel(Health::default());
        let writer = writer::Writer::new(options, clock, outlets, Arc::clone(&queue), tell_health);
        let thread = thread::Builder::new().name("store".into()).spawn(move || writer.run())?;
        Ok(Self { queue, health, thread: Mutex::new(Some(thread)) })
    }

    /// Hands a record to the writer. Never waits.
    pub fn push(&self, record: Record) {
        self.queue.push(record);
    }

    /// How the database is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Tells whenever its state changes.
    #[must_use]
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Records that wait to be written.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.queue.len()
    }

    /// Records that were lost because the database could not be written for too long.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// Waits for the end of the writer thread, which ends only when it is told to, or by a fault.
    pub async fn ended(&self) {
        let mut health = self.health.clone();
        while health.changed().await.is_ok() {}
    }

    /// Lets the writer write what it holds and end. Blocks until it has, so call it off the runtime.
    pub fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the writer has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
    }
}
