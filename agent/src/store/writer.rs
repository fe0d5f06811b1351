//! The writer thread: takes batches off the queue and commits each in one transaction.

use std::{
    collections::HashSet,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    Decided, DeliveryKey, Health, Notice, Options, Outlets, Record, StoreError, carry,
    deliveries::Answer,
    open,
    queue::Queue,
    restore,
    rows::{self, ProbeIds},
    standing::Standing,
};
use crate::clock::Clock;

/// The most records in one transaction.
const BATCH: usize = 4_096;
/// How long to wait before the database is tried again after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How often the thread shows that it is alive, and looks after the file.
const MAINTAIN_EVERY: Duration = Duration::from_secs(3);
/// How often old rows are looked for.
const PRUNE_EVERY: TimeDelta = TimeDelta::seconds(30);
/// How soon again when there are more of them than are deleted at once.
const PRUNE_ON: TimeDelta = TimeDelta::milliseconds(200);

pub(super) struct Writer {
    options: Options,
    clock: Clock,
    outlets: Outlets,
    queue: Arc<Queue>,
    health: watch::Sender<Health>,
    database: Option<Database>,
    restored: bool,
    /// Deliveries that went out before they could be committed.
    handed: HashSet<DeliveryKey>,
    /// What a database that takes the place of this one has to get, too.
    standing: Standing,
    /// Which file the database was last, to see when another one stands at its path.
    file: Option<File>,
    prune_at: DateTime<Utc>,
}

struct Database {
    connection: Connection,
    ids: ProbeIds,
}

impl Writer {
    pub(super) fn new(
        options: Options,
        clock: Clock,
        outlets: Outlets,
        queue: Arc<Queue>,
        health: watch::Sender<Health>,
    ) -> Self {
        let prune_at = clock.now();
        Self {
            options,
            clock,
            outlets,
            queue,
            health,
            database: None,
            restored: false,
            handed: HashSet::new(),
            standing: Standing::default(),
            file: None,
            prune_at,
        }
    }

    pub(super) fn run(mut self) {
        // Opened at once, so that what is remembered is there before the first round.
        let opened = self.database().map(drop);
        self.report(opened);
        while let Some(mut batch) =
            self.queue.take(BATCH, if self.database.is_some() { MAINTAIN_EVERY } else { RETRY })
        {
            self.outlets.heartbeat.beat();
            self.notice_other_file();
            let written = self.write(&batch);
            let failed = written.is_err();
            let answers = self.report(written);
            if failed {
                // What waits behind it cannot be written either, and its deliveries must not wait for that.
                batch.append(&mut self.queue.take_rest());
            }
            self.hand_over(&batch, answers);
            if failed {
                // Whoever asks for that gets to know, and may ask again.
                batch.retain(|record| !matches!(record, Record::Retry(_) | Record::IsWritten(_)));
                self.queue.put_back(batch);
                if self.queue.pause(RETRY) {
                    break;
                }
                continue;
            }
            self.queue.written();
            self.prune();
        }
        let left = self.queue.give_up();
        if left > 0 {
            tracing::error!(records = left, "failed to write the last records before the end; they are lost");
        }
    }

