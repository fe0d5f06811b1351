//! From rounds to consequences: judges each round, moves the probe's state machine, opens and resolves
//! alerts, hands everything to the store, and keeps the picture that the page shows.
//!
//! One task owns all of this state, so there is no lock around it. The rules are in `vipwatch-model`: this
//! feeds them and carries out what they say.

mod desk;
mod vantage;
mod watched;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot, watch};
use vipwatch_model::{
    alert::{Alert, Board, Known, Nodes, Scope, conditions},
    dispatch::Silence,
    judge::NodeSight,
    notification::{Acknowledgement, Resolution},
    observation::Observation,
    probe::{Probe, ProbeName},
    state::Transition,
    verdict::Verdict,
};
use vipwatch_web::api::Overview;

pub(crate) use desk::{Desk, scene};
use vantage::Vantage;
pub use watched::{Last, Tick, Watched};

use crate::{
    clock::Clock,
    connectivity::Gate,
    egress::Baseline,
    heartbeat::Heartbeat,
    outbox::{Standing, Statuses},
    plan::Plan,
    scheduler::Round,
    status,
    store::{Effects, PastTransition, Record, Restored, RoundRecord, Store},
};

/// How often the page's picture is renewed, at most.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);
/// Transitions that the page shows.
const TRANSITIONS: usize = vipwatch_web::api::RECENT_TRANSITIONS;
/// Start delays that the scheduler's lateness is computed from.
const LATENESS: usize = 4_096;

/// What the pipeline is told besides rounds.
pub enum Command {
    /// A configuration was loaded.
    Plan {
        /// What follows from it.
        plan: Arc<Plan>,
        /// When it was loaded.
        at: DateTime<Utc>,
        /// What the operator has to know of it: settings that wait for a restart.
        notices: Vec<String>,
    },
    /// Somebody takes an open alert on.
    Acknowledge {
        /// The alert's id.
        alert: String,
        /// Who, and why.
        by: Acknowledgement,
        /// Whether there is such an alert.
        reply: oneshot::Sender<bool>,
    },
    /// Somebody does not want to be told of some alerts for a while.
    Silence {
        /// Of which, and until when.
        silence: Silence,
        /// It holds. Whether there can be an alert that it is about.
        reply: oneshot::Sender<bool>,
    },
    /// A silence ends before its time.
    EndSilence {
        /// Its id.
        id: String,
        /// The silence, if there was such a one.
        reply: oneshot::Sender<Option<Silence>>,
    },
    /// A configuration was refused; the old one goes on.
    Refused {
        /// Why.
        error: String,
    },
}

/// What the pipeline works with.
pub struct Parts {
    /// Where rounds and plans end up.
    pub store: Arc<Store>,
    /// Wall time.
    pub clock: Clock,
    /// The configuration file, for the page.
    pub origin: String,
    /// What the operator has to know of the configuration that the agent starts with.
    pub notices: Vec<String>,
    /// What is known of the agent's own source address, for the page; each round brings its own baseline.
    pub baseline: Baseline,
    /// What is known of the connectivity; each round has passed it already.
    pub gate: Gate,
    /// How the receivers are doing.
    pub receivers: Statuses,
    /// Where receivers that have to be told again find what is open.
    pub standing: watch::Sender<Arc<Vec<Standing>>>,
    /// Shows that the pipeline is alive.
    pub heartbeat: Heartbeat,
}

/// The state of everything that is watched.
pub struct Pipeline {
    pub(crate) parts: Parts,
    pub(crate) plan: Arc<Plan>,
    pub(crate) loaded_at: DateTime<Utc>,
    pub(crate) notices: Vec<String>,
    pub(crate) config_error: Option<String>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) watched: HashMap<ProbeName, Watched>,
    pub(crate) alerts: Board,
    pub(crate) desk: Desk,
    pub(crate) vantage: Vantage,
    pub(crate) transitions: VecDeque<PastTransition>,
    pub(crate) tallies: HashMap<String, crate::store::Tally>,
    pub(crate) counters: Counters,
    /// The agent's own addresses, as its sockets had them.
    pub(crate) local: HashSet<IpAddr>,
}

