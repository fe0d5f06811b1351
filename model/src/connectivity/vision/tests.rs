//! Played: checks, links and rounds in, blindness and its end out.

use super::*;
use crate::{
    connectivity::Check,
    flow::{Failure, FailureKind},
    state::State,
};

/// Probes and their intervals, in seconds.
const PROBES: [(&str, i64); 3] = [("vip", 10), ("node", 10), ("lan", 30)];

/// An agent and what it is told.
struct Stage {
    outlook: Outlook,
    vision: Vision,
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn failing(kind: FailureKind) -> Result<u32, Failure> {
    Err(Failure::new(kind, "no answer within 1000 ms"))
}

fn verdict(word: &str) -> Verdict {
    let (finding, state, answered) = match word {
        "answered" => (Finding::Preserved, State::Up, 4),
        "silent" => (Finding::Unreachable, State::Down, 0),
        "unseen" => (Finding::Blind, State::Unknown, 0),
        _ => panic!("{word:?} is no round"),
    };
    Verdict { answered, ..Verdict::new(finding, state, format!("It was {word}.")) }
}

impl Stage {
    fn new(asks: bool) -> Self {
        Self { outlook: Outlook { asks, ..Outlook::default() }, vision: Vision::new(at(0)) }
    }

    /// One line: a time in seconds, what happens, and after an arrow what follows from it: `blind since SECONDS by GROUNDS`
    /// or `sees, PROBES missed`. What happens is `check` with a sign per target (`+` it answers, `-` it does not, `?` it cannot
    /// be asked), `link` with `up` or `down`, or a probe with `answered`, `silent` or `unseen`.
    fn line(&mut self, line: &str) {
        let (event, follows) =
            line.split_once(" => ").map_or((line, ""), |(event, follows)| (event, follows));
        let words: Vec<&str> = event.split_whitespace().collect();
        let [now, what, how] = words[..] else { panic!("{line:?}") };
        let now = at(now.parse().unwrap());
        match (what, how) {
            ("check", signs) => {
                let answer = |sign| Answer {
                    target: "192.0.2.1".into(),
                    heard: match sign {
                        '+' => Ok(800),
                        '-' => failing(FailureKind::Timeout),
                        _ => failing(FailureKind::Agent),
                    },
                };
                self.outlook.take(Check { at: now, answers: signs.chars().map(answer).collect() });
            }
            ("link", how) => self.outlook.take_links(how == "up", now),
            (probe, how) => self.vision.round(&ProbeName::new(probe), &verdict(how), now),
        }
        assert_eq!(self.step(now), follows, "{line}");
    }

