//! The state of a probe, with hysteresis.
//!
//! A single odd round changes nothing: it takes `alert_after` consecutive bad rounds to leave *up*, and
//! `resolve_after` good ones to come back. *Down*, *translated* and *unknown* are three things:
//! a round that could not see (unknown) neither confirms nor contradicts what was seen before it, so it
//! leaves a running count alone; only when the agent stays blind for as long as it takes to alert does
//! the state become unknown.

use chrono::{DateTime, Utc};
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
    /// When the first of the rounds that led to the change was judged.
    pub began: DateTime<Utc>,
    /// The last confirmed state before this one in which the target answered ([`Machine::settled`]).
    pub settled: Option<State>,
}

/// The state machine of one probe. It is stored with every round, so that a restart goes on in the
/// middle of a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The confirmed state.
    pub state: State,
    /// Since when it holds; `None` before the first change.
    pub since: Option<DateTime<Utc>>,
    /// The last confirmed state that was neither *unknown* nor *down*: a silence in between says
    /// nothing of how things were before it.
    pub settled: Option<State>,
    /// What the last round that contradicts the state said, while a change is being counted.
    pub candidate: Option<State>,
    /// Consecutive rounds that contradict the state: all good, or none of them.
    pub streak: u32,
    /// When the first of these was judged.
    pub began: Option<DateTime<Utc>>,
    /// Consecutive rounds that could not see.
    pub blind: u32,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            state: State::Unknown,
            since: None,
            settled: None,
            candidate: None,
            streak: 0,
            began: None,
            blind: 0,
        }
    }
}

impl Machine {
    /// Takes in what one round said.
    ///
    /// The first round ever counts at once unless it is bad; a bad one has to be confirmed even then, so
    /// that a start in the middle of a disturbance does not page. A change from one bad state to
    /// another has to be confirmed like any other. From *up*, bad rounds of different kinds count
    /// together: alternating faults must not hide each other; the last one names the state.
    pub fn step(
        &mut self,
        observed: State,
        now: DateTime<Utc>,
        thresholds: Thresholds,
    ) -> Option<Transition> {
        if observed == State::Unknown {
            self.blind = self.blind.saturating_add(1);
            let give_up = self.state != State::Unknown && self.blind >= thresholds.alert_after;
            return give_up.then(|| self.change(State::Unknown, now));
        }
        self.blind = 0;
        if observed == self.state {
            self.candidate = None;
            self.streak = 0;
            self.began = None;
            return None;
        }
        let same_kind = self.candidate.is_some_and(|candidate| match self.state {
            State::Up | State::Unknown => (candidate == State::Up) == (observed == State::Up),
            _ => candidate == observed,
        });
        if !same_kind {
            self.streak = 0;
            self.began = Some(now);
        }
        self.streak = self.streak.saturating_add(1);
        self.candidate = Some(observed);
        (self.streak >= self.needed(observed, thresholds)).then(|| self.change(observed, now))
    }

    /// How many rounds it takes to go from here to `to`.
    #[must_use]
    pub fn needed(&self, to: State, thresholds: Thresholds) -> u32 {
        match to {
            State::Up | State::Idle if self.since.is_none() => 1,
            State::Up => thresholds.resolve_after,
            State::Idle if self.state == State::Down => thresholds.resolve_after,
            _ => thresholds.alert_after,
        }
    }

    fn change(&mut self, to: State, now: DateTime<Utc>) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        let settled = self.settled;
        if !matches!(to, State::Unknown | State::Down) {
            self.settled = Some(to);
        }
        let began = self.began.take().unwrap_or(now);
        self.since = Some(now);
        self.candidate = None;
        self.streak = 0;
        self.blind = 0;
        Transition { from, to, at: now, began, settled }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: Thresholds = Thresholds { alert_after: 2, resolve_after: 2 };

    fn run(rounds: &[State]) -> Vec<State> {
        let mut machine = Machine::default();
        rounds
            .iter()
            .map(|round| {
                machine.step(*round, DateTime::UNIX_EPOCH, TWO);
                machine.state
            })
            .collect()
    }

    #[test]
    fn one_odd_round_changes_nothing() {
        use State::{Down, Translated, Up};
        assert_eq!(run(&[Up, Translated, Up, Down, Up]), [Up, Up, Up, Up, Up]);
        assert_eq!(
            run(&[Up, Translated, Translated, Up, Translated, Up, Up])[3..],
            [Translated, Translated, Translated, Up]
        );
    }

    #[test]
    fn alternating_faults_do_not_hide_each_other() {
        use State::{Down, Translated, Up};
        assert_eq!(run(&[Up, Down, Translated]), [Up, Up, Translated]);
    }

    #[test]
    fn a_blind_round_neither_confirms_nor_contradicts() {
        use State::{Translated, Unknown, Up};
        assert_eq!(run(&[Up, Translated, Unknown, Translated]), [Up, Up, Up, Translated]);
        assert_eq!(run(&[Up, Unknown, Unknown, Up, Up]), [Up, Up, Unknown, Unknown, Up]);
    }

    #[test]
    fn the_first_bad_round_waits_the_first_good_one_counts() {
        use State::{Down, Unknown, Up};
        assert_eq!(run(&[Down, Down]), [Unknown, Down]);
        assert_eq!(run(&[Up]), [Up]);
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
