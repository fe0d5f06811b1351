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

mod carry;
mod deliveries;
mod listing;
mod notice;
mod open;
mod queue;
mod replay;
mod restore;
mod rows;
mod standing;
mod writer;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::timeout,
};
use vipwatch_model::{
    alert::Alert,
    dispatch::{Group, Silence, Telling},
    flow::{Failure, Flow},
    node_health::{HealthAnswer, NodeHealth},
    notification::Resolution,
    observation::{Observation, Sight},
    proxy_health::{ProxyAnswer, ProxyHealth},
    state::{Machine, Transition},
    verdict::Verdict,
};

pub use vipwatch_model::delivery::{Delivery, DeliveryKey, DeliveryState};

pub use listing::{Filter, Listed};
pub use notice::{Decided, LaneId, Notice, Refill, Retry};
pub use open::SCHEMA_VERSION;
use queue::Queue;
pub use replay::{Replay, Replayed};
pub use restore::{PastTransition, Remembered, Restored, StoredAlert, Tally};

use crate::{clock::Clock, heartbeat::Heartbeat, plan::Planned};

/// How long [`Store::written`] waits: longer than it takes to find out that the database cannot be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(4);

/// How many lists of deliveries are read at once: a small host has to go on probing beside them.
const READERS: usize = 2;

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
    /// What follows from it.
    pub effects: Effects,
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

/// What follows from a round, a command or the time: alerts, how far telling of them has come, and deliveries.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// Alerts that were opened.
    pub opened: Vec<Alert>,
    /// Alerts that were resolved, and how they ended.
    pub resolved: Vec<(Alert, Resolution)>,
    /// How far telling of alerts has come, by id.
    pub tellings: BTreeMap<String, Telling>,
    /// Groups of alerts that changed; `None` for those to forget.
    pub groups: BTreeMap<String, Option<Group>>,
    /// Silences that are new, or (`None`) over.
    pub silences: BTreeMap<String, Option<Silence>>,
    /// What is to be delivered.
    pub deliveries: Vec<Delivery>,
}

impl Effects {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty()
            && self.resolved.is_empty()
            && self.tellings.is_empty()
            && self.groups.is_empty()
            && self.silences.is_empty()
            && self.deliveries.is_empty()
    }
}

/// Anything that the writer is given, in order.
#[derive(Debug)]
pub enum Record {
    /// A round.
    Round(Box<RoundRecord>),
    /// What follows from anything else: a command, a change of configuration, the time.
    Effects(Box<Effects>),
    /// What a lane of the outbox has decided.
    Decided(Decided),
    /// From now on there are only these receivers: what waits for others is given up.
    Stranded {
        /// Their names.
        configured: Vec<String>,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// A question, which is answered once everything before it is written.
    Refill(Refill),
    /// A request to deliver dead letters after all.
    Retry(Retry),
    /// Somebody wants to know whether everything before this is written, or why not.
    IsWritten(mpsc::Sender<Result<(), String>>),
}

impl Record {
    /// What follows from it.
    fn effects(&self) -> Option<&Effects> {
        match self {
            Self::Round(round) => Some(&round.effects),
            Self::Effects(effects) => Some(effects),
            _ => None,
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
            Self::Round(round) => round.transition.is_some() || !round.effects.is_empty(),
            _ => true,
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
    /// What the outbox hears of: deliveries, once they are safe.
    pub outbox: mpsc::Sender<Notice>,
    /// What the database remembered, when it could be opened; sent once.
    pub restored: mpsc::Sender<Box<Restored>>,
    /// Shows that the thread is alive: a disk that hangs shows as silence.
    pub heartbeat: Heartbeat,
}

/// The handle of the writer thread.
pub struct Store {
    path: PathBuf,
    queue: Arc<Queue>,
    health: watch::Receiver<Health>,
    readers: Arc<Semaphore>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Store {
    /// Starts the writer thread; it opens the database at once, and again and again while that fails.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: Options, clock: Clock, outlets: Outlets) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(options.buffer));
        let path = options.path.clone();
        let (tell_health, health) = watch::channel(Health::default());
        let writer = writer::Writer::new(options, clock, outlets, Arc::clone(&queue), tell_health);
        let thread = thread::Builder::new().name("store".into()).spawn(move || writer.run())?;
        let readers = Arc::new(Semaphore::new(READERS));
        Ok(Self { path, queue, health, readers, thread: Mutex::new(Some(thread)) })
    }

    /// Hands a record to the writer. Never waits.
    pub fn push(&self, record: Record) {
        self.queue.push(record);
    }

    /// Waits until everything that was pushed before is written.
    ///
    /// # Errors
    /// When it cannot be written now, or takes too long: why. It is written as soon as that is over.
    pub async fn written(&self) -> Result<(), String> {
        let (reply, mut replied) = mpsc::channel(1);
        self.push(Record::IsWritten(reply));
        match timeout(WRITTEN_WITHIN, replied.recv()).await {
            Ok(Some(written)) => written,
            Ok(None) => Err("the agent is ending".to_owned()),
            Err(_) => Err(format!("the disk takes longer than {} s", WRITTEN_WITHIN.as_secs())),
        }
    }

    /// Deliveries that were made or are to be made, newest first. Waits until few enough others are being read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(&self, filter: Filter) -> Result<Vec<Listed>, StoreError> {
        let path = self.path.clone();
        let place = Arc::clone(&self.readers).acquire_owned().await;
        let listed = tokio::task::spawn_blocking(move || {
            // Until it is read, even if nobody waits for it any more.
            let _place = place;
            listing::list(&path, &filter)
        });
        let listed = listed.await;
        // A panic of the reader has been reported by the panic hook already.
        listed.unwrap_or_else(|_| Ok(Vec::new()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn few_lists_are_read_at_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("vipwatch.db");
        open::for_writing(&path).unwrap();
        let options = Options { path, keep: Duration::from_secs(3_600), buffer: 10 };
        let (outbox, _outbox) = mpsc::channel(1);
        let (restored, _restored) = mpsc::channel(1);
        let outlets = Outlets { outbox, restored, heartbeat: Heartbeat::default() };
        let store = Store::start(options, Clock::system(), outlets).unwrap();
        let all_places = u32::try_from(READERS).unwrap();
        let taken = Arc::clone(&store.readers).acquire_many_owned(all_places).await.unwrap();
        let mut waits = std::pin::pin!(store.deliveries(Filter::default()));
        assert!(timeout(Duration::ZERO, &mut waits).await.is_err(), "it is read although nothing is free");
        drop(taken);
        assert_eq!(waits.await.unwrap(), []);
        assert_eq!(store.readers.available_permits(), READERS);
    }
}
