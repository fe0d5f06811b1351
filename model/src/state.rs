//! The state of a probe, with hysteresis.
//!
//! A single odd round changes nothing: it takes as many bad rounds as the [`Rules`] ask for to leave *up*, and as many
//! good ones to come back. *Down*, *translated* and *unknown* are three things: a round that could not see
//! (unknown) neither confirms nor contradicts what was seen before it, so it leaves a running count alone; only
//! when the agent stays blind for as long as it takes to alert does the state become unknown.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    alert::AlertKind,
    latest::Latest,
    rule::{Rule, Rules},
    streak::Streak,
    words::words,
};

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
    /// When the first of the rounds was judged that led to `settled`.
    #[serde(default)]
    pub settled_began: Option<DateTime<Utc>>,
    /// The one before that, if it was another.
    pub settled_before: Option<State>,
    /// The confirmed state before it became *unknown*, where it is that now: what was seen last.
    #[serde(default)]
    pub before: Option<State>,
    /// What the last round said, if it contradicts the state, and for how many rounds on end it was just that.
    pub candidate: Option<(State, Run)>,
    /// The rounds on end that speak against the state, whatever each of them said: see [`Machine::step`].
    pub away: Option<Run>,
    /// Consecutive rounds that could not see.
    pub blind: u32,
    /// Those among the latest rounds since the last change of state that were bad in another way than the state, or *idle* after *up*,
    /// by the alert whose rule does not take them on end; rounds that could not see are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub latest: BTreeMap<AlertKind, Latest>,
    /// What the last round said that could see.
    #[serde(default)]
    pub said: Option<State>,
    /// Which of the latest rounds said something else than the one before them, the newest in the lowest bit.
    #[serde(default)]
    pub turns: u64,
    /// Since when it changes its mind too often.
    #[serde(default)]
    pub flapping: Option<DateTime<Utc>>,
    /// What is counted besides the state: what rounds take note of, by the alert that it may open.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub streaks: BTreeMap<AlertKind, Streak>,
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
            settled_began: None,
            settled_before: None,
            before: None,
            candidate: None,
            away: None,
            blind: 0,
            latest: BTreeMap::new(),
            said: None,
            turns: 0,
            flapping: None,
            streaks: BTreeMap::new(),
            last: None,
        }
    }
}

impl Machine {
    /// Takes in what one round said. `fresh` says that it is the probe's first that could see since the agent started, or since
    /// it was configured anew: such a round counts, but nothing bad is confirmed by it; a good one ends at once what was bad
    /// before.
    ///
    /// *Better* (*up*, or *idle* unless the state is *up*) has to be said by `resolve_after` rounds on end that agree.
    /// *Worse* has to be said by as many rounds on end as its rule asks for, of which the last names the state: faults
    /// that take turns must not hide each other. Once the state is bad, every round that says something else
    /// counts towards leaving it for another bad one. Where the rule looks at the last N rounds, good ones in between do not
    /// matter, nor do those that say what the state says.
    ///
    /// The first round ever counts at once unless it is bad; a bad one has to be confirmed even then, so
    /// that a start in the middle of a disturbance does not page.
    pub fn step(
        &mut self,
        observed: State,
        now: DateTime<Utc>,
        rules: &Rules,
        fresh: bool,
    ) -> Option<Transition> {
        let gap = self.last.replace(now).map(|last| now - last);
        if let Some(back) = gap.filter(|gap| *gap < TimeDelta::zero()) {
            self.clock_was_set(back);
        }
        if gap.is_some_and(|gap| gap > rules.stale_after) {
            self.forget();
            self.latest.clear();
            (self.blind, self.turns, self.said) = (0, 0, None);
            // What holds stays until a round that can see says otherwise; that it flaps as well.
            self.streaks.retain(|_, streak| streak.holds().is_some());
        }
        if observed == State::Unknown {
            self.blind = self.blind.saturating_add(1);
            if self.blind < rules.of(rules.down).rounds.max(1) {
                return None;
            }
            // What was seen before so long a blindness is no evidence any more.
            self.forget();
            self.latest.clear();
            return (self.state != State::Unknown).then(|| self.change(State::Unknown, now, now));
        }
        self.blind = 0;
        self.remember(observed, now, rules, fresh);
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
        let (run, rule) = (self.run(observed, same, rules), self.rule(observed, rules));
        let confirmed = run.rounds >= rule.rounds && now - run.began >= rule.lasting;
        let better = self.is_better(observed);
        // What is well after the agent was away got well meanwhile.
        let got_well = fresh && better && self.seen().is_bad();
        let waits = fresh && !better;
        (got_well || (confirmed && !waits)).then(|| self.change(observed, now, run.began))
    }

    /// Takes in whether a round took note of what may open an alert of `kind`.
    pub fn take_note(
        &mut self,
        kind: AlertKind,
        holds: bool,
        now: DateTime<Utc>,
        rules: &Rules,
        fresh: bool,
    ) {
        if !holds && !self.streaks.contains_key(&kind) {
            return;
        }
        let streak = self.streaks.entry(kind).or_default();
        streak.step(holds, now, &rules.of(kind), fresh);
        if streak.is_over() {
            self.streaks.remove(&kind);
        }
    }

