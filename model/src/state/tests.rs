//! Rounds in, states out.

use State::{Degraded, Down, Idle, Translated, Unknown, Up};
use proptest::prelude::*;

use super::*;

fn two() -> Rules {
    Rules::uniform(2, 2, TimeDelta::minutes(10))
}

/// The states after each of `rounds`, ten seconds apart.
fn run(rounds: &[State]) -> Vec<State> {
    let mut machine = Machine::default();
    let mut now = DateTime::UNIX_EPOCH;
    let step = |round: &State| {
        now += TimeDelta::seconds(10);
        machine.step(*round, now, &two(), false);
        machine.state
    };
    rounds.iter().map(step).collect()
}

#[test]
fn one_odd_round_changes_nothing() {
    assert_eq!(run(&[Up, Translated, Up, Down, Up]), [Up, Up, Up, Up, Up]);
    assert_eq!(
        run(&[Up, Translated, Translated, Up, Translated, Up, Up])[3..],
        [Translated, Translated, Translated, Up]
    );
}

#[test]
fn faults_that_take_turns_do_not_hide_each_other() {
    assert_eq!(run(&[Up, Down, Translated]), [Up, Up, Translated]);
    assert_eq!(run(&[Down, Down, Translated, Degraded]), [Unknown, Down, Down, Degraded]);
    // Answers again, now and then in part: no longer down.
    assert_eq!(run(&[Down, Down, Degraded, Up, Degraded])[2..], [Down, Down, Degraded]);
}

#[test]
fn good_rounds_between_bad_ones_break_the_count() {
    assert_eq!(run(&[Idle, Down, Up, Down])[1..], [Idle, Idle, Idle]);
    assert_eq!(run(&[Up, Unknown, Unknown, Idle, Down]), [Up, Up, Unknown, Unknown, Unknown]);
}

#[test]
fn a_blind_round_neither_confirms_nor_contradicts() {
    assert_eq!(run(&[Up, Translated, Unknown, Translated]), [Up, Up, Up, Translated]);
    assert_eq!(run(&[Up, Unknown, Unknown, Up, Up]), [Up, Up, Unknown, Unknown, Up]);
}

#[test]
fn what_was_seen_before_a_long_blindness_or_absence_is_no_evidence() {
    let rounds = [Up, Unknown, Unknown, Down, Unknown, Unknown, Unknown, Down];
    assert_eq!(run(&rounds).last(), Some(&Unknown));
    let mut machine = Machine::default();
    machine.step(Up, DateTime::UNIX_EPOCH, &two(), false);
    machine.step(Down, DateTime::UNIX_EPOCH + TimeDelta::seconds(10), &two(), false);
    machine.step(Down, DateTime::UNIX_EPOCH + TimeDelta::days(3), &two(), false);
    assert_eq!(machine.state, Up);
}

/// [`two`], but that the alerts of `kinds` take `rounds` of the latest `of`, and have to last for so many seconds.
fn among(kinds: &[AlertKind], rounds: u32, of: u32, lasting_s: i64) -> Rules {
    let rules = two();
    let rule = |kind: &AlertKind| {
        (*kind, Rule { rounds, of, lasting: TimeDelta::seconds(lasting_s), ..rules.of(*kind) })
    };
    let own = kinds.iter().map(rule).collect();
    Rules { own: std::sync::Arc::new(own), ..rules }
}

/// Every way of counting says the same of rounds ten seconds apart, `x` for bad ones: how many seconds after its first round
/// the trouble is confirmed, and how many after that it is said to have begun.
fn confirmed(rounds: &str, of: u32, among: u32, lasting_s: i64) -> Option<(i64, i64)> {
    let kinds = [AlertKind::Unreachable, AlertKind::DnsDrift];
    let rules = self::among(&kinds, of, among, lasting_s);
    let mut machine = Machine::default();
    let beginning = DateTime::UNIX_EPOCH;
    machine.step(Up, beginning - TimeDelta::seconds(10), &rules, false);
    for (nth, round) in rounds.chars().enumerate() {
        let now = beginning + TimeDelta::seconds(10 * nth as i64);
        machine.step(if round == 'x' { Down } else { Up }, now, &rules, false);
        machine.take_note(AlertKind::DnsDrift, round == 'x', now, &rules, false);
        let began = machine.began.filter(|_| machine.state == Down);
        assert_eq!(began, machine.holds(AlertKind::DnsDrift), "round {nth} of {rounds}");
        if let Some(began) = began {
            return Some(((now - beginning).num_seconds(), (began - beginning).num_seconds()));
        }
    }
    None
}

