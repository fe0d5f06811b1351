//! What is known of the egress at one moment, and what follows from it for a round. Pure.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use vipwatch_model::{
    egress::{Change, Comparison, Egress, Stranger},
    observation::Observation,
    probe::Probe,
};

use super::memory::Memory;
use crate::plan::Plan;

/// How long an address that was asked about in vain is not asked about again: at first, and never longer than a
/// refresh takes to come round.
const FIRST_DENIAL: Duration = Duration::from_secs(1);
/// Denied addresses that are remembered; a far side that makes up addresses must not fill the memory.
const DENIALS: usize = 256;

/// What is known of the egress at one moment.
#[derive(Debug, Clone)]
pub struct Known {
    plan: Arc<Plan>,
    egress: Arc<Egress>,
    changes: VecDeque<Change>,
    inside: BTreeSet<IpAddr>,
    /// When the last learning began, by both clocks.
    asked: Option<(Instant, DateTime<Utc>)>,
    denied: HashMap<Stranger, Denial>,
}

/// An address that turned out not to be ours.
#[derive(Debug, Clone, Copy)]
struct Denial {
    first: Instant,
    last: Instant,
}

impl Known {
    /// What `memory` knows before anybody was asked on behalf of `plan`.
    pub(super) fn before_learning(plan: Arc<Plan>, memory: &Memory) -> Self {
        Self {
            egress: Arc::new(memory.egress(&plan.egress)),
            changes: memory.changes().clone(),
            inside: memory.inside().clone(),
            asked: None,
            denied: HashMap::new(),
            plan,
        }
    }

    /// What `memory` knows after a learning that began at `began`, which the clock on the wall calls `at`.
    pub(super) fn after_learning(&self, memory: &Memory, began: Instant, at: DateTime<Utc>) -> Self {
        Self {
            egress: Arc::new(memory.egress(&self.plan.egress)),
            changes: memory.changes().clone(),
            inside: memory.inside().clone(),
            asked: Some((began, at)),
            ..self.clone()
        }
    }

    /// The baseline as it stands.
    #[must_use]
    pub fn egress(&self) -> &Arc<Egress> {
        &self.egress
    }

    /// The latest changes of the egress, newest first.
    #[must_use]
    pub fn changes(&self) -> &VecDeque<Change> {
        &self.changes
    }

    /// Addresses of the cluster that others see this agent as: such a vantage cannot see a translation.
    #[must_use]
    pub fn inside(&self) -> &BTreeSet<IpAddr> {
        &self.inside
    }

    /// Whether anybody is asked at all.
    pub(super) fn learns(&self) -> bool {
        !self.plan.egress.sources.is_empty()
    }

    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Whether a learning that began at `since` or later has ended.
    pub(super) fn asked_since(&self, since: Instant) -> bool {
        self.asked.is_some_and(|(began, _)| began >= since)
    }

    /// The strangers of a round, as far as they matter to `probe`.
    pub(super) fn strangers(&self, probe: &Probe, observation: &Observation) -> BTreeSet<Stranger> {
        match observation {
            Observation::Flows(sight) if self.learns() => {
                self.egress.strangers(&sight.flows, &self.plan.book, &probe.expectation)
            }
            _ => BTreeSet::new(),
        }
    }

    /// Whether `stranger` was asked about in vain a short while ago. The longer it has been around, the longer that
    /// is believed: a service that is translated for days must not make the agent ask every second.
    pub(super) fn is_denied(&self, stranger: &Stranger, now: Instant) -> bool {
        let refresh = self.plan.egress.refresh.max(FIRST_DENIAL);
        self.denied.get(stranger).is_some_and(|denial| {
            now - denial.last < (denial.last - denial.first).clamp(FIRST_DENIAL, refresh)
        })
    }

    /// Notes which of `strangers` the last learning was asked about in vain.
    pub(super) fn deny(&mut self, strangers: impl IntoIterator<Item = Stranger>, now: Instant) {
        let forgotten = 2 * self.plan.egress.refresh.max(FIRST_DENIAL);
        self.denied.retain(|_, denial| now - denial.last < forgotten);
        for stranger in strangers {
            let compared = self.egress.compare(Some((stranger.local, 0).into()), stranger.address);
            if compared == Comparison::Same || self.silence_over(stranger.local).is_some() {
                self.denied.remove(&stranger);
            } else if let Some(denial) = self.denied.get_mut(&stranger) {
                denial.last = now;
            } else if self.denied.len() < DENIALS {
                self.denied.insert(stranger, Denial { first: now, last: now });
            }
        }
    }

    /// The baseline for a round with `strangers`: it doubts those about whom nobody could be asked.
    #[must_use]
    pub(super) fn doubting(&self, strangers: impl IntoIterator<Item = Stranger>) -> Arc<Egress> {
        let doubts =
            strangers.into_iter().filter_map(|stranger| Some((stranger, self.silence_over(stranger.local)?)));
        let doubts: Vec<_> = doubts.collect();
        if doubts.is_empty() { Arc::clone(&self.egress) } else { Arc::new(self.egress.doubting(doubts)) }
    }

    /// The baseline for the only round of `probe`, which saw `observation`.
    #[must_use]
    pub fn for_only_round(&self, probe: &Probe, observation: &Observation) -> Arc<Egress> {
        self.doubting(self.strangers(probe, observation))
    }

    /// Why the last learning says nothing about flows from `local`; nothing if it does.
    fn silence_over(&self, local: IpAddr) -> Option<String> {
        let here = || self.egress.learnt.iter().filter(|learnt| learnt.local == local);
        let answered = here().any(|learnt| self.asked.is_some_and(|(_, at)| learnt.at == at));
        if answered {
            return None;
        }
        let reason = self.egress.why_unknown(Some((local, 0).into()));
        Some(match reason {
            Some(why) => why.to_owned(),
            None => format!("nobody was asked from {local}; name it in egress.source_addresses"),
        })
    }
}
