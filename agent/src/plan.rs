//! What follows from the configuration: every probe with its target, schedule and thresholds, the
//! address book, the egress baseline, the receivers.
//!
//! From one service follow its source probes (one per VIP) and its node-health probes (one per node).

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::{
    address::AddressBook,
    egress::Egress,
    judge::{self, NodeSight, Scene},
    observation::Observation,
    probe::{Expectation, Probe, ProbeName, Subject, TrafficPolicy, Transport},
    state::Thresholds,
    verdict::Verdict,
};

use crate::{
    config::{self, Config, Protocol, Receiver, Service, Timing},
    prober::{Exchange, FlowMethod, Host, HttpExchange, HttpPoll, Method, Tls},
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
    /// Flows per round.
    pub flows: u32,
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
    /// Where the agent's own source address is known from.
    pub egress: config::Egress,
    /// Whose address is whose.
    pub book: AddressBook,
    /// Who is told.
    pub receivers: Vec<Receiver>,
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
            egress: config.egress.clone(),
            book: AddressBook {
                nodes: config.cluster.nodes.clone(),
                pod_cidrs: config.cluster.pod_cidrs.clone(),
                vips: config.services.iter().flat_map(|service| service.vips.iter().copied()).collect(),
            },
            receivers: config.receivers.clone(),
        };
        for service in &config.services {
            plan.add_service(config, service);
        }
        for probe in &config.probes {
            plan.add_endpoint(probe);
        }
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

    /// A warning when all targets falling silent at once would take more concurrent flows than
    /// `max_flows` allows: rounds of healthy targets would then wait in vain.
    #[must_use]
    pub fn overload(&self, max_flows: usize) -> Option<String> {
        let flows = |planned: &Arc<Planned>| {
            f64::from(planned.flows) * planned.timeout.as_secs_f64() / planned.gap.as_secs_f64()
        };
        let worst = self.probes.iter().map(flows).sum::<f64>().ceil();
        (worst > max_flows as f64).then(|| {
            format!(
                "If every target falls silent, {worst} flows will wait for their time-outs at once, and agent.max_flows allows \
                 {max_flows}: raise it, or probe less often or with shorter time-outs."
            )
        })
    }

    /// How many bytes the database grows to when rounds are kept for `keep`.
    #[must_use]
    pub fn disk_bytes(&self, keep: Duration) -> f64 {
        let flows = |planned: &Arc<Planned>| f64::from(planned.flows) / planned.gap.as_secs_f64();
        self.probes.iter().map(flows).fold(0.0, |sum, flows| sum + flows)
            * keep.as_secs_f64()
            * BYTES_PER_FLOW
    }

    fn add_service(&mut self, config: &Config, service: &Service) {
        let name = service.name.to_string();
        let policy = service.external_traffic_policy;
        let mut planned = PlannedService {
            name: name.clone(),
            policy,
            health_check_node_port: service.health_check_node_port,
            vips: Vec::new(),
            nodes: Vec::new(),
        };
        for vip in &service.vips {
            let address = SocketAddr::new(*vip, service.port);
            let tls = service.protocol == Protocol::Https;
            let authority =
                service.host.clone().unwrap_or_else(|| authority(&vip.to_string(), service.port, tls));
            let mut exchange =
                HttpExchange::get(authority, service.echo.as_ref().map_or("/", |echo| &echo.path));
            exchange.tls =
                tls.then(|| Tls::new(service.host.as_deref().map_or_else(|| vip.to_string(), without_port)));
            let mut method = FlowMethod::new(Host::Address(*vip), service.port, Exchange::Http(exchange));
            method.echo = service.echo.as_ref().map(|echo| echo.format);
            let expectation = match (method.echo, policy) {
                (None, _) => Expectation::Answer,
                (Some(_), TrafficPolicy::Local) => Expectation::Preserved,
                (Some(_), TrafficPolicy::Cluster) => Expectation::Any,
            };
            let probe_name = ProbeName::of_vip(&name, *vip);
            planned.vips.push(probe_name.clone());
            let subject = Subject::Vip { service: name.clone(), policy, address };
            let method = Method::Flows(Box::new(method));
            self.add(probe_name, subject, expectation, method, &service.timing, &service.labels);
        }
        for node in &config.cluster.nodes {
            let (Some(port), Some(address)) = (service.health_check_node_port, node.addresses.first()) else {
                continue;
            };
            let probe_name = ProbeName::of_node(&name, &node.name);
            planned.nodes.push(probe_name.clone());
            let address = SocketAddr::new(*address, port);
            let subject = Subject::Node { service: name.clone(), policy, node: node.name.clone(), address };
            let method = Method::NodeHealth(HttpPoll::healthz(address));
            self.add(probe_name, subject, Expectation::Answer, method, &service.timing, &service.labels);
        }
        self.services.push(planned);
    }

    fn add_endpoint(&mut self, probe: &config::Probe) {
        let name = ProbeName::new(&probe.name);
        let tls = probe.url.scheme() == "https";
        let port = probe.url.port_or_known_default().unwrap_or(if tls { 443 } else { 80 });
        let host = probe.url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut path = probe.url.path().to_owned();
        if let Some(query) = probe.url.query() {
            path = format!("{path}?{query}");
        }
        let mut exchange = HttpExchange::get(authority(bare, port, tls), path);
        exchange.tls = tls.then(|| Tls::new(bare));
        let to = bare.parse::<IpAddr>().map_or_else(|_| Host::Name(host.to_owned()), Host::Address);
        let mut method = FlowMethod::new(to, port, Exchange::Http(exchange));
        method.echo = probe.echo;
        // A query may hold a token, and the URL is shown everywhere.
        let mut shown = probe.url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let subject = Subject::Endpoint { url: shown.to_string() };
        self.endpoints.push(name.clone());
        let method = Method::Flows(Box::new(method));
        self.add(name, subject, probe.expectation.clone(), method, &probe.timing, &BTreeMap::new());
    }

    fn add(
        &mut self,
        name: ProbeName,
        subject: Subject,
        expectation: Expectation,
        method: Method,
        timing: &Timing,
        labels: &BTreeMap<String, String>,
    ) {
        let gap = timing.schedule.min_gap();
        let stale_after = TimeDelta::from_std(gap.saturating_mul(5)).unwrap_or(TimeDelta::MAX);
        let thresholds = Thresholds {
            alert_after: timing.alert_after,
            resolve_after: timing.resolve_after,
            stale_after: stale_after.max(AWAY),
        };
        self.probes.push(Arc::new(Planned {
            probe: Probe {
                name,
                subject,
                transport: Transport::Tcp,
                vips: Vec::new(),
                expectation,
                thresholds,
                labels: labels.clone(),
            },
            method,
            schedule: timing.schedule.clone(),
            gap,
            timeout: timing.timeout,
            flows: u32::from(timing.flows),
        }));
    }
}

/// The server's name out of a `Host` header.
fn without_port(host: &str) -> String {
    let name = host
        .rsplit_once(':')
        .filter(|(name, _)| !name.ends_with(':') && !name.contains(':') || name.ends_with(']'));
    name.map_or(host, |(name, _)| name).trim_matches(['[', ']']).to_owned()
}

/// The `Host` header: the port is left out where it is the scheme's own (RFC 9110, 7.2).
fn authority(host: &str, port: u16, tls: bool) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == if tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_name_is_the_host_without_its_port() {
        for (host, name) in [
            ("www.example.net", "www.example.net"),
            ("www.example.net:8443", "www.example.net"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn the_host_header_names_a_port_only_where_it_is_needed() {
        assert_eq!(authority("192.0.2.201", 80, false), "192.0.2.201");
        assert_eq!(authority("192.0.2.201", 80, true), "192.0.2.201:80");
        assert_eq!(authority("2001:db8::1", 443, true), "[2001:db8::1]");
        assert_eq!(authority("2001:db8::1", 8080, false), "[2001:db8::1]:8080");
    }
}
