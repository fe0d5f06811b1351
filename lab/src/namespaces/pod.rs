//! A pod: what it serves, in a namespace of its own that is attached to its node, or in the node's.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use vipwatch_echo::server::{self, Limits};

use super::host::Host;
use super::namespace::Namespace;
use super::ready::{await_addresses, await_link};
use super::reverse_proxy::ReverseProxy;
use super::{cni, echo};
use crate::cluster::{Backend, Cluster, Endpoint, Service};
use crate::served::Served;

#[derive(Debug)]
pub(super) struct Pod {
    /// None for a pod on its node's network.
    own: Option<Arc<Namespace>>,
    servers: Vec<Served>,
    /// Where a proxy finds its backends.
    backends: Option<watch::Sender<Vec<Endpoint>>>,
}

impl Pod {
    pub(super) fn start(
        runtime: &Runtime,
        cluster: &Cluster,
        service: &Service,
        endpoint: &Endpoint,
        node: &Host,
    ) -> Result<Self> {
        let own = if endpoint.host_network { None } else { Some(attach(cluster, endpoint, node)?) };
        let namespace = own.as_ref().unwrap_or(&node.namespace);
        let mut backends = None;
        let servers = if let Backend::Proxy { .. } = service.backend {
            let sender = backends.insert(watch::Sender::new(Vec::new()));
            proxy(runtime, namespace, endpoint, sender)?
        } else {
            let identity = endpoint.identity(service.namespace());
            echo::serve(namespace, runtime, &endpoint.addresses, &identity)?
        };
        Ok(Self { own, servers, backends })
    }

    /// Tells a proxy what its backends are now.
    pub(super) fn forward_to(&self, backends: &[Endpoint]) {
        if let Some(sender) = &self.backends {
            sender.send_replace(backends.to_vec());
        }
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

fn proxy(
    runtime: &Runtime,
    namespace: &Arc<Namespace>,
    endpoint: &Endpoint,
    backends: &watch::Sender<Vec<Endpoint>>,
) -> Result<Vec<Served>> {
    let proxy = Arc::new(ReverseProxy::new(namespace.clone(), backends.subscribe()));
    let mut servers = Vec::new();
    for address in &endpoint.addresses {
        let (listener, proxy) = (namespace.listen(runtime, *address)?, proxy.clone());
        servers.push(Served::spawn(runtime.handle(), |stop| {
            server::serve(listener, proxy, Limits::default(), stop)
        }));
    }
    Ok(servers)
}

fn attach(cluster: &Cluster, endpoint: &Endpoint, node: &Host) -> Result<Arc<Namespace>> {
    let namespace = Namespace::create(&endpoint.pod)?;
    let link = link_name(endpoint)?;
    let cable = cni::cable(cluster.cni(), cluster.node(&endpoint.node)?, endpoint, &link);
    node.namespace.ip(&cable.node)?;
    namespace.ip(&cable.pod)?;
    node.namespace.within(|| await_link(&link, cable.ready))??;
    await_addresses(&node.namespace, &cable.gateway)?;
    await_addresses(&namespace, "eth0")?;
    Ok(Arc::new(namespace))
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
