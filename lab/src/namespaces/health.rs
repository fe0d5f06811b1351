//! What every node answers about services: their health check node ports.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::host::Host;
use crate::cluster::Cluster;
use crate::cluster::decide::{self, NodeHealth};
use crate::health_check;
use crate::served::Served;

/// The health check node ports that are open, by service and node.
#[derive(Debug, Default)]
pub(super) struct HealthChecks {
    open: HashMap<(String, String), HealthCheck>,
}

#[derive(Debug)]
struct HealthCheck {
    health: watch::Sender<NodeHealth>,
    /// One on each of the node's addresses.
    servers: Vec<Served>,
}

impl HealthChecks {
    pub(super) fn converge(
        &mut self,
        next: &Cluster,
        hosts: &BTreeMap<String, Host>,
        runtime: &Runtime,
    ) -> Result<()> {
        for service in next.services() {
            for node in next.nodes() {
                let key = (service.name.clone(), node.name.clone());
                let health = decide::node_health(service, &node.name);
                match (self.open.remove(&key), health) {
                    (None, None) => {}
                    (Some(check), None) => {
                        for server in check.servers {
                            runtime.block_on(server.end());
                        }
                    }
                    (Some(check), Some(health)) => {
                        check.health.send_replace(health);
                        self.open.insert(key, check);
                    }
                    (None, Some(health)) => {
                        let host = hosts.get(&node.name).context("a node is missing")?;
                        let port = service.health_check_node_port;
                        let addresses = node.addresses.iter().map(|address| (*address, port).into());
                        self.open.insert(key, HealthCheck::open(host, addresses, health, runtime)?);
                    }
                }
            }
        }
        Ok(())
    }
}

impl HealthCheck {
    fn open(
        host: &Host,
        addresses: impl Iterator<Item = SocketAddr>,
        health: NodeHealth,
        runtime: &Runtime,
    ) -> Result<Self> {
        let health = watch::Sender::new(health);
        let mut servers = Vec::new();
        for address in addresses {
            let (listener, told) = (host.namespace.listen(runtime, address)?, health.subscribe());
            servers.push(Served::spawn(runtime.handle(), |stop| health_check::serve(listener, told, stop)));
        }
        Ok(Self { health, servers })
    }
}
