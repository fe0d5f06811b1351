//! What waits to be written. A channel would not do: when the database is away for long, the oldest
//! records that nobody's alert depends on must give way to new ones, and a failed batch goes back to
//! the front.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Record;

/// How long the writer lets records gather before it commits them together: committing page by page costs
/// the disk many times what is kept. Whatever a restart would have to go on from does not wait.
const LINGER: Duration = Duration::from_secs(1);

pub(super) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    cap: usize,
}

#[derive(Default)]
struct Inner {
    records: VecDeque<Record>,
    /// Whether one of them does not wait for company.
    urgent: bool,
    in_hand: usize,
    lost: u64,
    closed: bool,
}

impl Queue {
    pub(super) fn new(cap: usize) -> Self {
        Self { inner: Mutex::default(), arrived: Condvar::new(), cap }
    }

    // Nothing that runs under the lock can leave the queue half-changed, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, record: Record) {
        let urgent = record.is_urgent();
        let mut inner = self.lock();
        inner.records.push_back(record);
        inner.urgent |= urgent;
        inner.shrink(self.cap);
        let wake = urgent || inner.records.len() == 1;
        drop(inner);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Waits for records, at most until `patience` is over, and takes up to `most` of them. `None` when
    /// the queue is closed and empty.
    pub(super) fn take(&self, most: usize, patience: Duration) -> Option<Vec<Record>> {
        let give_up = Instant::now() + patience;
        let mut inner = self.lock();
        while inner.records.is_empty() {
            let left = give_up.saturating_duration_since(Instant::now());
            if inner.closed {
                return None;
            }
            if left.is_zero() {
                return Some(Vec::new());
            }
            inner = self.arrived.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let gathered = Instant::now() + LINGER;
        while !inner.closed && inner.records.len() < most && !inner.urgent {
            let left = gathered.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.arrived.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let n = inner.records.len().min(most);
        inner.in_hand = n;
        let taken = inner.records.drain(..n).collect();
        inner.urgent = inner.records.iter().any(Record::is_urgent);
        Some(taken)
    }

    /// Takes all that there is now besides what the last [`Queue::take`] took.
    pub(super) fn take_rest(&self) -> Vec<Record> {
        let mut inner = self.lock();
        inner.in_hand += inner.records.len();
        inner.urgent = false;
        inner.records.drain(..).collect()
    }

    /// The records of the last [`Queue::take`] are written.
    pub(super) fn written(&self) {
        self.lock().in_hand = 0;
    }

    /// The records that were taken last could not be written: they go back to the front.
    pub(super) fn put_back(&self, records: Vec<Record>) {
        let mut inner = self.lock();
        inner.in_hand = 0;
        inner.urgent |= records.iter().any(Record::is_urgent);
        for record in records.into_iter().rev() {
            inner.records.push_front(record);
        }
        inner.shrink(self.cap);
    }

    /// Waits up to `patience`, or less if the queue is closed meanwhile; tells whether it is closed.
    pub(super) fn pause(&self, patience: Duration) -> bool {
        let give_up = Instant::now() + patience;
        let mut inner = self.lock();
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            if inner.closed || left.is_zero() {
                return inner.closed;
            }
            inner = self.arrived.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Counts what is left as lost; for when the writer has to give up at the end.
    pub(super) fn give_up(&self) -> u64 {
        let mut inner = self.lock();
        let left = inner.records.len() as u64;
        inner.records.clear();
        inner.lost += left;
        left
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    pub(super) fn len(&self) -> usize {
        let inner = self.lock();
        inner.records.len() + inner.in_hand
    }

    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }
}

impl Inner {
    /// Keeps to the cap: the oldest record that is only history goes; where there is none, the oldest that
    /// can loses its flows. What alerts depend on stays: there is as much of it as there were changes.
    fn shrink(&mut self, cap: usize) {
        while self.records.len() > cap {
            if let Some(index) = self.records.iter().position(|record| !record.is_precious()) {
                self.records.remove(index);
                self.lost += 1;
                continue;
            }
            let slimmed = self.records.iter_mut().any(Record::slim);
            self.lost += u64::from(slimmed);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use chrono::{DateTime, Utc};
    use vipwatch_model::{
        observation::{Observation, Sight},
        state::{Machine, State},
        verdict::{Finding, Verdict},
    };

    use super::{
        super::{Effects, RoundRecord},
        *,
    };
    use crate::{
        config,
        plan::{Plan, Planned},
    };

    /// A round that said what the ones before it said.
    fn steady(planned: &Arc<Planned>) -> Record {
        Record::Round(Box::new(RoundRecord {
            planned: Arc::clone(planned),
            at: DateTime::<Utc>::UNIX_EPOCH,
            observation: Observation::Flows(Sight::default()),
            verdict: Verdict::new(Finding::Preserved, State::Up, "All is well."),
            latency_us: None,
            machine: Machine { state: State::Up, ..Machine::default() },
            transition: None,
            effects: Effects::default(),
        }))
    }

    #[test]
    fn what_is_urgent_does_not_wait_however_much_comes_after_it() {
        let source = "[agent]\nvantage = \"test\"\n[[probe]]\nname = \"gateway\"\nkind = \"icmp\"\naddress = \"192.0.2.1\"\n";
        let config = config::parse(source, Path::new("/probes.toml"), &|_| None).ok().unwrap();
        let planned = Arc::clone(&Plan::new(&config).probes[0]);
        let took = |records: Vec<Record>| {
            let queue = Queue::new(1_000);
            records.into_iter().for_each(|record| queue.push(record));
            let began = Instant::now();
            queue.take(1_000, Duration::ZERO).unwrap();
            began.elapsed()
        };
        let rounds = || (0..200).map(|_| steady(&planned));
        let urgent = Record::Effects(Box::default());
        assert!(took(std::iter::once(urgent).chain(rounds()).collect()) < LINGER / 2);
        assert!(took(rounds().collect()) >= LINGER, "steady rounds wait for company");
    }

    #[test]
    fn what_is_left_over_or_given_back_stays_urgent() {
        let queue = Queue::new(1_000);
        for _ in 0..3 {
            queue.push(Record::Effects(Box::default()));
        }
        let began = Instant::now();
        let taken = queue.take(1, Duration::ZERO).unwrap();
        assert_eq!(queue.take(10, Duration::ZERO).unwrap().len(), 2);
        queue.put_back(taken);
        assert_eq!(queue.take(10, Duration::ZERO).unwrap().len(), 1);
        assert!(began.elapsed() < LINGER / 2);
    }
}
