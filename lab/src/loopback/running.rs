//! Everything that runs for a loopback cluster, and how it follows the cluster's state.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use vipwatch_echo::Identity;

use super::LoopbackPlan;
use super::front::{Front, Mode};
use crate::cluster::decide::{self, NodeHealth};
use crate::cluster::{Cluster, Endpoint, Family};
use crate::health_check;
use crate::served::Served;

#[derive(Debug)]
pub(super) struct Running {
    control: Served,
    pods: HashMap<Endpoint, Vec<Served>>,
    /// By VIP and port.
    fronts: HashMap<SocketAddr, Front>,
    /// By service and node.
    health_checks: HashMap<(String, String), (watch::Sender<NodeHealth>, Vec<Served>)>,
    flows: TaskTracker,
}

impl Running {
    pub(super) async fn start(plan: &LoopbackPlan, cluster: &Cluster) -> Result<Self> {
        // First of all: whoever holds the control's address holds the whole plan.
        let listener = bind(plan.control).await?;
        let identity = Identity { pod: Some("control".to_owned()), ..Identity::default() };
        let mut running = Self {
            control: Served::spawn(&Handle::current(), |stop| vipwatch_echo::serve(listener, identity, stop)),
            pods: HashMap::new(),
            fronts: HashMap::new(),
            health_checks: HashMap::new(),
            flows: TaskTracker::new(),
        };
        running.converge(cluster).await?;
        Ok(running)
    }

    /// Pods come before the fronts that use them and go after, so that a change fails no flow.
    pub(super) async fn converge(&mut self, cluster: &Cluster) -> Result<()> {
        self.start_pods(cluster).await?;
        for service in cluster.services() {
            for vip in &service.vips {
                let front = self.fronts.remove(vip).unwrap_or_default();
                let mode = Mode::of(cluster, service, Family::of(vip.ip()));
                self.fronts.insert(*vip, front.switch(*vip, mode, &self.flows).await?);
            }
        }
        self.converge_health_checks(cluster).await?;
        self.end_pods(cluster).await;
        Ok(())
    }

    async fn start_pods(&mut self, cluster: &Cluster) -> Result<()> {
        for service in cluster.services() {
            for endpoint in &service.endpoints {
                if self.pods.contains_key(endpoint) {
                    continue;
                }
                let mut servers = Vec::new();
                for address in &endpoint.addresses {
                    let listener = bind(*address).await?;
                    let identity = endpoint.identity(service.namespace());
                    servers.push(Served::spawn(&Handle::current(), |stop| {
                        vipwatch_echo::serve(listener, identity, stop)
                    }));
                }
                self.pods.insert(endpoint.clone(), servers);
            }
        }
        Ok(())
    }

    async fn end_pods(&mut self, cluster: &Cluster) {
        let gone: Vec<_> = self.pods.extract_if(|endpoint, _| !cluster.runs(endpoint)).collect();
        for server in gone.into_iter().flat_map(|(_, servers)| servers) {
            server.end().await;
        }
    }

    async fn converge_health_checks(&mut self, cluster: &Cluster) -> Result<()> {
        for service in cluster.services() {
            for node in cluster.nodes() {
                let key = (service.name.clone(), node.name.clone());
                let health = decide::node_health(cluster, service, &node.name);
                match (self.health_checks.remove(&key), health) {
                    (None, None) => {}
                    (Some((_, servers)), None) => {
                        for server in servers {
                            server.end().await;
                        }
                    }
                    (Some((sender, servers)), Some(health)) => {
                        sender.send_replace(health);
                        self.health_checks.insert(key, (sender, servers));
                    }
                    (None, Some(health)) => {
                        let (sender, health) = watch::channel(health);
                        let mut servers = Vec::new();
                        for address in &node.addresses {
                            let listener =
                                bind(SocketAddr::from((*address, service.health_check_node_port))).await?;
                            let health = health.clone();
                            servers.push(Served::spawn(&Handle::current(), |stop| {
                                health_check::serve(listener, health, stop)
                            }));
                        }
                        self.health_checks.insert(key, (sender, servers));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) async fn end(self) {
        for (_, front) in self.fronts {
            front.close().await;
        }
        let health_checks = self.health_checks.into_values().map(|(_, servers)| servers);
        let mut servers: Vec<_> = health_checks.chain(self.pods.into_values()).flatten().collect();
        servers.push(self.control);
        // All at once, or the time that each may take would add up.
        servers.iter().for_each(Served::stop);
        for server in servers {
            server.end().await;
        }
        self.flows.close();
        self.flows.wait().await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))
}
