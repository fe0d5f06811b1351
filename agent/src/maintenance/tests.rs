//! Windows by a table, by brute force against another cron, and at changes of the clocks.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn minutes(minutes: u32) -> TimeDelta {
    TimeDelta::minutes(minutes.into())
}

fn window(when: When) -> Maintenance {
    Maintenance { name: "patch-night".to_owned(), matcher: Matcher::default(), when }
}

fn recurring(cron: &str, zone: Tz, lasting: TimeDelta) -> Maintenance {
    let cron = CronSchedule::parse(cron).unwrap().in_zone(zone);
    window(When::Recurring(Recurrence { cron, lasting }))
}

#[test]
fn a_window_is_open_from_its_first_instant_up_to_its_end() {
    let nightly = recurring("0 2 * * *", Tz::UTC, minutes(60));
    let once = window(When::Once { from: utc("2026-07-01T02:00:00Z"), to: utc("2026-07-01T03:00:00Z") });
    for (now, until) in [
        ("2026-07-01T01:59:59.999999999Z", None),
        ("2026-07-01T02:00:00Z", Some("2026-07-01T03:00:00Z")),
        ("2026-07-01T02:59:59.999999999Z", Some("2026-07-01T03:00:00Z")),
        ("2026-07-01T03:00:00Z", None),
    ] {
        for window in [&nightly, &once] {
            assert_eq!(window.active(utc(now)), until.map(utc), "{now} {window:?}");
        }
    }
    assert_eq!(once.next(utc("2026-07-01T01:00:00Z")), Some(utc("2026-07-01T02:00:00Z")));
    assert_eq!(once.next(utc("2026-07-01T02:00:00Z")), None);
    assert_eq!(nightly.next(utc("2026-07-01T02:00:00Z")), Some(utc("2026-07-02T02:00:00Z")));
}

#[test]
fn windows_that_overlap_or_touch_are_one() {
    // Longer than the gap in the afternoon, as long as that in the evening, shorter than that over night.
    let window = recurring("0 12,13,14,16 * * *", Tz::UTC, minutes(120));
    let day = |time: &str| utc(&format!("2026-07-01T{time}:00Z"));
    for time in ["12:00", "13:30", "15:59", "16:00", "17:59"] {
        assert_eq!(window.active(day(time)), Some(day("18:00")), "{time}");
    }
    assert_eq!(window.active(day("18:00")), None);
    assert_eq!(window.active(day("11:59")), None);
}

/// The clocks, when a window begins and ends by them, and which instants those are.
#[test]
fn changes_of_the_clocks_move_the_beginning_and_never_the_length() {
    for (zone, cron, lasting, after, begin, end) in [
        // Berlin skips from 02:00 +01 to 03:00 +02 at 01:00 UTC on 29 March 2026.
        (
            "Europe/Berlin",
            "30 1 * * *",
            60,
            "2026-03-28T12:00:00Z",
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:30:00Z",
        ),
        (
            "Europe/Berlin",
            "30 2 * * *",
            60,
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T02:00:00Z",
        ),
        // Both stand for the end of the gap, and so are one window.
        (
            "Europe/Berlin",
            "0 2,3 * * *",
            30,
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
        ),
        // It repeats 02:00 to 03:00 at 01:00 UTC on 25 October 2026; the first time counts.
        (
            "Europe/Berlin",
            "30 2 * * *",
            60,
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
        ),
        (
            "Europe/Berlin",
            "0 1 * * *",
            180,
            "2026-10-24T12:00:00Z",
            "2026-10-24T23:00:00Z",
            "2026-10-25T02:00:00Z",
        ),
        // Apia went without 30 December 2011.
        (
            "Pacific/Apia",
            "0 12 30 12 *",
            60,
            "2011-12-01T00:00:00Z",
            "2011-12-30T10:00:00Z",
            "2011-12-30T11:00:00Z",
        ),
        (
            "Asia/Kolkata",
            "30 2 * * *",
            60,
            "2026-03-28T12:00:00Z",
            "2026-03-28T21:00:00Z",
            "2026-03-28T22:00:00Z",
        ),
    ] {
        let window = recurring(cron, zone.parse().unwrap(), minutes(lasting));
        let (begin, end) = (utc(begin), utc(end));
        assert_eq!(window.next(utc(after)), Some(begin), "{cron} in {zone}");
        assert_eq!(window.active(begin - TimeDelta::seconds(1)), None, "{cron} in {zone}");
        for now in [begin, begin + TimeDelta::minutes(15), end - TimeDelta::seconds(1)] {
            assert_eq!(window.active(now), Some(end), "{cron} in {zone} at {now}");
        }
        assert_eq!(window.active(end), None, "{cron} in {zone}");
    }
}

