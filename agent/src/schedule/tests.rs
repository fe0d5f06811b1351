//! Cron against an oracle, civil time against a table, and the phases.

use chrono::TimeDelta;
use proptest::{prelude::*, sample::subsequence};

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(text: &str) -> CronSchedule {
    CronSchedule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The next fires after Wednesday 2026-07-01, 00:00 UTC.
fn fires(text: &str, count: usize) -> Vec<String> {
    civil_fires(&cron(text), chrono_tz::UTC, utc("2026-07-01T00:00:00Z"))
        .take(count)
        .map(|fire| fire.format("%a %F %T").to_string())
        .collect()
}

#[test]
fn five_six_and_seven_fields() {
    assert_eq!(fires("*/20 * * * *", 2), ["Wed 2026-07-01 00:20:00", "Wed 2026-07-01 00:40:00"]);
    assert_eq!(fires("*/10 * * * * *", 2), ["Wed 2026-07-01 00:00:10", "Wed 2026-07-01 00:00:20"]);
    assert_eq!(fires("0 0 9 1 1 * 2028", 2), ["Sat 2028-01-01 09:00:00"]);
}

#[test]
fn weekdays_are_those_of_posix() {
    let days = |field: &str| {
        let fires = fires(&format!("0 12 * * {field}"), 7);
        let days: std::collections::BTreeSet<String> =
            fires.iter().map(|fire| fire[..3].to_owned()).collect();
        days.into_iter().collect::<Vec<_>>().join(" ")
    };
    for (field, expected) in [
        ("0", "Sun"),
        ("7", "Sun"),
        ("1", "Mon"),
        ("6", "Sat"),
        ("0,7", "Sun"),
        ("1-5", "Fri Mon Thu Tue Wed"),
        ("5-7", "Fri Sat Sun"),
        ("6-1", "Mon Sat Sun"),
        ("5-0", "Fri Sat Sun"),
        ("7-2", "Mon Sun Tue"),
        ("FRI-SUN", "Fri Sat Sun"),
        ("sat-mon", "Mon Sat Sun"),
        ("1-5/2", "Fri Mon Wed"),
        ("6-3/2", "Mon Sat Wed"),
        ("*/2", "Sat Sun Thu Tue"),
        ("*/7", "Sun"),
        ("Mon,3", "Mon Wed"),
        ("0-7", "Fri Mon Sat Sun Thu Tue Wed"),
        ("?", "Fri Mon Sat Sun Thu Tue Wed"),
    ] {
        assert_eq!(days(field), expected, "{field}");
    }
}

#[test]
fn either_day_field_will_do_where_both_are_restricted() {
    let either = ["Fri 2026-07-03 00:00:00", "Fri 2026-07-10 00:00:00", "Mon 2026-07-13 00:00:00"];
    assert_eq!(fires("0 0 13 * 5", 3), either);
    let both = ["Sun 2026-07-05 00:00:00", "Sun 2026-07-19 00:00:00"];
    assert_eq!(fires("0 0 1-31/2 * */7", 2), both, "a field that begins with an asterisk restricts nothing");
}

#[test]
fn faults_are_named() {
    for (text, expected) in [
        ("* * * *", "a cron expression has 5, 6 or 7 fields, not 4"),
        ("", "a cron expression has 5, 6 or 7 fields, not 0"),
        ("60 * * * *", "60 is no minute: it goes from 0 to 59"),
        ("0 24 * * *", "24 is no hour: it goes from 0 to 23"),
        ("0 0 0 * *", "0 is no day of the month: it goes from 1 to 31"),
        ("0 0 * * 8", "8 is no day of the week: it goes from 0 to 7"),
        ("0 0 0 1 1 * 1969", "1969 is no year: it goes from 1970 to 2100"),
        ("*/0 * * * *", "a step of zero in the minute field"),
        ("0 22-2 * * *", "the hour range \"22-2\" ends before it begins"),
        ("0 0 L * *", "\"L\" is not a day of the month, a range of them, or a step"),
        ("0 0 * * MON#1", "\"MON#1\" is not a day of the week, a range of them, or a step"),
        ("0 0 * MAYBE *", "\"MAYBE\" is not a month, a range of them, or a step"),
        ("1,,2 * * * *", "\"\" is not a minute, a range of them, or a step"),
        ("-1 * * * *", "\"-1\" is not a minute, a range of them, or a step"),
        ("+1 * * * *", "\"+1\" is not a minute, a range of them, or a step"),
        ("1/2/3 * * * *", "\"1/2/3\" is not a minute, a range of them, or a step"),
        ("0 0 30 2 *", "it never fires: no date fits"),
    ] {
        assert_eq!(CronSchedule::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn the_smallest_gap_is_found() {
    for (text, seconds) in [
        ("* * * * * *", 1),
        ("*/10 * * * * *", 10),
        ("0,59 * * * * *", 1),
        ("0 9 * * *", 86_400),
        ("0 0,23 * * *", 3_600),
        ("0 12 * * 1,2", 86_400),
        ("0 12 * * 1,3", 2 * 86_400),
        ("0 0 28,1 * *", 86_400),
    ] {
        assert_eq!(cron(text).min_gap(), Duration::from_secs(seconds), "{text}");
    }
    assert_eq!(cron("0 0 0 1 1 ? 2030").min_gap(), Duration::MAX, "it fires once");
}

/// What the clocks show, whether they skip or repeat it, and the instant that it stands for.
#[test]
fn civil_times_around_a_change_of_the_clocks() {
    for (zone, text, after, expected) in [
        // Berlin, 29 March 2026: 02:00 +01 becomes 03:00 +02, at 01:00 UTC.
        (
            "Europe/Berlin",
            "59 1 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T00:59:00Z", "2026-03-29T23:59:00Z"],
        ),
        (
            "Europe/Berlin",
            "0 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
        ),
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "Europe/Berlin",
            "0 3 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"],
        ),
        // Every fire inside the gap is one fire, together with the one at its end.
        (
            "Europe/Berlin",
            "*/15 2-3 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"],
        ),
        // Berlin, 25 October 2026: 03:00 +02 becomes 02:00 +01, at 01:00 UTC.
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "Europe/Berlin",
            "0 3 * * *",
            "2026-10-24T12:00:00Z",
            ["2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"],
        ),
        // Asked during the second 02:10, the first 02:30 is over.
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-25T01:10:00Z",
            ["2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z"],
        ),
        // A schedule round the clock pauses for the second 02:00 to 02:59.
        (
            "Europe/Berlin",
            "*/30 * * * *",
            "2026-10-25T00:00:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
        ),
        // New York, 8 March 2026: 02:00 -05 becomes 03:00 -04, at 07:00 UTC.
        (
            "America/New_York",
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00:00Z",
            ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        // Lord Howe moves by half an hour: 4 October 2026, 02:00 +10:30 becomes 02:30 +11, at 15:30 UTC.
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        (
            "Australia/Lord_Howe",
            "30 2 * * *",
            "2026-10-03T00:00:00Z",
            ["2026-10-03T15:30:00Z", "2026-10-04T15:30:00Z"],
        ),
        // And back on 5 April 2026: 02:00 +11 becomes 01:30 +10:30, at 15:00 UTC.
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-04T00:00:00Z",
            ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
        ),
        // Beirut changes at midnight: 29 March 2026 begins at 01:00 local time.
        (
            "Asia/Beirut",
            "0 0 * * 0",
            "2026-03-28T00:00:00Z",
            ["2026-03-28T22:00:00Z", "2026-04-04T21:00:00Z"],
        ),
        // Apia went without 30 December 2011, a gap of a day.
        (
            "Pacific/Apia",
            "0 12 30 12 *",
            "2011-12-01T00:00:00Z",
            ["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"],
        ),
        // No changes of the clocks at all.
        (
            "Asia/Kolkata",
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-28T21:00:00Z", "2026-03-29T21:00:00Z"],
        ),
    ] {
        let zone: chrono_tz::Tz = zone.parse().unwrap();
        let fires: Vec<_> = civil_fires(&cron(text), zone, utc(after)).take(2).collect();
        assert_eq!(fires, expected.map(utc), "{text} in {zone} after {after}");
        assert_eq!(cron(text).in_zone(zone).next_after(utc(after)), Some(fires[0]));
    }
}

