//! The fields of a cron expression: reads them by the POSIX meaning and spells them out, value by value, in
//! the dialect of the `cron` crate.

use std::collections::BTreeSet;

use thiserror::Error;

/// What is wrong with a cron expression. The text completes "the schedule is unusable: ...".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Not five, six or seven fields.
    #[error("a cron expression has 5, 6 or 7 fields, not {0}")]
    Fields(usize),
    /// An item that is neither a value, nor a range, nor a step.
    #[error("\"{item}\" is not a {field}, a range of them, or a step")]
    Malformed {
        /// The field's name.
        field: &'static str,
        /// The item as it was written.
        item: String,
    },
    /// A value outside the field's range.
    #[error("{value} is no {field}: it goes from {min} to {max}")]
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// The value as it was written.
        value: u32,
        /// The smallest allowed value.
        min: u32,
        /// The largest allowed value.
        max: u32,
    },
    /// A range whose end comes before its start (only days of the week wrap round).
    #[error("the {field} range \"{item}\" ends before it begins")]
    Backwards {
        /// The field's name.
        field: &'static str,
        /// The range as it was written.
        item: String,
    },
    /// A step of zero.
    #[error("a step of zero in the {field} field")]
    ZeroStep {
        /// The field's name.
        field: &'static str,
    },
    /// No date fits, such as 30 February.
    #[error("it never fires: no date fits")]
    Never,
    /// The `cron` crate refused what was spelled out for it.
    #[error("{0}")]
    Crate(String),
}

/// What a field may hold.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values, the first of them standing for `min`.
    names: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", min: 0, max: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", min: 1, max: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// Seven is Sunday too.
const WEEKDAY: Field = Field {
    name: "day of the week",
    min: 0,
    max: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};
const YEAR: Field = Field { name: "year", min: 1970, max: 2100, names: &[] };

/// Spells `text` out in the seven fields of the `cron` crate.
///
/// The result holds two expressions where both day fields are restricted: the crate would want both to fit,
/// POSIX is content with either.
pub(super) fn spell_out(text: &str) -> Result<Vec<String>, ScheduleError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let (second, rest, year) = match *fields {
        [m, h, d, mo, w] => ("0", [m, h, d, mo, w], "*"),
        [s, m, h, d, mo, w] => (s, [m, h, d, mo, w], "*"),
        [s, m, h, d, mo, w, y] => (s, [m, h, d, mo, w], y),
        _ => return Err(ScheduleError::Fields(fields.len())),
    };
    let [minute, hour, day, month, weekday] = rest;
    let time = [SECOND.list(second)?, MINUTE.list(minute)?, HOUR.list(hour)?].join(" ");
    let (month, year) = (MONTH.list(month)?, YEAR.list(year)?);
    let day_list = DAY.list(day.replace('?', "*").as_str())?;
    let weekday_list = weekdays(weekday.replace('?', "*").as_str())?;
    let on = |day: &str, weekday: &str| format!("{time} {day} {month} {weekday} {year}");
    // Vixie cron's reading of "restricted": whatever does not begin with an asterisk.
    let restricted = |field: &str| !field.starts_with(['*', '?']);
    Ok(if restricted(day) && restricted(weekday) {
        vec![on(&day_list, "*"), on("*", &weekday_list)]
    } else {
        vec![on(&day_list, &weekday_list)]
    })
}

/// Days of the week by name: the crate counts them from 1 = Sunday, POSIX from 0.
fn weekdays(text: &str) -> Result<String, ScheduleError> {
    let days: BTreeSet<usize> = WEEKDAY.values(text)?.into_iter().map(|day| day as usize % 7).collect();
    Ok(days.into_iter().map(|day| WEEKDAY.names[day]).collect::<Vec<_>>().join(","))
}

impl Field {
    fn list(&self, text: &str) -> Result<String, ScheduleError> {
        if text == "*" {
            return Ok(text.to_owned());
        }
        Ok(self.values(text)?.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    }

    fn values(&self, text: &str) -> Result<BTreeSet<u32>, ScheduleError> {
        let mut values = BTreeSet::new();
        for item in text.split(',') {
            values.extend(self.item(item)?);
        }
        Ok(values)
    }

    /// `*`, `a`, `a-b`, each with an optional `/step`; `a/step` runs to the end of the field.
    fn item(&self, item: &str) -> Result<Vec<u32>, ScheduleError> {
        let malformed = || ScheduleError::Malformed { field: self.name, item: item.to_owned() };
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(number(step).ok_or_else(malformed)?)),
            None => (item, None),
        };
        if step == Some(0) {
            return Err(ScheduleError::ZeroStep { field: self.name });
        }
        let (start, end) = match range.split_once('-') {
            Some((start, end)) => (self.value(start, item)?, self.value(end, item)?),
            None if range == "*" => (self.min, self.last()),
            None => {
                let start = self.value(range, item)?;
                (start, if step.is_some() { self.last().max(start) } else { start })
            }
        };
        let end = match (end < start, self.name == WEEKDAY.name) {
            (false, _) => end,
            (true, true) => end + 7, // 6-1 is Saturday to Monday
            (true, false) => {
                return Err(ScheduleError::Backwards { field: self.name, item: item.to_owned() });
            }
        };
        Ok((start..=end).step_by(step.unwrap_or(1) as usize).collect())
    }

    /// The last value that a `*` covers: Sunday is not counted twice.
    fn last(&self) -> u32 {
        if self.name == WEEKDAY.name { 6 } else { self.max }
    }

    fn value(&self, text: &str, item: &str) -> Result<u32, ScheduleError> {
        if let Some(value) = number(text) {
            if (self.min..=self.max).contains(&value) {
                return Ok(value);
            }
            return Err(ScheduleError::OutOfRange { field: self.name, value, min: self.min, max: self.max });
        }
        (self.min..)
            .zip(self.names)
            .find_map(|(value, name)| name.eq_ignore_ascii_case(text).then_some(value))
            .ok_or_else(|| ScheduleError::Malformed { field: self.name, item: item.to_owned() })
    }
}

/// A plain decimal number; `str::parse` alone would take a sign as well.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
