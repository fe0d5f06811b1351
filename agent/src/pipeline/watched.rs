//! One probe as the pipeline knows it: its state machine, its last verdict, its recent rounds.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, Utc};
use vipwatch_model::{
    distribution::Distribution,
    flow::{Flow, Outcome},
    observation::Observation,
    proxy_health::ProxyAnswer,
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
}

impl Watched {
    pub(super) fn new(planned: Arc<Planned>) -> Self {
        Self {
            planned,
            machine: Machine::default(),
            last: None,
            history: VecDeque::with_capacity(HISTORY),
            distribution: Distribution::default(),
        }
    }

    pub(super) fn note(&mut self, at: DateTime<Utc>, verdict: &Verdict, latency_us: Option<u32>) {
        self.distribution.add(&verdict.answered_by, HISTORY);
        self.last = Some(Last { at, verdict: verdict.clone(), latency_us });
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Tick { at, state: verdict.state, latency_us });
    }

    /// Takes over what the database remembers, unless rounds have been judged already or it was another target.
    pub(super) fn remember(&mut self, remembered: Remembered) {
        if self.last.is_some() || remembered.target != self.planned.probe.subject.target() {
            return;
        }
        let (at, verdict) = remembered.last;
        let ticks = remembered.history.into_iter();
        self.history = ticks.map(|(at, state, latency_us)| Tick { at, state, latency_us }).collect();
        let latency_us = self.history.back().and_then(|tick| tick.latency_us);
        self.machine = remembered.machine;
        self.last = Some(Last { at, verdict, latency_us });
    }
}

/// The median time of a round's answered flows, in microseconds.
pub(super) fn latency_us(observation: &Observation) -> Option<u32> {
    match observation {
        Observation::NodeHealth(health) => health.answer.detail().map(|_| health.took_us),
        Observation::ProxyHealth(health) => {
            (!matches!(health.answer, ProxyAnswer::Failed(_))).then_some(health.took_us)
        }
        Observation::Flows(sight) => {
            let answered = |flow: &&Flow| !matches!(flow.outcome, Outcome::Failed(_));
            let mut times: Vec<u32> =
                sight.flows.iter().filter(answered).map(|flow| flow.phases.total_us()).collect();
            let middle = times.len() / 2;
            (!times.is_empty()).then(|| *times.select_nth_unstable(middle).1)
        }
    }
}
