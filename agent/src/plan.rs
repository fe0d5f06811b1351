//! What follows from the configuration: every probe with its target, schedule and thresholds, the
//! address book, the egress baseline, the receivers.
//!
//! From one service follow its source probes (one per VIP) and its node-health probes (one per node); from the
//! cluster, where it says so, the probes of the nodes themselves.

mod alerts;
mod endpoint;
mod host;
mod method;
mod notice;
mod once;
mod service;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::{
    address::AddressBook,
    alert::AlertKind,
    dispatch::Policy,
    egress::Egress,
    judge::{self, NodeSight, Scene},
    observation::Observation,
    probe::{Expectation, Probe, ProbeName, Subject, TrafficPolicy},
    rule::Rules,
    verdict::Verdict,
};

use crate::{
    config::{self, AlertRules, Config, Receiver, Timing},
    maintenance::Maintenance,
    prober::Method,
    schedule::Schedule,
};

/// The shortest absence after which rounds before it do not count with rounds after it.
const AWAY: TimeDelta = TimeDelta::minutes(10);

/// What the database takes per flow, its share of the round included: measured by `make bench`.
const BYTES_PER_FLOW: f64 = 136.0;

/// A probe with everything that it takes to run it.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What it is, for judging and alerting.
    pub probe: Probe,
    /// How it is carried out.
    pub method: Method,
    /// When.
    pub schedule: Schedule,
    /// The shortest time between two rounds.
    pub gap: Duration,
    /// How long one flow may take; shorter than `gap`.
    pub timeout: Duration,
    /// Measuring flows per round.
    pub flows: u32,
}

impl Planned {
    /// All flows of a round, those included that measure something else.
    fn all_flows(&self) -> f64 {
        let canary = matches!(&self.method, Method::Flows(flows) if flows.canary);
        f64::from(self.flows) + f64::from(u8::from(canary))
    }
}

/// A service and the names of the probes that follow from it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedService {
    /// `namespace/name`.
    pub name: String,
    /// The policy that it ought to have.
    pub policy: TrafficPolicy,
    /// Its health check node port.
    pub health_check_node_port: Option<u16>,
    /// Its source probes, one per VIP.
    pub vips: Vec<ProbeName>,
    /// Its node-health probes, one per node.
    pub nodes: Vec<ProbeName>,
}

/// Everything that a configuration asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where the agent stands.
    pub vantage: String,
    /// The status page's address, for alerts.
    pub page: String,
    /// All probes.
    pub probes: Vec<Arc<Planned>>,
    /// The services, in the order of the configuration.
    pub services: Vec<PlannedService>,
    /// The stand-alone probes, in the order of the configuration.
    pub endpoints: Vec<ProbeName>,
    /// The probes of the nodes themselves, in the order of the configuration.
    pub hosts: Vec<ProbeName>,
    /// Where the agent's own source address is known from.
    pub egress: config::Egress,
    /// Who is asked whether the agent sees anything at all, if anybody is.
    pub connectivity: Option<config::Connectivity>,
    /// Whose address is whose.
    pub book: AddressBook,
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// Who is told of what, and when.
    pub policy: Policy,
    /// When what is not told.
    pub maintenance: Vec<Maintenance>,
    /// The rules for alerts about the agent itself.
    pub rules: Rules,
}

impl Plan {
    /// The plan that follows from `config`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut plan = Self {
            vantage: config.agent.vantage.clone(),
            page: config.agent.page_url.to_string(),
            probes: Vec::new(),
            services: Vec::new(),
            endpoints: Vec::new(),
            hosts: Vec::new(),
            egress: config.egress.clone(),
            connectivity: config.connectivity.clone(),
            book: AddressBook {
                nodes: config.cluster.nodes.clone(),
                pod_cidrs: config.cluster.pod_cidrs.clone(),
                vips: config.services.iter().flat_map(|service| service.vips.iter().copied()).collect(),
            },
            receivers: config.receivers.clone(),
            policy: config.policy.clone(),
            maintenance: config.maintenance.clone(),
            rules: rules(&config.cluster.timing, &config.cluster.alerts),
        };
        for service in &config.services {
            plan.add_service(config, service);
        }
        for probe in &config.probes {
            plan.add_endpoint(probe);
        }
        plan.add_hosts(&config.cluster);
        plan
    }

    /// What an observation of `probe` at the time `at` means against the baseline `egress`, next to what its
    /// service's `nodes` said last.
    #[must_use]
    pub fn judge(
        &self,
        egress: &Egress,
        probe: &Probe,
        observation: &Observation,
        nodes: &[NodeSight<'_>],
        at: DateTime<Utc>,
    ) -> Verdict {
        let scene = Scene { egress, book: &self.book, nodes, at };
        judge::observation(probe, observation, &scene)
    }

    /// The node probes of the service that `probe` belongs to.
    #[must_use]
    pub fn nodes_of(&self, probe: &Probe) -> Option<&[ProbeName]> {
        let name = probe.subject.service()?;
        let service = self.services.iter().find(|service| service.name == name)?;
        Some(&service.nodes)
    }

    /// How many bytes the database grows to when rounds are kept for `keep`.
    #[must_use]
    pub fn disk_bytes(&self, keep: Duration) -> f64 {
        let flows = |planned: &Arc<Planned>| planned.all_flows() / planned.gap.as_secs_f64();
        self.probes.iter().map(flows).fold(0.0, |sum, flows| sum + flows)
            * keep.as_secs_f64()
            * BYTES_PER_FLOW
    }

    fn add(&mut self, name: ProbeName, aim: Aim, method: Method, timing: &Timing, alerts: &AlertRules) {
        let Aim { subject, expectation, vips, labels, min_healthy_nodes } = aim;
        let gap = timing.schedule.min_gap();
        let down = if subject.node().is_some() { AlertKind::NodeDown } else { AlertKind::Unreachable };
        let rules = Rules { down, min_healthy_nodes, ..rules(timing, alerts) };
        let transport = method::transport(&method);
        self.probes.push(Arc::new(Planned {
            probe: Probe {
                name,
                subject,
                transport,
                expectation,
                vips,
                limits: timing.limits,
                rules,
                labels,
            },
            // A poll is one question: asked again at once, the node would say the same.
            flows: if method::is_poll(&method) { 1 } else { u32::from(timing.flows) },
            method,
            schedule: timing.schedule.clone(),
            gap,
            timeout: timing.timeout,
        }));
    }
}

/// What a probe is pointed at, and what is expected there.
struct Aim {
    subject: Subject,
    expectation: Expectation,
    vips: Vec<IpAddr>,
    labels: BTreeMap<String, String>,
    /// Zero for no such wish.
    min_healthy_nodes: u32,
}

impl Aim {
    /// Something that is expected to answer, and belongs to no service.
    fn at(subject: Subject) -> Self {
        let (expectation, min_healthy_nodes) = (Expectation::Answer, 0);
        Self { subject, expectation, vips: Vec::new(), labels: BTreeMap::new(), min_healthy_nodes }
    }
}

/// The rules for what is probed with `timing`, wherever it goes.
fn rules(timing: &Timing, alerts: &AlertRules) -> Rules {
    let stale_after = timing.schedule.min_gap().saturating_mul(5);
    let stale_after = TimeDelta::from_std(stale_after).unwrap_or(TimeDelta::MAX).max(AWAY);
    let uniform = Rules::uniform(timing.alert_after, timing.resolve_after, stale_after);
    let AlertRules { own, flapping, expires_within } = alerts;
    Rules { own: Arc::clone(own), flapping: *flapping, expires_within: *expires_within, ..uniform }
}
