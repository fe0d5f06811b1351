//! `[[service]]`: the Kubernetes Services to watch.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use vipwatch_model::{echo::EchoFormat, probe::TrafficPolicy};

use super::{
    address::{HostName, RequestPath},
    choice::choice,
    name::{Line, Name},
    reader::Reader,
    table::table,
    timing::{Layer, Timing, TimingTable},
    value::{Complaint, List, Pairs, Text, Whole, text_values},
};

/// A Kubernetes Service: its VIPs are probed, and its health check node port on every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub name: ServiceName,
    /// Its addresses outside the cluster.
    pub vips: Vec<IpAddr>,
    /// The port on them.
    pub port: u16,
    /// Whether the client's address has to survive.
    pub external_traffic_policy: TrafficPolicy,
    /// The port on which every node tells whether it has an endpoint; only with `Local`.
    pub health_check_node_port: Option<u16>,
    /// How the pods tell which source address they see; without it only reachability is watched.
    pub echo: Option<Echo>,
    /// What is spoken.
    pub protocol: Protocol,
    /// The `Host` header, and with TLS the server's name; without it the VIP.
    pub host: Option<String>,
    /// The operator's own words, for alerts and metrics.
    pub labels: BTreeMap<String, String>,
    /// When and how persistently it is probed.
    pub timing: Timing,
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

/// How to learn the source address that a pod sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// What to ask for.
    pub path: String,
    /// How the answer tells it.
    pub format: EchoFormat,
}

/// What is spoken to a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
}

choice! { Protocol: "a protocol" { "http" => Protocol::Http, "https" => Protocol::Https } }

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
        /// The Service's spec.healthCheckNodePort. Only with Local; every node is asked on it.
        optional health_check_node_port: Whole<u16, 1, 65_535>,
        /// How the pods tell which source address they see. Left out: only reachability is watched.
        optional echo: EchoTable,
        /// What is spoken on the port.
        default protocol: Protocol = "http",
        /// The Host header, and with https the server's name. Left out: the VIP.
        optional host: HostName,
        /// Words of your own, put on alerts and metrics.
        optional labels: Pairs<Name, Line>,
        /// The service's own timing.
        flatten timing: TimingTable,
    }
}

table! {
    /// How the pods tell which source address they see.
    pub(super) struct EchoTable {
        /// What to ask for.
        default path: RequestPath = "/",
        /// How the answer tells it: the word of a known server (docs/echo-formats.md), auto for whichever of them
        /// it turns out to be, or the place: json:/client/ip, regex:client=(\S+), header:x-client-ip.
        default format: EchoFormat = "auto",
    }
}

impl ServiceTable {
    pub(super) fn resolve(self, defaults: &Layer, reader: &mut Reader<'_>) -> Option<Service> {
        let policy = self.external_traffic_policy.given();
        let cluster = policy.filter(|policy| policy.value == TrafficPolicy::Cluster);
        if let (Some(port), Some(cluster)) = (self.health_check_node_port.given(), cluster) {
            reader
                .fault(port.place(), "a health check node port without the policy Local")
                .hint("Kubernetes opens this port for Local only: correct the policy, or leave the port out")
                .also(cluster.span.as_ref(), "the policy is here");
        }
        let timing = self.timing.layer(defaults, reader).timing();
        Some(Service {
            name: self.name.required()?,
            vips: self.vips.required()?.into_values(),
            port: self.port.required()?.get(),
            external_traffic_policy: self.external_traffic_policy.required()?,
            health_check_node_port: self.health_check_node_port.optional()?.map(Whole::get),
            echo: match self.echo.optional()? {
                Some(echo) => Some(echo.resolve()?),
                None => None,
            },
            protocol: self.protocol.required()?,
            host: self.host.optional()?.map(|HostName(host)| host),
            labels: match self.labels.optional()? {
                Some(labels) => labels.pairs.into_iter().map(|(key, Line(text))| (key, text)).collect(),
                None => BTreeMap::new(),
            },
            timing: timing?,
        })
    }
}

impl EchoTable {
    fn resolve(self) -> Option<Echo> {
        Some(Echo { path: self.path.required()?.0, format: self.format.required()? })
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
