//! Durations as people write them: `10s`, `1m30s`, `500ms`, `7d`.

use std::time::Duration;

use chrono::TimeDelta;
use schemars::Schema;

use super::{
    reader::{Reader, Toml},
    value::{Complaint, Text, Value, text_schema},
};

/// Units with their length in milliseconds, in the order in which they may follow each other.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// A duration of at least `MIN` and at most `MAX` milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time<const MIN: u64, const MAX: u64>(Duration);

impl<const MIN: u64, const MAX: u64> Time<MIN, MAX> {
    /// So many seconds, or as many as there may be.
    pub(super) fn seconds(seconds: u64) -> Self {
        Self(Duration::from_millis((seconds * SECOND).clamp(MIN, MAX)))
    }

    pub(super) fn get(self) -> Duration {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> Text for Time<MIN, MAX> {
    const WHAT: &'static str = "a duration with a unit";
    const EXAMPLE: &'static str = "10s";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let duration = parse(text)?;
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        if !(min..=max).contains(&duration) {
            return Err(Complaint::new(format!("expected a duration from {} to {}", show(min), show(max))));
        }
        Ok(Self(duration))
    }

    fn pattern() -> Option<String> {
        Some(UNITS.map(|(unit, _)| format!("([0-9]+{unit})?")).concat())
    }
}

impl<const MIN: u64, const MAX: u64> Value for Time<MIN, MAX> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text(value)
    }

    fn schema() -> Schema {
        text_schema::<Self>()
    }
}

/// A duration that was read, and so is far from the longest that there is.
pub(super) fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Reads a duration that was written somewhere else than in the file.
///
/// # Errors
/// When it is none: what is wrong, and what one looks like.
pub fn read(text: &str) -> Result<Duration, String> {
    parse(text).map_err(|Complaint { message, hint }| match hint {
        Some(hint) => format!("{message}; {hint}"),
        None => message,
    })
}

/// Reads a duration: whole numbers with units, the larger unit first.
fn parse(text: &str) -> Result<Duration, Complaint> {
    let malformed = || {
        Complaint::new("this is not a duration")
            .hint("whole numbers with the units d, h, m, s, ms: \"1m30s\"")
    };
    if text.is_empty() {
        return Err(malformed());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Complaint::new("a duration needs a unit").hint("write \"10s\" for ten seconds"));
    }
    let mut millis = 0_u64;
    let mut rest = text;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, tail) = tail.split_at(tail.bytes().take_while(u8::is_ascii_alphabetic).count());
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let number: u64 = number.parse().map_err(|_| malformed())?;
        let part = number.checked_mul(*length).and_then(|part| millis.checked_add(part));
        millis = part.ok_or_else(malformed)?;
        rest = tail;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration the way [`read`] reads it.
#[must_use]
pub fn show(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            text += &format!("{}{unit}", rest / length);
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", HOUR),
            ("7d", 7 * DAY),
            ("1m30s", 90_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "10",
            "s",
            "10 s",
            "10S",
            "1s1m",
            "1s1s",
            "-1s",
            "1.5s",
            "10sec",
            "99999999999999999999d",
            "é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 0..1_000 * DAY) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&show(duration)).unwrap(), duration);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
