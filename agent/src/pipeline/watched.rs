//! One probe as the pipeline knows it: its state machine, its last verdict, its recent rounds.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, Utc};
use vipwatch_model::{
    alert::Board,
    distribution::Distribution,
    state::{Machine, State},
    verdict::Verdict,
};

use crate::{plan::Planned, store::Remembered};

/// Rounds that the page shows per probe.
const HISTORY: usize = vipwatch_web::api::HISTORY_TICKS;

/// One round in the history.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// When it was judged.
    pub at: DateTime<Utc>,
    /// What it alone said.
    pub state: State,
    /// The median time of its answered flows, in microseconds.
    pub latency_us: Option<u32>,
}

/// The last verdict and when it was given.
#[derive(Debug, Clone)]
pub struct Last {
    /// When.
    pub at: DateTime<Utc>,
    /// The verdict.
    pub verdict: Verdict,
    /// The median time of the round's answered flows, in microseconds.
    pub latency_us: Option<u32>,
}

/// One probe and its state.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is.
    pub planned: Arc<Planned>,
    /// Its state machine.
    pub machine: Machine,
    /// Its last verdict.
    pub last: Option<Last>,
    /// Its recent rounds, oldest first.
    pub history: VecDeque<Tick>,
    /// Who answered in them.
    pub distribution: Distribution,
    /// Whether there has been a round that could see since the agent started, or since it was configured anew.
    started: bool,
}

impl Watched {
    pub(super) fn new(planned: Arc<Planned>) -> Self {
        Self {
            planned,
            machine: Machine::default(),
            last: None,
            history: VecDeque::with_capacity(HISTORY),
            distribution: Distribution::default(),
            started: false,
        }
    }

    /// The same, as it is configured now. What has changed has to be confirmed anew before it pages.
    pub(super) fn replanned(self, planned: Arc<Planned>) -> Self {
        let started = self.started && *self.planned == *planned;
        Self { planned, started, ..self }
    }

    /// Whether its next round that can see is the first since the agent started, or since it was configured anew.
    pub(super) fn is_fresh(&self) -> bool {
        !self.started
    }

    pub(super) fn note(&mut self, at: DateTime<Utc>, verdict: &Verdict, latency_us: Option<u32>) {
        self.started |= verdict.state != State::Unknown;
        self.distribution.add(&verdict.answered_by, HISTORY);
        self.last = Some(Last { at, verdict: verdict.clone(), latency_us });
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Tick { at, state: verdict.state, latency_us });
    }

    /// Takes over what the database remembers; of another target, or once rounds have been judged, only what the open alerts
    /// rest on.
    pub(super) fn remember(&mut self, remembered: Remembered, alerts: &Board, now: DateTime<Utc>) {
        let probe = &self.planned.probe;
        if self.last.is_some() || remembered.target != probe.subject.target() {
            alerts.hand_over(probe, &remembered.machine, &mut self.machine);
            return;
        }
        self.machine = alerts.resume(probe, remembered.machine, now);
        let (at, verdict) = remembered.last;
        let ticks = remembered.history.into_iter();
        self.history = ticks.map(|(at, state, latency_us)| Tick { at, state, latency_us }).collect();
        let latency_us = self.history.back().and_then(|tick| tick.latency_us);
        self.last = Some(Last { at, verdict, latency_us });
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vipwatch_model::verdict::Finding;

    use super::*;
    use crate::{config, plan::Plan};

    #[test]
    fn the_first_round_is_the_first_that_could_see() {
        let source = "[agent]\nvantage = \"test\"\n[[probe]]\nname = \"gateway\"\nkind = \"icmp\"\naddress = \"192.0.2.1\"";
        let plan = Plan::new(&config::parse(source, Path::new("probes.toml"), &|_| None).unwrap());
        let mut watched = Watched::new(Arc::clone(&plan.probes[0]));
        let rounds = [State::Unknown, State::Unknown, State::Down, State::Unknown];
        for (state, fresh_before) in rounds.into_iter().zip([true, true, true, false]) {
            assert_eq!(watched.is_fresh(), fresh_before, "{state}");
            let verdict = Verdict::new(Finding::Blind, state, String::new());
            watched.note(DateTime::UNIX_EPOCH, &verdict, None);
        }
        assert!(!watched.is_fresh());
    }
}
