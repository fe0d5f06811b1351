//! One receiver's lane: what waits for it, in which order, and when to try. Pure: the agent carries out what this says.
//!
//! ```text
//! accept ─▶ waiting ─▶ next ─▶ (the attempt) ─▶ settle ─▶ Decision ─▶ (written to the database) ─▶ written
//! ```
//!
//! A lane goes by what is written: whatever it decides about a delivery is a [`Decision`], and until that is written nothing else is
//! told of the same alerts. So an agent that is killed at any moment comes back to the same decisions.
//!
//! It holds so many deliveries in memory and leaves the others in the database, of which it asks for the oldest when there is
//! [room](Lane::restock).

mod backlog;
mod backoff;
mod budget;
mod circuit;
mod decision;
mod digest;
mod order;
mod replay;
mod supersede;

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    alert::Event,
    delivery::{Delivery, DeliveryKey, DeliveryState},
};
use backlog::Backlog;
pub use backoff::{LONGEST, retry_delay};
use budget::Budget;
pub use budget::RateLimit;
use circuit::after;
pub use circuit::{Circuit, FAILURES};
pub use decision::{Decision, Reply, Row, Step, Stock};
use order::{Due, is_critical_opening};
use replay::told_over;
pub use replay::{Rest, rest};

/// How a receiver wants to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// How much at most.
    pub limit: Option<RateLimit>,
    /// Whether it can be told in one what the limit has held back. Otherwise it is told one by one, more slowly.
    pub digests: bool,
}

/// What waits for one receiver.
#[derive(Debug)]
pub struct Lane {
    manner: Manner,
    /// The most deliveries that are held in memory.
    room: usize,
    /// Digests first, then in the order in which they were written.
    waiting: Vec<Delivery>,
    in_flight: Option<DeliveryKey>,
    /// What was decided and is not yet written.
    unwritten: Vec<Decision>,
    tickets: u64,
    circuit: Circuit,
    budget: Option<Budget>,
    backlog: Backlog,
    /// Whether the receiver has refused a digest.
    refuses_digests: bool,
    /// When dead letters were put back in the database that it has not given all yet.
    replay: Option<DateTime<Utc>>,
    /// Alerts that the receiver was told to be over since: what is put back of them comes too late.
    over: HashSet<String>,
    /// Alerts whose opening the receiver has refused for good: their end says that it may not have been told.
    untold: HashSet<String>,
}

impl Lane {
    /// A lane that holds up to `room` deliveries in memory.
    #[must_use]
    pub fn new(manner: Manner, room: usize) -> Self {
        Self {
            manner,
            room: room.max(2),
            waiting: Vec::new(),
            in_flight: None,
            unwritten: Vec::new(),
            tickets: 0,
            circuit: Circuit::default(),
            budget: manner.limit.map(Budget::new),
            backlog: Backlog::default(),
            refuses_digests: false,
            replay: None,
            over: HashSet::new(),
            untold: HashSet::new(),
        }
    }

    /// The receiver was configured anew: everything is tried at once.
    pub fn reconfigure(&mut self, manner: Manner, now: DateTime<Utc>) {
        self.manner = manner;
        if self.budget.map(|budget| budget.limit()) != manner.limit {
            self.budget = manner.limit.map(Budget::new);
        }
        self.refuses_digests = false;
        self.circuit = Circuit::default();
        self.hurry(now);
    }

    /// Takes a new delivery, which is in the database already. It waits for the circuit for a minute at most.
    pub fn accept(&mut self, delivery: Delivery, now: DateTime<Utc>) -> Option<Decision> {
        if self.holds(&delivery.key) {
            return None;
        }
        self.circuit.shorten(now);
        if self.backlog.beyond > 0 || self.waiting.len() >= self.room {
            self.backlog.add(1);
            return None;
        }
        self.waiting.push(delivery);
        let rows = self.left_out(now);
        self.issue(rows)
    }

    /// How many of the oldest pending deliveries, and all digests, the database is to be asked for now.
    pub fn wants(&mut self) -> Option<usize> {
        let room = self.waiting.len() <= self.room / 2;
        self.backlog.ask(room).then_some(self.room)
    }

