//! A service as it is at present, and the pods behind it.

use std::net::SocketAddr;

use vipwatch_echo::Identity;

use super::{Backend, Family};

/// A service's `externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalTrafficPolicy {
    /// Nodes serve from their own pods only, and the client's address survives.
    Local,
    /// Any node serves from any pod, and masquerades.
    Cluster,
}

/// How it is decided which node announces a service's VIPs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// As MetalLB does in layer 2 mode.
    Elected,
    /// Nobody announces them: the VIPs are silent.
    Withheld,
    /// This node announces them whether or not it should, like a stale route.
    Pinned(String),
    /// Nobody answers for them: routes lead to each of these nodes, and flows are spread over them, as with BGP
    /// and ECMP. It is up to the caller to leave out nodes that would withdraw their route.
    Ecmp(Vec<String>),
}

/// One ready pod behind a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The node the pod runs on.
    pub node: String,
    /// The pod's name.
    pub pod: String,
    /// Where the pod listens: an address for each family of its node.
    pub addresses: Vec<SocketAddr>,
    /// Whether the pod is on its node's own network.
    pub host_network: bool,
}

impl Endpoint {
    /// Where the pod listens in `family`.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<SocketAddr> {
        of_family(&self.addresses, family)
    }

    /// How the pod signs its answers.
    #[must_use]
    pub fn identity(&self, namespace: &str) -> Identity {
        Identity {
            node: Some(self.node.clone()),
            pod: Some(self.pod.clone()),
            namespace: Some(namespace.to_owned()),
        }
    }
}

/// A service of type LoadBalancer, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `namespace/name`.
    pub name: String,
    /// Its VIPs, each with the service's port.
    pub vips: Vec<SocketAddr>,
    /// Where kube-proxy answers health checks while the policy is Local.
    pub health_check_node_port: u16,
    /// The service that answers there instead, when the port was given to another.
    pub health_check_taken_by: Option<String>,
    /// The policy in force.
    pub policy: ExternalTrafficPolicy,
    /// What serves it.
    pub backend: Backend,
    /// The ready pods.
    pub endpoints: Vec<Endpoint>,
    /// How the announcing node is found.
    pub announcement: Announcement,
}

impl Service {
    /// The part of the name before the slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.name.split_once('/').map_or("default", |(namespace, _)| namespace)
    }

    /// The part of the name after the slash.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(_, name)| name)
    }

    /// Its first VIP in `family`.
    #[must_use]
    pub fn vip(&self, family: Family) -> Option<SocketAddr> {
        of_family(&self.vips, family)
    }
}

fn of_family(addresses: &[SocketAddr], family: Family) -> Option<SocketAddr> {
    addresses.iter().copied().find(|address| Family::of(address.ip()) == family)
}
