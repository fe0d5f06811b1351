//! When a probe is due: `every` so often, or by `cron`, with a phase of its own.
//!
//! Everything here is a pure function of the instant it is given; nothing reads a clock, sleeps, or knows
//! what is being scheduled.

mod cron;
mod field;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};

pub use self::{
    cron::{CronSchedule, civil_fires, instant_of},
    field::ScheduleError,
};

/// A cron tick is put off by less than this, however rarely the schedule fires.
const LONGEST_CRON_PHASE: Duration = Duration::from_secs(30);
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// When the rounds of a probe begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At a fixed interval.
    Every(Duration),
    /// By a cron expression.
    Cron(CronSchedule),
}

impl Schedule {
    /// The first tick of the probe `name` after `after`.
    ///
    /// Ticks depend on `name` and the calendar alone: a restart or a reload does not move them, and a tick
    /// that was slept through is simply not asked for. A cron schedule with nothing left to fire answers
    /// [`DateTime::MAX_UTC`].
    #[must_use]
    pub fn next_tick(&self, name: &str, after: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Every(interval) => next_multiple(*interval, phase(name, *interval), after),
            Self::Cron(cron) => {
                // Tick = fire + offset, so a tick lies after `after` exactly when its fire lies after
                // `after - offset`: no fire is lost and none comes twice.
                let offset = phase(name, (cron.min_gap() / 10).min(LONGEST_CRON_PHASE));
                cron.next_after(after - offset).map_or(DateTime::<Utc>::MAX_UTC, |fire| fire + offset)
            }
        }
    }

    /// The shortest time between two ticks: what a round's deadline has to stay under.
    #[must_use]
    pub fn min_gap(&self) -> Duration {
        match self {
            Self::Every(interval) => *interval,
            Self::Cron(cron) => cron.min_gap(),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => write!(f, "every {interval:?}"),
            Self::Cron(cron) => write!(f, "cron {cron}"),
        }
    }
}

/// Where in `span` the ticks of `name` lie: from zero up to, but never at, `span`.
///
/// The offset is the FNV-1a hash (64 bit) of the name, stirred by the finalizer of SplitMix64 because the
/// upper half of FNV hardly differs between `node-1` and `node-2`, and scaled to `span`. It is the same
/// in every version, on every machine and after every restart.
#[must_use]
pub fn phase(name: &str, span: Duration) -> Duration {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let stirred = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let stirred = (stirred ^ (stirred >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let stirred = stirred ^ (stirred >> 31);
    let span = u128::from(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    let nanos = (u128::from(stirred) * span) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The first instant after `after` that is `phase` past a multiple of `interval` since the Unix epoch.
fn next_multiple(interval: Duration, phase: Duration, after: DateTime<Utc>) -> DateTime<Utc> {
    let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    let interval = nanos(interval).max(1);
    let after = i128::from(after.timestamp()) * NANOS_PER_SECOND + i128::from(after.timestamp_subsec_nanos());
    let next = after - (after - nanos(phase)).rem_euclid(interval) + interval;
    let seconds = i64::try_from(next.div_euclid(NANOS_PER_SECOND)).unwrap_or(i64::MAX);
    let subsecond = u32::try_from(next.rem_euclid(NANOS_PER_SECOND)).unwrap_or(0);
    DateTime::from_timestamp(seconds, subsecond).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
