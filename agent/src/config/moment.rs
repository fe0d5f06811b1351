//! Dates with a time of day, with an offset from UTC or in local time.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use schemars::Schema;
use toml::de::DeValue;

use super::{
    reader::{Reader, Toml},
    value::{Complaint, Text, Value, text_schema},
};
use crate::schedule;

/// A date with a time of day, as TOML writes them or as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// An instant.
    At(DateTime<Utc>),
    /// What the clocks of some time zone show.
    Civil(NaiveDateTime),
}

impl Moment {
    /// The instant that it stands for where `zone` is the time zone.
    pub(super) fn instant(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::At(instant) => instant,
            Self::Civil(civil) => schedule::instant_of(civil, zone),
        }
    }
}

impl Text for Moment {
    const WHAT: &'static str = "a date with a time of day";
    const EXAMPLE: &'static str = "2027-03-01T22:00:00Z";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(instant.to_utc()));
        }
        let civil = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
        let civil = civil.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        civil.map(Self::Civil).ok_or_else(Complaint::expected::<Self>)
    }
}

impl Value for Moment {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Datetime(datetime) => {
                let moment = Self::parse(&datetime.to_string());
                moment.map_err(|complaint| reader.complain(value.span(), complaint)).ok()
            }
            _ => reader.text(value),
        }
    }

    fn schema() -> Schema {
        text_schema::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_an_offset_or_in_local_time() {
        let berlin = chrono_tz::Europe::Berlin;
        for (text, instant) in [
            ("2027-03-01T22:00:00Z", "2027-03-01T22:00:00Z"),
            ("2027-03-01T22:00:00.5+01:00", "2027-03-01T21:00:00.5Z"),
            ("2027-03-01T22:00:00", "2027-03-01T21:00:00Z"),
            ("2027-03-01T22:00", "2027-03-01T21:00:00Z"),
            // Skipped, and repeated.
            ("2027-03-28T02:30:00", "2027-03-28T01:00:00Z"),
            ("2027-10-31T02:30:00", "2027-10-31T00:30:00Z"),
        ] {
            assert_eq!(
                Moment::parse(text).unwrap().instant(berlin),
                instant.parse::<DateTime<Utc>>().unwrap()
            );
        }
        for text in ["", "2027-03-01", "22:00:00", "2027-02-30T22:00:00", "tomorrow", "2027-03-01T25:00:00Z"]
        {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