    /// Since when what opens an alert of `kind` has been confirmed to hold.
    #[must_use]
    pub fn holds(&self, kind: AlertKind) -> Option<DateTime<Utc>> {
        self.streaks.get(&kind).and_then(Streak::holds)
    }

    /// The change that is being counted: what to, how many rounds so far, how many it takes.
    #[must_use]
    pub fn pending(&self, rules: &Rules) -> Option<(State, u32, u32)> {
        let (to, same) = self.candidate?;
        let (run, needed) = (self.run(to, same, rules), self.rule(to, rules).rounds);
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

    /// The confirmed state, or the one before it where nothing could be seen for so long that it is *unknown*.
    #[must_use]
    pub fn seen(&self) -> State {
        self.before.unwrap_or(self.state)
    }

    /// Whether the last round could see, and said what the state says: nothing is being counted.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.candidate.is_none() && self.blind == 0
    }

    /// Whether the last round counts towards a change of state: a restart would miss it.
    #[must_use]
    pub fn is_counting(&self) -> bool {
        self.candidate.is_some() || (self.blind > 0 && self.state != State::Unknown)
    }

    fn is_better(&self, observed: State) -> bool {
        observed == State::Up || (observed == State::Idle && self.state != State::Up)
    }

    /// The rounds that speak for `to`.
    fn run(&self, to: State, same: Run, rules: &Rules) -> Run {
        if self.is_better(to) {
            return same;
        }
        let on_end = self.away.unwrap_or(same);
        let Some(latest) = self.latest.get(&rules.kind_of(to)) else { return on_end };
        Run { rounds: latest.rounds().max(on_end.rounds), began: latest.since().unwrap_or(on_end.began) }
    }

    /// The clock was set back. Whatever is remembered is as long ago as it was, so that nothing waits for the time to come
    /// round again.
    fn clock_was_set(&mut self, back: TimeDelta) {
        let runs = [self.candidate.as_mut().map(|(_, run)| run), self.away.as_mut()];
        let began = runs.into_iter().flatten().map(|run| &mut run.began);
        let times = [&mut self.since, &mut self.began, &mut self.settled_began, &mut self.flapping];
        let latest = self.latest.values_mut().flat_map(Latest::times);
        let noted = self.streaks.values_mut().flat_map(Streak::times);
        for at in times.into_iter().flatten().chain(began).chain(latest).chain(noted) {
            *at += back;
        }
    }

    /// What it takes to get to `to`: at least one round.
    fn rule(&self, to: State, rules: &Rules) -> Rule {
        let better = self.is_better(to);
        let rule = if better { rules.of_state(self.state) } else { rules.of_state(to) };
        let rounds = match to {
            State::Up | State::Idle if self.since.is_none() => 1,
            _ if better => rule.resolve_after,
            _ => rule.rounds,
        };
        let lasting = if better { TimeDelta::zero() } else { rule.lasting };
        Rule { rounds: rounds.max(1), lasting, ..rule }
    }

    /// Notes what a round said that could see, beyond the state.
    fn remember(&mut self, observed: State, now: DateTime<Utc>, rules: &Rules, fresh: bool) {
        self.count(observed, now, rules);
        let flapping = rules.flapping;
        let turned = self.said.is_some_and(|said| said != observed);
        self.said = Some(observed);
        self.turns = self.turns << 1 | u64::from(turned);
        if flapping.window < 2 {
            self.flapping = None;
            return;
        }
        let turns = (self.turns & mask(flapping.window - 1)).count_ones();
        let share = turns * 100 / (flapping.window - 1);
        self.flapping = match self.flapping {
            None if share >= flapping.enter && !fresh => Some(now),
            Some(_) if share < flapping.leave => None,
            as_before => as_before,
        };
    }

    /// Counts a round by the rules that do not take rounds on end.
    fn count(&mut self, observed: State, now: DateTime<Utc>, rules: &Rules) {
        // What it is already, it need not become.
        let bad = observed.is_bad() && observed != self.state;
        let lost = observed == State::Idle && self.state == State::Up;
        if !bad && !lost && self.latest.is_empty() {
            return;
        }
        for to in [State::Degraded, State::Translated, State::Idle, State::Down] {
            let kind = rules.kind_of(to);
            let rule = rules.of(kind);
            if rule.is_on_end() {
                self.latest.remove(&kind);
            } else {
                let counts = bad || (lost && to == State::Idle);
                self.latest.entry(kind).or_default().step(counts, now, &rule);
            }
        }
        self.latest.retain(|_, latest| latest.rounds() > 0);
    }

    fn forget(&mut self) {
        self.candidate = None;
        self.away = None;
    }

    fn change(&mut self, to: State, now: DateTime<Utc>, began: DateTime<Utc>) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        self.before = (to == State::Unknown).then_some(from);
        if !matches!(to, State::Unknown | State::Down) && self.settled != Some(to) {
            self.settled_before = self.settled.replace(to);
            self.settled_began = Some(began);
        }
        self.since = Some(now);
        self.began = Some(began);
        self.forget();
        self.latest.clear();
        Transition { from, to, at: now }
    }
}

/// The lowest `bits` bits.
fn mask(bits: u32) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0)
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
mod tests;
