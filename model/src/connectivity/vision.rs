//! Whether the agent as a whole is blind: from the outlook and from the rounds of all probes, together.
//!
//! It is blind when two checks on end were answered by no target; at once when no link has carrier and something has
//! failed for it; and where no targets are asked, when every round of late was the agent's own fault. It sees again with
//! the first answer.
//!
//! Targets may be gone while the cluster answers. So rounds that are answered while no target is contradict them: then
//! it takes a round that was held back because of them for the agent to be blind, and it sees again when there is none.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Answer, Outlook};
use crate::{
    probe::ProbeName,
    verdict::{Finding, Verdict},
};

/// Checks on end without an answer that it takes.
const CHECKS: u32 = 2;
/// Rounds on end by the agent's own fault that it takes where nobody is asked, and over how many probes.
const ROUNDS: u32 = 3;
const PROBES: usize = 2;
/// The longest time for which rounds have to contradict targets that do not answer.
const CONTRADICTED: TimeDelta = TimeDelta::minutes(1);

/// Whether the agent sees, and what speaks against it.
#[derive(Debug, Clone)]
pub struct Vision {
    /// Since when it has seen, or has been blind.
    since: DateTime<Utc>,
    /// When it was found to be blind, if it is.
    found: Option<DateTime<Utc>>,
    /// By what, unless that was before a restart.
    blindness: Option<Blindness>,
    /// When a round was last answered.
    answered: Option<DateTime<Utc>>,
    /// Whether a round was no fault of the agent, answered or not, since it was found to be blind. This and the next
    /// are not told by times: the clock may be set back as soon as the agent sees, by the length of its blindness.
    judged: bool,
    /// The check that was the last one with an answer when it was found to be blind.
    seen: Option<DateTime<Utc>>,
    /// The rounds on end that were the agent's own fault, over all probes.
    run: Option<Run>,
    /// The probes whose latest round was, since a target last answered.
    unseen: BTreeSet<ProbeName>,
    /// Those of which it was already then: by a fault that has to do with them alone, such as an interface of their own.
    apart: BTreeSet<ProbeName>,
    /// When each probe last had a round that was the agent's own fault.
    missed: BTreeMap<ProbeName, DateTime<Utc>>,
}

#[derive(Debug, Clone)]
struct Run {
    since: DateTime<Utc>,
    rounds: u32,
    probes: BTreeSet<ProbeName>,
    /// What the latest of them said.
    reason: String,
}

/// What the agent missed while it was blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// Since when it was.
    pub since: DateTime<Utc>,
    /// How many probes had rounds meanwhile that are unknown.
    pub probes: usize,
}

/// Since when the agent is blind, and by what that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blindness {
    /// When that began of which this is the proof.
    pub since: DateTime<Utc>,
    /// The proof.
    pub grounds: Grounds,
}

/// By what it is known that the agent is blind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grounds {
    /// No link has carrier but the loopback.
    Links,
    /// No target answers; what came of each.
    Targets(Vec<Answer>),
    /// Every round was the agent's own fault.
    Rounds {
        /// How many probes had one.
        probes: usize,
        /// What the latest said.
        reason: String,
    },
}

