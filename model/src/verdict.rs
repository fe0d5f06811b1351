//! What a round's observation means, with the evidence and the reason in words.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use crate::{address::AddressClass, cause::Cause, flow::FailureKind, state::State, words::words};

words! {
    /// What was found, in one word: the name of the verdict in the database, the API and the docs.
    pub enum Finding {
        /// Every conclusive flow reported an egress address of the agent.
        Preserved = "preserved",
        /// Every conclusive flow reported a foreign address.
        Translated = "translated",
        /// Some flows reported a foreign address, others an egress address.
        PartlyTranslated = "partly_translated",
        /// Every conclusive flow reported an egress address of the agent in the headers by which proxies name a
        /// client, and came from a foreign address.
        OnlyInHeader = "only_in_header",
        /// Answers came, but they do not tell whether the address survives.
        Inconclusive = "inconclusive",
        /// Answers came, and no more was asked for.
        Answering = "answering",
        /// Some flows were answered and some failed.
        PartlyFailing = "partly_failing",
        /// Every flow was answered, but it took longer than the limit.
        Slow = "slow",
        /// No flow was answered as it ought to be: error statuses, or other contents than expected.
        WrongAnswer = "wrong_answer",
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
        /// Health check node port: it answers, although the service is configured as Cluster.
        PolicyLocal = "policy_local",
        /// kube-proxy's health port: up to date.
        ProxyHealthy = "proxy_healthy",
        /// kube-proxy's health port: the node is about to be taken out.
        NodeIneligible = "node_ineligible",
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
    /// The number of those in which a header named an egress address of the agent.
    #[serde(default)]
    pub in_header: u32,
}

impl Seen {
    /// Whose address it is, in words.
    #[must_use]
    pub fn what(&self) -> String {
        self.class.as_ref().map_or_else(|| "this agent".to_owned(), ToString::to_string)
    }
}

words! {
    /// What one flow says about the source address.
    pub enum FlowFinding {
        /// It arrived from an egress address of the agent.
        Preserved = "preserved",
        /// It arrived from an egress address of the agent, but from another port: something on the way rewrites
        /// connections, though not their address.
        PortChanged = "port_changed",
        /// It arrived from a foreign address.
        Translated = "translated",
        /// It arrived from a foreign address, and a header that proxies set names an egress address of the agent.
        OnlyInHeader = "only_in_header",
        /// The server takes the address out of such a header, so that it cannot be told whose connection it saw.
        HeaderTrusted = "header_trusted",
        /// It was answered, but nothing can be compared.
        Inconclusive = "inconclusive",
        /// It was answered, and no more was asked for.
        Answered = "answered",
        /// It failed.
        Failed = "failed",
        /// It was not made, by the agent's own fault.
        NotMade = "not_made",
    }
}

/// One flow of the round, as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it says.
    pub finding: FlowFinding,
    /// The agent's end.
    pub local: Option<SocketAddr>,
    /// The target's end.
    pub remote: Option<SocketAddr>,
    /// The address that the far side reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<IpAddr>,
    /// The port that the far side reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureKind>,
}

/// A node or pod that answered, and how many flows it did so for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Responder {
    /// The node, where the far side names it.
    pub node: Option<String>,
    /// The pod, where the far side names it.
    pub pod: Option<String>,
    /// The number of flows that it answered.
    pub flows: u32,
}

impl fmt::Display for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.pod, &self.node) {
            (Some(pod), Some(node)) => write!(f, "{pod} on {node}"),
            (Some(only), None) | (None, Some(only)) => f.write_str(only),
            (None, None) => f.write_str("one that tells no name"),
        }
    }
}

words! {
    /// What a note is about.
    pub enum NoteKind {
        /// Source ports change on the way, though addresses do not.
        PortChanged = "port_changed",
        /// The far side believes `X-Forwarded-For` of anybody: shown by a canary.
        HeadersTrusted = "headers_trusted",
        /// The target's name leads to other addresses than the configured VIPs.
        DnsDrift = "dns_drift",
        /// The server's certificate expires soon.
        CertificateExpiring = "certificate_expiring",
        /// Datagrams had to be sent again.
        Retransmitted = "retransmitted",
        /// This agent's own address lies inside the cluster.
        VantageInside = "vantage_inside",
    }
}

/// Something worth knowing beside the finding. It does not change the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// What it is, in a sentence.
    pub text: String,
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
    /// What is the most likely cause, where something is wrong.
    #[serde(default)]
    pub cause: Option<Cause>,
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
    #[serde(default)]
    pub answered_by: Vec<Responder>,
    /// Flow by flow what was seen.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What else is worth knowing.
    #[serde(default)]
    pub notes: Vec<Note>,
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
            cause: None,
            remedy: None,
            expected: Vec::new(),
            seen: Vec::new(),
            answered: 0,
            flows: 0,
            answered_by: Vec::new(),
            evidence: Vec::new(),
            notes: Vec::new(),
            local_endpoints: None,
            weight: None,
        }
    }

    /// Drops the evidence where there is nothing to explain by it: with many probes it would be most of what is kept.
    pub fn keep_the_remarkable(&mut self) {
        if self.state == State::Up && self.notes.is_empty() {
            self.evidence = Vec::new();
        }
    }
}
