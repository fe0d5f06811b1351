//! A receiver that fails again and again is asked seldom, however much waits for it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::backoff::{LONGEST, retry_delay};

/// How many failures in a row open the circuit.
pub const FAILURES: u32 = 5;

/// The longest time that something new waits for a circuit: it may be the agent's own network that was down.
const LONGEST_FOR_NEW: TimeDelta = TimeDelta::minutes(1);

/// Whether a receiver can be asked, by what its last attempts came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circuit {
    failures: u32,
    open_since: Option<DateTime<Utc>>,
    /// Nothing is attempted before: the circuit's pause, or what the receiver asked for.
    hold: Option<DateTime<Utc>>,
    /// Until when the receiver asked to be left alone.
    asked: Option<DateTime<Utc>>,
}

impl Circuit {
    /// The receiver answered; tells whether the circuit was open.
    pub(super) fn answered(&mut self) -> bool {
        std::mem::take(self).open_since.is_some()
    }

    /// An attempt failed. `jitter` and `retry_after` are those of [`retry_delay`].
    pub(super) fn failed(&mut self, now: DateTime<Utc>, jitter: f64, retry_after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        self.asked = retry_after.map(|asked| now + after(asked.min(LONGEST)));
        if self.failures >= FAILURES {
            self.open_since.get_or_insert(now);
            self.hold = Some(now + after(retry_delay(self.failures, jitter, retry_after)));
        } else if self.asked.is_some() {
            self.hold = self.asked;
        }
    }

    /// There is something new to tell: that waits for a minute at most, unless the receiver asked for more.
    pub(super) fn shorten(&mut self, now: DateTime<Utc>) {
        let latest = Some(now + LONGEST_FOR_NEW).max(self.asked);
        self.hold = self.hold.min(latest);
    }

    /// Somebody wants an attempt now.
    pub(super) fn release(&mut self) {
        (self.hold, self.asked) = (None, None);
    }

    /// Since when it is open: one attempt per pause, and everything else waits.
    #[must_use]
    pub fn open_since(&self) -> Option<DateTime<Utc>> {
        self.open_since
    }

    /// Until when nothing is attempted.
    #[must_use]
    pub fn hold(&self) -> Option<DateTime<Utc>> {
        self.hold
    }

    /// Whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The clock may have been set back: nothing waits for longer than the longest pause.
    pub(super) fn not_after(&mut self, latest: DateTime<Utc>) {
        for at in [&mut self.hold, &mut self.asked].into_iter().flatten() {
            *at = latest.min(*at);
        }
    }
}

/// A pause as a distance in time; both are far below what either can hold.
pub(super) fn after(pause: Duration) -> TimeDelta {
    TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn it_opens_after_five_failures_and_pauses_up_to_an_hour() {
        let mut circuit = Circuit::default();
        for _ in 1..FAILURES {
            circuit.failed(at(0), 1.0, None);
            assert_eq!((circuit.open_since(), circuit.hold()), (None, None));
        }
        let mut pauses = Vec::new();
        let mut now = at(100);
        for _ in 0..10 {
            circuit.failed(now, 1.0, None);
            pauses.push((circuit.hold().unwrap() - now).num_seconds());
            now = circuit.hold().unwrap();
        }
        assert_eq!(pauses, [16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
        assert_eq!(circuit.open_since(), Some(at(100)));
        assert!(circuit.answered());
        assert_eq!(circuit, Circuit::default());
        assert!(!circuit.answered());
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_for_all_that_waits() {
        let mut circuit = Circuit::default();
        circuit.failed(at(0), 1.0, Some(Duration::from_secs(30)));
        assert_eq!((circuit.open_since(), circuit.hold()), (None, Some(at(30))));
        circuit.failed(at(0), 1.0, Some(Duration::from_secs(86_400)));
        assert_eq!(circuit.hold(), Some(at(3600)));
        circuit.not_after(at(60));
        assert_eq!(circuit.hold(), Some(at(60)));
    }
}
