//! The likely causes of what was seen, in words. Which one is likely is decided by the judges.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// What most likely lies behind a finding.
    pub enum CauseKind {
        /// The service's `externalTrafficPolicy` is Cluster although it ought to be Local.
        PolicyReset = "policy_reset",
        /// The policy is still Local, and yet every node translates: masquerade rules beside kube-proxy's, after an
        /// upgrade of the CNI plug-in, Kubernetes or MetalLB.
        Masquerade = "masquerade",
        /// Some nodes translate and others do not: rules that only they have.
        MasqueradeOnSomeNodes = "masquerade_on_some_nodes",
        /// A proxy answers in place of the service: it opens a connection of its own.
        Proxy = "proxy",
        /// A proxy in the very pod or node, such as the TLS passthrough of an ingress controller.
        LocalProxy = "local_proxy",
        /// A NAT between the agent and the cluster that the agent has not been told of.
        UnknownNat = "unknown_nat",
        /// Traffic leaves the cluster and comes back by the VIP.
        Hairpin = "hairpin",
        /// No pod of the service is ready.
        NoEndpoints = "no_endpoints",
        /// Pods are ready, but the way to them is broken: nobody announces the VIP, or a route or a firewall.
        AnnouncementOrPath = "announcement_or_path",
        /// Traffic reaches a node without an endpoint.
        StaleRoute = "stale_route",
        /// The target expects a PROXY protocol header that is not sent, or gets one that it does not expect.
        ProxyProtocol = "proxy_protocol",
        /// The TLS handshake fails on connections that stand.
        TlsHandshake = "tls_handshake",
        /// The pods do not answer, or refuse, although traffic reaches them.
        Backend = "backend",
        /// The whole node is silent.
        NodeDown = "node_down",
        /// The health check node port belongs to another service now.
        PortReallocated = "port_reallocated",
        /// The service's `externalTrafficPolicy` is Local although it ought to be Cluster.
        PolicyBecameLocal = "policy_became_local",
        /// The service proxy of the node does not run.
        ServiceProxyDown = "service_proxy_down",
        /// The agent's own host, or the network between it and everything else.
        OwnNetwork = "own_network",
    }
}

/// A likely cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Which.
    pub kind: CauseKind,
    /// In a sentence or two.
    pub text: String,
}

impl Cause {
    /// A cause, told by `text`.
    #[must_use]
    pub fn new(kind: CauseKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}
