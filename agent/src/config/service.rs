//! `[[service]]`: the Kubernetes Services to watch.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use vipwatch_model::probe::{Expectation, TrafficPolicy};

use super::{
    address::RequestPath,
    choice::choice,
    departure::DepartureLayer,
    echo::ServiceEchoTable,
    flows::{Flows, FlowsTable, Setting},
    name::{DnsName, Line, Name},
    occasion::Occasions,
    protocol::{HTTP, Protocol},
    reader::{Reader, Slot},
    rule::{AlertRules, RulesLayer, ServiceRulesTable},
    table::table,
    timing::{Layer, Timing, TimingTable},
    value::{Complaint, List, Pairs, Text, Whole, text_values},
};

/// A Kubernetes Service: its VIPs are probed, and its health check node port on every node.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Namespace and name.
    pub name: ServiceName,
    /// Its addresses outside the cluster.
    pub vips: Vec<IpAddr>,
    /// The port on them.
    pub port: u16,
    /// Whether the client's address has to survive.
    pub external_traffic_policy: TrafficPolicy,
    /// The port on which every node tells whether it has an endpoint. With `Cluster` it ought to be closed.
    pub health_check_node_port: Option<u16>,
    /// A name that ought to lead to the VIPs.
    pub dns_name: Option<String>,
    /// How flows to the VIPs are made.
    pub flows: Flows,
    /// The operator's own words, for alerts and metrics.
    pub labels: BTreeMap<String, String>,
    /// When and how persistently it is probed.
    pub timing: Timing,
    /// When its alerts are opened.
    pub alerts: AlertRules,
    /// With fewer nodes that have a ready endpoint, its redundancy is lost; zero for no such wish.
    pub min_healthy_nodes: u32,
}

/// The name of a Service within its cluster. Shown as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName {
    /// The namespace.
    pub namespace: String,
    /// The name within the namespace.
    pub name: String,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

choice! {
    TrafficPolicy: "a traffic policy" { "Local" => TrafficPolicy::Local, "Cluster" => TrafficPolicy::Cluster }
}

table! {
    /// A Kubernetes Service of type LoadBalancer.
    pub(super) struct ServiceTable {
        /// The Service, as namespace/name.
        required name: ServiceName,
        /// Its addresses outside the cluster; each of them is probed.
        required vips: List<IpAddr>,
        /// The port on the VIPs.
        required port: Whole<u16, 1, 65_535>,
        /// What externalTrafficPolicy ought to be. Local: the client's address must survive. Cluster: it
        /// may be translated.
        required external_traffic_policy: TrafficPolicy,
        /// The Service's spec.healthCheckNodePort; every node is asked on it. With Cluster, the port that it
        /// had under Local: it ought to be closed now, and tells when somebody changes the policy back.
        optional health_check_node_port: Whole<u16, 1, 65_535>,
        /// How the pods tell which source address they see. Left out: only reachability is watched.
        optional echo: ServiceEchoTable,
        /// What is spoken on the port.
        default protocol: Protocol = "http",
        /// What to ask for, with http and https. With an echo, its own path says that. Left out: "/".
        optional path: RequestPath,
        /// A name that ought to lead to the VIPs, and to nothing else. It is looked up with every round of
        /// the first VIP.
        optional dns_name: DnsName,
        /// How flows to the VIPs are made and what is expected of them.
        flatten flows: FlowsTable,
        /// Words of your own, put on alerts and metrics.
        optional labels: Pairs<Name, Line>,
        /// How many nodes have to have a ready endpoint for the service to be redundant. Takes health_check_node_port and
        /// the policy Local.
        optional min_healthy_nodes: Whole<u32, 1, 4_096>,
        /// The service's own rules for its alerts.
        optional alerts: ServiceRulesTable,
        /// The service's own timing.
        flatten timing: TimingTable,
    }
}

impl ServiceTable {
    /// Whether the port is one of UDP.
    pub(super) fn is_udp(&self) -> bool {
        let over_tcp = || self.flows.dns.given().is_some_and(|dns| dns.value.is_over_tcp());
        match self.protocol.given().map(|protocol| protocol.value) {
            Some(Protocol::Udp) => true,
            Some(Protocol::Dns) => !over_tcp(),
            _ => false,
        }
    }

