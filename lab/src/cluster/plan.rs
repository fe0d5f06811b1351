//! What a cluster consists of and how it starts out.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};

use super::ExternalTrafficPolicy;

/// The pods of more services would not fit into a node's /24.
const SERVICES: usize = 24;

/// A node's own /24 for its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodNetwork {
    network: [u8; 3],
}

impl PodNetwork {
    /// The network `first.second.third.0/24`.
    #[must_use]
    pub fn new(first: u8, second: u8, third: u8) -> Self {
        Self { network: [first, second, third] }
    }

    /// The bridge that the node's pods are attached to: their default gateway, and what a backend on
    /// the receiving node sees of a masqueraded client.
    #[must_use]
    pub fn bridge(self) -> Ipv4Addr {
        self.host(1)
    }

    /// An address of the network.
    #[must_use]
    pub fn host(self, number: u8) -> Ipv4Addr {
        let [first, second, third] = self.network;
        Ipv4Addr::new(first, second, third, number)
    }
}

impl fmt::Display for PodNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/24", self.host(0))
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Its address on the network it shares with clients.
    pub address: Ipv4Addr,
    /// The addresses of its pods.
    pub pods: PodNetwork,
}

/// A service of type LoadBalancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlan {
    /// `namespace/name`.
    pub name: String,
    /// The VIP and the service's port.
    pub vip: SocketAddr,
    /// Where each node answers health checks while the policy is Local.
    pub health_check_node_port: u16,
    /// The policy to begin with.
    pub policy: ExternalTrafficPolicy,
    /// How many pods run on which node to begin with.
    pub placement: Vec<(String, u8)>,
}

/// A whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPlan {
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// The services.
    pub services: Vec<ServicePlan>,
    /// The port that pods listen on.
    pub pod_port: u16,
}

impl ClusterPlan {
    pub(super) fn check(&self) -> Result<()> {
        ensure!(!self.nodes.is_empty(), "a cluster needs a node");
        ensure!(self.services.len() <= SERVICES, "a cluster holds {SERVICES} services at most");
        let nodes = self.nodes.iter().map(|node| &node.name).collect::<Vec<_>>();
        let services = self.services.iter().map(|service| &service.name);
        for names in [nodes, services.collect()] {
            for (position, name) in names.iter().enumerate() {
                ensure!(!names[..position].contains(name), "{name} is there twice");
            }
        }
        Ok(())
    }
}