#[test]
fn trouble_begins_with_the_first_of_the_rounds_that_were_enough() {
    // On end.
    assert_eq!(confirmed("x.x.x.xx", 2, 2, 0), Some((70, 60)));
    assert_eq!(confirmed("xx.xx.xx.xx.xxx", 3, 3, 0), Some((140, 120)));
    // Among the latest.
    assert_eq!(confirmed("x...x..xx.x", 3, 5, 0), Some((80, 40)));
    assert_eq!(confirmed("x..x..x..x.xx", 3, 4, 0), Some((120, 90)));
}

#[test]
fn an_endpoint_that_comes_and_goes_is_lost() {
    let confirmed = |rounds: &[State], lasting_s: i64| {
        let rules = among(&[AlertKind::NodeUnhealthy], 3, 5, lasting_s);
        let mut machine = Machine::default();
        for (nth, round) in rounds.iter().enumerate() {
            let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(10 * nth as i64);
            machine.step(*round, now, &rules, false);
        }
        machine.began.filter(|_| machine.state == Idle).map(|began| began.timestamp())
    };
    assert_eq!(confirmed(&[Up, Idle, Idle, Up, Idle], 0), Some(10));
    assert_eq!(confirmed(&[Up, Idle, Idle, Up, Up, Up, Idle, Up, Idle], 0), None);
    assert_eq!(confirmed(&[Up, Idle, Idle, Up, Idle, Up, Idle], 60), None);
    assert_eq!(confirmed(&[Up, Idle, Idle, Up, Idle, Up, Idle, Idle], 60), Some(10));
    assert_eq!(confirmed(&[Up, Idle, Unknown, Idle, Up, Unknown, Idle], 0), Some(10));
    // A loss that is confirmed is not held against the node once more.
    assert_eq!(confirmed(&[Up, Idle, Idle, Idle, Up, Up, Idle, Idle], 0), None);
}

#[test]
fn one_fault_does_not_hide_another_that_comes_and_goes() {
    let state = |rounds: &[State]| {
        let rules = among(&[AlertKind::SourceTranslated], 3, 5, 0);
        let mut machine = Machine::default();
        for round in rounds {
            machine.step(*round, DateTime::UNIX_EPOCH, &rules, false);
        }
        machine.state
    };
    let degraded = [Up, Degraded, Degraded];
    let then = |rounds: &[State]| state(&[&degraded, rounds].concat());
    assert_eq!(then(&[Translated, Degraded, Translated, Degraded]), Degraded);
    assert_eq!(then(&[Translated, Degraded, Translated, Degraded, Translated]), Translated);
    assert_eq!(then(&[Translated, Degraded, Degraded, Translated, Degraded, Translated]), Degraded);
    // Good rounds are no bad ones.
    assert_eq!(then(&[Up, Degraded, Up, Degraded, Translated]), Degraded);
    assert_eq!(then(&[Translated, Up, Translated, Degraded, Translated]), Translated);
}

#[test]
fn what_is_over_does_not_count_towards_the_time_that_trouble_has_to_last() {
    assert_eq!(confirmed("x.x.x.x.x.xx", 2, 2, 60), None);
    assert_eq!(confirmed("x.x.x.x.x.xxxxxxx", 2, 2, 60), Some((160, 100)));
    // One bad round of four again and again, and then an outage.
    assert_eq!(confirmed("x...x...x...xxxxx", 3, 4, 60), None);
    assert_eq!(confirmed("x...x...x...xxxxxxx", 3, 4, 60), Some((180, 120)));
    // It may have to last for longer than the rounds take that are looked at, and the good ones among them do not matter ..
    assert_eq!(confirmed("xx.xx.xx.xx.xx.", 3, 5, 100), Some((100, 0)));
    // .. while there are enough bad ones.
    assert_eq!(confirmed("xx.x...xx.x.xxx.xxx.xxx", 3, 5, 100), Some((170, 70)));
}

