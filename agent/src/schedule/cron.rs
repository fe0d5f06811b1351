//! Cron expressions: the `cron` crate behind rules that hold everywhere.
//!
//! Expressions are read by [`super::field`] and handed on spelled out, so that of the crate's own dialect
//! nothing is left. Time zones are kept from it too: it iterates over civil time as if that were UTC, and
//! [`instant_of`] says which instant a civil time stands for.

use std::{fmt, iter, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::field::{self, ScheduleError};

/// How many fires are looked at to find the smallest gap. A gap that first shows up later than this is so
/// rare that the scheduler's rule of never overlapping a probe with itself is enough.
const FIRES_EXAMINED: usize = 256;

/// No place on earth is further than this from UTC, in either direction.
const WIDEST_OFFSET: TimeDelta = TimeDelta::hours(26);

/// A cron expression, in UTC unless [`CronSchedule::in_zone`] says otherwise.
///
/// Five fields (minute, hour, day of month, month, day of week), six (with seconds in front) or seven (with
/// years at the end). Days of the week are those of POSIX: 0 and 7 are Sunday, 1 is Monday. Where both day
/// fields are restricted, a day that fits either of them counts, as POSIX has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronSchedule {
    text: String,
    /// One schedule, or two of which either may fire: see [`field::spell_out`].
    parts: Vec<cron::Schedule>,
    zone: Tz,
    min_gap: Duration,
}

impl CronSchedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// When a field is malformed or out of range, or when the expression can never fire.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let parts = field::spell_out(text)?
            .iter()
            .map(|expression| {
                cron::Schedule::from_str(expression).map_err(|error| ScheduleError::Crate(error.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut schedule = Self { text, parts, zone: Tz::UTC, min_gap: Duration::MAX };
        schedule.min_gap = schedule.smallest_gap()?;
        Ok(schedule)
    }

    /// The same expression read as civil time in `zone`.
    ///
    /// It then fires at most once per civil time, by the rule of [`civil_fires`]: a schedule that goes round
    /// the clock pauses while an hour is repeated in autumn. Leave the zone out for such a schedule.
    #[must_use]
    pub fn in_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// The first fire after `after`, or nothing when there is none left (years run to 2100).
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        civil_fires(self, self.zone, after).next()
    }

    /// The shortest time between two fires, in civil time.
    #[must_use]
    pub fn min_gap(&self) -> Duration {
        self.min_gap
    }

    fn smallest_gap(&self) -> Result<Duration, ScheduleError> {
        let start = DateTime::UNIX_EPOCH.naive_utc() - TimeDelta::seconds(1);
        let mut fires = self.civil_times(start);
        let mut last = fires.next().ok_or(ScheduleError::Never)?;
        let mut smallest = Duration::MAX;
        for fire in fires.take(FIRES_EXAMINED) {
            smallest = smallest.min((fire - last).to_std().unwrap_or_default());
            if smallest <= Duration::from_secs(1) {
                break;
            }
            last = fire;
        }
        Ok(smallest)
    }

    /// The civil times after `after` that the expression names.
    fn civil_times(&self, after: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let next = |after: &NaiveDateTime| {
            self.parts.iter().filter_map(|part| part.after(&after.and_utc()).next()).min()
        };
        iter::successors(next(&after).map(|time| time.naive_utc()), move |last| {
            next(last).map(|time| time.naive_utc())
        })
    }
}

impl fmt::Display for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.zone)
    }
}

/// The instants after `after` at which `cron`, read as civil time in `tz`, fires, in ascending order.
///
/// A civil time that the clocks skip in spring stands for the first instant after the gap; one that they
/// repeat in autumn stands for its first occurrence only. Fires that fall on one instant by that rule are
/// one fire.
pub fn civil_fires(cron: &CronSchedule, tz: Tz, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    // Later civil times never stand for earlier instants, so nothing before the local time of `after` can
    // still be due, and all that is left to drop are repetitions.
    cron.civil_times(after.with_timezone(&tz).naive_local())
        .map(move |civil| instant_of(civil, tz))
        .scan(after, |last, fire| {
            let new = fire > *last;
            *last = fire.max(*last);
            Some(new.then_some(fire))
        })
        .flatten()
}

/// The instant that a civil time stands for, by the rule of [`civil_fires`].
#[must_use]
pub fn instant_of(civil: NaiveDateTime, tz: Tz) -> DateTime<Utc> {
    if let Some(instant) = tz.from_local_datetime(&civil).earliest() {
        return instant.with_timezone(&Utc);
    }
    // In a gap: the clocks show less than `civil` before it and more after it, so halving finds its end.
    let (mut before, mut behind) = (civil.and_utc() - WIDEST_OFFSET, civil.and_utc() + WIDEST_OFFSET);
    while behind - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((behind - before).num_seconds() / 2);
        if middle.with_timezone(&tz).naive_local() < civil {
            before = middle;
        } else {
            behind = middle;
        }
    }
    behind
}
