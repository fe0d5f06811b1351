//! What one round saw, before anybody says what it means.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::{
    flow::{Flow, Outcome},
    node_health::NodeHealth,
    proxy_health::{ProxyAnswer, ProxyHealth},
};

/// What a round saw.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// The flows of a probe, and what was learnt beside them.
    Flows(Sight),
    /// The poll of a health check node port.
    NodeHealth(NodeHealth),
    /// The poll of a kube-proxy's own health port.
    ProxyHealth(ProxyHealth),
}

/// The flows of a round, and what was learnt beside them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// The measuring flows.
    pub flows: Vec<Flow>,
    /// The flow that sent [`CANARY`] in the headers by which proxies name a client. It measures nothing else.
    pub canary: Option<Box<Flow>>,
    /// The certificate that the server showed, whether or not it was accepted.
    pub certificate: Option<Certificate>,
    /// What the target's name resolved to.
    pub lookup: Option<Lookup>,
}

/// The client address that a canary flow claims in `X-Forwarded-For` and `X-Real-IP`: an address for documentation
/// (RFC 5737, TEST-NET-3), which nobody has.
pub const CANARY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 199));

/// The end-entity certificate that a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The name that it is made out to: the subject's common name, or the first alternative name.
    pub subject: String,
    /// Who signed it: the issuer's common name.
    pub issuer: String,
    /// When it begins to be valid.
    pub not_before: DateTime<Utc>,
    /// When it ceases to be valid.
    pub not_after: DateTime<Utc>,
    /// How many certificates the server sent, this one included.
    pub chain: u8,
    /// Why it was not accepted, if it was not.
    pub refused: Option<String>,
}

/// What a name resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The name.
    pub name: String,
    /// Its addresses, sorted.
    pub addresses: Vec<IpAddr>,
}

impl From<Vec<Flow>> for Sight {
    fn from(flows: Vec<Flow>) -> Self {
        Self { flows, ..Self::default() }
    }
}

impl Sight {
    /// The median time of the answered flows, in microseconds.
    #[must_use]
    pub fn latency_us(&self) -> Option<u32> {
        let answered = |flow: &&Flow| !matches!(flow.outcome, Outcome::Failed(_));
        let mut times: Vec<u32> =
            self.flows.iter().filter(answered).map(|flow| flow.phases.total_us()).collect();
        let middle = times.len() / 2;
        (!times.is_empty()).then(|| *times.select_nth_unstable(middle).1)
    }
}

impl Observation {
    /// How long the answer took, for flows the median of those that were answered, in microseconds.
    #[must_use]
    pub fn latency_us(&self) -> Option<u32> {
        match self {
            Self::Flows(sight) => sight.latency_us(),
            Self::NodeHealth(health) => health.answer.detail().map(|_| health.took_us),
            Self::ProxyHealth(health) => {
                (!matches!(health.answer, ProxyAnswer::Failed(_))).then_some(health.took_us)
            }
        }
    }

    /// The number of flows that the round made or tried.
    #[must_use]
    pub fn flows(&self) -> usize {
        match self {
            Self::Flows(sight) => sight.flows.len() + usize::from(sight.canary.is_some()),
            Self::NodeHealth(_) | Self::ProxyHealth(_) => 1,
        }
    }
}
