//! Starts every probe's rounds on time.
//!
//! Each probe has its own phase (see [`crate::schedule::Schedule::next_tick`]), so nothing starts in a
//! herd, not even after a reload. A probe never overlaps itself: a tick that comes while its round
//! still runs is skipped and counted, like ticks that were slept through or jumped over by the clock.
//! Ticks are computed from the calendar, never from the round before, so they do not drift.

#[cfg(test)]
mod tests;
mod ticks;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    sync::mpsc,
    task::{Id, JoinSet},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use vipwatch_model::{egress::Egress, observation::Observation, probe::ProbeName};

use crate::{
    clock::Clock,
    connectivity::Gate,
    egress::Baseline,
    heartbeat::Heartbeat,
    plan::{Plan, Planned},
    prober::{self, Prober},
};
use ticks::Ticks;

/// The longest the scheduler sleeps: it shows that it is alive, and looks whether the clock jumped.
const NAP: Duration = Duration::from_secs(1);
/// How far the clock may stray from the monotonic time before all ticks are computed anew.
const JUMP: chrono::TimeDelta = chrono::TimeDelta::milliseconds(500);
/// How long rounds in flight may take at the end before they are cancelled.
const LAST_ROUNDS: Duration = Duration::from_millis(800);

/// A finished round.
#[derive(Debug)]
pub struct Round {
    /// The probe, as it was planned when the round started.
    pub planned: Arc<Planned>,
    /// When the round ended.
    pub at: DateTime<Utc>,
    /// How late it started.
    pub lateness: Duration,
    /// Ticks of this probe that were skipped since its last round.
    pub missed: u64,
    /// What it saw.
    pub observation: Observation,
    /// What it is to be judged against.
    pub egress: Arc<Egress>,
}

/// Carries out rounds.
pub trait Observe: Send + Sync + 'static {
    /// Runs one round.
    fn observe(&self, planned: &Planned) -> impl Future<Output = Observation> + Send;
}

impl Observe for Prober {
    async fn observe(&self, planned: &Planned) -> Observation {
        self.observe(planned).await
    }
}

/// What the scheduler works with.
pub struct Parts<O> {
    /// Carries out the rounds.
    pub observer: Arc<O>,
    /// Keeps from judgement what the agent itself is to blame for.
    pub gate: Gate,
    /// Knows what they are judged against.
    pub baseline: Baseline,
    /// Wall time.
    pub clock: Clock,
    /// Where finished rounds go.
    pub rounds: mpsc::Sender<Round>,
    /// New plans, after a reload.
    pub plans: mpsc::Receiver<Arc<Plan>>,
    /// Shows that the scheduler is alive.
    pub heartbeat: Heartbeat,
}

/// Runs until `shutdown`, then lets rounds in flight finish for a moment.
pub async fn run<O: Observe>(parts: Parts<O>, shutdown: CancellationToken) {
    let Parts { observer, gate, baseline, clock, rounds, mut plans, heartbeat } = parts;
    let mut scheduler = Scheduler {
        observer,
        gate,
        baseline,
        rounds,
        entries: HashMap::new(),
        ticks: Ticks::new(clock.now(), Instant::now()),
        flying: JoinSet::new(),
        by_task: HashMap::new(),
        clock,
    };
    loop {
        heartbeat.beat();
        let now = Instant::now();
        let nap = scheduler.ticks.next().map_or(NAP, |due| due.saturating_duration_since(now).min(NAP));
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(plan) = plans.recv() => scheduler.apply(&plan),
            Some(ended) = scheduler.flying.join_next_with_id() => scheduler.ended(ended).await,
            () = tokio::time::sleep(nap) => scheduler.start_due(),
        }
    }
    let drained = timeout(LAST_ROUNDS, async { while scheduler.flying.join_next().await.is_some() {} });
    if drained.await.is_err() {
        scheduler.flying.shutdown().await;
    }
}

struct Scheduler<O> {
    observer: Arc<O>,
    gate: Gate,
    baseline: Baseline,
    clock: Clock,
    rounds: mpsc::Sender<Round>,
    entries: HashMap<ProbeName, Entry>,
    ticks: Ticks,
    flying: JoinSet<()>,
    by_task: HashMap<Id, Arc<Planned>>,
}

struct Entry {
    planned: Arc<Planned>,
    /// The tick that is waited for.
    tick: DateTime<Utc>,
    /// The task of the round in flight.
    flying: Option<Id>,
    missed: u64,
}

