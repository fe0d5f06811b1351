//! What a round's observation means, with the evidence and the reason in words.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{address::AddressClass, state::State, words::words};

words! {
    /// What was found, in one word: the name of the verdict in the database, the API and the docs.
    pub enum Finding {
        /// Every conclusive flow reported an egress address of the agent.
        Preserved = "preserved",
        /// Every conclusive flow reported a foreign address.
        Translated = "translated",
        /// Some flows reported a foreign address, others an egress address.
        PartlyTranslated = "partly_translated",
        /// Answers came, but they do not tell whether the address survives.
        Inconclusive = "inconclusive",
        /// Answers came, and no more was asked for.
        Answering = "answering",
        /// Some flows were answered and some failed.
        PartlyFailing = "partly_failing",
        /// No flow was answered.
        Unreachable = "unreachable",
        /// The agent could not look: its own network or the agent itself is at fault.
        Blind = "blind",
        /// Health check node port: ready endpoints on the node.
        Ready = "ready",
        /// Health check node port: no ready endpoint on the node.
        NoEndpoints = "no_endpoints",
        /// Health check node port: the node's service proxy says it is unhealthy.
        ProxyUnhealthy = "proxy_unhealthy",
        /// Health check node port: it belongs to another service.
        OtherService = "other_service",
        /// Health check node port: closed.
        PortClosed = "port_closed",
        /// Health check node port: the node does not answer.
        NodeSilent = "node_silent",
        /// Health check node port: something else answers there.
        Unreadable = "unreadable",
    }
}

impl Finding {
    /// Whether a health check node port answers for the service as it does under Local: a port that is
    /// closed elsewhere is then that node's own affair.
    #[must_use]
    pub fn contradicts_policy_drift(self) -> bool {
        matches!(self, Self::Ready | Self::NoEndpoints | Self::ProxyUnhealthy)
    }
}

/// An address that the far side reported, and how many flows it did so for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The address.
    pub address: IpAddr,
    /// Whose address it is; `None` when it is the agent's own.
    pub class: Option<AddressClass>,
    /// The number of flows that reported it.
    pub flows: u32,
}

impl Seen {
    /// Whose address it is, in words.
    #[must_use]
    pub fn what(&self) -> String {
        self.class.as_ref().map_or_else(|| "this agent".to_owned(), ToString::to_string)
    }
}

/// The verdict on one round of one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was found.
    pub finding: Finding,
    /// What this round alone says about the probe's state; hysteresis comes after.
    pub state: State,
    /// Why, in one or two sentences.
    pub reason: String,
    /// What to do or look at next, where there is something to do.
    pub remedy: Option<String>,
    /// The addresses that were expected.
    pub expected: Vec<String>,
    /// The addresses that were reported, most flows first.
    pub seen: Vec<Seen>,
    /// Flows that got an answer.
    pub answered: u32,
    /// Flows that were tried.
    pub flows: u32,
    /// The nodes and pods that answered, where they say so.
    pub responders: Vec<String>,
    /// Ready endpoints on the node, from its health check node port.
    pub local_endpoints: Option<u32>,
    /// The endpoint weight that the node's health check node port tells.
    pub weight: Option<u32>,
}

impl Verdict {
    /// A verdict with nothing but a finding, a state and a reason; the rest is empty.
    #[must_use]
    pub fn new(finding: Finding, state: State, reason: impl Into<String>) -> Self {
        Self {
            finding,
            state,
            reason: reason.into(),
            remedy: None,
            expected: Vec::new(),
            seen: Vec::new(),
            answered: 0,
            flows: 0,
            responders: Vec::new(),
            local_endpoints: None,
            weight: None,
        }
    }
}
