//! The count of one thing that rounds take note of: when it is confirmed to hold, and when to be over.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{latest::Latest, rule::Rule};

/// How often something was noted lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// The rounds that are counted; none once it is confirmed.
    #[serde(flatten)]
    latest: Latest,
    /// Since when it is confirmed.
    holds: Option<DateTime<Utc>>,
    /// How many rounds on end did not note any more what holds.
    #[serde(default)]
    quiet: u32,
}

impl Streak {
    /// Takes in whether a round noted it. A `fresh` round counts, but confirms nothing; where it does not note any more what
    /// holds, that is enough for the end.
    pub fn step(&mut self, noted: bool, now: DateTime<Utc>, rule: &Rule, fresh: bool) {
        if self.holds.is_some() {
            self.quiet = if noted { 0 } else { self.quiet.saturating_add(1) };
            // What held before the agent was away, and is not noted any more, was mended meanwhile.
            if self.quiet >= rule.resolve_after.max(1) || (fresh && !noted) {
                *self = Self::default();
            }
            return;
        }
        self.latest.step(noted, now, rule);
        self.holds = self.latest.since().filter(|since| noted && !fresh && now - *since >= rule.lasting);
        if self.holds.is_some() {
            self.latest = Latest::default();
        }
    }

    /// Since when it holds: when the first of the rounds was judged that confirmed it.
    #[must_use]
    pub fn holds(&self) -> Option<DateTime<Utc>> {
        self.holds
    }

    /// The times that it remembers.
    pub fn times(&mut self) -> impl Iterator<Item = &mut DateTime<Utc>> {
        self.latest.times().chain(&mut self.holds)
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::alert::Severity;

    fn rule(rounds: u32, of: u32, lasting_s: i64) -> Rule {
        let lasting = TimeDelta::seconds(lasting_s);
        Rule { enabled: true, severity: Severity::Warning, rounds, of, lasting, resolve_after: 2 }
    }

    /// Whether it holds after each of the rounds, ten seconds apart; `x` is one that noted it.
    fn run(rounds: &str, rule: &Rule) -> String {
        let mut streak = Streak::default();
        let mut now = DateTime::UNIX_EPOCH;
        let step = |round: char| {
            now += TimeDelta::seconds(10);
            streak.step(round == 'x', now, rule, false);
            if streak.holds().is_some() { 'H' } else { '.' }
        };
        rounds.chars().map(step).collect()
    }

    #[test]
    fn it_takes_rounds_on_end_or_among_the_last_few_and_time() {
        assert_eq!(run("x.xx.x..", &rule(2, 2, 0)), "...HHHH.");
        assert_eq!(run("x.x.....", &rule(2, 3, 0)), "..HH....");
        assert_eq!(run("x..x....", &rule(2, 3, 0)), "........");
        assert_eq!(run("xxxxx", &rule(2, 2, 30)), "...HH");
    }

    #[test]
    fn a_fresh_round_counts_but_does_not_confirm() {
        let (mut streak, now) = (Streak::default(), DateTime::UNIX_EPOCH);
        streak.step(true, now, &rule(1, 1, 0), true);
        assert_eq!(streak.holds(), None);
        streak.step(true, now + TimeDelta::seconds(10), &rule(1, 1, 0), false);
        assert_eq!(streak.holds(), Some(now));
    }
    #[test]
    fn a_fresh_round_ends_only_what_holds() {
        let now = DateTime::UNIX_EPOCH;
        let rule = rule(3, 5, 0);
        let after = |rounds: [bool; 5], fresh: usize| {
            let mut streak = Streak::default();
            for (i, noted) in rounds.into_iter().enumerate() {
                streak.step(noted, now, &rule, i == fresh);
            }
            streak
        };
        assert_eq!(after([true, true, false, false, true], 2).holds(), Some(now));
        assert!(after([true, true, true, true, false], 4).is_over());
    }
}