/// What is counted since the agent started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rounds judged.
    pub rounds: u64,
    /// Flows in them.
    pub flows: u64,
    /// Ticks skipped.
    pub missed: u64,
    /// How late the latest rounds started, in microseconds.
    pub lateness_us: VecDeque<u32>,
}

impl Pipeline {
    /// A pipeline that watches what `plan` says and remembers what `restored` says.
    #[must_use]
    pub fn new(mut parts: Parts, plan: Arc<Plan>, restored: Option<Box<Restored>>) -> Self {
        let now = parts.clock.now();
        let notices = std::mem::take(&mut parts.notices);
        let mut pipeline = Self {
            parts,
            plan: Arc::clone(&plan),
            loaded_at: now,
            notices,
            config_error: None,
            started_at: now,
            watched: HashMap::new(),
            alerts: Board::default(),
            desk: Desk::default(),
            vantage: Vantage::new(now),
            transitions: VecDeque::new(),
            tallies: HashMap::new(),
            counters: Counters::default(),
            local: HashSet::new(),
        };
        pipeline.watch(&plan);
        pipeline.desk.replanned(now);
        if let Some(restored) = restored {
            pipeline.remember(*restored);
        }
        pipeline.retire();
        pipeline
    }

    /// The picture that the page shows.
    #[must_use]
    pub fn overview(&self) -> Arc<Overview> {
        Arc::new(status::overview(self))
    }