    fn database(&mut self) -> Result<&mut Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.open()?,
        };
        Ok(self.database.insert(database))
    }

    fn open(&mut self) -> Result<Database, StoreError> {
        let path = &self.options.path;
        let mut connection = open::for_writing(path)?;
        let file = file_at(path);
        match carry::take_in(&connection, path) {
            Ok(0) => {}
            Ok(deliveries) => tracing::info!(deliveries, "took over what waits to be delivered"),
            Err(error) => tracing::error!(
                %error, left = %carry::beside(path).display(), "failed to take over what waits to be delivered"
            ),
        }
        if self.restored {
            let standing = rows::write_again(&mut connection, &self.standing.effects());
            standing.map_err(|source| open::explain(path, source))?;
            if self.file != file {
                self.tell(Notice::Replaced);
            }
        } else {
            self.restore()?;
        }
        self.file = file;
        Ok(Database { connection, ids: ProbeIds::new() })
    }

    fn restore(&mut self) -> Result<(), StoreError> {
        let restored = restore::restore(&self.options.path)?;
        self.restored = true;
        self.standing = Standing::restored(&restored);
        // Nobody listens only when the agent is ending.
        let _ = self.outlets.restored.blocking_send(Box::new(restored));
        Ok(())
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Answer>, StoreError> {
        let path = self.options.path.clone();
        let database = self.database()?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let written = rows::write(&mut database.connection, &mut database.ids, batch);
        let answers = written.map_err(|source| {
            // The file may be another one next time: moved away, replaced, remounted.
            self.database = None;
            open::explain(&path, source)
        })?;
        batch.iter().filter_map(Record::effects).for_each(|effects| self.standing.note(effects));
        Ok(answers)
    }

    /// SQLite goes on writing to a file that was deleted or moved away, and all of it would be gone after a restart.
    fn notice_other_file(&mut self) {
        let path = &self.options.path;
        if self.file.is_none() || file_at(path) == self.file {
            return;
        }
        let Some(database) = self.database.take() else { return };
        self.file = None;
        tracing::warn!(path = %path.display(), "the database was moved or replaced; going on with what is at its path now");
        if let Err(error) = carry::set_aside(&database.connection, path) {
            tracing::error!(%error, "failed to read what waits to be delivered from the database that was; going on with what is in memory");
        }
    }

    /// Tells the outbox what it has to deliver and what it has asked: after the commit, or at once when there is none.
    fn hand_over(&mut self, batch: &[Record], answers: Option<Vec<Answer>>) {
        let failed = answers.is_none();
        let mut answers = answers.unwrap_or_default().into_iter();
        for record in batch {
            for delivery in record.effects().into_iter().flat_map(|effects| &effects.deliveries) {
                let first = if failed {
                    self.handed.insert(delivery.key.clone())
                } else {
                    !self.handed.remove(&delivery.key)
                };
                if first {
                    self.tell(Notice::New(delivery.clone()));
                }
            }
            match record {
                Record::Round(_) | Record::Effects(_) | Record::Stranded { .. } => {}
                Record::Decided(Decided { lane, decision }) => {
                    self.tell(Notice::Written { lane: lane.clone(), ticket: decision.ticket });
                }
                Record::Refill(_) | Record::Retry(_) => self.answer(record, answers.next()),
                Record::IsWritten(reply) => {
                    // Whoever asked may be gone.
                    let _ = reply.try_send(if failed { Err(self.why_not()) } else { Ok(()) });
                }
            }
        }
    }

    /// Answers a record that asks something; without an answer when nothing could be written or read.
    fn answer(&self, record: &Record, answer: Option<Answer>) {
        match (record, answer) {
            (Record::Refill(refill), Some(Answer::Waiting(stock))) => {
                self.tell(Notice::Waiting { lane: refill.lane.clone(), stock });
            }
            (Record::Refill(refill), _) => self.tell(Notice::Unreadable(refill.lane.clone())),
            (Record::Retry(retry), Some(Answer::PutBack(replayed))) => {
                for (receiver, replay) in &replayed.by_receiver {
                    self.tell(Notice::PutBack { receiver: receiver.clone(), replay: *replay });
                }
                // Whoever asked may be gone; it is done all the same.
                let _ = retry.reply.try_send(Ok(replayed));
            }
            (Record::Retry(retry), _) => {
                let _ = retry.reply.try_send(Err(self.why_not()));
            }
            _ => {}
        }
    }

    /// Why nothing can be written.
    fn why_not(&self) -> String {
        self.health.borrow().error.clone().unwrap_or_default()
    }

    fn tell(&self, notice: Notice) {
        // Nobody listens only when the agent is ending.
        let _ = self.outlets.outbox.blocking_send(notice);
    }

    /// Says a failure once when it begins, and once when it is over.
    fn report<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        let error = result.as_ref().err().map(ToString::to_string);
        self.health.send_if_modified(|health| {
            if health.error == error {
                return false;
            }
            match &error {
                Some(error) => {
                    tracing::error!(%error, "failed to write the database; results are held in memory");
                }
                None => tracing::info!("the database can be written again"),
            }
            health.error = error;
            true
        });
        result.ok()
    }

    fn prune(&mut self) {
        let now = self.clock.now();
        if now < self.prune_at {
            return;
        }
        let keep = TimeDelta::from_std(self.options.keep).unwrap_or(TimeDelta::MAX);
        let (Some(database), Some(before)) = (&mut self.database, now.checked_sub_signed(keep)) else {
            return;
        };
        let more = rows::prune(&mut database.connection, before).unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to delete old rows");
            false
        });
        self.prune_at = now + if more { PRUNE_ON } else { PRUNE_EVERY };
    }
}

/// A file by its device, its inode, and when it was made: the number of a deleted one is given to the next.
type File = (u64, u64, Option<SystemTime>);

/// Which file is at `path`.
fn file_at(path: &Path) -> Option<File> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.created().ok()))
}