    fn step(&mut self, now: DateTime<Utc>) -> String {
        let probes = PROBES.map(|(name, interval)| (ProbeName::new(name), TimeDelta::seconds(interval)));
        let before = self.vision.is_blind();
        let missed = self.vision.step(&self.outlook, probes.iter().map(|(name, gap)| (name, *gap)), now);
        if let Some(Missed { probes, .. }) = missed {
            return format!("sees, {probes} missed");
        }
        match self.vision.blindness().filter(|_| !before) {
            None => String::new(),
            Some(Blindness { since, grounds }) => {
                let by = match grounds {
                    Grounds::Links => "links".to_owned(),
                    Grounds::Targets(answers) => format!("{} targets", answers.len()),
                    Grounds::Rounds { probes, .. } => format!("{probes} probes"),
                };
                format!("blind since {} by {by}", since.timestamp())
            }
        }
    }
}

#[track_caller]
fn play(asks: bool, lines: &str) {
    let mut stage = Stage::new(asks);
    for line in lines.trim().lines() {
        stage.line(line.trim());
    }
}

#[test]
fn two_checks_on_end_make_it_blind_and_one_answer_ends_that() {
    play(
        true,
        "0  check +-
         5  check --
         8  vip   unseen
         10 check -- => blind since 5 by 2 targets
         12 node  unseen
         15 check --
         18 vip   unseen
         20 check -+ => sees, 2 missed
         25 check ++",
    );
}

#[test]
fn one_check_alone_and_one_target_of_two_are_nothing() {
    play(
        true,
        "0  check --
         1  vip   unseen
         5  check +-
         6  node  unseen
         10 check --
         15 check -+",
    );
}

#[test]
fn a_lost_link_needs_no_second_check() {
    play(
        true,
        "0  check +
         3  link  down
         4  check - => blind since 3 by links
         9  check -
         12 link  up
         13 check + => sees, 0 missed",
    );
    play(
        false,
        "3  link  down
         5  vip   unseen => blind since 3 by links
         9  link  up
         10 node  silent => sees, 1 missed",
    );
}

/// As where everything that is probed is on the loopback itself.
#[test]
fn links_do_not_matter_to_rounds_that_are_answered_without_them() {
    play(
        false,
        "0  link  down
         1  vip   answered
         2  node  unseen
         3  vip   answered
         4  node  answered",
    );
    play(
        true,
        "0  link  down
         1  check +
         2  node  unseen",
    );
}

#[test]
fn without_targets_every_round_has_to_be_its_own_fault() {
    play(
        false,
        "1  vip   unseen
         3  node  unseen
         5  lan   answered
         11 vip   unseen
         13 node  unseen
         21 vip   unseen => blind since 11 by 2 probes
         23 node  unseen
         31 vip   answered => sees, 2 missed",
    );
}

#[test]
fn a_probe_whose_turn_has_come_is_waited_for() {
    play(
        false,
        "1  vip   unseen
         11 vip   unseen
         12 node  unseen => blind since 1 by 2 probes
         13 node  silent => sees, 2 missed
         14 lan   unseen
         44 lan   unseen
         50 vip   unseen
         60 lan   unseen
         61 node  unseen => blind since 14 by 3 probes",
    );
}

#[test]
fn three_rounds_of_one_probe_are_not_enough_where_there_are_more() {
    play(
        false,
        "1 vip unseen
         2 vip unseen
         3 vip unseen",
    );
}

/// The targets are gone, and the cluster is not.
#[test]
fn targets_that_rounds_contradict_are_not_believed() {
    play(
        true,
        "0  check -
         1  vip   answered
         5  check -
         8  node  answered
         10 check -
         11 vip   answered
         15 check -
         18 node  unseen => blind since 0 by 1 targets
         20 check -
         21 vip   answered
         28 node  answered
         51 vip   answered => sees, 1 missed
         55 check -",
    );
}

/// What is on this side of the trouble is still answered.
#[test]
fn a_probe_that_is_nearer_than_the_trouble_does_not_end_it() {
    play(
        true,
        "0  check -
         2  lan   answered
         4  vip   unseen
         5  check - => blind since 0 by 1 targets
         8  node  unseen
         32 lan   answered
         92 lan   answered
         95 check -
         96 check + => sees, 2 missed",
    );
}

#[test]
fn a_probe_with_a_fault_of_its_own_does_not_count_against_targets_that_others_contradict() {
    play(
        true,
        "0  node  unseen
         5  check +
         10 node  unseen
         11 vip   answered
         15 check -
         20 node  unseen
         21 vip   answered
         25 check -
         31 vip   answered",
    );
}

#[test]
fn targets_that_cannot_be_asked_say_nothing() {
    play(
        true,
        "0  check ??
         5  check ??
         10 check ??
         11 vip   unseen
         12 node  unseen
         15 check ??
         16 lan   unseen => blind since 11 by 3 probes
         20 check ??
         21 vip   silent => sees, 3 missed",
    );
    play(
        true,
        "0 check -?
         5 check ?- => blind since 0 by 2 targets",
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_it_blind() {
    play(
        true,
        "1000 check -
         1005 vip   unseen
         1010 check - => blind since 1000 by 1 targets
         500  check + => sees, 1 missed",
    );
    play(
        true,
        "1000 check -
         1010 check - => blind since 1000 by 1 targets
         500  check -
         501  node  answered
         530  node  answered => sees, 0 missed
         535  check -",
    );
    play(
        false,
        "1003 link  down
         1005 vip   unseen => blind since 1003 by links
         500  node  silent => sees, 1 missed",
    );
}

#[test]
fn after_a_restart_it_is_blind_until_it_sees() {
    for (asks, lines) in [
        (true, "99 vip answered\n100 check -\n101 vip unseen\n105 check -\n110 check + => sees, 2 missed"),
        (false, "101 vip unseen\n102 node answered => sees, 2 missed"),
    ] {
        let mut stage = Stage::new(asks);
        let before = [("vip", 30), ("node", 95), ("gone", 96)];
        let before = before.map(|(name, seconds)| (ProbeName::new(name), at(seconds)));
        stage.vision.resume(at(50), before, at(98));
        assert!(stage.vision.is_blind());
        lines.lines().for_each(|line| stage.line(line));
        assert!(!stage.vision.is_blind());
    }
}

#[test]
fn nobody_stays_blind_when_there_is_nothing_left_to_see() {
    let mut vision = Vision::new(at(0));
    vision.resume(at(0), [], at(1));
    let missed = vision.step(&Outlook::default(), std::iter::empty(), at(9));
    assert_eq!(missed, Some(Missed { since: at(0), probes: 0 }));
}