    /// Runs until all senders of rounds are gone; keeps `overview` up to date.
    pub async fn run(
        mut self,
        overview: watch::Sender<Arc<Overview>>,
        mut rounds: mpsc::Receiver<Round>,
        mut commands: mpsc::Receiver<Command>,
        mut restored: mpsc::Receiver<Box<Restored>>,
    ) {
        let mut publish = tokio::time::interval(PUBLISH_EVERY);
        publish.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.parts.heartbeat.beat();
            let wait = self.desk.wait(self.parts.clock.now());
            tokio::select! {
                round = rounds.recv() => match round {
                    Some(round) => self.take(round),
                    None => break,
                },
                Some(command) = commands.recv() => {
                    self.obey(command);
                    overview.send_replace(self.overview());
                }
                // The database could be opened only now: it was damaged, away or full at the start.
                Some(late) = restored.recv() => {
                    self.remember(*late);
                    self.retire();
                }
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => self.tend(Effects::default()),
                _ = publish.tick() => {
                    self.look_after_vantage();
                    overview.send_replace(self.overview());
                    self.parts.standing.send_replace(Arc::new(self.desk.standing(&self.plan, self.parts.clock.now())));
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Plan { plan, at, notices } => {
                self.plan = Arc::clone(&plan);
                self.loaded_at = at;
                self.notices = notices;
                self.config_error = None;
                self.local.clear();
                self.watch(&plan);
                self.desk.replanned(self.parts.clock.now());
                self.retire();
            }
            // Whoever asked may be gone; it is done all the same. Who gets a reply can rely on that the store has it.
            Command::Acknowledge { alert, by, reply } => {
                let effects = self.desk.acknowledge(&alert, by, &self.plan);
                let found = effects.is_some();
                self.tend(effects.unwrap_or_default());
                let _ = reply.send(found);
            }
            Command::Silence { silence, reply } => {
                let mut effects = Effects::default();
                let mut possible = self.plan.possible_alerts().into_iter();
                let fits = possible.any(|(alert, _)| silence.matcher.matches(&alert));
                self.desk.silence(silence, &mut effects);
                self.tend(effects);
                let _ = reply.send(fits);
            }
            Command::EndSilence { id, reply } => {
                let mut effects = Effects::default();
                let ended = self.desk.end_silence(&id, &mut effects);
                self.tend(effects);
                let _ = reply.send(ended);
            }
            Command::Refused { error } => self.config_error = Some(error),
        }
    }

    /// Watches what the plan says; what was watched before and is the same thing keeps its state. What is pointed at another one
    /// keeps what its open alerts rest on.
    fn watch(&mut self, plan: &Plan) {
        let mut old = std::mem::take(&mut self.watched);
        for planned in &plan.probes {
            let name = planned.probe.name.clone();
            let watched = match old.remove(&name) {
                Some(before) if before.planned.probe.subject == planned.probe.subject => {
                    before.replanned(Arc::clone(planned))
                }
                Some(before) => {
                    let mut watched = Watched::new(Arc::clone(planned));
                    self.alerts.hand_over(&planned.probe, &before.machine, &mut watched.machine);
                    self.desk.doubt(&name);
                    watched
                }
                None => Watched::new(Arc::clone(planned)),
            };
            self.watched.insert(name, watched);
        }
    }

    /// Takes over what the database remembers, as far as nothing newer is known.
    fn remember(&mut self, restored: Restored) {
        let now = self.parts.clock.now();
        self.desk.remember(&restored.alerts, restored.groups, restored.silences, &self.plan);
        let open = restored.alerts.into_iter().filter(|stored| stored.is_open);
        let told_anew = open.filter_map(|stored| self.alerts.remember(stored.alert)).collect();
        for remembered in restored.probes {
            if let Some(watched) = self.watched.get_mut(&ProbeName::new(&remembered.probe)) {
                watched.remember(remembered, &self.alerts, now);
            }
        }
        self.end(told_anew, |alert| Resolution::by_successor(alert, now));
        self.resume_vantage();
        for transition in restored.transitions {
            if self.transitions.len() < TRANSITIONS {
                self.transitions.push_back(transition);
            }
        }
        for tally in restored.tallies {
            self.tallies.insert(tally.receiver.clone(), tally);
        }
    }

    /// Resolves alerts whose probe is no longer configured; for alerts about a service: whose nodes are no
    /// longer polled.
    fn retire(&mut self) {
        let now = self.parts.clock.now();
        let plan = &self.plan;
        let known = |alert: &Alert| {
            plan.probes.iter().any(|planned| {
                let probe = &planned.probe;
                if alert.key.kind.scope() == Scope::Service {
                    probe.subject.node().is_some() && probe.subject.service() == Some(&alert.key.subject)
                } else {
                    probe.name.as_str() == alert.key.subject
                }
            })
        };
        let gone = self.alerts.remove_if(|alert| alert.key.kind.scope() != Scope::Vantage && !known(alert));
        self.end(gone, |alert| Resolution::by_removal(alert, now));
    }

    /// Ends alerts outside of any round.
    fn end(&mut self, alerts: Vec<Alert>, how: impl Fn(&Alert) -> Resolution) {
        let mut effects = Effects::default();
        for alert in alerts {
            let resolution = how(&alert);
            self.desk.end(alert, resolution, &self.plan, &mut effects, self.parts.clock.now());
        }
        self.tend(effects);
    }

    /// Tells what may be told now, and writes that down, after `effects`.
    fn tend(&mut self, mut effects: Effects) {
        self.desk.tend(&self.plan, &mut effects, self.parts.clock.now());
        if !effects.is_empty() {
            self.parts.store.push(Record::Effects(Box::new(effects)));
        }
    }

    fn take(&mut self, round: Round) {
        let Round { planned, at, lateness, missed, observation, egress } = round;
        let Some(watched) = self.watched.get(&planned.probe.name) else { return };
        if !Arc::ptr_eq(&watched.planned, &planned) && watched.planned != planned {
            return; // A round that began before the probe was changed.
        }
        let probe = &planned.probe;
        if let Observation::Flows(sight) = &observation {
            for local in sight.flows.iter().filter_map(|flow| Some(flow.local?.ip())) {
                if self.local.insert(local) && self.plan.book.classify(local).is_cluster() {
                    tracing::error!(address = %local, "this agent's own address lies inside the cluster: no translation can be seen from here");
                }
            }
        }
        let mut verdict = {
            let nodes = match &observation {
                Observation::Flows(_) => node_sights(&self.plan, &self.watched, watched, at),
                Observation::NodeHealth(_) | Observation::ProxyHealth(_) => Vec::new(),
            };
            self.plan.judge(&egress, probe, &observation, &nodes, at)
        };
        verdict.keep_the_remarkable();
        let Some(watched) = self.watched.get_mut(&planned.probe.name) else { return };
        self.counters.count(observation.flows(), lateness, missed);
        let latency_us = observation.latency_us();
        let fresh = watched.is_fresh();
        self.vantage.vision.round(&probe.name, &verdict, at);
        let transition = watched.machine.step(verdict.state, at, &probe.rules, fresh);
        watched.note(at, &verdict, latency_us);
        let mut machine = watched.machine.clone();

        let known = Known { probe, machine: &machine, verdict: &verdict, at };
        let configured = self.plan.nodes_of(probe).map_or(0, <[_]>::len);
        let needed = self.alerts.needs_nodes(probe, &machine);
        let noted: Vec<_> = {
            let nodes = nodes_of(&self.plan, &self.watched, probe, needed);
            conditions(&known, &Nodes { known: &nodes, configured }).collect()
        };
        for (kind, holds) in noted {
            machine.take_note(kind, holds, at, &probe.rules, fresh);
        }
        if let Some(watched) = self.watched.get_mut(&probe.name) {
            watched.machine.clone_from(&machine);
        }
        let known = Known { probe, machine: &machine, verdict: &verdict, at };
        let nodes = nodes_of(&self.plan, &self.watched, probe, needed);
        let nodes = Nodes { known: &nodes, configured };
        let new_id = || uuid::Uuid::now_v7().to_string();
        let changes = self.alerts.update(&known, transition.as_ref(), &nodes, fresh, new_id);
        let mut effects = self.desk.take(changes, &self.plan, &self.watched, at);
        let surer = self.desk.dispatcher.judged(&known, &nodes);
        if surer || !effects.is_empty() || self.desk.is_due(at) {
            self.desk.tend(&self.plan, &mut effects, at);
        }
        if let Some(transition) = &transition {
            self.note_transition(probe, transition, &verdict);
        }
        self.parts.store.push(Record::Round(Box::new(RoundRecord {
            planned,
            at,
            observation,
            verdict,
            latency_us,
            machine,
            transition,
            effects,
        })));
    }

    fn note_transition(&mut self, probe: &Probe, transition: &Transition, verdict: &Verdict) {
        self.transitions.truncate(TRANSITIONS - 1);
        self.transitions.push_front(PastTransition {
            at: transition.at,
            probe: probe.name.as_str().to_owned(),
            service: probe.subject.service().map(str::to_owned),
            node: probe.subject.node().map(str::to_owned),
            from: transition.from,
            to: transition.to,
            reason: verdict.reason.clone(),
        });
    }
}

/// What is known of all nodes of the probe's service, where that is needed.
fn nodes_of<'a>(
    plan: &Plan,
    watched: &'a HashMap<ProbeName, Watched>,
    probe: &Probe,
    needed: bool,
) -> Vec<Known<'a>> {
    let known = nodes_watched(plan, watched, probe).filter(|_| needed).filter_map(|node| {
        let last = node.last.as_ref()?;
        let probe = &node.planned.probe;
        Some(Known { probe, machine: &node.machine, verdict: &last.verdict, at: last.at })
    });
    known.collect()
}