    pub(super) fn resolve(
        self,
        timing: &Layer,
        rules: &RulesLayer,
        departure: &DepartureLayer,
        reader: &mut Reader<'_>,
    ) -> Option<Service> {
        let timing = self.timing.layer(timing, reader).timing();
        if self.dns_name.is_absent() {
            self.flows.departure.names_nothing("they go with dns_name, and with probes of a name", reader);
        }
        if let Some(vips) = self.vips.given() {
            let vips: Vec<IpAddr> = vips.value.0.iter().map(|vip| vip.value).collect();
            self.flows.departure.families(&vips, reader);
        }
        let (echo, echo_path) = ServiceEchoTable::split(self.echo);
        let policy = self.external_traffic_policy.required();
        let flows = self.protocol.given().and_then(|protocol| {
            let spoken = protocol.clone();
            spoken.takes("path", &self.path, HTTP, reader);
            spoken.takes("path", &echo_path, HTTP, reader);
            if let (Some(path), Some(echo)) = (self.path.written(), echo.written())
                && spoken.is_one_of(HTTP)
            {
                reader
                    .fault(path, "with an echo, the path to ask for stands in there")
                    .hint("for example echo = { path = \"/clientip\" }")
                    .also(Some(&echo), "the echo is here");
            }
            let path = match (echo_path, self.path) {
                (Slot::Absent, Slot::Absent) => "/".to_owned(),
                (Slot::Given(path), _) | (Slot::Absent, Slot::Given(path)) => path.value.0,
                _ => return None,
            };
            let implied = match policy {
                Some(TrafficPolicy::Cluster) => Expectation::Any,
                _ => Expectation::Preserved,
            };
            self.flows.resolve(Setting { spoken, path, echo, implied, below: departure }, reader)
        });
        if let Some(least) = self.min_healthy_nodes.given()
            && (self.health_check_node_port.is_absent() || policy == Some(TrafficPolicy::Cluster))
        {
            reader
                .fault(least.place(), "nobody is asked how many nodes have a ready endpoint")
                .hint("they tell it on health_check_node_port, with external_traffic_policy = \"Local\"");
        }
        let occasions = flows.as_ref().map(|flows| Occasions {
            dns_name: !self.dns_name.is_absent(),
            nodes: policy.filter(|_| !self.health_check_node_port.is_absent()),
            redundancy: !self.min_healthy_nodes.is_absent(),
            ..Occasions::of(flows)
        });
        let rules = rules.with(&self.alerts, occasions.as_ref(), reader);
        let timing = timing?;
        Some(Service {
            name: self.name.required()?,
            vips: self.vips.required()?.into_values(),
            port: self.port.required()?.get(),
            external_traffic_policy: policy?,
            health_check_node_port: self.health_check_node_port.optional()?.map(Whole::get),
            dns_name: self.dns_name.optional()?.map(|DnsName(name)| name),
            flows: flows?,
            labels: match self.labels.optional()? {
                Some(labels) => labels.pairs.into_iter().map(|(key, Line(text))| (key, text)).collect(),
                None => BTreeMap::new(),
            },
            alerts: rules.rules(&timing)?,
            min_healthy_nodes: self.min_healthy_nodes.optional()?.map_or(0, Whole::get),
            timing,
        })
    }
}

impl Text for ServiceName {
    const WHAT: &'static str = "a Service as namespace/name";
    const EXAMPLE: &'static str = "default/echo-server";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let (namespace, name) = text.split_once('/').ok_or_else(Complaint::expected::<Self>)?;
        if !is_dns_label(namespace) || !is_dns_label(name) {
            return Err(Complaint::new("neither Kubernetes' namespaces nor its Services have such a name")
                .hint("each part: up to 63 of a-z, 0-9 and '-', not beginning or ending with '-'"));
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    fn pattern() -> Option<String> {
        let label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
        Some(format!("{label}/{label}"))
    }
}

/// RFC 1123, as Kubernetes checks it.
fn is_dns_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

text_values!(ServiceName);
