//! A pod: the echo server, in a namespace of its own that is attached to its node, or in the node's.

use std::net::IpAddr;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use vipwatch_echo::Identity;

use super::host::Host;
use super::namespace::Namespace;
use super::{cni, echo, tool};
use crate::cluster::{Cluster, Endpoint};
use crate::served::Served;

#[derive(Debug)]
pub(super) struct Pod {
    /// None for a pod on its node's network.
    own: Option<Namespace>,
    servers: Vec<Served>,
}

impl Pod {
    pub(super) fn start(
        runtime: &Runtime,
        cluster: &Cluster,
        endpoint: &Endpoint,
        node: &Host,
        identity: &Identity,
    ) -> Result<Self> {
        let own = if endpoint.host_network { None } else { Some(attach(cluster, endpoint, node)?) };
        let namespace = own.as_ref().unwrap_or(&node.namespace);
        let servers = echo::serve(namespace, runtime, &endpoint.addresses, identity)?;
        Ok(Self { own, servers })
    }

    pub(super) fn end(self, runtime: &Runtime, endpoint: &Endpoint, node: &Host) -> Result<()> {
        for server in self.servers {
            runtime.block_on(server.end());
        }
        let Some(namespace) = self.own else { return Ok(()) };
        // The kernel clears a namespace away when it finds the time; the link's name has to be free at once.
        node.namespace.ip(&format!("link delete {}", link_name(endpoint)?))?;
        namespace.delete()
    }
}

fn attach(cluster: &Cluster, endpoint: &Endpoint, node: &Host) -> Result<Namespace> {
    let namespace = Namespace::create(&endpoint.pod)?;
    let link = link_name(endpoint)?;
    let cable = cni::cable(cluster.cni(), cluster.node(&endpoint.node)?, endpoint, &link);
    node.namespace.ip(&cable.node)?;
    namespace.ip(&cable.pod)?;
    node.namespace.within(|| tool::await_link(&link, cable.ready))??;
    Ok(namespace)
}

/// The node's end of the pod's cable, from what is unique on the node and short enough.
fn link_name(endpoint: &Endpoint) -> Result<String> {
    let address = endpoint.addresses.first().context("a pod has an address")?.ip();
    let number = match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    Ok(format!("pod{number}"))
}
