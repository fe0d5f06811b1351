//! The queue of waited-for ticks, and the arithmetic of missed ones.

use std::{cmp::Reverse, collections::BinaryHeap};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use vipwatch_model::probe::ProbeName;

use crate::schedule::Schedule;

/// How many missed ticks of a cron schedule are counted one by one.
const COUNTED: u64 = 1_000;

/// Ticks by the monotonic time at which they are due. Calendar and monotonic time are tied together
/// when the queue is made.
pub(super) struct Ticks {
    wall: DateTime<Utc>,
    instant: Instant,
    queue: BinaryHeap<Reverse<(Instant, ProbeName)>>,
}

impl Ticks {
    pub(super) fn new(wall: DateTime<Utc>, instant: Instant) -> Self {
        Self { wall, instant, queue: BinaryHeap::new() }
    }

    pub(super) fn add(&mut self, tick: DateTime<Utc>, name: ProbeName) {
        let ahead = (tick - self.wall).to_std().unwrap_or_default();
        // Nobody waits for longer than a year; an overflow would be a panic.
        let ahead = ahead.min(std::time::Duration::from_secs(366 * 86_400));
        self.queue.push(Reverse((self.instant + ahead, name)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((due, _))| *due)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, ProbeName)> {
        let due = self.next()? <= now;
        due.then(|| self.queue.pop()).flatten().map(|Reverse(tick)| tick)
    }

    /// How far the calendar has moved ahead of the monotonic time since the queue was made.
    pub(super) fn drift(&self, wall: DateTime<Utc>, now: Instant) -> TimeDelta {
        let monotonic = TimeDelta::from_std(now - self.instant).unwrap_or(TimeDelta::MAX);
        (wall - self.wall) - monotonic
    }
}

/// The tick after `tick`, which is being started at `wall`, and how many were missed in between.
///
/// The clock may read a little less than the tick that just came due (timers and the calendar are not
/// the same clock), so the next tick is looked for after whichever is later.
pub(super) fn next(
    schedule: &Schedule,
    name: &str,
    tick: DateTime<Utc>,
    wall: DateTime<Utc>,
) -> (DateTime<Utc>, u64) {
    let missed = missed(schedule, name, tick, wall);
    (schedule.next_tick(name, tick.max(wall)), missed)
}

/// The tick to wait for after the clock jumped to `wall` while `tick` was waited for, and how many
/// were jumped over.
pub(super) fn realigned(
    schedule: &Schedule,
    name: &str,
    tick: DateTime<Utc>,
    wall: DateTime<Utc>,
) -> (DateTime<Utc>, u64) {
    let missed = if tick <= wall { 1 + missed(schedule, name, tick, wall) } else { 0 };
    (schedule.next_tick(name, wall), missed)
}

/// How many ticks lie after `tick` and not after `wall`.
fn missed(schedule: &Schedule, name: &str, tick: DateTime<Utc>, wall: DateTime<Utc>) -> u64 {
    match schedule {
        Schedule::Every(every) => {
            let late = (wall - tick).to_std().unwrap_or_default();
            u64::try_from(late.as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX)
        }
        Schedule::Cron(_) => {
            let mut at = tick;
            let mut missed = 0;
            while missed < COUNTED {
                at = schedule.next_tick(name, at);
                if at > wall {
                    break;
                }
                missed += 1;
            }
            missed
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::CronSchedule;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_tick_is_followed_by_the_next_even_when_the_clock_reads_a_little_less() {
        let every = Schedule::Every(Duration::from_secs(10));
        let first = every.next_tick("a", at("2026-11-23T10:00:00Z"));
        let early = first - TimeDelta::microseconds(300);
        assert_eq!(next(&every, "a", first, early), (first + TimeDelta::seconds(10), 0));
        assert_eq!(next(&every, "a", first, first), (first + TimeDelta::seconds(10), 0));
    }

    #[test]
    fn ticks_that_were_slept_through_are_counted_and_not_replayed() {
        let every = Schedule::Every(Duration::from_secs(10));
        let first = every.next_tick("a", at("2026-11-23T10:00:00Z"));
        let woke = first + TimeDelta::seconds(3605);
        assert_eq!(next(&every, "a", first, woke), (first + TimeDelta::seconds(3610), 360));
        assert_eq!(realigned(&every, "a", first, woke), (first + TimeDelta::seconds(3610), 361));
        let cron = Schedule::Cron(CronSchedule::parse("*/5 * * * *").unwrap());
        let first = cron.next_tick("a", at("2026-11-23T10:00:00Z"));
        assert_eq!(next(&cron, "a", first, first + TimeDelta::minutes(61)).1, 12);
    }

    #[test]
    fn a_clock_set_back_misses_nothing_and_waits_for_the_next_tick() {
        let every = Schedule::Every(Duration::from_secs(10));
        let first = every.next_tick("a", at("2026-11-23T10:00:00Z"));
        let back = first - TimeDelta::seconds(3601);
        assert_eq!(realigned(&every, "a", first, back), (first - TimeDelta::seconds(3600), 0));
    }

    #[test]
    fn drift_is_what_the_calendar_gains() {
        let (wall, instant) = (at("2026-11-23T10:00:00Z"), Instant::now());
        let ticks = Ticks::new(wall, instant);
        let later = instant + Duration::from_secs(5);
        assert_eq!(ticks.drift(wall + TimeDelta::seconds(5), later), TimeDelta::zero());
        assert_eq!(ticks.drift(wall + TimeDelta::seconds(65), later), TimeDelta::seconds(60));
    }
}
