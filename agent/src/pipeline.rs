//! From rounds to consequences: judges each round, moves the probe's state machine, opens and resolves
//! alerts, hands everything to the store, and keeps the picture that the page shows.
//!
//! One task owns all of this state, so there is no lock around it. It decides nothing itself: the rules
//! are in `vipwatch-model`.

mod open_alerts;
mod watched;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use vipwatch_model::{
    alert::Alert,
    judge,
    notification::{Notification, Resolution},
    probe::{ProbeName, Subject},
    verdict::Verdict,
};
use vipwatch_web::api::Overview;

pub use open_alerts::OpenAlerts;
pub use watched::{Last, Tick, Watched};

use crate::{
    clock::Clock,
    heartbeat::Heartbeat,
    outbox::Statuses,
    plan::Plan,
    prober::Observation,
    scheduler::Round,
    status,
    store::{Delivery, DeliveryKey, PastTransition, Record, Restored, Retired, RoundRecord, Store},
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
    /// How the receivers are doing.
    pub receivers: Statuses,
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
    pub(crate) alerts: OpenAlerts,
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
    pub fn new(parts: Parts, plan: Arc<Plan>, restored: Option<Box<Restored>>) -> Self {
        let now = parts.clock.now();
        let mut pipeline = Self {
            parts,
            plan: Arc::clone(&plan),
            loaded_at: now,
            notices: Vec::new(),
            config_error: None,
            started_at: now,
            watched: HashMap::new(),
            alerts: OpenAlerts::default(),
            transitions: VecDeque::new(),
            tallies: HashMap::new(),
            counters: Counters::default(),
            local: HashSet::new(),
        };
        pipeline.watch(&plan);
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
                _ = publish.tick() => drop(overview.send_replace(self.overview())),
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
                self.retire();
            }
            Command::Refused { error } => self.config_error = Some(error),
        }
    }

    /// Watches what the plan says; what was watched before and is the same thing keeps its state.
    fn watch(&mut self, plan: &Plan) {
        let mut old = std::mem::take(&mut self.watched);
        for planned in &plan.probes {
            let name = planned.probe.name.clone();
            let watched = match old.remove(&name) {
                Some(before) if before.planned.probe.subject == planned.probe.subject => {
                    Watched { planned: Arc::clone(planned), ..before }
                }
                _ => Watched::new(Arc::clone(planned)),
            };
            self.watched.insert(name, watched);
        }
    }

    /// Takes over what the database remembers, as far as nothing newer is known.
    fn remember(&mut self, restored: Restored) {
        for remembered in restored.probes {
            if let Some(watched) = self.watched.get_mut(&ProbeName::new(&remembered.probe)) {
                watched.remember(remembered);
            }
        }
        for alert in restored.alerts {
            self.alerts.remember(alert);
        }
        for transition in restored.transitions {
            if self.transitions.len() < TRANSITIONS {
                self.transitions.push_back(transition);
            }
        }
        for tally in restored.tallies {
            self.tallies.insert(tally.receiver.clone(), tally);
        }
    }

    /// Resolves alerts whose probe or service is no longer configured.
    fn retire(&mut self) {
        let now = self.parts.clock.now();
        let plan = &self.plan;
        let known = |alert: &Alert| {
            plan.probes.iter().any(|planned| {
                let probe = &planned.probe;
                probe.name.as_str() == alert.key.subject
                    || probe.subject.service() == Some(&alert.key.subject)
            })
        };
        let gone = self.alerts.remove_if(|alert| !known(alert));
        if gone.is_empty() {
            return;
        }
        let resolved: Vec<_> = gone
            .into_iter()
            .map(|alert| {
                let resolution = Resolution::by_removal(&alert, now);
                (alert, resolution)
            })
            .collect();
        let deliveries = self.deliveries(&[], &resolved, now);
        self.parts.store.push(Record::Retired(Retired { resolved, deliveries }));
    }

    fn take(&mut self, round: Round) {
        let Round { planned, at, lateness, missed, observation } = round;
        let Some(watched) = self.watched.get_mut(&planned.probe.name) else { return };
        if !Arc::ptr_eq(&watched.planned, &planned) && watched.planned != planned {
            return; // A round that began before the probe was changed.
        }
        let verdict = match &observation {
            Observation::Flows(flows) => {
                self.local.extend(flows.iter().filter_map(|flow| Some(flow.local?.ip())));
                judge::source(&planned.probe, flows, &self.plan.egress, &self.plan.book)
            }
            Observation::NodeHealth(health) => judge::node_health(&planned.probe, health),
        };
        self.counters.count(observation.flows(), lateness, missed);
        let latency_us = watched::latency_us(&observation);
        let transition = watched.machine.step(verdict.state, at, planned.probe.thresholds);
        watched.note(at, &verdict, latency_us);
        let machine = watched.machine.clone();

        let resolved = self.alerts.resolve(&planned.probe, &machine, &verdict, at);
        let mut opened = Vec::new();
        if let Some(transition) = &transition {
            let drift = self.drifts_everywhere(&planned.probe.subject, transition.began);
            opened.extend(self.alerts.open(&planned.probe, transition, &verdict, drift));
            self.note_transition(&planned.probe.name, &planned.probe.subject, *transition, &verdict);
        }
        for alert in &opened {
            tracing::warn!(
                alert = %alert.id, kind = %alert.key.kind, subject = %alert.key.subject, reason = %alert.reason,
                "opened an alert"
            );
        }
        for (alert, resolution) in &resolved {
            tracing::info!(
                alert = %alert.id, kind = %alert.key.kind, subject = %alert.key.subject,
                open_seconds = resolution.open_seconds, "resolved an alert"
            );
        }
        let deliveries = self.deliveries(&opened, &resolved, at);
        self.parts.store.push(Record::Round(Box::new(RoundRecord {
            probe: Arc::new(planned.probe.clone()),
            at,
            observation,
            verdict,
            latency_us,
            machine,
            transition,
            opened,
            resolved,
            deliveries,
        })));
    }

    /// Whether no node of the subject's service has answered for it since `began`. What a node said before
    /// that is no evidence: its next poll may say something else.
    fn drifts_everywhere(&self, subject: &Subject, began: DateTime<Utc>) -> bool {
        let Some(service) = subject.service() else { return false };
        let Some(service) = self.plan.services.iter().find(|planned| planned.name == service) else {
            return false;
        };
        !service
            .nodes
            .iter()
            .filter_map(|name| self.watched.get(name)?.last.as_ref())
            .any(|last| last.at >= began && last.verdict.finding.contradicts_policy_drift())
    }

    fn note_transition(
        &mut self,
        name: &ProbeName,
        subject: &Subject,
        transition: vipwatch_model::state::Transition,
        verdict: &Verdict,
    ) {
        self.transitions.truncate(TRANSITIONS - 1);
        self.transitions.push_front(PastTransition {
            at: transition.at,
            probe: name.as_str().to_owned(),
            service: subject.service().map(str::to_owned),
            node: subject.node().map(str::to_owned),
            from: transition.from,
            to: transition.to,
            reason: verdict.reason.clone(),
        });
    }

    /// One delivery per notification and receiver.
    fn deliveries(
        &self,
        opened: &[Alert],
        resolved: &[(Alert, Resolution)],
        now: DateTime<Utc>,
    ) -> Vec<Delivery> {
        let (vantage, page) = (&self.plan.vantage, &self.plan.page);
        let resolved = resolved.iter().map(|(alert, resolution)| {
            Notification::resolved(alert.clone(), resolution.clone(), vantage, page)
        });
        let opened = opened.iter().map(|alert| Notification::opened(alert.clone(), vantage, page));
        let mut deliveries = Vec::new();
        for notification in resolved.chain(opened) {
            let document: Arc<str> = match serde_json::to_string(&notification) {
                Ok(document) => document.into(),
                Err(error) => {
                    tracing::error!(%error, "failed to write a notification");
                    continue;
                }
            };
            for receiver in &self.plan.receivers {
                let key = DeliveryKey {
                    alert: notification.alert.id.clone(),
                    event: notification.event,
                    receiver: receiver.name.clone(),
                };
                let document = Arc::clone(&document);
                deliveries.push(Delivery { key, document, created_at: now, attempts: 0, next_at: now });
            }
        }
        deliveries
    }
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