impl<O: Observe> Scheduler<O> {
    /// Takes over a new plan. Probes that did not change keep their entry, and a tick depends on the
    /// probe's name alone, so even those that did change keep their phase.
    fn apply(&mut self, plan: &Plan) {
        let now = self.clock.now();
        if self.ticks.drift(now, Instant::now()).abs() > JUMP {
            self.after_jump(now);
        }
        let mut old = std::mem::take(&mut self.entries);
        for planned in &plan.probes {
            let name = planned.probe.name.clone();
            let entry = match old.remove(&name) {
                Some(entry) if entry.planned == *planned => entry,
                // A round of the old one may still be in flight: it is waited for before the next begins.
                before => {
                    let tick = planned.schedule.next_tick(name.as_str(), now);
                    let flying = before.and_then(|entry| entry.flying);
                    Entry { planned: Arc::clone(planned), tick, flying, missed: 0 }
                }
            };
            self.entries.insert(name, entry);
        }
        self.realign();
    }

    /// Puts every waited-for tick into the queue anew.
    fn realign(&mut self) {
        self.ticks = Ticks::new(self.clock.now(), Instant::now());
        for (name, entry) in self.entries.iter().filter(|(_, entry)| entry.tick < DateTime::<Utc>::MAX_UTC) {
            self.ticks.add(entry.tick, name.clone());
        }
    }

    fn start_due(&mut self) {
        let (wall, now) = (self.clock.now(), Instant::now());
        if self.ticks.drift(wall, now).abs() > JUMP {
            self.after_jump(wall);
        }
        while let Some((due, name)) = self.ticks.pop_due(now) {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            if entry.tick - wall > JUMP {
                self.ticks.add(entry.tick, name); // Further ahead than the queue reaches.
                continue;
            }
            let planned = Arc::clone(&entry.planned);
            let (tick, missed) = ticks::next(&planned.schedule, name.as_str(), entry.tick, wall);
            entry.missed += missed;
            entry.tick = tick;
            if entry.flying.is_some() {
                entry.missed += 1;
            } else {
                let missed = std::mem::take(&mut entry.missed);
                let started = Started {
                    planned: Arc::clone(&planned),
                    lateness: now.saturating_duration_since(due),
                    missed,
                    gate: self.gate.clone(),
                    baseline: self.baseline.clone(),
                    clock: self.clock.clone(),
                    rounds: self.rounds.clone(),
                };
                let id = self.flying.spawn(started.run(Arc::clone(&self.observer))).id();
                entry.flying = Some(id);
                self.by_task.insert(id, planned);
            }
            if tick < DateTime::<Utc>::MAX_UTC {
                self.ticks.add(tick, name);
            }
        }
    }

    /// The clock was set, or the machine slept: what was jumped over is counted, nothing is replayed.
    fn after_jump(&mut self, wall: DateTime<Utc>) {
        tracing::info!("the clock jumped; schedules are aligned with it again");
        for (name, entry) in &mut self.entries {
            let (tick, missed) = ticks::realigned(&entry.planned.schedule, name.as_str(), entry.tick, wall);
            entry.tick = tick;
            entry.missed += missed;
        }
        self.realign();
    }

    async fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let (id, panicked) = match ended {
            Ok((id, ())) => (id, false),
            Err(error) => (error.id(), error.is_panic()),
        };
        let Some(planned) = self.by_task.remove(&id) else { return };
        if let Some(entry) = self.entries.get_mut(&planned.probe.name)
            && entry.flying == Some(id)
        {
            entry.flying = None;
        }
        if panicked {
            // The panic itself has been logged by the panic hook.
            let observation =
                prober::not_made(&planned.method, "the agent failed in the middle of the round");
            let (at, egress) = (self.clock.now(), Arc::clone(self.baseline.known().egress()));
            let round = Round { planned, at, lateness: Duration::ZERO, missed: 0, observation, egress };
            let _ = self.rounds.send(round).await;
        }
    }
}

/// A round that is about to be made, and what it takes.
struct Started {
    planned: Arc<Planned>,
    lateness: Duration,
    missed: u64,
    gate: Gate,
    baseline: Baseline,
    clock: Clock,
    rounds: mpsc::Sender<Round>,
}

impl Started {
    async fn run(self, observer: Arc<impl Observe>) {
        let Self { planned, lateness, missed, gate, baseline, clock, rounds } = self;
        // A round that cannot end in time must not keep its probe from ever running again, and has to be over
        // when the next one is due.
        let began = Instant::now();
        let until = began + planned.gap * 19 / 20;
        let observation = timeout_at(until, observer.observe(&planned)).await;
        let observation = observation
            .unwrap_or_else(|_| prober::not_made(&planned.method, "the round took as long as its interval"));
        let at = clock.now();
        let observation = gate.pass(&planned.probe, observation, began, until).await;
        let egress = baseline.for_round(&planned.probe, &observation, until).await;
        // The receiver is gone only when the agent is ending.
        let _ = rounds.send(Round { planned, at, lateness, missed, observation, egress }).await;
    }
}
