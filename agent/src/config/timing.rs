//! When and how persistently something is probed, and what its answers may cost: `[defaults]`, and the same keys in
//! every service and probe.

use std::time::Duration;

use chrono_tz::Tz;
use vipwatch_model::probe::Limits;

use crate::schedule::{CronSchedule, Schedule};

use super::{
    after::Rounds,
    duration::{DAY, HOUR, Time, show},
    percent::Percent,
    reader::{Reader, Slot},
    table::table,
    value::{Complaint, Text, Whole, text_values},
};

/// When and how persistently something is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// When rounds begin.
    pub schedule: Schedule,
    /// How long a flow may take; always shorter than the shortest interval of the schedule.
    pub timeout: Duration,
    /// How many flows make a round: 1 to 64.
    pub flows: u8,
    /// After how many bad rounds in a row an alert is opened.
    pub alert_after: u32,
    /// After how many good rounds in a row it is resolved.
    pub resolve_after: u32,
    /// What answers may cost.
    pub limits: Limits,
}

table! {
    /// When and how persistently something is probed.
    pub(super) struct TimingTable {
        /// The interval between rounds. Excludes cron. Without either: every 10s.
        optional every: Time<100, DAY>,
        /// When rounds begin, as a cron expression of 5, 6 (seconds first) or 7 (years last) fields. In UTC
        /// unless time_zone says otherwise. Days of the week: 0 and 7 are Sunday, 1 is Monday.
        optional cron: CronSchedule,
        /// The time zone of the cron expression. A civil time that is skipped in spring counts as the first
        /// instant after the gap; one that comes twice in autumn counts the first time only.
        optional time_zone: Tz,
        /// How long one flow may take. Shorter than the interval. Without it: 3s.
        optional timeout: Time<10, HOUR>,
        /// How many flows, each from a fresh socket, make a round. Without it: 4.
        optional flows: Whole<u8, 1, 64>,
        /// How many bad rounds in a row open an alert, of kinds without an after of their own. Without it: 2.
        optional alert_after: Rounds,
        /// How many good rounds in a row resolve it, of kinds without a resolve_after of their own. Without it: 2.
        optional resolve_after: Rounds,
        /// How long the middle one of a round's answered flows may take; longer counts as degraded. Shorter than the
        /// timeout. Without it: whatever the timeout allows.
        optional max_latency: Time<1, HOUR>,
        /// Which share of a round's flows may fail, as long as others are answered; more counts as degraded. Without it:
        /// "0%".
        optional max_loss: Percent<0, 99>,
    }
}

impl Text for CronSchedule {
    const WHAT: &'static str = "a cron expression";
    const EXAMPLE: &'static str = "*/10 * * * * *";

    fn parse(text: &str) -> Result<Self, Complaint> {
        Self::parse(text).map_err(|error| {
            // The error quotes pieces of the expression; those are times of day and no secrets.
            Complaint::new(format!("unusable cron expression: {error}")).hint(
                "[second] minute hour day-of-month month day-of-week [year], such as \"*/10 * * * * *\"",
            )
        })
    }
}

impl Text for Tz {
    const WHAT: &'static str = "the name of a time zone";
    const EXAMPLE: &'static str = "Europe/Berlin";

    fn parse(text: &str) -> Result<Self, Complaint> {
        text.parse().map_err(|_| Complaint::expected::<Self>())
    }
}

text_values!(CronSchedule, Tz);

/// The settings that hold at one level, with where they were made: built in, `[defaults]`, or a service's
/// own.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    schedule: Slot<Schedule>,
    timeout: Slot<Duration>,
    flows: Slot<u8>,
    alert_after: Slot<u32>,
    resolve_after: Slot<u32>,
    max_latency: Slot<Duration>,
    max_loss: Slot<u32>,
}

impl Layer {
    /// What holds where the file says nothing.
    pub(super) fn built_in() -> Self {
        Self {
            schedule: Slot::built_in(Schedule::Every(Duration::from_secs(10))),
            timeout: Slot::built_in(Duration::from_secs(3)),
            flows: Slot::built_in(4),
            alert_after: Slot::built_in(2),
            resolve_after: Slot::built_in(2),
            max_latency: Slot::Absent,
            max_loss: Slot::built_in(0),
        }
    }