    /// The database has answered. What is newer than what it gives and held is left to the database again, unless that is all.
    pub fn restock(&mut self, stock: Stock, now: DateTime<Utc>) -> Option<Decision> {
        let Stock { oldest, left, untold } = stock;
        self.untold.extend(untold);
        // What was put back is not given up any more.
        let openings = oldest.iter().filter(|delivery| delivery.event == Event::Opened);
        for alert in openings.flat_map(|opening| &opening.alerts) {
            self.untold.remove(alert);
        }
        let newest = oldest.last().map(|delivery| delivery.created_at);
        let mut held = std::mem::take(&mut self.waiting);
        for mut delivery in oldest {
            let mut decided = self.unwritten.iter().flat_map(|decision| &decision.rows);
            if let Some(place) = held.iter().position(|held| held.key == delivery.key) {
                self.waiting.push(held.remove(place));
            } else if !decided.any(|row| row.delivery.key == delivery.key) {
                // Its pause was for a receiver that failed. This one is not known to.
                if !self.circuit.is_failing() {
                    hurry(&mut delivery, now);
                }
                self.waiting.push(delivery);
            }
        }
        held.retain(|delivery| {
            let is_busy = self.in_flight.as_ref() == Some(&delivery.key);
            left == 0 || is_busy || delivery.event == Event::Digest || delivery.digest.is_some()
        });
        if self.replay.is_some() {
            // Something else may have failed meanwhile.
            self.circuit.release();
        }
        self.waiting.append(&mut held);
        self.waiting.sort_by_key(|delivery| delivery.event != Event::Digest);
        let is_current = self.backlog.answered(left);
        let digests = self.waiting.iter().filter(|delivery| delivery.event == Event::Digest);
        let digests: HashSet<_> = digests.map(|digest| digest.key.notification.clone()).collect();
        for delivery in &mut self.waiting {
            delivery.digest.take_if(|digest| !digests.contains(digest));
        }
        let rows = self.left_out(now);
        // The oldest come first, and what was put back was written before that.
        if is_current && (left == 0 || newest > self.replay) {
            self.replay = None;
            self.over.clear();
        }
        self.issue(rows)
    }

    /// The database cannot be read now: the lane goes on with what it holds.
    pub fn unreadable(&mut self) {
        self.backlog.unreadable();
    }

    /// So many dead letters were put back in the database, by somebody who wants them to be attempted now. They go before what was
    /// written after them, so nothing is attempted until the database has given them.
    pub fn put_back(&mut self, deliveries: usize, now: DateTime<Utc>) {
        self.circuit.release();
        self.replay = Some(now);
        // Whoever put them back could not know of what was not written then.
        self.over.extend(self.unwritten.iter().flat_map(|decision| told_over(&decision.rows)));
        self.backlog.add(deliveries);
        self.backlog.change();
    }

    /// Another database has taken the place of the one that was: what is held is written into it, and what waits there is read.
    pub fn replaced(&mut self, now: DateTime<Utc>) -> Option<Decision> {
        self.backlog.change();
        let held = self.waiting.iter().cloned();
        self.issue(held.map(|delivery| Row::new(delivery, DeliveryState::Pending, None, now)).collect())
    }

    /// The decision with `ticket` is written, or cannot be.
    pub fn written(&mut self, ticket: u64) {
        self.unwritten.retain(|decision| decision.ticket != ticket);
    }

    /// What to do now. `new_key` makes the key of a digest, unique for ever.
    pub fn next(&mut self, now: DateTime<Utc>, new_key: impl FnOnce() -> String) -> Step {
        if self.in_flight.is_some() || !self.backlog.known {
            return Step::Idle;
        }
        self.not_after(now + after(LONGEST));
        let mut due = match self.due(now) {
            Due::Nothing => return Step::Idle,
            Due::At(at) => return Step::Wait(at),
            Due::Now(due) => due,
        };
        if let Some(budget) = &self.budget {
            let left = budget.left(now);
            if left == 0 {
                return Step::Wait(budget.next_at(now));
            }
            if left < due.len() {
                due.sort_by_key(|&i| !is_critical_opening(&self.waiting[i]));
            }
            if left == 1
                && let Some(decision) = self.sum_up(&due, now, new_key)
            {
                return Step::Write(decision);
            }
        }
        let delivery = self.waiting[due[0]].clone();
        self.in_flight = Some(delivery.key.clone());
        Step::Attempt(delivery)
    }

