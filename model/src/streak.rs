//! The count of one thing that rounds take note of: when it is confirmed to hold, and when to be over.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::rule::{LONGEST_WINDOW, Rule};

/// How often something was noted lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// Which of the latest rounds noted it, the newest in the lowest bit.
    noted: u64,
    /// When the first of those was judged.
    began: Option<DateTime<Utc>>,
    /// Since when it is confirmed.
    holds: Option<DateTime<Utc>>,
}

impl Streak {
    /// Takes in whether a round noted it. A `fresh` round counts, but confirms nothing; where it does not note any more what
    /// holds, that is enough for the end.
    pub fn step(&mut self, noted: bool, now: DateTime<Utc>, rule: &Rule, fresh: bool) {
        let window = rule.of.max(rule.rounds).clamp(1, LONGEST_WINDOW);
        let lately = self.noted << (LONGEST_WINDOW - window) != 0;
        self.noted = self.noted << 1 | u64::from(noted);
        if noted && (!lately || self.began.is_none()) && self.holds.is_none() {
            self.began = Some(now);
        }
        let among = (self.noted & (u64::MAX >> (LONGEST_WINDOW - window))).count_ones();
        let lasted = self.began.is_some_and(|began| now - began >= rule.lasting);
        let enough = among >= rule.rounds.clamp(1, LONGEST_WINDOW);
        if self.holds.is_none() && noted && enough && lasted && !fresh {
            self.holds = self.began;
        }
        let quiet = self.noted.trailing_zeros();
        let over = if self.holds.is_some() { rule.resolve_after.clamp(1, LONGEST_WINDOW) } else { window };
        // What held before the agent was away, and is not noted any more, was mended meanwhile.
        if quiet >= over || (fresh && !noted && self.holds.is_some()) {
            *self = Self::default();
        }
    }

    /// Since when it holds: when the first of the rounds was judged that confirmed it.
    #[must_use]
    pub fn holds(&self) -> Option<DateTime<Utc>> {
        self.holds
    }

    /// The times that it remembers.
    pub fn times(&mut self) -> impl Iterator<Item = &mut DateTime<Utc>> {
        [&mut self.began, &mut self.holds].into_iter().flatten()
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