/// What the nodes of the service of `this` said since its trouble began.
fn node_sights<'a>(
    plan: &Plan,
    watched: &'a HashMap<ProbeName, Watched>,
    this: &Watched,
    now: DateTime<Utc>,
) -> Vec<NodeSight<'a>> {
    let onset = this.machine.onset().unwrap_or(now);
    let sight = |node: &'a Watched| {
        let last = node.last.as_ref().filter(|last| last.at >= onset);
        let name = node.planned.probe.subject.node().unwrap_or_default();
        NodeSight { node: name, finding: last.map(|last| last.verdict.finding) }
    };
    nodes_watched(plan, watched, &this.planned.probe).map(sight).collect()
}

/// The health check node ports of the service of `probe`.
pub(crate) fn nodes_watched<'a>(
    plan: &Plan,
    watched: &'a HashMap<ProbeName, Watched>,
    probe: &Probe,
) -> impl Iterator<Item = &'a Watched> {
    plan.nodes_of(probe).into_iter().flatten().filter_map(|name| watched.get(name))
}

impl Counters {
    fn count(&mut self, flows: usize, lateness: Duration, missed: u64) {
        self.rounds += 1;
        self.flows += flows as u64;
        self.missed += missed;
        if self.lateness_us.len() == LATENESS {
            self.lateness_us.pop_front();
        }
        self.lateness_us.push_back(u32::try_from(lateness.as_micros()).unwrap_or(u32::MAX));
    }
}
