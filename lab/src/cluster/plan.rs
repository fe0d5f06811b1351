//! What a cluster consists of and how it starts out.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};

use super::{Announcement, Cni, ExternalTrafficPolicy, Family, Overlay, PodNetwork};

/// The pods of more services would not fit into a node's /24.
const SERVICES: usize = 24;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Its addresses on the network it shares with clients, one in each family.
    pub addresses: Vec<IpAddr>,
    /// The addresses of its pods, one network in each family.
    pub pods: Vec<PodNetwork>,
}

impl NodePlan {
    /// Its address in `family`.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| Family::of(*address) == family)
    }

    /// The network of its pods in `family`.
    #[must_use]
    pub fn pod_network(&self, family: Family) -> Option<PodNetwork> {
        self.pods.iter().copied().find(|network| network.family() == family)
    }
}

/// What stands behind a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Backend {
    /// Pods with networks of their own.
    #[default]
    Pods,
    /// Pods on their node's network, at most one on each.
    HostNetwork,
    /// Pods that forward HTTP requests to the pods of another service, and tell those the client's address in
    /// `X-Forwarded-For` and `X-Real-IP`: an ingress controller.
    Proxy {
        /// The other service's `namespace/name`.
        to: String,
    },
}

/// A service of type LoadBalancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlan {
    /// `namespace/name`.
    pub name: String,
    /// Its VIPs, each with the service's port; the first one decides who announces them all.
    pub vips: Vec<SocketAddr>,
    /// Where each node answers health checks while the policy is Local.
    pub health_check_node_port: u16,
    /// The policy to begin with.
    pub policy: ExternalTrafficPolicy,
    /// What serves it.
    pub backend: Backend,
    /// How many pods run on which node to begin with.
    pub placement: Vec<(String, u8)>,
    /// How the announcing node is found to begin with.
    pub announcement: Announcement,
}

/// A whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPlan {
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// The services.
    pub services: Vec<ServicePlan>,
    /// The port that pods listen on. Those on their node's network share its ports, and take the ones
    /// after it, by service.
    pub pod_port: u16,
    /// How pods are attached to their node.
    pub cni: Cni,
    /// How packets get to the pods of another node.
    pub overlay: Overlay,
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
        for service in &self.services {
            ensure!(!service.vips.is_empty(), "{} has no VIP", service.name);
            if let Backend::Proxy { to } = &service.backend {
                let known = self.services.iter().any(|other| other.name == *to && *to != service.name);
                ensure!(known, "{} forwards to {to}, which is no other service", service.name);
            }
            for vip in &service.vips {
                let family = Family::of(vip.ip());
                for node in &self.nodes {
                    let has_it = node.address(family).is_some() && node.pod_network(family).is_some();
                    ensure!(has_it, "{} of {} is {family}, and {} is not", vip, service.name, node.name);
                }
            }
        }
        Ok(())
    }
}
