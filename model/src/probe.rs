//! What is watched: a probe is a named, scheduled check of one target.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{rule::Rules, words::words};

/// A probe's name: `namespace/service@VIP` and `namespace/service@node` for what follows from a service,
/// `kube-proxy@node` and `ping@node` for what is asked of a node itself, the configured name for a stand-alone
/// probe. Unique within an agent, stable across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeName(Arc<str>);

impl ProbeName {
    /// A stand-alone probe's name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name of the source probe of a service's VIP.
    #[must_use]
    pub fn of_vip(service: &str, vip: IpAddr) -> Self {
        Self(format!("{service}@{vip}").into())
    }

    /// The name of the node-health probe of a service on a node.
    #[must_use]
    pub fn of_node(service: &str, node: &str) -> Self {
        Self(format!("{service}@{node}").into())
    }

    /// The name of the probe of a node's kube-proxy.
    #[must_use]
    pub fn of_proxy(node: &str) -> Self {
        Self(format!("kube-proxy@{node}").into())
    }

    /// The name of the probe that pings a node.
    #[must_use]
    pub fn of_ping(node: &str) -> Self {
        Self(format!("ping@{node}").into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProbeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `externalTrafficPolicy` of a Service, as the operator wants it to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// The client's address must survive.
    Local,
    /// The client's address may be translated.
    Cluster,
}

impl fmt::Display for TrafficPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "Local",
            Self::Cluster => "Cluster",
        })
    }
}

/// What a probe is pointed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One VIP of a service.
    Vip {
        /// `namespace/name`.
        service: String,
        /// The policy that the service ought to have.
        policy: TrafficPolicy,
        /// VIP and port.
        address: SocketAddr,
    },
    /// A service's health check node port on one node.
    Node {
        /// `namespace/name`.
        service: String,
        /// The policy that the service ought to have.
        policy: TrafficPolicy,
        /// The node's name.
        node: String,
        /// The node's address and the health check node port.
        address: SocketAddr,
    },
    /// A node itself, whatever services there are: its kube-proxy's health port, or whether it answers at all.
    Host {
        /// The node's name.
        node: String,
        /// What is asked: `192.0.2.11:10256`, or `192.0.2.11` for echo requests of ICMP.
        target: String,
    },
    /// Anything that is no Service.
    Endpoint {
        /// The URL, without credentials.
        url: String,
    },
}

impl Subject {
    /// The service that the probe belongs to, `namespace/name`.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Vip { service, .. } | Self::Node { service, .. } => Some(service),
            Self::Host { .. } | Self::Endpoint { .. } => None,
        }
    }

    /// The node that the probe asks.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Node { node, .. } | Self::Host { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The target as people write it: `192.0.2.201:80` or a URL.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Vip { address, .. } | Self::Node { address, .. } => address.to_string(),
            Self::Host { target, .. } => target.clone(),
            Self::Endpoint { url } => url.clone(),
        }
    }
}

/// What the source address reported by the far side ought to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// An egress address of the agent: the client's address survives.
    Preserved,
    /// An egress address of the agent in the headers by which proxies name a client; whose address the
    /// connection has does not matter.
    InHeader,
    /// An address out of these networks: the known translation of a gateway, say.
    Within(Vec<IpNet>),
    /// Any address will do.
    Any,
    /// No echo is asked for: an answer will do.
    Answer,
}

words! {
    /// What flows are made of.
    pub enum Transport {
        /// Connections.
        Tcp = "tcp",
        /// Datagrams.
        Udp = "udp",
        /// Echo requests.
        Icmp = "icmp",
    }
}

impl Transport {
    /// What one flow is called.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Tcp => "connection",
            Self::Udp => "UDP exchange",
            Self::Icmp => "ping",
        }
    }
}

/// What answers may cost before the service counts as degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The longest time that the middle one of a round's answered flows may take, in microseconds.
    pub latency_us: Option<u32>,
    /// The largest share of a round's flows that may fail, in percent.
    pub loss_percent: u32,
}

/// A probe, as far as judging and alerting are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The probe's name.
    pub name: ProbeName,
    /// What it is pointed at.
    pub subject: Subject,
    /// What its flows are made of.
    pub transport: Transport,
    /// What the source address ought to be (of no meaning for node health).
    pub expectation: Expectation,
    /// All VIPs of its service, to which the service's name in DNS ought to lead; empty where it has none.
    pub vips: Vec<IpAddr>,
    /// What answers may cost.
    pub limits: Limits,
    /// How many rounds it takes to change the state, and to open and resolve alerts.
    pub rules: Rules,
    /// Labels of the service, for its alerts.
    pub labels: BTreeMap<String, String>,
}
