//! A receiver that fails again and again is asked seldom, however much waits for it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::backoff::{LONGEST, retry_delay};

/// How many failures in a row open the circuit.
pub const FAILURES: u32 = 5;

/// Whether a receiver can be asked, by what its last attempts came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circuit {
    failures: u32,
    open_since: Option<DateTime<Utc>>,
    /// Nothing is attempted before: the circuit's pause, or what the receiver asked for.
    hold: Option<DateTime<Utc>>,
}

impl Circuit {
    /// The receiver answered; tells whether it had failed before.
    pub(super) fn answered(&mut self) -> bool {
        let failed = self.failures > 0;
        *self = Self::default();
        failed
    }

    /// An attempt failed. `jitter` and `retry_after` are those of [`retry_delay`].
    pub(super) fn failed(&mut self, now: DateTime<Utc>, jitter: f64, retry_after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.open_since.get_or_insert(now);
            self.hold = Some(now + after(retry_delay(self.failures, jitter, retry_after)));
        } else if let Some(asked) = retry_after {
            self.hold = Some(now + after(asked.min(LONGEST)));
        }
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
        self.hold = self.hold.map(|hold| hold.min(latest));
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
