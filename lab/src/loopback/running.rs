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
use crate::cluster::{Cluster, Endpoint};
use crate::health_check;
use crate::served::Served;

#[derive(Debug)]
pub(super) struct Running {
    control: Served,
    pods: HashMap<Endpoint, Served>,
    /// By service.
    fronts: HashMap<String, Front>,
    /// By service and node.
    health_checks: HashMap<(String, String), (watch::Sender<NodeHealth>, Served)>,
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
            let front = self.fronts.remove(&service.name).unwrap_or_default();
            let front = front.switch(service.vip, Mode::of(cluster, service), &self.flows).await?;
            self.fronts.insert(service.name.clone(), front);
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
                let listener = bind(endpoint.address).await?;
                let identity = endpoint.identity(service.namespace());
                let pod =
                    Served::spawn(&Handle::current(), |stop| vipwatch_echo::serve(listener, identity, stop));
                self.pods.insert(endpoint.clone(), pod);
            }
        }
        Ok(())
    }

    async fn end_pods(&mut self, cluster: &Cluster) {
        let gone: Vec<_> = self.pods.extract_if(|endpoint, _| !cluster.runs(endpoint)).collect();
        for (_, pod) in gone {
            pod.end().await;
        }
    }

    async fn converge_health_checks(&mut self, cluster: &Cluster) -> Result<()> {
        for service in cluster.services() {
            for node in cluster.nodes() {
                let key = (service.name.clone(), node.name.clone());
                let health = decide::node_health(service, &node.name);
                match (self.health_checks.remove(&key), health) {
                    (None, None) => {}
                    (Some((_, server)), None) => server.end().await,
                    (Some((sender, server)), Some(health)) => {
                        sender.send_replace(health);
                        self.health_checks.insert(key, (sender, server));
                    }
                    (None, Some(health)) => {
                        let port = service.health_check_node_port;
                        let listener = bind(SocketAddr::from((node.address, port))).await?;
                        let (sender, health) = watch::channel(health);
                        let server = Served::spawn(&Handle::current(), |stop| {
                            health_check::serve(listener, health, stop)
                        });
                        self.health_checks.insert(key, (sender, server));
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
        let health_checks = self.health_checks.into_values().map(|(_, server)| server);
        let mut servers: Vec<_> = health_checks.chain(self.pods.into_values()).collect();
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