#[test]
fn ticks_of_an_interval_keep_their_phase() {
    let schedule = Schedule::Every(Duration::from_secs(10));
    let offset = phase("default/echo-server@192.0.2.201", Duration::from_secs(10));
    let mut now = utc("2026-07-01T00:00:00Z");
    let first = schedule.next_tick("default/echo-server@192.0.2.201", now);
    assert_eq!(first, now + offset);
    for _ in 0..5 {
        let next = schedule.next_tick("default/echo-server@192.0.2.201", now);
        assert!(next > now && next - now <= TimeDelta::seconds(10));
        now = next;
    }
    assert_eq!(now, first + TimeDelta::seconds(40));
    // However late one asks, the grid is the same.
    let late = now + TimeDelta::milliseconds(123_456);
    let next = schedule.next_tick("default/echo-server@192.0.2.201", late);
    assert_eq!((next - first).num_milliseconds() % 10_000, 0);
}

#[test]
fn ticks_of_cron_are_put_off_by_the_phase_and_none_is_lost_or_doubled() {
    let schedule = Schedule::Cron(cron("0 * * * *"));
    let offset = phase("nightly", LONGEST_CRON_PHASE);
    assert!(!offset.is_zero());
    let fire = utc("2026-07-01T05:00:00Z");
    let tick = fire + offset;
    for (after, expected) in [
        (fire - TimeDelta::seconds(1), tick),
        (fire, tick),
        (tick - TimeDelta::nanoseconds(1), tick),
        (tick, tick + TimeDelta::hours(1)),
        (tick + TimeDelta::nanoseconds(1), tick + TimeDelta::hours(1)),
    ] {
        assert_eq!(schedule.next_tick("nightly", after), expected, "{after}");
    }
}