    /// The attempt is over. `jitter` (0 to 1) is the share of a pause that is left to chance.
    pub fn settle(&mut self, reply: Reply, now: DateTime<Utc>, jitter: f64) -> Option<Decision> {
        let key = self.in_flight.take()?;
        let place = self.waiting.iter().position(|delivery| delivery.key == key)?;
        self.waiting[place].attempts += 1;
        let mut rows = match reply {
            Reply::Later { error, retry_after } => {
                self.circuit.failed(now, jitter, retry_after);
                self.postpone(
                    place,
                    error,
                    now,
                    retry_delay(self.waiting[place].attempts, jitter, retry_after),
                )
            }
            Reply::LaterInPart { error } => {
                self.answered(now);
                self.postpone(place, error, now, retry_delay(self.waiting[place].attempts, jitter, None))
            }
            Reply::Taken => self.taken(place, None, now),
            Reply::TakenInPart { error } => self.taken(place, Some(error), now),
            Reply::Refused { error } => self.refused(place, error, now),
        };
        self.over.extend(told_over(&rows));
        rows.extend(self.left_out(now));
        if self.replay.is_none() {
            self.over.clear();
        }
        self.issue(rows)
    }

    /// Whether the receiver is asked at all.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// How many deliveries wait, in memory and in the database; a digest is one.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiting.iter().filter(|delivery| delivery.digest.is_none()).count() + self.backlog.beyond
    }

    /// How many deliveries are held in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting.len()
    }

    fn holds(&self, key: &DeliveryKey) -> bool {
        self.waiting.iter().any(|delivery| delivery.key == *key)
    }

    fn postpone(&mut self, place: usize, error: String, now: DateTime<Utc>, pause: Duration) -> Vec<Row> {
        let delivery = &mut self.waiting[place];
        delivery.next_at = now + after(pause);
        vec![Row::new(delivery.clone(), DeliveryState::Pending, Some(error), now)]
    }

    /// `error` says why not everybody behind the receiver has it.
    fn taken(&mut self, place: usize, error: Option<String>, now: DateTime<Utc>) -> Vec<Row> {
        if let Some(budget) = &mut self.budget {
            budget.spend(now);
        }
        let delivery = self.waiting.remove(place);
        if delivery.event == Event::Opened {
            self.untold.retain(|alert| !delivery.alerts.contains(alert));
        }
        let key = delivery.key.notification.clone();
        let members = self.waiting.extract_if(.., |member| member.digest.as_ref() == Some(&key));
        let told = [delivery].into_iter().chain(members);
        let row = |delivery| Row::new(delivery, DeliveryState::Delivered, error.clone(), now);
        let rows = told.map(row).collect();
        self.answered(now);
        rows
    }

    /// The receiver does not want it. Of a digest that says nothing about what it sums up: that is told one by one.
    fn refused(&mut self, place: usize, error: String, now: DateTime<Utc>) -> Vec<Row> {
        let delivery = self.waiting.remove(place);
        self.answered(now);
        if delivery.event == Event::Opened {
            self.untold.extend(delivery.alerts.iter().cloned());
        }
        if delivery.event != Event::Digest {
            return vec![Row::new(delivery, DeliveryState::Dead, Some(error), now)];
        }
        self.refuses_digests = true;
        let mut rows = Vec::new();
        for member in &mut self.waiting {
            if member.digest.take_if(|digest| *digest == delivery.key.notification).is_some() {
                rows.push(Row::new(member.clone(), DeliveryState::Pending, None, now));
            }
        }
        rows.push(Row::new(delivery, DeliveryState::Superseded, Some(error), now));
        rows
    }

    /// The receiver answers. If it was given up for a while, what has waited for it is due at once. After a failure or two it is
    /// not: they may be due to what they were about, and that has a pause of its own.
    fn answered(&mut self, now: DateTime<Utc>) {
        if self.circuit.answered() {
            self.hurry(now);
        }
    }

    fn hurry(&mut self, now: DateTime<Utc>) {
        self.waiting.iter_mut().for_each(|delivery| hurry(delivery, now));
    }

    /// The clock may have been set back meanwhile: nothing waits for longer than the longest pause.
    fn not_after(&mut self, latest: DateTime<Utc>) {
        self.circuit.not_after(latest);
        for delivery in &mut self.waiting {
            delivery.next_at = delivery.next_at.min(latest);
        }
    }

    fn issue(&mut self, rows: Vec<Row>) -> Option<Decision> {
        if rows.is_empty() {
            return None;
        }
        self.tickets += 1;
        let decision = Decision { ticket: self.tickets, rows };
        self.unwritten.push(decision.clone());
        Some(decision)
    }
}

/// It is due at once, and before what was written later.
fn hurry(delivery: &mut Delivery, now: DateTime<Utc>) {
    delivery.next_at = delivery.created_at.min(now);
}
