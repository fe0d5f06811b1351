//! A pod: a namespace attached to its node's bridge, and the echo server in it.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use tokio::runtime::Runtime;
use vipwatch_echo::Identity;

use super::host::Host;
use super::namespace::Namespace;
use super::tool;
use crate::cluster::{Endpoint, PodNetwork};
use crate::served::Served;

#[derive(Debug)]
pub(super) struct Pod {
    namespace: Namespace,
    server: Served,
}

impl Pod {
    pub(super) fn start(
        runtime: &Runtime,
        endpoint: &Endpoint,
        node: &Host,
        network: PodNetwork,
        identity: Identity,
    ) -> Result<Self> {
        let namespace = Namespace::create(&endpoint.pod)?;
        let link = link_name(endpoint)?;
        node.namespace.ip(&format!(
            "link add {link} type veth peer name eth0 netns {}\nlink set {link} master cni0 up",
            namespace.name()
        ))?;
        namespace.ip(&format!(
            "address add {}/24 dev eth0\nlink set eth0 up\nroute add default via {}",
            endpoint.address.ip(),
            network.bridge()
        ))?;
        node.namespace.within(|| tool::await_forwarding(&link))??;
        let listener = namespace.listen(runtime, endpoint.address)?;
        let server = Served::spawn(runtime.handle(), |stop| vipwatch_echo::serve(listener, identity, stop));
        Ok(Self { namespace, server })
    }

    pub(super) fn end(self, runtime: &Runtime, endpoint: &Endpoint, node: &Host) -> Result<()> {
        runtime.block_on(self.server.end());
        // The kernel clears a namespace away when it finds the time; the link's name has to be free at once.
        node.namespace.ip(&format!("link delete {}", link_name(endpoint)?))?;
        self.namespace.delete()
    }
}

/// The node's end of the pod's cable, from what is unique on the node and short enough.
fn link_name(endpoint: &Endpoint) -> Result<String> {
    let SocketAddr::V4(address) = endpoint.address else { bail!("pods have IPv4 addresses") };
    let [.., host] = address.ip().octets();
    Ok(format!("pod{host}"))
}
