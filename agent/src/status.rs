//! The picture that the page and the API show, drawn from the pipeline's state.

use std::sync::Arc;

use tokio::sync::watch;
use vipwatch_model::{
    alert::{Alert, Severity},
    probe::{ProbeName, TrafficPolicy},
    state::State,
};
use vipwatch_web::{
    Status,
    api::{
        self, AgentView, AlertView, Check, ConfigView, DeliveryView, NodeHealthView, Overview, Pending,
        Policy, ProbeView, Readiness, ReceiverView, RoundView, SchedulerView, ServiceView, StoreView,
        Summary, TransitionView,
    },
};

use crate::{
    heartbeat::Heartbeat,
    outbox::ReceiverStatus,
    pipeline::{Last, Pipeline, Watched},
    plan::PlannedService,
    store::{DeliveryState, Store},
};

/// How long a core loop may be silent before the agent is not ready.
pub const SILENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What the page asks.
pub struct AgentStatus {
    /// The picture.
    pub overview: watch::Receiver<Arc<Overview>>,
    /// The database.
    pub store: Arc<Store>,
    /// The core loops and their names.
    pub heartbeats: Vec<(&'static str, Heartbeat)>,
}

impl Status for AgentStatus {
    fn overview(&self) -> watch::Receiver<Arc<Overview>> {
        self.overview.clone()
    }

