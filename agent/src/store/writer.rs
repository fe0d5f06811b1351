//! The writer thread: takes batches off the queue and commits each in one transaction.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::TimeDelta;
use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    DeliveryKey, Health, Options, Outlets, Record, StoreError, open,
    queue::Queue,
    restore,
    rows::{self, ProbeIds},
};
use crate::clock::Clock;

/// The most records in one transaction.
const BATCH: usize = 4_096;
/// How long to wait before the database is tried again after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How often old rows are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(30);

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
        Self {
            options,
            clock,
            outlets,
            queue,
            health,
            database: None,
            restored: false,
            handed: HashSet::new(),
        }
    }

    pub(super) fn run(mut self) {
        let mut prune_at = self.clock.now();
        // Opened at once, so that what is remembered is there before the first round.
        let opened = self.database().map(drop);
        self.report(opened);
        while let Some(batch) =
            self.queue.take(BATCH, if self.database.is_some() { PRUNE_EVERY } else { RETRY })
        {
            let written = self.write(&batch);
            let failed = written.is_err();
            self.report(written);
            self.hand_over(&batch, failed);
            if failed {
                self.queue.put_back(batch);
                if self.queue.pause(RETRY) {
                    break;
                }
                continue;
            }
            self.queue.written();
            if self.clock.now() >= prune_at {
                let more = self.prune();
                let pause = if more {
                    TimeDelta::milliseconds(200)
                } else {
                    TimeDelta::seconds(PRUNE_EVERY.as_secs().cast_signed())
                };
                prune_at = self.clock.now() + pause;
            }
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
        let connection = open::for_writing(&self.options.path)?;
        if !self.restored {
            self.restore()?;
        }
        Ok(Database { connection, ids: ProbeIds::new() })
    }

    fn restore(&mut self) -> Result<(), StoreError> {
        let restored = restore::restore(&self.options.path)?;
        self.restored = true;
        for delivery in &restored.deliveries {
            let _ = self.outlets.deliveries.blocking_send(delivery.clone());
        }
        // Nobody listens only when the agent is ending.
        let _ = self.outlets.restored.blocking_send(Box::new(restored));
        Ok(())
    }

    fn write(&mut self, batch: &[Record]) -> Result<(), StoreError> {
        let path = self.options.path.clone();
        let database = self.database()?;
        if batch.is_empty() {
            return Ok(());
        }
        let written = rows::write(&mut database.connection, &mut database.ids, batch);
        written.map_err(|source| {
            // The file may be another one next time: moved away, replaced, remounted.
            self.database = None;
            open::explain(&path, source)
        })
    }

    /// Gives the outbox what it has to deliver: after the commit, or at once when there is none.
    fn hand_over(&mut self, batch: &[Record], failed: bool) {
        for delivery in batch.iter().flat_map(Record::deliveries) {
            let first = if failed {
                self.handed.insert(delivery.key.clone())
            } else {
                !self.handed.remove(&delivery.key)
            };
            if first {
                let _ = self.outlets.deliveries.blocking_send(delivery.clone());
            }
        }
    }

    /// Says a failure once when it begins, and once when it is over.
    fn report(&self, result: Result<(), StoreError>) {
        let error = result.err().map(|error| error.to_string());
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
    }

    fn prune(&mut self) -> bool {
        let keep = TimeDelta::from_std(self.options.keep).unwrap_or(TimeDelta::MAX);
        let (Some(database), Some(before)) = (&mut self.database, self.clock.now().checked_sub_signed(keep))
        else {
            return false;
        };
        rows::prune(&mut database.connection, before).unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to delete old rows");
            false
        })
    }
}
