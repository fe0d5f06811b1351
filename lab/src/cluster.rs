//! A cluster as a description: its nodes, its services, where their pods are, and what changes about
//! them. Pure: what follows from it is decided in [`decide`], and done by the labs.

pub mod decide;
mod plan;
#[cfg(test)]
mod tests;

pub use plan::{ClusterPlan, NodePlan, PodNetwork, ServicePlan};

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use vipwatch_echo::Identity;

/// Pods of one service on one node, at most.
const PODS_PER_SERVICE: u8 = 10;
/// The first address in a node's pod network that a pod gets; those below belong to the network itself.
const FIRST_POD: u8 = 10;

/// A service's `externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalTrafficPolicy {
    /// Nodes serve from their own pods only, and the client's address survives.
    Local,
    /// Any node serves from any pod, and masquerades.
    Cluster,
}

/// How it is decided which node announces a service's VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// As MetalLB does in layer 2 mode.
    Elected,
    /// Nobody announces it: the VIP is silent.
    Withheld,
    /// This node announces it whether or not it should, like a stale route.
    Pinned(String),
}

/// One ready pod behind a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The node the pod runs on.
    pub node: String,
    /// The pod's name.
    pub pod: String,
    /// Where the pod listens.
    pub address: SocketAddr,
}

impl Endpoint {
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
    /// The VIP and the service's port.
    pub vip: SocketAddr,
    /// Where kube-proxy answers health checks while the policy is Local.
    pub health_check_node_port: u16,
    /// The policy in force.
    pub policy: ExternalTrafficPolicy,
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
}

/// Something that happens to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The policy of `service` is set to `policy`.
    Policy {
        /// The service's `namespace/name`.
        service: String,
        /// The new policy.
        policy: ExternalTrafficPolicy,
    },
    /// The pods of `service` are exactly these.
    Endpoints {
        /// The service's `namespace/name`.
        service: String,
        /// How many pods run on which node.
        placement: Vec<(String, u8)>,
    },
    /// The announcing node of `service` is found in another way.
    Announcement {
        /// The service's `namespace/name`.
        service: String,
        /// The new way.
        announcement: Announcement,
    },
    /// Everything is as it was planned.
    HealAll,
}

impl Change {
    /// [`Change::Policy`] from a borrowed name.
    #[must_use]
    pub fn policy(service: &str, policy: ExternalTrafficPolicy) -> Self {
        Self::Policy { service: service.to_owned(), policy }
    }

    /// [`Change::Endpoints`] from borrowed names.
    #[must_use]
    pub fn endpoints(service: &str, placement: &[(&str, u8)]) -> Self {
        let placement = placement.iter().map(|(node, pods)| ((*node).to_owned(), *pods)).collect();
        Self::Endpoints { service: service.to_owned(), placement }
    }

    /// [`Change::Announcement`] from a borrowed name.
    #[must_use]
    pub fn announcement(service: &str, announcement: Announcement) -> Self {
        Self::Announcement { service: service.to_owned(), announcement }
    }
}

/// The state of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    plan: ClusterPlan,
    services: Vec<Service>,
}

impl Cluster {
    /// The cluster that `plan` asks for.
    ///
    /// # Errors
    /// When the plan names an unknown node, repeats a name or asks for too many pods.
    pub fn new(plan: ClusterPlan) -> Result<Self> {
        plan.check()?;
        let mut cluster = Self { services: Vec::new(), plan };
        cluster.heal()?;
        Ok(cluster)
    }

    fn heal(&mut self) -> Result<()> {
        let planned = self.plan.services.iter().enumerate();
        self.services = planned
            .map(|(index, service)| {
                Ok(Service {
                    name: service.name.clone(),
                    vip: service.vip,
                    health_check_node_port: service.health_check_node_port,
                    policy: service.policy,
                    endpoints: self.place(index, &service.placement)?,
                    announcement: Announcement::Elected,
                })
            })
            .collect::<Result<_>>()?;
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
        let mut nodes = self.plan.nodes.iter();
        nodes.find(|node| node.name == name).with_context(|| format!("no node is called {name}"))
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
                if let Announcement::Pinned(node) = announcement {
                    self.node(node)?;
                }
                let index = self.service_index(service)?;
                next.services[index].announcement = announcement.clone();
            }
            Change::HealAll => next.heal()?,
        }
        Ok(next)
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
            for ordinal in 0..*count {
                let host = FIRST_POD + PODS_PER_SERVICE * u8::try_from(service)? + ordinal;
                endpoints.push(Endpoint {
                    node: name.clone(),
                    pod: format!("{short_name}-{name}-{ordinal}"),
                    address: SocketAddr::from((node.pods.host(host), self.plan.pod_port)),
                });
            }
        }
        Ok(endpoints)
    }
}
