//! A cluster as a description: its nodes, its services, where their pods are, and what changes about
//! them. Pure: what follows from it is decided in [`decide`], and done by the labs.

mod change;
mod condition;
pub mod decide;
mod network;
mod plan;
mod service;
#[cfg(test)]
mod tests;

pub use change::Change;
pub use condition::{Condition, ProxyHealth};
pub use network::{Cni, Family, Overlay, PodNetwork};
pub use plan::{Backend, ClusterPlan, NodePlan, ServicePlan};
pub use service::{Announcement, Endpoint, ExternalTrafficPolicy, Service};

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};

/// Pods of one service on one node, at most.
const PODS_PER_SERVICE: u8 = 10;
/// The first address in a node's pod network that a pod gets; those below belong to the network itself.
const FIRST_POD: u8 = 10;

/// The state of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    plan: ClusterPlan,
    services: Vec<Service>,
    /// In the order of the nodes.
    conditions: Vec<Condition>,
}

impl Cluster {
    /// The cluster that `plan` asks for.
    ///
    /// # Errors
    /// When the plan names an unknown node, repeats a name or asks for too many pods.
    pub fn new(plan: ClusterPlan) -> Result<Self> {
        plan.check()?;
        let mut cluster = Self { services: Vec::new(), conditions: Vec::new(), plan };
        cluster.heal()?;
        Ok(cluster)
    }

    fn heal(&mut self) -> Result<()> {
        let planned = self.plan.services.iter().enumerate();
        self.services = planned
            .map(|(index, service)| {
                self.check_announcement(&service.announcement)?;
                Ok(Service {
                    name: service.name.clone(),
                    vips: service.vips.clone(),
                    health_check_node_port: service.health_check_node_port,
                    health_check_taken_by: None,
                    policy: service.policy,
                    backend: service.backend.clone(),
                    endpoints: self.place(index, &service.placement)?,
                    announcement: service.announcement.clone(),
                })
            })
            .collect::<Result<_>>()?;
        self.conditions = vec![Condition::default(); self.plan.nodes.len()];
        Ok(())
    }

    /// The nodes, in their order.
    #[must_use]
    pub fn nodes(&self) -> &[NodePlan] {
        &self.plan.nodes
    }

    /// The node called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, name: &str) -> Result<&NodePlan> {
        Ok(&self.plan.nodes[self.node_index(name)?])
    }

    fn node_index(&self, name: &str) -> Result<usize> {
        let mut nodes = self.plan.nodes.iter();
        nodes.position(|node| node.name == name).with_context(|| format!("no node is called {name}"))
    }

    /// How the node called `name` is.
    ///
    /// # Errors
    /// When there is none.
    pub fn condition(&self, name: &str) -> Result<Condition> {
        Ok(self.conditions[self.node_index(name)?])
    }

    /// The services, in their order.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn service(&self, name: &str) -> Result<&Service> {
        Ok(&self.services[self.service_index(name)?])
    }

    fn service_index(&self, name: &str) -> Result<usize> {
        let mut services = self.services.iter();
        services
            .position(|service| service.name == name)
            .with_context(|| format!("no service is called {name}"))
    }

    /// How packets get from one node to the pods of another.
    #[must_use]
    pub fn overlay(&self) -> Overlay {
        self.plan.overlay
    }

    /// How pods are attached to their node.
    #[must_use]
    pub fn cni(&self) -> Cni {
        self.plan.cni
    }

    /// How many pods of `service` run on which node.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn placement(&self, service: &str) -> Result<Vec<(String, usize)>> {
        let endpoints = &self.service(service)?.endpoints;
        let nodes = self.plan.nodes.iter().map(|node| &node.name);
        Ok(nodes
            .map(|node| {
                let pods = endpoints.iter().filter(|endpoint| &endpoint.node == node);
                (node.clone(), pods.count())
            })
            .filter(|(_, pods)| *pods > 0)
            .collect())
    }

    /// Whether a pod is there as `endpoint` says.
    #[must_use]
    pub fn runs(&self, endpoint: &Endpoint) -> bool {
        self.services.iter().any(|service| service.endpoints.contains(endpoint))
    }

    /// The cluster after `change`.
    ///
    /// # Errors
    /// When the change names an unknown service or node, or asks for too many pods.
    pub fn changed(&self, change: &Change) -> Result<Self> {
        let mut next = self.clone();
        match change {
            Change::Policy { service, policy } => {
                let index = self.service_index(service)?;
                next.services[index].policy = *policy;
            }
            Change::Endpoints { service, placement } => {
                let index = self.service_index(service)?;
                next.services[index].endpoints = self.place(index, placement)?;
            }
            Change::Announcement { service, announcement } => {
                self.check_announcement(announcement)?;
                let index = self.service_index(service)?;
                next.services[index].announcement = announcement.clone();
            }
            Change::HealthCheckPort { service, taken_by } => {
                if let Some(other) = taken_by {
                    self.service(other)?;
                }
                let index = self.service_index(service)?;
                next.services[index].health_check_taken_by.clone_from(taken_by);
            }
            Change::StrayMasquerade { node, present } => {
                next.conditions[self.node_index(node)?].masquerades = *present;
            }
            Change::ProxyHealth { node, health } => {
                next.conditions[self.node_index(node)?].proxy = *health;
            }
            Change::HealAll => next.heal()?,
        }
        Ok(next)
    }

    fn check_announcement(&self, announcement: &Announcement) -> Result<()> {
        match announcement {
            Announcement::Elected | Announcement::Withheld => Ok(()),
            Announcement::Pinned(node) => self.node(node).map(drop),
            Announcement::Ecmp(nodes) => {
                ensure!(!nodes.is_empty(), "a route leads somewhere");
                nodes.iter().try_for_each(|node| self.node(node).map(drop))
            }
        }
    }

    /// Names and addresses follow from the place alone, so a pod that comes back is the same pod.
    fn place(&self, service: usize, placement: &[(String, u8)]) -> Result<Vec<Endpoint>> {
        let planned = &self.plan.services[service];
        let short_name = planned.name.rsplit('/').next().unwrap_or_default();
        let mut endpoints = Vec::new();
        for (position, (name, count)) in placement.iter().enumerate() {
            let node = self.node(name)?;
            ensure!(
                *count <= PODS_PER_SERVICE,
                "{} pods of {} on {name} are more than {PODS_PER_SERVICE}",
                count,
                planned.name
            );
            if placement[..position].iter().any(|(earlier, _)| earlier == name) {
                bail!("{name} is placed twice");
            }
            let host_network = planned.backend == Backend::HostNetwork;
            ensure!(
                !host_network || *count <= 1,
                "{name} has one network for {count} pods of {}",
                planned.name
            );
            for ordinal in 0..*count {
                let number = FIRST_POD + PODS_PER_SERVICE * u8::try_from(service)? + ordinal;
                let (addresses, port): (Vec<IpAddr>, _) = if host_network {
                    (node.addresses.clone(), self.plan.pod_port + 1 + u16::try_from(service)?)
                } else {
                    (node.pods.iter().map(|network| network.host(number)).collect(), self.plan.pod_port)
                };
                endpoints.push(Endpoint {
                    node: name.clone(),
                    pod: format!("{short_name}-{name}-{ordinal}"),
                    addresses: addresses
                        .into_iter()
                        .map(|address| SocketAddr::from((address, port)))
                        .collect(),
                    host_network,
                });
            }
        }
        Ok(endpoints)
    }
}
