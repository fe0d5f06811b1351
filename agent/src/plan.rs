//! What follows from the configuration: every probe with its target, schedule and thresholds, the
//! address book, the egress baseline, the receivers.
//!
//! From one service follow its source probes (one per VIP) and its node-health probes (one per node).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use vipwatch_model::{
    address::AddressBook,
    echo::EchoFormat,
    egress::Egress,
    probe::{Expectation, Probe, ProbeName, Subject, TrafficPolicy},
    state::Thresholds,
};

use crate::{
    config::{self, Config, Protocol, Receiver, Service, Timing},
    prober::{Host, HttpTarget},
    schedule::Schedule,
};

/// How a probe is carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// HTTP flows; with `echo`, their answers tell the source address.
    Source {
        /// Where to.
        target: HttpTarget,
        /// How to read the answer; `None` for reachability only.
        echo: Option<EchoFormat>,
    },
    /// One poll of a health check node port.
    NodeHealth {
        /// Where to.
        target: HttpTarget,
    },
}

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
    /// What is known of the agent's own source address.
    pub egress: Egress,
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
            let target = HttpTarget {
                tls,
                host: Host::Address(*vip),
                port: service.port,
                authority: service
                    .host
                    .clone()
                    .unwrap_or_else(|| authority(&vip.to_string(), service.port, tls)),
                path: service.echo.as_ref().map_or_else(|| "/".to_owned(), |echo| echo.path.clone()),
            };
            let echo = service.echo.as_ref().map(|echo| echo.format);
            let expectation = match (echo, policy) {
                (None, _) => Expectation::Answer,
                (Some(_), TrafficPolicy::Local) => Expectation::Preserved,
                (Some(_), TrafficPolicy::Cluster) => Expectation::Any,
            };
            let probe_name = ProbeName::of_vip(&name, *vip);
            planned.vips.push(probe_name.clone());
            let subject = Subject::Vip { service: name.clone(), policy, address };
            self.add(probe_name, subject, expectation, Method::Source { target, echo }, &service.timing);
        }
        for node in &config.cluster.nodes {
            let (Some(port), Some(address)) = (service.health_check_node_port, node.addresses.first()) else {
                continue;
            };
            let target = HttpTarget {
                tls: false,
                host: Host::Address(*address),
                port,
                authority: authority(&address.to_string(), port, false),
                path: "/healthz".to_owned(),
            };
            let probe_name = ProbeName::of_node(&name, &node.name);
            planned.nodes.push(probe_name.clone());
            let address = SocketAddr::new(*address, port);
            let subject = Subject::Node { service: name.clone(), node: node.name.clone(), address };
            self.add(
                probe_name,
                subject,
                Expectation::Answer,
                Method::NodeHealth { target },
                &service.timing,
            );
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
        let target = HttpTarget {
            tls,
            host: bare.parse::<IpAddr>().map_or_else(|_| Host::Name(host.to_owned()), Host::Address),
            port,
            authority: authority(bare, port, tls),
            path,
        };
        // A query may hold a token, and the URL is shown everywhere.
        let mut shown = probe.url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let subject = Subject::Endpoint { url: shown.to_string() };
        self.endpoints.push(name.clone());
        let method = Method::Source { target, echo: probe.echo };
        self.add(name, subject, probe.expectation, method, &probe.timing);
    }

    fn add(
        &mut self,
        name: ProbeName,
        subject: Subject,
        expectation: Expectation,
        method: Method,
        timing: &Timing,
    ) {
        let thresholds = Thresholds { alert_after: timing.alert_after, resolve_after: timing.resolve_after };
        self.probes.push(Arc::new(Planned {
            probe: Probe { name, subject, expectation, thresholds },
            method,
            schedule: timing.schedule.clone(),
            gap: timing.schedule.min_gap(),
            timeout: timing.timeout,
            flows: u32::from(timing.flows),
        }));
    }
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
    fn the_host_header_names_a_port_only_where_it_is_needed() {
        assert_eq!(authority("192.0.2.201", 80, false), "192.0.2.201");
        assert_eq!(authority("192.0.2.201", 80, true), "192.0.2.201:80");
        assert_eq!(authority("2001:db8::1", 443, true), "[2001:db8::1]");
        assert_eq!(authority("2001:db8::1", 8080, false), "[2001:db8::1]:8080");
    }
}
