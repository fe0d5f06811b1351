//! What every node answers about itself: the health check node ports of services, and kube-proxy's own
//! health.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::SystemTime;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::host::Host;
use crate::cluster::decide::{NodeHealth, node_health};
use crate::cluster::{Cluster, NodePlan, ProxyHealth};
use crate::health_check;
use crate::proxy_health::{self, Told};
use crate::served::Served;

/// The health servers that run.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// By service and node.
    checks: Open<(String, String), NodeHealth>,
    /// By node.
    proxies: Open<String, Told>,
}

impl Health {
    pub(super) fn converge(
        &mut self,
        next: &Cluster,
        hosts: &BTreeMap<String, Host>,
        runtime: &Runtime,
    ) -> Result<()> {
        for node in next.nodes() {
            let host = hosts.get(&node.name).context("a node is missing")?;
            let start =
                |port, serve: &dyn Fn(TcpListener) -> Served| listen(host, node, port, runtime, serve);

            let health = next.condition(&node.name)?.proxy;
            let since = match self.proxies.told(&node.name) {
                Some(told) if told.health == health => told.since,
                _ => SystemTime::now(),
            };
            let told = (health != ProxyHealth::Gone).then_some(Told { health, since });
            self.proxies.converge(node.name.clone(), told, runtime, |told| {
                start(proxy_health::PORT, &|listener| {
                    Served::spawn(runtime.handle(), |stop| proxy_health::serve(listener, told.clone(), stop))
                })
            })?;

            for service in next.services() {
                let key = (service.name.clone(), node.name.clone());
                self.checks.converge(key, node_health(next, service, &node.name), runtime, |told| {
                    start(service.health_check_node_port, &|listener| {
                        Served::spawn(runtime.handle(), |stop| {
                            health_check::serve(listener, told.clone(), stop)
                        })
                    })
                })?;
            }
        }
        Ok(())
    }
}

/// A server on each of the node's addresses.
fn listen(
    host: &Host,
    node: &NodePlan,
    port: u16,
    runtime: &Runtime,
    serve: &dyn Fn(TcpListener) -> Served,
) -> Result<Vec<Served>> {
    let addresses = node.addresses.iter();
    addresses.map(|address| Ok(serve(host.namespace.listen(runtime, (*address, port).into())?))).collect()
}

/// Servers that each tell the latest of something, and are open for as long as there is something to tell.
#[derive(Debug)]
struct Open<K, T> {
    servers: HashMap<K, (watch::Sender<T>, Vec<Served>)>,
}

impl<K, T> Default for Open<K, T> {
    fn default() -> Self {
        Self { servers: HashMap::new() }
    }
}

impl<K: Hash + Eq, T: Clone> Open<K, T> {
    fn told(&self, key: &K) -> Option<T> {
        self.servers.get(key).map(|(sender, _)| sender.borrow().clone())
    }

    fn converge(
        &mut self,
        key: K,
        told: Option<T>,
        runtime: &Runtime,
        start: impl FnOnce(watch::Receiver<T>) -> Result<Vec<Served>>,
    ) -> Result<()> {
        match (self.servers.remove(&key), told) {
            (None, None) => {}
            (Some((_, servers)), None) => {
                for server in servers {
                    runtime.block_on(server.end());
                }
            }
            (Some((sender, servers)), Some(told)) => {
                sender.send_replace(told);
                self.servers.insert(key, (sender, servers));
            }
            (None, Some(told)) => {
                let (sender, told) = watch::channel(told);
                self.servers.insert(key, (sender, start(told)?));
            }
        }
        Ok(())
    }
}
