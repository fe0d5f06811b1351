//! Services, their VIPs and nodes, and what each probe last found.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a probed thing is, after hysteresis.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it ought to be.
    Up,
    /// It works, but some flows fail or differ.
    Degraded,
    /// It answers, but the client's address is lost on the way.
    Translated,
    /// A node that has no ready endpoint of a service: no fault by itself.
    Idle,
    /// It does not answer.
    Down,
    /// The agent cannot tell: no round yet, or a fault of the agent itself.
    #[default]
    Unknown,
}

/// A service's `externalTrafficPolicy`, as it ought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Policy {
    /// The client's address must survive.
    Local,
    /// The client's address may be replaced on the way.
    Cluster,
}

/// One Kubernetes service, seen from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    /// `namespace/name`.
    pub name: String,
    /// The policy the configuration expects.
    pub external_traffic_policy: Policy,
    /// The health check node port, with policy Local.
    pub health_check_node_port: Option<u16>,
    /// The worst state among its VIPs and what its nodes add to it.
    pub state: State,
    /// One source probe per VIP.
    pub vips: Vec<ProbeView>,
    /// One health probe per node.
    pub nodes: Vec<NodeHealthView>,
}

/// One probe: a VIP of a service, or a stand-alone check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    /// The probe's name; unique within the agent.
    pub name: String,
    /// What it probes, such as `192.0.2.201:80` or a URL.
    pub target: String,
    /// Its state, after hysteresis.
    pub state: State,
    /// Since when it has been in that state; absent before the first round.
    pub since: Option<DateTime<Utc>>,
    /// A change of state that waits for more rounds to confirm it.
    pub pending: Option<Pending>,
    /// The latest round; absent before the first.
    pub last: Option<RoundView>,
    /// Recent rounds, oldest first, at most [`super::HISTORY_TICKS`].
    pub history: Vec<Tick>,
    /// Who answered in those rounds, where they say who they are.
    pub answered_by: Vec<Responder>,
    /// Nodes that have ready endpoints and answered none of those rounds' flows.
    pub silent_nodes: Vec<String>,
}

/// A pod or node that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Responder {
    /// The node, if it is known.
    pub node: Option<String>,
    /// The pod, if it is known.
    pub pod: Option<String>,
    /// How many flows it answered.
    pub flows: u32,
}

/// Something worth knowing beside a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// Its stored word, such as `port_changed` or `dns_drift`.
    pub kind: String,
    /// What it is, in a sentence.
    pub text: String,
}

/// One flow of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    /// What it says, as a stored word, such as `preserved`, `translated` or `failed`.
    pub finding: String,
    /// The agent's end, with the port; absent if it never got one.
    pub local: Option<String>,
    /// The target's end, with the port.
    pub remote: Option<String>,
    /// The source address that was reported, with the port if that was told.
    pub seen: Option<String>,
    /// Why it failed, as a stored word such as `timeout`.
    pub failure: Option<String>,
}

/// A change of state that hysteresis still holds back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// The state the latest rounds point to.
    pub state: State,
    /// How many consecutive rounds have pointed to it.
    pub rounds: u32,
    /// How many it takes.
    pub of: u32,
}

/// What one round of a probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoundView {
    /// When the round ended.
    pub at: DateTime<Utc>,
    /// The verdict's stored word, such as `preserved` or `translated`.
    pub finding: String,
    /// The state this round alone points to, before hysteresis.
    pub state: State,
    /// Why, in one sentence.
    pub reason: String,
    /// What most likely lies behind it, in a sentence or two.
    pub cause: Option<String>,
    /// What to do about it: a sentence, or a command in backticks.
    pub remedy: Option<String>,
    /// The source addresses that the far side should have seen.
    pub expected: Vec<String>,
    /// The source addresses that the far side did see.
    pub observed: Vec<Seen>,
    /// Flows that completed.
    pub flows_ok: u32,
    /// Flows tried.
    pub flows: u32,
    /// Median time of a flow, in milliseconds; absent if none completed.
    pub latency_ms: Option<f64>,
    /// The pods or nodes that answered.
    pub responders: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<Note>,
    /// Flow by flow, for rounds that are not simply as they ought to be.
    pub evidence: Vec<Flow>,
}

/// A source address the far side reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// The address.
    pub address: String,
    /// What it is, in words, such as `bridge of node-1 (10.244.1.0/24)`.
    pub what: String,
    /// How many flows arrived from it.
    pub flows: u32,
}

/// One past round, for the history strip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tick {
    /// When the round ended.
    pub at: DateTime<Utc>,
    /// The state that round alone pointed to.
    pub state: State,
    /// Median time of a flow, in milliseconds; absent if none completed.
    pub latency_ms: Option<f64>,
}

/// One node's kube-proxy health check node port, for one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeHealthView {
    /// The probe's name; unique within the agent.
    pub probe: String,
    /// The node's name.
    pub node: String,
    /// The address asked, with its port.
    pub address: String,
    /// Its state, after hysteresis.
    pub state: State,
    /// Since when it has been in that state; absent before the first round.
    pub since: Option<DateTime<Utc>>,
    /// The verdict's stored word, such as `no_endpoint` or `refused`.
    pub finding: String,
    /// Why, in one sentence.
    pub reason: String,
    /// Ready endpoints on the node, if it said so.
    pub local_endpoints: Option<u32>,
    /// The value of `X-Load-Balancing-Endpoint-Weight`, if it was sent.
    pub weight: Option<u32>,
    /// When the latest round ended; absent before the first.
    pub last_at: Option<DateTime<Utc>>,
    /// Recent rounds, oldest first, at most [`super::HISTORY_TICKS`].
    pub history: Vec<Tick>,
}
