//! `[[maintenance]]`: when which alerts are not told.

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::{
    duration::{DAY, MINUTE, Time},
    fault::Span,
    matcher::MatcherTable,
    moment::Moment,
    name::Name,
    reader::{At, Reader, Slot},
    table::table,
};
use crate::{
    maintenance::{Maintenance, Recurrence, When},
    schedule::CronSchedule,
};

table! {
    /// When some alerts are not told. Probing and history go on; what is still wrong when the window ends is told then.
    pub(super) struct MaintenanceTable {
        /// Its name.
        required name: Name,
        /// When it begins, again and again, as a cron expression of 5, 6 or 7 fields. In UTC unless time_zone says
        /// otherwise.
        optional cron: CronSchedule,
        /// How long it then lasts.
        optional duration: Time<MINUTE, { 31 * DAY }>,
        /// Instead of cron, for a single time: when it begins.
        optional from: Moment,
        /// And when it ends.
        optional to: Moment,
        /// The time zone of cron, and of from and to where they have no offset. A time that is skipped in spring counts as
        /// the first instant after the gap; of one that comes twice in autumn the first counts.
        optional time_zone: Tz,
        /// Which alerts.
        flatten matcher: MatcherTable,
    }
}

impl MaintenanceTable {
    pub(super) fn resolve(self, reader: &mut Reader<'_>) -> Option<Maintenance> {
        let when = self.when(reader);
        Some(Maintenance { name: self.name.required()?.0, matcher: self.matcher.resolve()?, when: when? })
    }

    fn when(&self, reader: &mut Reader<'_>) -> Option<When> {
        let recurs = [self.cron.is_absent(), self.duration.is_absent()].contains(&false);
        let once = [self.from.is_absent(), self.to.is_absent()].contains(&false);
        match (recurs, once) {
            (true, false) => self.recurring(reader),
            (false, true) => self.once(reader),
            (false, false) => {
                if let Some(name) = self.name.written() {
                    reader
                        .missing(name, "it is not said when this is")
                        .hint("add cron and duration, or from and to");
                }
                None
            }
            (true, true) => {
                let rule = self.cron.written().or_else(|| self.duration.written());
                let dates = self.from.written().or_else(|| self.to.written());
                if let (Some(rule), Some(dates)) = (rule, dates) {
                    reader
                        .fault(dates, "cron with duration, and from with to, exclude each other")
                        .hint("make two windows of them, of one [[maintenance]] each")
                        .also(Some(&rule), "it recurs by this");
                }
                None
            }
        }
    }

    fn recurring(&self, reader: &mut Reader<'_>) -> Option<When> {
        beside(("cron", &self.cron), ("duration", &self.duration, "\"2h\""), reader);
        beside(("duration", &self.duration), ("cron", &self.cron, "\"0 22 * * SUN\""), reader);
        let (At { value: cron, span }, duration) = (self.cron.given()?, self.duration.given()?);
        let lasting = TimeDelta::from_std(duration.value.get()).ok()?;
        // Whether it ever ends is asked in civil time, in which every day has 24 hours.
        if (Recurrence { cron: cron.clone(), lasting }).hardly_ends() {
            reader
                .fault(duration.place(), "it begins again before it is over, on and on: nothing would ever be told")
                .hint("let cron fire once where the window begins; to be rid of alerts, see enabled in [alerts]")
                .also(span.as_ref(), "it begins as often as this");
            return None;
        }
        let zone = self.time_zone.clone().optional()?.unwrap_or(Tz::UTC);
        Some(When::Recurring(Recurrence { cron: cron.clone().in_zone(zone), lasting }))
    }

    fn once(&self, reader: &mut Reader<'_>) -> Option<When> {
        beside(("from", &self.from), ("to", &self.to, "2027-03-01T23:00:00Z"), reader);
        beside(("to", &self.to), ("from", &self.from, "2027-03-01T22:00:00Z"), reader);
        let (from, to) = (self.from.given()?, self.to.given()?);
        let local = [from, to].into_iter().find(|moment| matches!(moment.value, Moment::Civil(_)));
        match (local, &self.time_zone) {
            (Some(local), Slot::Absent) => {
                reader
                    .fault(local.place(), "a local time, but nothing says of which time zone")
                    .hint("add time_zone = \"Europe/Berlin\" for example, or an offset: Z, +01:00");
                return None;
            }
            (None, Slot::Given(zone)) => {
                reader
                    .fault(zone.place(), "time_zone has no use here: from and to carry their offsets")
                    .hint("leave it out, or the offsets");
            }
            _ => {}
        }
        let zone = self.time_zone.clone().optional()?.unwrap_or(Tz::UTC);
        let (begin, end) = (from.value.instant(zone), to.value.instant(zone));
        if end <= begin {
            reader.fault(to.place(), "it ends before it begins").also(from.span.as_ref(), "it begins here");
            return None;
        }
        Some(When::Once { from: begin, to: end })
    }
}

/// Reports that a key is not there without which the one that is there says nothing.
fn beside<T, U>(there: (&str, &Slot<T>), other: (&str, &Slot<U>, &str), reader: &mut Reader<'_>) {
    let ((key, slot), (needed, absent, example)) = (there, other);
    let place: Option<Span> = slot.written().filter(|_| absent.is_absent());
    if let Some(place) = place {
        reader
            .missing(place, format!("{key} needs the key {needed}"))
            .hint(format!("add for example {needed} = {example}"));
    }
}
