//! The picture that the page and the API show, drawn from the pipeline's state.

mod alerts;

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::watch;
use vipwatch_model::{
    alert::Alert,
    egress::{Change, Family},
    probe::{ProbeName, TrafficPolicy},
    state::State,
    verdict::{Evidence, Finding, Responder, Verdict},
};
use vipwatch_web::{
    Status,
    api::{
        self, AgentView, Check, ConfigView, ConnectivityTargetView, ConnectivityView, EgressChangeView,
        EgressView, NodeHealthView, Overview, Pending, Policy, ProbeView, Readiness, ReceiverView, RoundView,
        SchedulerView, ServiceView, StoreView, Summary, TransitionView,
    },
};

pub(crate) use alerts::delivery_state;

use crate::{
    config,
    egress::Known,
    heartbeat::Heartbeat,
    outbox::ReceiverStatus,
    pipeline::{Last, Pipeline, Watched, nodes_watched},
    plan::PlannedService,
    store::Store,
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
            Check { name: "database".into(), ok: store.is_none(), detail: store },
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
        alerts: alerts::open(pipeline, &receivers, at),
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
            .map(|receiver| receiver_view(pipeline, receiver, receivers.get(&receiver.name)))
            .collect(),
        silences: alerts::silences(pipeline),
        maintenance: alerts::maintenance(pipeline, at),
    }
}

fn agent(pipeline: &Pipeline) -> AgentView {
    let store = &pipeline.parts.store;
    let error = store.health().error;
    let counters = &pipeline.counters;
    let known = pipeline.parts.baseline.known();
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
        connectivity: connectivity(pipeline),
        egress: egress(pipeline, &known),
        egress_changes: known.changes().iter().map(egress_change).collect(),
        notices: notices(pipeline, &known),
    }
}

/// The targets as configured until they have been asked for the first time.
fn connectivity(pipeline: &Pipeline) -> ConnectivityView {
    let outlook = pipeline.parts.gate.outlook();
    let asked = outlook.last.iter().flat_map(|check| check.answers.iter().map(|answer| (check.at, answer)));
    let asked = asked.map(|(at, answer)| ConnectivityTargetView {
        target: answer.target.clone(),
        asked_at: Some(at),
        latency_ms: answer.heard.as_ref().ok().copied().map(millis),
        error: answer.heard.as_ref().err().map(|failure| failure.detail.clone()),
    });
    let unasked = |target: &config::ConnectivityTarget| ConnectivityTargetView {
        target: target.to_string(),
        asked_at: None,
        latency_ms: None,
        error: None,
    };
    let configured = pipeline.plan.connectivity.iter().flat_map(|connectivity| &connectivity.targets);
    let vision = &pipeline.vantage.vision;
    ConnectivityView {
        blind: vision.is_blind(),
        since: vision.since(),
        targets: if outlook.last.is_some() { asked.collect() } else { configured.map(unasked).collect() },
    }
}

/// Each egress address by where it is known from, and for the families in use why it is not known.
fn egress(pipeline: &Pipeline, known: &Known) -> Vec<EgressView> {
    let egress = known.egress();
    let view = |address: Option<String>, source: &str| EgressView {
        address,
        source: source.to_owned(),
        local: None,
        confirmed_at: None,
    };
    let mut views = Vec::new();
    if egress.socket {
        let mut local: Vec<String> = pipeline.local.iter().map(ToString::to_string).collect();
        local.sort();
        let address = if local.is_empty() { "not used yet".to_owned() } else { local.join(", ") };
        views.push(view(Some(address), "the flow's own address"));
    }
    views.extend(egress.fixed.iter().map(|net| view(Some(net.to_string()), "as configured")));
    views.extend(egress.learnt.iter().map(|learnt| EgressView {
        local: Some(learnt.local.to_string()),
        confirmed_at: Some(learnt.at),
        ..view(Some(learnt.address.to_string()), &learnt.from)
    }));
    let in_use =
        |family| pipeline.local.is_empty() || pipeline.local.iter().any(|local| Family::of(*local) == family);
    let unknown = egress.unknown.iter().filter(|unknown| unknown.family.is_none_or(in_use));
    views.extend(unknown.map(|unknown| view(None, &unknown.why)));
    views
}

fn egress_change(change: &Change) -> EgressChangeView {
    EgressChangeView {
        at: change.at,
        from: change.from.to_string(),
        to: change.to.to_string(),
        source: change.source.clone(),
    }
}

