//! What follows from a cluster's state, by the rules of MetalLB and kube-proxy: who announces a VIP, what
//! a node does with a connection to it, and what its health check says.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::{
    Announcement, Cluster, Cni, Endpoint, ExternalTrafficPolicy, Family, NodePlan, Overlay, ProxyHealth,
    Service,
};

/// What a node does with new connections to a VIP that reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forwarding {
    /// Handed to one of these pods; with `masquerade`, under an address of the node.
    To {
        /// The pods to choose from; never empty.
        endpoints: Vec<Endpoint>,
        /// Whether the client's address is replaced.
        masquerade: bool,
    },
    /// Dropped without a word: the pods there are run elsewhere.
    Drop,
    /// Refused: there are no pods.
    Reject,
}

/// What kube-proxy says about a service on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHealth {
    /// The service's namespace.
    pub namespace: String,
    /// The service's name within the namespace.
    pub name: String,
    /// The ready pods on this node.
    pub local_endpoints: usize,
    /// Whether kube-proxy keeps its rules up to date.
    pub proxy_healthy: bool,
}

/// The node that announces the VIPs of `service`, if any does.
///
/// In layer 2 mode each speaker sorts the eligible nodes by a hash over the node's name and the first
/// VIP; the first node announces all of them. Without a ready pod none is eligible, and under Local only
/// nodes with a ready pod are.
#[must_use]
pub fn announcer<'a>(cluster: &'a Cluster, service: &Service) -> Option<&'a NodePlan> {
    match &service.announcement {
        Announcement::Withheld | Announcement::Ecmp(_) => return None,
        Announcement::Pinned(name) => return cluster.node(name).ok(),
        Announcement::Elected => {}
    }
    if service.endpoints.is_empty() {
        return None;
    }
    let eligible = cluster.nodes().iter().filter(|node| match service.policy {
        ExternalTrafficPolicy::Cluster => true,
        ExternalTrafficPolicy::Local => local_endpoints(service, &node.name).next().is_some(),
    });
    let first = service.vips.first()?.ip();
    eligible.min_by_key(|node| -> [u8; 32] { Sha256::digest(format!("{}#{first}", node.name)).into() })
}

/// The nodes that routes to the VIPs of `service` lead to; none where a node announces them instead.
#[must_use]
pub fn next_hops<'a>(cluster: &'a Cluster, service: &Service) -> Vec<&'a NodePlan> {
    match &service.announcement {
        Announcement::Ecmp(nodes) => nodes.iter().filter_map(|node| cluster.node(node).ok()).collect(),
        Announcement::Elected | Announcement::Withheld | Announcement::Pinned(_) => Vec::new(),
    }
}

/// What `node` does with new connections to the VIP of `service`.
#[must_use]
pub fn forwarding(service: &Service, node: &str) -> Forwarding {
    if service.endpoints.is_empty() {
        return Forwarding::Reject;
    }
    match service.policy {
        ExternalTrafficPolicy::Cluster => {
            Forwarding::To { endpoints: service.endpoints.clone(), masquerade: true }
        }
        ExternalTrafficPolicy::Local => {
            let endpoints: Vec<_> = local_endpoints(service, node).cloned().collect();
            if endpoints.is_empty() {
                Forwarding::Drop
            } else {
                Forwarding::To { endpoints, masquerade: false }
            }
        }
    }
}

/// The address that a pod sees instead of the client's when `node` masquerades a connection to it.
///
/// Masquerading takes the address of the interface that the packet leaves by, or, where that has none,
/// the node's own. A packet to a pod on the receiving node's own network does not leave: `None`, for
/// there the client's address is left as it is.
#[must_use]
pub fn masquerade_source(
    cluster: &Cluster,
    node: &NodePlan,
    endpoint: &Endpoint,
    family: Family,
) -> Option<IpAddr> {
    let pods = node.pod_network(family)?;
    let own = node.address(family)?;
    match (endpoint.node == node.name, endpoint.host_network) {
        (true, true) => None,
        (false, true) => Some(own),
        (true, false) => Some(match cluster.cni() {
            Cni::Bridge | Cni::Ptp => pods.gateway(),
            // Of all the node's addresses IPv6 prefers the one that is most like the pod's.
            Cni::Veth if family == Family::V6 && cluster.overlay() == Overlay::Vxlan => pods.overlay(),
            Cni::Veth => own,
        }),
        (false, false) => Some(match cluster.overlay() {
            Overlay::HostGw => own,
            Overlay::Vxlan => pods.overlay(),
        }),
    }
}

/// The address that `endpoint` sees instead of the client's when `node` hands it a connection to `service`;
/// `None` when it sees the client's.
#[must_use]
pub fn translation(
    cluster: &Cluster,
    service: &Service,
    node: &NodePlan,
    endpoint: &Endpoint,
    family: Family,
) -> Option<IpAddr> {
    let pods_node = cluster.node(&endpoint.node).ok()?;
    let stray = cluster.condition(&endpoint.node).ok()?.masquerades && !endpoint.host_network;
    let by_policy = match service.policy {
        ExternalTrafficPolicy::Cluster => masquerade_source(cluster, node, endpoint, family),
        ExternalTrafficPolicy::Local => None,
    };
    // The stray rule is for what comes from outside the pod networks, and comes after kube-proxy's.
    let spared = by_policy.is_some_and(|source| node.name == endpoint.node || is_pods(cluster, source));
    if stray && !spared { masquerade_source(cluster, pods_node, endpoint, family) } else { by_policy }
}

fn is_pods(cluster: &Cluster, address: IpAddr) -> bool {
    let mut networks = cluster.nodes().iter().flat_map(|node| &node.pods);
    networks.any(|network| network.contains(address))
}

/// What `node` says on the service's health check node port; `None` when the port is closed.
#[must_use]
pub fn node_health(cluster: &Cluster, service: &Service, node: &str) -> Option<NodeHealth> {
    let proxy = cluster.condition(node).ok()?.proxy;
    let service = match &service.health_check_taken_by {
        Some(other) => cluster.service(other).ok()?,
        None => service,
    };
    (service.policy == ExternalTrafficPolicy::Local && proxy != ProxyHealth::Gone).then(|| NodeHealth {
        namespace: service.namespace().to_owned(),
        name: service.short_name().to_owned(),
        local_endpoints: local_endpoints(service, node).count(),
        proxy_healthy: proxy != ProxyHealth::Stale,
    })
}

fn local_endpoints<'a>(service: &'a Service, node: &'a str) -> impl Iterator<Item = &'a Endpoint> {
    let endpoints = service.endpoints.iter();
    endpoints.filter(move |endpoint| endpoint.node == node)
}