#[test]
fn what_an_older_version_stored_is_read() {
    let stored = r#"{"state":"up","since":"1970-01-01T00:00:00Z","began":"1970-01-01T00:00:00Z","settled":"up",
        "settled_before":null,"candidate":null,"away":null,"blind":0,"bad":5,"bad_since":"1970-01-01T00:00:10Z",
        "said":"up","turns":7,"flapping":null,"streaks":{
            "dns_drift":{"noted":5,"began":"1970-01-01T00:00:10Z","holds":null},
            "headers_trusted":{"noted":7,"began":"1970-01-01T00:00:10Z","holds":"1970-01-01T00:00:10Z"}},
        "last":"1970-01-01T00:00:40Z"}"#;
    let mut machine: Machine = serde_json::from_str(stored).unwrap();
    let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(50);
    let rules = among(&[AlertKind::DnsDrift], 3, 5, 0);
    machine.step(Up, now, &rules, false);
    machine.take_note(AlertKind::DnsDrift, true, now, &rules, false);
    machine.take_note(AlertKind::HeadersTrusted, true, now, &rules, false);
    // What it counted counts, but when that was is not known.
    assert_eq!(machine.holds(AlertKind::DnsDrift), Some(now));
    assert_eq!(machine.holds(AlertKind::HeadersTrusted), Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(10)));
}

/// When a lasting fault is confirmed that has to last for 30 s, in seconds since its first round, with a round every ten
/// seconds; the clock is set by `step` after its second one. What is noted is confirmed at the same time.
fn confirmed_after(step: TimeDelta) -> Option<i64> {
    let mut rules = two();
    let lasting = Rule { lasting: TimeDelta::seconds(30), ..rules.of(AlertKind::Unreachable) };
    let kinds = [AlertKind::Unreachable, AlertKind::DnsDrift];
    rules.own = std::sync::Arc::new(kinds.map(|kind| (kind, lasting)).into());
    let (mut machine, mut clock) = (Machine::default(), DateTime::UNIX_EPOCH + TimeDelta::days(1));
    machine.step(Up, clock, &rules, false);
    for passed in (0..100).map(|nth| nth * 10) {
        clock += TimeDelta::seconds(10) + if passed == 20 { step } else { TimeDelta::zero() };
        machine.step(Down, clock, &rules, false);
        machine.take_note(AlertKind::DnsDrift, true, clock, &rules, false);
        let holds = machine.holds(AlertKind::DnsDrift);
        assert_eq!(holds.is_some(), machine.state == Down, "{passed} s");
        if machine.state == Down {
            let began = machine.began.unwrap();
            assert!(holds == Some(began) && began <= clock && machine.since == Some(clock));
            return Some(passed);
        }
    }
    None
}

#[test]
fn a_clock_that_is_set_neither_opens_early_nor_holds_back() {
    assert_eq!(confirmed_after(TimeDelta::zero()), Some(30));
    // The time between two rounds is not known then, and counts as none.
    assert_eq!(confirmed_after(TimeDelta::hours(-1)), Some(40));
    // As after an absence: counting starts over.
    assert_eq!(confirmed_after(TimeDelta::hours(1)), Some(50));
}

#[test]
fn the_first_bad_round_waits_the_first_other_one_counts() {
    assert_eq!(run(&[Down, Down]), [Unknown, Down]);
    assert_eq!(run(&[Up]), [Up]);
    assert_eq!(run(&[Idle]), [Idle]);
}

#[test]
fn what_came_before_is_remembered_across_silence() {
    let mut machine = Machine::default();
    for round in [Up, Down, Down, Idle, Idle] {
        machine.step(round, DateTime::UNIX_EPOCH, &two(), false);
    }
    assert_eq!((machine.state, machine.settled, machine.settled_before), (Idle, Some(Idle), Some(Up)));
}

fn any_state() -> impl Strategy<Value = State> {
    proptest::sample::select(State::ALL)
}

proptest! {
    #[test]
    fn a_state_is_only_entered_by_rounds_that_said_so(rounds in proptest::collection::vec(any_state(), 1..60)) {
        let mut machine = Machine::default();
        for (i, round) in rounds.iter().enumerate() {
            if let Some(transition) = machine.step(*round, DateTime::UNIX_EPOCH, &two(), false) {
                prop_assert_eq!(transition.to, *round);
                prop_assert_ne!(transition.from, transition.to);
                if transition.to.is_bad() {
                    prop_assert!(i >= 1, "one round is not enough");
                }
            }
        }
    }

    #[test]
    fn a_lasting_fault_is_always_found(before in proptest::collection::vec(any_state(), 0..20), fault in any_state()) {
        let mut machine = Machine::default();
        for round in before { machine.step(round, DateTime::UNIX_EPOCH, &two(), false); }
        for _ in 0..2 { machine.step(fault, DateTime::UNIX_EPOCH, &two(), false); }
        prop_assert_eq!(machine.state, fault);
    }
}