impl Vision {
    /// The agent starts at `now`, and sees until something speaks against it.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            since: now,
            found: None,
            blindness: None,
            answered: None,
            judged: false,
            seen: None,
            run: None,
            unseen: BTreeSet::new(),
            apart: BTreeSet::new(),
            missed: BTreeMap::new(),
        }
    }

    /// Since when the agent has seen, or has been blind.
    #[must_use]
    pub fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// Whether the agent is blind.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.found.is_some()
    }

    /// By what it is known that the agent is blind; nothing of what was known before a restart.
    #[must_use]
    pub fn blindness(&self) -> Option<&Blindness> {
        self.blindness.as_ref()
    }

    /// Goes on, `now`, from before a restart: the agent had been blind `since` then, and the latest rounds of `probes`, at
    /// these times, were its own fault.
    pub fn resume(
        &mut self,
        since: DateTime<Utc>,
        probes: impl IntoIterator<Item = (ProbeName, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) {
        if self.found.is_none() {
            (self.since, self.found, self.judged) = (since, Some(now), false);
            for (probe, at) in probes {
                self.unseen.insert(probe.clone());
                self.missed.entry(probe).or_insert(at);
            }
        }
    }

    /// Takes in the verdict on a round of `probe`.
    pub fn round(&mut self, probe: &ProbeName, verdict: &Verdict, at: DateTime<Utc>) {
        if verdict.finding == Finding::Blind {
            self.missed.insert(probe.clone(), at);
            if !self.apart.contains(probe) {
                self.unseen.insert(probe.clone());
            }
            let new = || Run { since: at, rounds: 0, probes: BTreeSet::new(), reason: String::new() };
            let run = self.run.get_or_insert_with(new);
            run.rounds = run.rounds.saturating_add(1);
            run.probes.insert(probe.clone());
            run.reason.clone_from(&verdict.reason);
            return;
        }
        self.run = None;
        self.unseen.remove(probe);
        self.apart.remove(probe);
        self.judged = true;
        if verdict.answered > 0 || verdict.finding == Finding::WrongAnswer {
            self.answered = Some(at);
        }
    }

    /// Draws the conclusion; when the agent sees again, gives what it missed. `probes` are all that there are, each with
    /// its interval.
    pub fn step<'a>(
        &mut self,
        outlook: &Outlook,
        probes: impl Iterator<Item = (&'a ProbeName, TimeDelta)>,
        now: DateTime<Utc>,
    ) -> Option<Missed> {
        let probes: BTreeMap<&ProbeName, TimeDelta> = probes.collect();
        self.forget_all_but(&probes);
        self.not_after(now);
        if let Some(found) = self.found {
            return self.is_over(found, outlook, &probes, now).then(|| self.see(now));
        }
        let seen = outlook.seen();
        if self.run.as_ref().is_some_and(|run| seen.is_some_and(|at| at >= run.since)) {
            self.run = None;
            self.apart.append(&mut self.unseen);
        }
        let blindness = self.proof(outlook, &probes, now)?;
        (self.since, self.found) = (blindness.since, Some(now));
        (self.judged, self.seen) = (false, seen);
        self.blindness = Some(blindness);
        None
    }

    fn forget_all_but(&mut self, probes: &BTreeMap<&ProbeName, TimeDelta>) {
        self.unseen.retain(|probe| probes.contains_key(probe));
        self.apart.retain(|probe| probes.contains_key(probe));
        self.missed.retain(|probe, _| probes.contains_key(probe));
    }

    /// The clock may have been set back: nothing that is known is of a time to come.
    fn not_after(&mut self, now: DateTime<Utc>) {
        self.since = self.since.min(now);
        for at in [&mut self.found, &mut self.answered].into_iter().flatten() {
            *at = now.min(*at);
        }
        if let Some(run) = &mut self.run {
            run.since = run.since.min(now);
        }
    }

    fn proof(
        &self,
        outlook: &Outlook,
        probes: &BTreeMap<&ProbeName, TimeDelta>,
        now: DateTime<Utc>,
    ) -> Option<Blindness> {
        let since = |at: Option<DateTime<Utc>>, since| at.is_some_and(|at| at >= since);
        let failing = outlook.failing;
        if let Some(cut_off) = outlook.cut_off
            && !since(self.answered, cut_off)
            && !since(outlook.seen(), cut_off)
            && (failing.is_some() || self.run.is_some())
        {
            return Some(Blindness { since: cut_off, grounds: Grounds::Links });
        }
        let run = self.run.as_ref();
        if let Some(failing) = failing {
            let contradicted = since(self.answered, failing.since) && self.unseen.is_empty();
            let since = run.map_or(failing.since, |run| run.since.min(failing.since));
            let answers = outlook.last.iter().flat_map(|check| check.answers.clone()).collect();
            let blind = failing.checks >= CHECKS && !contradicted;
            return blind.then_some(Blindness { since, grounds: Grounds::Targets(answers) });
        }
        let run = run?;
        let enough = run.rounds >= ROUNDS && run.probes.len() >= PROBES.min(probes.len());
        let mut due = probes.iter().filter(|(_, interval)| now - run.since >= **interval);
        (enough && due.all(|(probe, _)| run.probes.contains(*probe))).then(|| Blindness {
            since: run.since,
            grounds: Grounds::Rounds { probes: run.probes.len(), reason: run.reason.clone() },
        })
    }

    /// Whether something has been seen since the agent was `found` to be blind.
    fn is_over(
        &self,
        found: DateTime<Utc>,
        outlook: &Outlook,
        probes: &BTreeMap<&ProbeName, TimeDelta>,
        now: DateTime<Utc>,
    ) -> bool {
        if outlook.tells_nothing() {
            return self.judged || probes.is_empty();
        }
        let had_one = |longest: &TimeDelta| now - found >= CONTRADICTED.min(*longest);
        let contradicted = self.unseen.is_empty() && probes.values().max().is_some_and(had_one);
        let seen = outlook.seen();
        (seen.is_some() && seen != self.seen) || (self.judged && contradicted)
    }

    fn see(&mut self, now: DateTime<Utc>) -> Missed {
        let since = std::mem::replace(&mut self.since, now);
        (self.found, self.blindness, self.run, self.seen) = (None, None, None, None);
        self.unseen.clear();
        self.apart.clear();
        let missed = std::mem::take(&mut self.missed);
        let probes = missed.values().filter(|at| **at >= since).count();
        Missed { since, probes }
    }
}

#[cfg(test)]
mod tests;