    fn readiness(&self) -> Readiness {
        let config = self.overview.borrow().agent.config.error.clone();
        let store = self.store.health().error;
        let mut checks = vec![
            Check { name: "config".into(), ok: config.is_none(), detail: config },
            Check { name: "store".into(), ok: store.is_none(), detail: store },
        ];
        checks.extend(self.heartbeats.iter().map(|(name, heartbeat)| {
            let silence = heartbeat.silence();
            let ok = silence < SILENCE;
            let detail = (!ok).then(|| format!("no sign of life for {} s", silence.as_secs()));
            Check { name: (*name).to_owned(), ok, detail }
        }));
        Readiness { ready: checks.iter().all(|check| check.ok), checks }
    }
}

/// Draws the picture.
pub(crate) fn overview(pipeline: &Pipeline) -> Overview {
    let at = pipeline.parts.clock.now();
    let mut summary = Summary::default();
    for watched in pipeline.watched.values() {
        let count = match watched.machine.state {
            State::Up => &mut summary.up,
            State::Degraded => &mut summary.degraded,
            State::Translated => &mut summary.translated,
            State::Idle => &mut summary.idle,
            State::Down => &mut summary.down,
            State::Unknown => &mut summary.unknown,
        };
        *count += 1;
    }
    let receivers = pipeline.parts.receivers.borrow().clone();
    let mut alerts: Vec<AlertView> = pipeline
        .alerts
        .iter()
        .map(|alert| {
            let deliveries =
                pipeline.plan.receivers.iter().filter_map(|receiver| {
                    delivery(&receiver.name, receivers.get(&receiver.name)?, &alert.id)
                });
            alert_view(alert, deliveries.collect())
        })
        .collect();
    alerts.sort_by(|a, b| b.id.cmp(&a.id));
    let endpoints = pipeline.plan.endpoints.iter().chain(&pipeline.plan.hosts);
    Overview {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        vantage: pipeline.plan.vantage.clone(),
        started_at: pipeline.started_at,
        at,
        agent: agent(pipeline),
        summary,
        services: pipeline.plan.services.iter().map(|planned| service(pipeline, planned)).collect(),
        probes: endpoints.filter_map(|name| probe(pipeline, name)).collect(),
        alerts,
        transitions: pipeline
            .transitions
            .iter()
            .map(|past| TransitionView {
                at: past.at,
                probe: past.probe.clone(),
                service: past.service.clone(),
                node: past.node.clone(),
                from: state(past.from),
                to: state(past.to),
                reason: past.reason.clone(),
            })
            .collect(),
        receivers: pipeline
            .plan
            .receivers
            .iter()
            .map(|receiver| receiver_view(pipeline, &receiver.name, receivers.get(&receiver.name)))
            .collect(),
    }
}

fn agent(pipeline: &Pipeline) -> AgentView {
    let store = &pipeline.parts.store;
    let error = store.health().error;
    let counters = &pipeline.counters;
    let mut lateness: Vec<u32> = counters.lateness_us.iter().copied().collect();
    lateness.sort_unstable();
    let quantile = |share: usize| {
        let index = (lateness.len() * share / 100).min(lateness.len().saturating_sub(1));
        lateness.get(index).map(|us| f64::from(*us) / 1_000.0)
    };
    AgentView {
        config: ConfigView {
            path: pipeline.parts.origin.clone(),
            loaded_at: pipeline.loaded_at,
            error: pipeline.config_error.clone(),
        },
        store: StoreView {
            ok: error.is_none(),
            // What waits for the next commit is no backlog; it is one only while commits fail.
            buffered: if error.is_some() { store.buffered() as u64 } else { 0 },
            error,
            lost: store.lost(),
        },
        scheduler: SchedulerView {
            probes: u32::try_from(pipeline.watched.len()).unwrap_or(u32::MAX),
            rounds: counters.rounds,
            flows: counters.flows,
            missed: counters.missed,
            lateness_p50_ms: quantile(50),
            lateness_p99_ms: quantile(99),
        },
        egress: egress(pipeline),
        notices: notices(pipeline),
    }
}

fn egress(pipeline: &Pipeline) -> Vec<String> {
    let mut words = Vec::new();
    if pipeline.plan.egress.socket {
        let mut local: Vec<String> = pipeline.local.iter().map(ToString::to_string).collect();
        local.sort();
        words.push(match local.as_slice() {
            [] => "the socket's own address".to_owned(),
            local => format!("the socket's own address ({})", local.join(", ")),
        });
    }
    words.extend(pipeline.plan.egress.fixed.iter().map(|net| format!("{net}, as configured")));
    words
}

fn notices(pipeline: &Pipeline) -> Vec<String> {
    let inside = pipeline.local.iter().filter_map(|address| {
        let class = pipeline.plan.book.classify(*address);
        class.is_cluster().then(|| {
            format!(
                "This agent's own address {address} lies inside the cluster ({class}). From there no translation \
                 can be seen: run vipwatch on a host outside of it."
            )
        })
    });
    pipeline.notices.iter().cloned().chain(inside).collect()
}

fn service(pipeline: &Pipeline, planned: &PlannedService) -> ServiceView {
    let vips: Vec<ProbeView> = planned.vips.iter().filter_map(|name| probe(pipeline, name)).collect();
    let nodes: Vec<NodeHealthView> = planned.nodes.iter().filter_map(|name| node(pipeline, name)).collect();
    // What clients feel is what the VIPs say; an alert about a node makes the service degraded at least.
    let mine = |alert: &Alert| alert.service.as_deref() == Some(&planned.name);
    let alerted = pipeline.alerts.iter().any(mine).then_some(api::State::Degraded);
    let states = vips.iter().map(|vip| vip.state).chain(alerted);
    ServiceView {
        name: planned.name.clone(),
        external_traffic_policy: match planned.policy {
            TrafficPolicy::Local => Policy::Local,
            TrafficPolicy::Cluster => Policy::Cluster,
        },
        health_check_node_port: planned.health_check_node_port,
        state: states.max_by_key(|state| weight(*state)).unwrap_or_default(),
        vips,
        nodes,
    }
}

/// Which state speaks for a service when its probes disagree.
fn weight(state: api::State) -> u8 {
    match state {
        api::State::Idle => 0,
        api::State::Up => 1,
        api::State::Unknown => 2,
        api::State::Degraded => 3,
        api::State::Translated => 4,
        api::State::Down => 5,
    }
}

fn probe(pipeline: &Pipeline, name: &ProbeName) -> Option<ProbeView> {
    let watched = pipeline.watched.get(name)?;
    Some(ProbeView {
        name: name.as_str().to_owned(),
        target: watched.planned.probe.subject.target(),
        state: state(watched.machine.state),
        since: watched.machine.since,
        pending: pending(watched),
        last: watched.last.as_ref().map(round),
        history: history(watched),
    })
}

fn node(pipeline: &Pipeline, name: &ProbeName) -> Option<NodeHealthView> {
    let watched = pipeline.watched.get(name)?;
    let verdict = watched.last.as_ref().map(|last| &last.verdict);
    Some(NodeHealthView {
        probe: name.as_str().to_owned(),
        node: watched.planned.probe.subject.node().unwrap_or_default().to_owned(),
        address: watched.planned.probe.subject.target(),
        state: state(watched.machine.state),
        since: watched.machine.since,
        finding: verdict.map_or_else(String::new, |verdict| verdict.finding.to_string()),
        reason: verdict.map_or_else(|| "Not polled yet.".to_owned(), |verdict| verdict.reason.clone()),
        local_endpoints: verdict.and_then(|verdict| verdict.local_endpoints),
        weight: verdict.and_then(|verdict| verdict.weight),
        last_at: watched.last.as_ref().map(|last| last.at),
        history: history(watched),
    })
}

fn pending(watched: &Watched) -> Option<Pending> {
    let (to, rounds, of) = watched.machine.pending(watched.planned.probe.thresholds)?;
    Some(Pending { state: state(to), rounds, of })
}

fn history(watched: &Watched) -> Vec<api::Tick> {
    let ticks = watched.history.iter();
    ticks
        .map(|tick| api::Tick {
            at: tick.at,
            state: state(tick.state),
            latency_ms: tick.latency_us.map(millis),
        })
        .collect()
}

fn round(last: &Last) -> RoundView {
    let verdict = &last.verdict;
    let observed = verdict.seen.iter();
    RoundView {
        at: last.at,
        finding: verdict.finding.to_string(),
        state: state(verdict.state),
        reason: verdict.reason.clone(),
        remedy: verdict.remedy.clone(),
        expected: verdict.expected.clone(),
        observed: observed
            .map(|seen| api::Seen { address: seen.address.to_string(), what: seen.what(), flows: seen.flows })
            .collect(),
        flows_ok: verdict.answered,
        flows: verdict.flows,
        latency_ms: last.latency_us.map(millis),
        responders: verdict.answered_by.iter().map(ToString::to_string).collect(),
    }
}

fn alert_view(alert: &Alert, deliveries: Vec<DeliveryView>) -> AlertView {
    let observed = alert.observed.iter();
    AlertView {
        id: alert.id.clone(),
        kind: alert.key.kind.to_string(),
        severity: match alert.severity {
            Severity::Critical => api::Severity::Critical,
            Severity::Warning => api::Severity::Warning,
            Severity::Info => api::Severity::Info,
        },
        service: alert.service.clone(),
        probe: alert.probe.clone(),
        node: alert.node.clone(),
        target: alert.target.clone(),
        opened_at: alert.opened_at,
        title: alert.title.clone(),
        reason: alert.reason.clone(),
        expected: alert.expected.clone(),
        observed: observed.map(|seen| format!("{} ({})", seen.address, seen.what)).collect(),
        remedy: alert.remedy.clone(),
        deliveries,
    }
}

fn delivery(receiver: &str, status: &ReceiverStatus, alert: &str) -> Option<DeliveryView> {
    let recent = status.recent.get(alert)?;
    Some(DeliveryView {
        receiver: receiver.to_owned(),
        state: match recent.state {
            DeliveryState::Pending => api::DeliveryState::Pending,
            DeliveryState::Delivered => api::DeliveryState::Delivered,
            DeliveryState::Dead => api::DeliveryState::Dead,
        },
        attempts: recent.attempts,
        last_error: recent.last_error.clone(),
    })
}

fn receiver_view(pipeline: &Pipeline, name: &str, status: Option<&ReceiverStatus>) -> ReceiverView {
    let before = pipeline.tallies.get(name);
    ReceiverView {
        name: name.to_owned(),
        kind: "webhook".to_owned(),
        pending: status.map_or(0, |status| status.pending),
        delivered: before.map_or(0, |tally| tally.delivered) + status.map_or(0, |status| status.delivered),
        dead: before.map_or(0, |tally| tally.dead) + status.map_or(0, |status| status.dead),
        last_error: status.and_then(|status| status.last_error.clone()),
        last_delivered_at: status.and_then(|status| status.last_delivered_at),
    }
}

fn state(state: State) -> api::State {
    match state {
        State::Up => api::State::Up,
        State::Degraded => api::State::Degraded,
        State::Translated => api::State::Translated,
        State::Idle => api::State::Idle,
        State::Down => api::State::Down,
        State::Unknown => api::State::Unknown,
    }
}

fn millis(us: u32) -> f64 {
    f64::from(us) / 1_000.0
}
