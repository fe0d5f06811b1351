//! The state of a probe, with hysteresis.
//!
//! A single odd round changes nothing: it takes `alert_after` consecutive bad rounds to leave *up*, and
//! `resolve_after` good ones to come back. *Down*, *translated* and *unknown* are three things:
//! a round that could not see (unknown) neither confirms nor contradicts what was seen before it, so it
//! leaves a running count alone; only when the agent stays blind for as long as it takes to alert does
//! the state become unknown.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::words::words;

words! {
    /// The state of a probe.
    pub enum State {
        /// Everything is as expected.
        Up = "up",
        /// Answers come, but some flows fail.
        Degraded = "degraded",
        /// Clients' source addresses are lost although they ought to survive.
        Translated = "translated",
        /// A node says that it has no ready endpoint of the service. Under Local that is where no pod runs,
        /// and no fault by itself; only the change from *up* is told.
        Idle = "idle",
        /// No answer, or from a health check node port none about this service.
        Down = "down",
        /// Nothing can be said: not probed yet, or the agent cannot see.
        Unknown = "unknown",
    }
}

impl State {
    /// Whether something probed is not as expected.
    #[must_use]
    pub fn is_bad(self) -> bool {
        !matches!(self, Self::Up | Self::Idle | Self::Unknown)
    }
}

/// A stored word that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{word:?} is no {what}")]
pub struct UnknownWord {
    /// The enum that was asked for.
    pub what: &'static str,
    /// The word, cut to 64 characters.
    pub word: String,
}

/// How many consecutive rounds it takes to change the state. Zero means the same as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Bad rounds before the state leaves *up*.
    pub alert_after: u32,
    /// Good rounds before it is *up* again.
    pub resolve_after: u32,
    /// Rounds further apart than this are not consecutive: the agent was away in between.
    pub stale_after: TimeDelta,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state from now on.
    pub to: State,
    /// When the round that completed the change was judged.
    pub at: DateTime<Utc>,
}

/// Consecutive rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How many.
    pub rounds: u32,
    /// When the first of them was judged.
    pub began: DateTime<Utc>,
}

/// The state machine of one probe. It is stored with every round, so that a restart goes on in the
/// middle of a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The confirmed state.
    pub state: State,
    /// When it was confirmed; `None` before the first change.
    pub since: Option<DateTime<Utc>>,
    /// When the first of the rounds that confirmed it was judged.
    pub began: Option<DateTime<Utc>>,
    /// The last confirmed state in which the target spoke for itself: neither *unknown* nor *down*.
    pub settled: Option<State>,
    /// The one before that, if it was another.
    pub settled_before: Option<State>,
    /// What the last round said, if it contradicts the state, and for how many rounds on end it was just that.
    pub candidate: Option<(State, Run)>,
    /// The rounds on end that speak against the state, whatever each of them said: see [`Machine::step`].
    pub away: Option<Run>,
    /// Consecutive rounds that could not see.
    pub blind: u32,
    /// When the last round was judged.
    pub last: Option<DateTime<Utc>>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            state: State::Unknown,
            since: None,
            began: None,
            settled: None,
            settled_before: None,
            candidate: None,
            away: None,
            blind: 0,
            last: None,
        }
    }
}

impl Machine {
    /// Takes in what one round said.
    ///
    /// *Better* (*up*, or *idle* unless the state is *up*) has to be said by `resolve_after` rounds on end that agree.
    /// *Worse* has to be said by `alert_after` rounds on end, of which the last names the state: faults
    /// that take turns must not hide each other. Once the state is bad, every round that says something else
    /// counts towards leaving it for another bad one.
    ///
    /// The first round ever counts at once unless it is bad; a bad one has to be confirmed even then, so
    /// that a start in the middle of a disturbance does not page.
    pub fn step(
        &mut self,
        observed: State,
        now: DateTime<Utc>,
        thresholds: Thresholds,
    ) -> Option<Transition> {
        let gap = self.last.replace(now).map(|last| now - last);
        if gap.is_some_and(|gap| gap > thresholds.stale_after) {
            self.forget();
            self.blind = 0;
        }
        if observed == State::Unknown {
            self.blind = self.blind.saturating_add(1);
            if self.blind < thresholds.alert_after {
                return None;
            }
            // What was seen before so long a blindness is no evidence any more.
            self.forget();
            return (self.state != State::Unknown).then(|| self.change(State::Unknown, now, now));
        }
        self.blind = 0;
        if observed == self.state {
            self.forget();
            return None;
        }
        let same = match self.candidate {
            Some((candidate, run)) if candidate == observed => run.and_another(),
            _ => Run::of_one(now),
        };
        self.candidate = Some((observed, same));
        let against = self.state.is_bad() || observed.is_bad() || self.state == State::Up;
        self.away = against.then(|| self.away.map_or(Run::of_one(now), Run::and_another));
        let run = if self.is_better(observed) { same } else { self.away.unwrap_or(same) };
        (run.rounds >= self.needed(observed, thresholds)).then(|| self.change(observed, now, run.began))
    }