    pub(super) fn timing(self) -> Option<Timing> {
        let latency = self.max_latency.optional()?;
        // An hour in microseconds fits.
        let latency_us = latency.map(|latency| u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        Some(Timing {
            schedule: self.schedule.required()?,
            timeout: self.timeout.required()?,
            flows: self.flows.required()?,
            alert_after: self.alert_after.required()?,
            resolve_after: self.resolve_after.required()?,
            limits: Limits { latency_us, loss_percent: self.max_loss.required()? },
        })
    }
}

impl TimingTable {
    /// Lays these settings over those of the level below, and checks what has become of them.
    pub(super) fn layer(self, below: &Layer, reader: &mut Reader<'_>) -> Layer {
        let schedule = self.schedule(reader);
        let timeout = self.timeout.map(Time::get);
        // What comes from below as a pair has been checked there.
        let new = !schedule.is_absent() || !timeout.is_absent();
        let has_limit = !self.max_latency.is_absent();
        let layer = Layer {
            schedule: schedule.over(&below.schedule),
            timeout: timeout.over(&below.timeout),
            flows: self.flows.map(Whole::get).over(&below.flows),
            alert_after: self.alert_after.map(Whole::get).over(&below.alert_after),
            resolve_after: self.resolve_after.map(Whole::get).over(&below.resolve_after),
            max_latency: self.max_latency.map(Time::get).over(&below.max_latency),
            max_loss: self.max_loss.map(Percent::get).over(&below.max_loss),
        };
        if new {
            check_deadline(&layer, below, reader);
        }
        if has_limit {
            check_latency(&layer, reader);
        }
        layer
    }

    fn schedule(&self, reader: &mut Reader<'_>) -> Slot<Schedule> {
        if let Some(zone) = self.time_zone.given().filter(|_| self.cron.is_absent()) {
            reader
                .fault(zone.place(), "a time zone without a cron expression")
                .hint("time_zone belongs to the cron key beside it; an interval is the same in every zone");
        }
        if let (Some(every), Some(cron)) = (self.every.given(), self.cron.given()) {
            reader
                .fault(cron.place(), "every and cron exclude each other")
                .hint("leave one of them out")
                .also(every.span.as_ref(), "the interval is here");
            return Slot::Faulty;
        }
        let zone = self.time_zone.given().map_or(Tz::UTC, |zone| zone.value);
        if self.cron.is_absent() {
            self.every.clone().map(|every| Schedule::Every(every.get()))
        } else {
            self.cron.clone().map(|cron| Schedule::Cron(cron.in_zone(zone)))
        }
    }
}

fn check_deadline(layer: &Layer, below: &Layer, reader: &mut Reader<'_>) {
    let (Some(schedule), Some(timeout)) = (layer.schedule.given(), layer.timeout.given()) else { return };
    let gap = schedule.value.min_gap();
    if gap > timeout.value {
        return;
    }
    // Point at what is set here, and name what it collides with.
    let timeout_is_new = below.timeout.given().is_none_or(|other| other.span != timeout.span);
    let (culprit, other, label) = if timeout_is_new {
        (timeout.place(), &schedule.span, "rounds begin as often as this")
    } else {
        (schedule.place(), &timeout.span, "a flow may take as long as this")
    };
    let (gap, timeout) = (show(gap), show(timeout.value));
    reader
        .fault(culprit, format!("rounds begin every {gap}, but a flow may take {timeout}"))
        .hint("the timeout has to be shorter than the interval, so that a round ends before the next begins")
        .also(other.as_ref(), label);
}

/// A limit that no answer can go over says nothing. One that comes from below does no harm.
fn check_latency(layer: &Layer, reader: &mut Reader<'_>) {
    let (Some(limit), Some(timeout)) = (layer.max_latency.given(), layer.timeout.given()) else { return };
    if limit.value < timeout.value {
        return;
    }
    let message = format!("no answer takes longer than {}: flows end after that", show(timeout.value));
    reader
        .fault(limit.place(), message)
        .hint("max_latency has to be shorter than the timeout; leave it out for no other limit")
        .also(timeout.span.as_ref(), "the timeout is here");
}