#[test]
fn a_cron_schedule_with_nothing_left_never_ticks() {
    let schedule = Schedule::Cron(cron("0 0 0 1 1 ? 2020"));
    assert_eq!(schedule.next_tick("x", utc("2026-07-01T00:00:00Z")), DateTime::<Utc>::MAX_UTC);
}

/// These numbers are a promise: a changed phase moves every probe of every installation.
#[test]
fn phases_are_the_same_for_ever() {
    let span = Duration::from_secs(10);
    let phases = ["", "control", "node-1", "node-2"].map(|name| phase(name, span).as_nanos());
    assert_eq!(phases, [9_576_734_252, 6_972_925_157, 764_931_028, 7_843_299_163]);
    assert_eq!(phase("control", Duration::ZERO), Duration::ZERO);
}

#[test]
fn phases_of_similar_names_spread_evenly() {
    let mut buckets = [0_u32; 20];
    for number in 0..2_000 {
        let share = phase(&format!("default/echo@node-{number}"), Duration::from_millis(20)).as_millis();
        buckets[usize::try_from(share).unwrap()] += 1;
    }
    assert!(buckets.iter().all(|count| (60..=140).contains(count)), "{buckets:?}");
}

proptest! {
    #[test]
    fn a_phase_lies_within_its_span(name in ".*", nanos in 1..u64::MAX) {
        let span = Duration::from_nanos(nanos);
        prop_assert!(phase(&name, span) < span);
    }

    #[test]
    fn the_next_tick_is_the_next_point_of_the_grid(
        name in "[a-z]{1,8}", millis in 1..100_000_u64, at in 0..4_000_000_000_000_i64,
    ) {
        let schedule = Schedule::Every(Duration::from_millis(millis));
        let after = DateTime::from_timestamp_millis(at).unwrap();
        let next = schedule.next_tick(&name, after);
        prop_assert!(next > after);
        prop_assert!((next - after).to_std().unwrap() <= Duration::from_millis(millis));
        let phase = phase(&name, Duration::from_millis(millis));
        let into = i128::from(next.timestamp_nanos_opt().unwrap()) % (i128::from(millis) * 1_000_000);
        prop_assert_eq!(into, i128::try_from(phase.as_nanos()).unwrap());
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "[0-9*/,?A-Za-z -]{0,40}") {
        let _ = CronSchedule::parse(&text);
    }

    /// Another implementation of POSIX cron comes to the same instants.
    #[test]
    fn croner_agrees(
        second in field(0, 59), minute in field(0, 59), hour in field(0, 23), day in field(1, 28),
        month in field(1, 12), weekday in field(0, 7), at in 0..3_000_000_000_i64, with_seconds: bool,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let text = if with_seconds { format!("{second} {text}") } else { text };
        let oracle: croner::Cron = text.parse().unwrap();
        let after = DateTime::from_timestamp(at, 0).unwrap();
        let expected: Vec<_> = oracle.iter_after(after).take(4).collect();
        let fires: Vec<_> = civil_fires(&cron(&text), chrono_tz::UTC, after).take(4).collect();
        prop_assert_eq!(fires, expected, "{}", text);
    }
}

/// `*`, `*/n`, a list of values, or a range with or without a step: what every dialect has. No `*/n` among
/// the days, where Vixie cron (our model) and croner differ on whether it restricts the day.
fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
    let values: Vec<u32> = (min..=max).collect();
    let step = move || 1..=(max - min);
    prop_oneof![
        3 => Just("*".to_owned()),
        1 => step().prop_map(move |step| format!("{min}-{max}/{step}")),
        3 => subsequence(values, 1..4).prop_map(|values| {
            values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
        }),
        2 => (min..=max, min..=max, step())
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
        2 => (min..=max, min..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
    ]
}