    /// The change that is being counted: what to, how many rounds so far, how many it takes.
    #[must_use]
    pub fn pending(&self, thresholds: Thresholds) -> Option<(State, u32, u32)> {
        let (to, same) = self.candidate?;
        let run = if self.is_better(to) { same } else { self.away.unwrap_or(same) };
        let needed = self.needed(to, thresholds);
        Some((to, run.rounds.min(needed), needed))
    }

    /// When the trouble began that the latest rounds told of: the first round that spoke against the state, or that
    /// led to it where the state is bad.
    #[must_use]
    pub fn onset(&self) -> Option<DateTime<Utc>> {
        match self.away {
            Some(run) => Some(run.began),
            None if self.state.is_bad() => self.began,
            None => None,
        }
    }

    /// Whether the last round said what the state says: nothing is being counted.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.candidate.is_none() && self.blind == 0
    }

    fn is_better(&self, observed: State) -> bool {
        observed == State::Up || (observed == State::Idle && self.state != State::Up)
    }

    fn needed(&self, to: State, thresholds: Thresholds) -> u32 {
        match to {
            State::Up | State::Idle if self.since.is_none() => 1,
            _ if self.is_better(to) => thresholds.resolve_after,
            _ => thresholds.alert_after,
        }
    }

    fn forget(&mut self) {
        self.candidate = None;
        self.away = None;
    }

    fn change(&mut self, to: State, now: DateTime<Utc>, began: DateTime<Utc>) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        if !matches!(to, State::Unknown | State::Down) && self.settled != Some(to) {
            self.settled_before = self.settled.replace(to);
        }
        self.since = Some(now);
        self.began = Some(began);
        self.blind = 0;
        self.forget();
        Transition { from, to, at: now }
    }
}

impl Run {
    fn of_one(now: DateTime<Utc>) -> Self {
        Self { rounds: 1, began: now }
    }

    fn and_another(self) -> Self {
        Self { rounds: self.rounds.saturating_add(1), ..self }
    }
}

#[cfg(test)]
mod tests {
    use State::{Degraded, Down, Idle, Translated, Unknown, Up};
    use proptest::prelude::*;

    use super::*;

    const TWO: Thresholds =
        Thresholds { alert_after: 2, resolve_after: 2, stale_after: TimeDelta::minutes(10) };

    /// The states after each of `rounds`, ten seconds apart.
    fn run(rounds: &[State]) -> Vec<State> {
        let mut machine = Machine::default();
        let mut now = DateTime::UNIX_EPOCH;
        let step = |round: &State| {
            now += TimeDelta::seconds(10);
            machine.step(*round, now, TWO);
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
        machine.step(Up, DateTime::UNIX_EPOCH, TWO);
        machine.step(Down, DateTime::UNIX_EPOCH + TimeDelta::seconds(10), TWO);
        machine.step(Down, DateTime::UNIX_EPOCH + TimeDelta::days(3), TWO);
        assert_eq!(machine.state, Up);
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
            machine.step(round, DateTime::UNIX_EPOCH, TWO);
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
                if let Some(transition) = machine.step(*round, DateTime::UNIX_EPOCH, TWO) {
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
            for round in before { machine.step(round, DateTime::UNIX_EPOCH, TWO); }
            for _ in 0..2 { machine.step(fault, DateTime::UNIX_EPOCH, TWO); }
            prop_assert_eq!(machine.state, fault);
        }
    }
}