/// What the operator has to know. A vantage inside of the cluster, or behind an address of it, is the loudest of all.
fn notices(pipeline: &Pipeline, known: &Known) -> Vec<String> {
    const NOTHING_TO_SEE: &str = "no translation can be seen: run vipwatch on a host outside of it";
    let book = &pipeline.plan.book;
    let inside = pipeline.local.iter().filter_map(|address| {
        let class = book.classify(*address);
        let inside = class.is_cluster();
        inside.then(|| {
            format!("This agent's own address {address} lies inside the cluster ({class}). From there {NOTHING_TO_SEE}.")
        })
    });
    let seen_inside = known.inside().iter().map(|address| {
        let class = book.classify(*address);
        format!("This agent is seen from outside as {address}, which is of the cluster ({class}). From behind it {NOTHING_TO_SEE}.")
    });
    pipeline.notices.iter().cloned().chain(inside).chain(seen_inside).collect()
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
        answered_by: watched.distribution.answered_by().iter().map(responder).collect(),
        silent_nodes: silent_nodes(pipeline, watched),
    })
}

fn responder(by: &Responder) -> api::Responder {
    api::Responder { node: by.node.clone(), pod: by.pod.clone(), flows: by.flows }
}

/// Nodes with ready endpoints of the probe's service that answered none of its flows.
fn silent_nodes(pipeline: &Pipeline, watched: &Watched) -> Vec<String> {
    let nodes = nodes_watched(&pipeline.plan, &pipeline.watched, &watched.planned.probe);
    let ready = nodes.filter_map(|node| {
        let last = node.last.as_ref()?;
        (last.verdict.finding == Finding::Ready).then(|| node.planned.probe.subject.node()).flatten()
    });
    watched.distribution.silent(ready).into_iter().map(str::to_owned).collect()
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
    let (to, rounds, of) = watched.machine.pending(&watched.planned.probe.rules)?;
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
        cause: verdict.cause.as_ref().map(|cause| cause.text.clone()),
        remedy: verdict.remedy.clone(),
        expected: verdict.expected.clone(),
        observed: observed
            .map(|seen| api::Seen { address: seen.address.to_string(), what: seen.what(), flows: seen.flows })
            .collect(),
        flows_ok: verdict.answered,
        flows: verdict.flows,
        latency_ms: last.latency_us.map(millis),
        responders: verdict.answered_by.iter().map(ToString::to_string).collect(),
        notes: verdict
            .notes
            .iter()
            .map(|note| api::Note { kind: note.kind.to_string(), text: note.text.clone() })
            .collect(),
        evidence: evidence(verdict),
    }
}

fn evidence(verdict: &Verdict) -> Vec<api::Flow> {
    let flow = |flow: &Evidence| api::Flow {
        finding: flow.finding.to_string(),
        local: flow.local.map(|local| local.to_string()),
        remote: flow.remote.map(|remote| remote.to_string()),
        seen: flow.seen.map(|seen| match flow.port {
            Some(port) => SocketAddr::new(seen, port).to_string(),
            None => seen.to_string(),
        }),
        failure: flow.failure.map(|failure| failure.to_string()),
    };
    verdict.evidence.iter().map(flow).collect()
}

fn receiver_view(
    pipeline: &Pipeline,
    receiver: &config::Receiver,
    status: Option<&ReceiverStatus>,
) -> ReceiverView {
    let before = pipeline.tallies.get(&receiver.name);
    ReceiverView {
        name: receiver.name.clone(),
        kind: receiver.means.kind().word().to_owned(),
        pending: status.map_or(0, |status| status.pending),
        delivered: before.map_or(0, |tally| tally.delivered) + status.map_or(0, |status| status.delivered),
        dead: (before.map_or(0, |tally| tally.dead) + status.map_or(0, |status| status.dead))
            .saturating_sub(status.map_or(0, |status| status.put_back)),
        superseded: before.map_or(0, |tally| tally.superseded) + status.map_or(0, |status| status.superseded),
        last_error: status.and_then(|status| status.last_error.clone()),
        last_delivered_at: status.and_then(|status| status.last_delivered_at),
        circuit: status.and_then(|status| status.circuit.as_ref()).map(|circuit| api::CircuitView {
            open_since: circuit.open_since,
            next_attempt_at: circuit.next_at,
        }),
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