#[test]
fn a_window_that_hardly_ends_is_known() {
    let recurrence = |cron: &str, lasting: TimeDelta| {
        Recurrence { cron: CronSchedule::parse(cron).unwrap(), lasting }.hardly_ends()
    };
    for (cron, lasting) in [
        ("*/10 * * * *", minutes(10)),
        ("* * * * * *", minutes(1)),
        ("0 9 * * MON", TimeDelta::days(7)),
        ("0 0 1 * *", TimeDelta::days(31)),
        ("0 0,12 * * *", TimeDelta::hours(13)),
    ] {
        assert!(recurrence(cron, lasting), "{cron} {lasting}");
    }
    for (cron, lasting) in [
        ("*/10 * * * *", minutes(9)),
        ("0 9 * * MON", TimeDelta::days(6)),
        ("0 0 1 * *", TimeDelta::days(30)),
        // All working day, and nothing at night.
        ("*/10 8-17 * * *", minutes(10)),
        ("0 0 0 1 1 ? 2030", TimeDelta::days(31)),
    ] {
        assert!(!recurrence(cron, lasting), "{cron} {lasting}");
    }
}

#[test]
fn all_windows_together_say_when_to_ask_again() {
    let nightly = recurring("0 2 * * *", Tz::UTC, minutes(60));
    let once = window(When::Once { from: utc("2026-07-01T02:30:00Z"), to: utc("2026-07-01T04:00:00Z") });
    let all = [nightly, once];
    for (now, open, change) in [
        ("2026-07-01T01:00:00Z", &[][..], Some("2026-07-01T02:00:00Z")),
        ("2026-07-01T02:00:00Z", &["2026-07-01T03:00:00Z"], Some("2026-07-01T02:30:00Z")),
        (
            "2026-07-01T02:30:00Z",
            &["2026-07-01T03:00:00Z", "2026-07-01T04:00:00Z"],
            Some("2026-07-01T03:00:00Z"),
        ),
        ("2026-07-01T03:00:00Z", &["2026-07-01T04:00:00Z"], Some("2026-07-01T04:00:00Z")),
        ("2026-07-01T04:00:00Z", &[], Some("2026-07-02T02:00:00Z")),
    ] {
        let (windows, next) = Maintenance::windows(&all, utc(now));
        let until: Vec<_> = windows.iter().map(|window| window.until).collect();
        assert_eq!(until, open.iter().map(|text| utc(text)).collect::<Vec<_>>(), "{now}");
        assert_eq!(next, change.map(utc), "{now}");
    }
    assert_eq!(Maintenance::windows(&all[1..], utc("2026-07-02T00:00:00Z")), (Vec::new(), None));
    assert_eq!(Maintenance::windows(&[], utc("2026-07-02T00:00:00Z")), (Vec::new(), None));
}

fn cron() -> impl Strategy<Value = String> {
    let some = |max: u32| prop::collection::btree_set(0..=max, 1..4);
    let list = |values: std::collections::BTreeSet<u32>| {
        values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
    };
    (
        some(59).prop_map(list),
        some(23).prop_map(list),
        prop_oneof![Just("*".to_owned()), some(6).prop_map(list)],
    )
        .prop_map(|(minute, hour, weekday)| format!("{minute} {hour} * * {weekday}"))
}

proptest! {
    /// Whether and until when it is open, by counting the fires of another implementation of cron.
    #[test]
    fn croner_agrees(text in cron(), length in 1..3_000_u32, at in 0..3_000_000_000_i64) {
        let (now, lasting) = (DateTime::from_timestamp(at, 0).unwrap(), minutes(length));
        let maintenance = recurring(&text, Tz::UTC, lasting);
        let When::Recurring(recurrence) = &maintenance.when else { unreachable!() };
        prop_assume!(!recurrence.hardly_ends());
        let oracle: croner::Cron = text.parse().unwrap();
        let mut fires = oracle.iter_after(now - lasting);
        let mut until = None;
        let mut next = fires.next().unwrap();
        while next <= until.unwrap_or(now) {
            until = Some(next + lasting);
            next = fires.next().unwrap();
        }
        prop_assert_eq!(maintenance.active(now), until);
        if until.is_none() {
            prop_assert_eq!(maintenance.next(now), Some(next));
        }
    }

    /// From one change to the next, the clocks being what they may, nothing changes.
    #[test]
    fn nothing_changes_before_the_next_change(
        texts in prop::collection::vec((cron(), 1..3_000_u32), 1..4),
        at in 1_700_000_000..1_900_000_000_i64,
        share in 0..100_i32,
    ) {
        let berlin = |(text, length): &(String, u32)| recurring(text, Tz::Europe__Berlin, minutes(*length));
        let ends = |window: &Maintenance| {
            matches!(&window.when, When::Recurring(recurrence) if !recurrence.hardly_ends())
        };
        let all: Vec<_> = texts.iter().map(berlin).filter(ends).collect();
        prop_assume!(!all.is_empty());
        let now = DateTime::from_timestamp(at, 0).unwrap();
        let (open, change) = Maintenance::windows(&all, now);
        let change = change.unwrap();
        prop_assert!(change > now);
        prop_assert!(open.iter().all(|window| window.until > now));
        let between = now + (change - now) * share / 100;
        prop_assert_eq!(Maintenance::windows(&all, between), (open.clone(), Some(change)));
        prop_assert_ne!(Maintenance::windows(&all, change).0, open);
    }
}
