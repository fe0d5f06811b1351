//! Maintenance windows: when some alerts are not told.
//!
//! Pure functions of the instant that they are given, as in [`crate::schedule`]. What is not told meanwhile, and what is
//! told afterwards, is decided elsewhere.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::dispatch::{Matcher, Window};

use crate::schedule::CronSchedule;

/// The most windows in a row that are put together to one, where they overlap or touch.
const MOST_IN_A_ROW: usize = 1_024;

/// When which alerts are not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Its name.
    pub name: String,
    /// Which alerts.
    pub matcher: Matcher,
    /// When.
    pub when: When,
}

/// When a window is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Again and again.
    Recurring(Recurrence),
    /// Once.
    Once {
        /// The first instant.
        from: DateTime<Utc>,
        /// The first instant after it.
        to: DateTime<Utc>,
    },
}

/// A window that opens by a cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    /// When it opens. By the rules there, a time that the clocks skip counts as the first instant after the gap, and one that
    /// they repeat counts once.
    pub cron: CronSchedule,
    /// How long it is then open, whatever the clocks do meanwhile: longer than zero.
    pub lasting: TimeDelta,
}

impl Maintenance {
    /// Until when the window is open, if it is open at `now`. Where one follows another without a break, they are one.
    #[must_use]
    pub fn active(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.when {
            When::Once { from, to } => (*from..*to).contains(&now).then_some(*to),
            When::Recurring(recurrence) => recurrence.active(now),
        }
    }

    /// When it opens next after `now`; nothing where it never does again. Of a window that is open, the next to open is
    /// known when that one has closed.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.when {
            When::Once { from, .. } => Some(*from).filter(|from| *from > now),
            When::Recurring(Recurrence { cron, .. }) => cron.next_after(now),
        }
    }

    /// The windows of `all` that are open at `now`, and when to ask again: when the first of them closes or another opens.
    #[must_use]
    pub fn windows(all: &[Self], now: DateTime<Utc>) -> (Vec<Window>, Option<DateTime<Utc>>) {
        let mut open = Vec::new();
        let mut change: Option<DateTime<Utc>> = None;
        for maintenance in all {
            let until = maintenance.active(now);
            open.extend(until.map(|until| Window {
                name: maintenance.name.clone(),
                matcher: maintenance.matcher.clone(),
                until,
            }));
            let next = until.or_else(|| maintenance.next(now));
            change = change.into_iter().chain(next).min();
        }
        (open, change)
    }
}

impl Recurrence {
    fn active(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let opened = self.cron.next_after(now - self.lasting).filter(|fire| *fire <= now)?;
        let mut until = opened + self.lasting;
        for fire in self.fires(opened).take(MOST_IN_A_ROW) {
            if fire > until {
                break;
            }
            until = fire + self.lasting;
        }
        Some(until)
    }

    /// Whether so many windows follow each other without a break that it is as good as always open.
    #[must_use]
    pub fn hardly_ends(&self) -> bool {
        if self.cron.min_gap() > self.lasting.to_std().unwrap_or_default() {
            return false;
        }
        let mut fires = self.fires(DateTime::UNIX_EPOCH);
        let mut last = fires.next();
        let follows = |fire: &DateTime<Utc>| {
            let before = last.replace(*fire);
            before.is_some_and(|before| *fire <= before + self.lasting)
        };
        fires.take_while(follows).take(MOST_IN_A_ROW).count() == MOST_IN_A_ROW
    }

    fn fires(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.cron.next_after(after), |last| self.cron.next_after(*last))
    }
}
