//! How much a receiver wants to be told: a token bucket, kept as the one time at which it is full again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::circuit::after;

/// At most so many notifications in any such time, except that a full bucket may be emptied at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many, at least one.
    pub notifications: u32,
    /// In which time.
    pub per: Duration,
}

/// What is left of a [`RateLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    limit: RateLimit,
    /// When nothing would be spent any more.
    full_at: Option<DateTime<Utc>>,
}

impl Budget {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self { limit, full_at: None }
    }

    pub(super) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// How many notifications may go out at once.
    pub(super) fn left(&self, now: DateTime<Utc>) -> usize {
        let (missing, each) = (self.missing(now), self.each());
        let microseconds =
            |time: TimeDelta| u64::try_from(time.num_microseconds().unwrap_or(i64::MAX)).unwrap_or(0).max(1);
        // A token is there when it is there but for rounding.
        let used = (microseconds(missing) - 1).div_ceil(microseconds(each));
        usize::try_from(u64::from(self.notifications()).saturating_sub(used)).unwrap_or(usize::MAX)
    }

    /// When the next one may go out, if none may now.
    pub(super) fn next_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.missing(now) - self.each() * (i32::try_from(self.notifications()).unwrap_or(i32::MAX) - 1)
    }

    /// One goes out.
    pub(super) fn spend(&mut self, now: DateTime<Utc>) {
        self.full_at = Some(now + self.missing(now) + self.each());
    }

    /// How long it takes to fill up. If the clock was set back, not longer than that can take.
    fn missing(&self, now: DateTime<Utc>) -> TimeDelta {
        let missing = self.full_at.map_or(TimeDelta::zero(), |full| full - now);
        missing.clamp(TimeDelta::zero(), after(self.limit.per))
    }

    fn each(&self) -> TimeDelta {
        after(self.limit.per / self.notifications())
    }

    fn notifications(&self) -> u32 {
        self.limit.notifications.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn three_a_minute() -> Budget {
        Budget::new(RateLimit { notifications: 3, per: Duration::from_secs(60) })
    }

    #[test]
    fn what_is_spent_comes_back_bit_by_bit() {
        let mut budget = three_a_minute();
        for left in [3, 2, 1] {
            assert_eq!(budget.left(at(0)), left);
            budget.spend(at(0));
        }
        assert_eq!((budget.left(at(0)), budget.next_at(at(0))), (0, at(20)));
        assert_eq!((budget.left(at(19)), budget.next_at(at(19))), (0, at(20)));
        assert_eq!((budget.left(at(20)), budget.left(at(40)), budget.left(at(600))), (1, 2, 3));
        budget.spend(at(20));
        assert_eq!((budget.left(at(20)), budget.next_at(at(20))), (0, at(40)));
    }

    #[test]
    fn shares_that_do_not_come_out_even_come_back_all_the_same() {
        let mut budget = Budget::new(RateLimit { notifications: 7, per: Duration::from_secs(1) });
        for _ in 0..7 {
            budget.spend(at(0));
        }
        let next = budget.next_at(at(0));
        assert!(next > at(0) && next < at(1));
        assert_eq!(budget.left(next), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_costs_one_filling_at_most() {
        let mut budget = three_a_minute();
        budget.spend(at(100_000));
        assert_eq!((budget.left(at(0)), budget.next_at(at(0))), (0, at(20)));
    }
}
