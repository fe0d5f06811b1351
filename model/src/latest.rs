//! The latest rounds: how many of them noted something, and since when that has been enough for a rule.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::rule::{LONGEST_WINDOW, Rule};

/// Those that noted it among as many rounds as a rule looks at.
///
/// A rule may ask for trouble that lasts longer than that many rounds take. So the time counts from the first of the rounds that
/// were enough together, for as long as there are enough of them after every round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// Which of them noted it, the newest in the lowest bit.
    noted: u64,
    /// When those were judged, the oldest first; of rounds that an older version counted, that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    times: Vec<Time>,
    /// Since when there have been enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
}

/// A time that takes little room when it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Time(#[serde(with = "chrono::serde::ts_milliseconds")] DateTime<Utc>);

impl Latest {
    /// Takes in whether a round noted it.
    pub fn step(&mut self, noted: bool, now: DateTime<Utc>, rule: &Rule) {
        let needed = rule.rounds.clamp(1, LONGEST_WINDOW);
        let window = rule.of.clamp(needed, LONGEST_WINDOW);
        self.noted = (self.noted << 1 | u64::from(noted)) & (u64::MAX >> (LONGEST_WINDOW - window));
        if noted {
            self.times.push(Time(now));
        }
        let left = self.times.len().saturating_sub(self.noted.count_ones() as usize);
        self.times.drain(..left);
        let first = || self.times.first().map(|time| time.0);
        self.since = if self.rounds() < needed { None } else { self.since.or_else(first) };
    }

    /// How many of them noted it.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.noted.count_ones()
    }

    /// Since when there have been enough: when the first of the rounds was judged that were the first to be enough.
    #[must_use]
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.since
    }

    /// The times that it remembers.
    pub fn times(&mut self) -> impl Iterator<Item = &mut DateTime<Utc>> {
        self.times.iter_mut().map(|time| &mut time.0).chain(&mut self.since)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::{alert::AlertKind, rule::Rules};

    fn rule(rounds: u32, of: u32) -> Rule {
        Rule { rounds, of, ..Rules::uniform(1, 1, TimeDelta::zero()).of(AlertKind::Degraded) }
    }

    /// When the nth round was judged, in whole seconds.
    fn at(nth: usize) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(10 * nth as i64)
    }

    /// The same from all that ever happened: the first in the window with which the stretch began that has been enough ever since.
    fn since(rounds: &[bool], rule: &Rule) -> Option<DateTime<Utc>> {
        let noted = |end: usize| {
            let window = (end + 1).saturating_sub(rule.of as usize)..=end;
            window.filter(|nth| rounds[*nth])
        };
        let enough = |end: &usize| noted(*end).count() >= rule.rounds as usize;
        let began = (0..rounds.len()).rev().take_while(enough).last()?;
        noted(began).next().map(at)
    }

    proptest! {
        #[test]
        fn it_says_what_all_rounds_together_say(
            rounds in proptest::collection::vec(any::<bool>(), 1..200),
            needed in 1..=LONGEST_WINDOW,
            more in 0..LONGEST_WINDOW,
        ) {
            let rule = rule(needed, (needed + more).min(LONGEST_WINDOW));
            let mut latest = Latest::default();
            for nth in 0..rounds.len() {
                latest.step(rounds[nth], at(nth), &rule);
                prop_assert_eq!(latest.since(), since(&rounds[..=nth], &rule));
                // As a restart leaves it.
                latest = serde_json::from_str(&serde_json::to_string(&latest).unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn trouble_may_have_to_last_for_longer_than_the_window() {
        let mut latest = Latest::default();
        for nth in 0..1_000 {
            // Four of any five.
            latest.step(nth % 5 != 1, at(nth), &rule(3, 5));
        }
        assert_eq!(latest.since(), Some(at(0)));
    }

    #[test]
    fn it_takes_little_room() {
        let stored = |rounds: u32, of: u32| {
            let mut latest = Latest::default();
            for nth in 0..200 {
                latest.step(
                    true,
                    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + (at(nth) - at(0)),
                    &rule(rounds, of),
                );
            }
            serde_json::to_string(&latest).unwrap().len()
        };
        assert!(stored(3, 5) <= 128, "{}", stored(3, 5));
        assert!(stored(40, 64) <= 1_000, "{}", stored(40, 64));
    }
}
