//! The echo servers of a pod or of the control: HTTP over TCP, and datagrams, on every address.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::runtime::Runtime;
use vipwatch_echo::Identity;

use super::namespace::Namespace;
use crate::served::Served;

pub(super) fn serve(
    namespace: &Namespace,
    runtime: &Runtime,
    addresses: &[SocketAddr],
    identity: &Identity,
) -> Result<Vec<Served>> {
    let mut servers = Vec::new();
    for address in addresses {
        let (listener, own) = (namespace.listen(runtime, *address)?, identity.clone());
        servers.push(Served::spawn(runtime.handle(), |stop| vipwatch_echo::serve(listener, own, stop)));
        let (socket, own) = (namespace.socket(runtime, *address)?, identity.clone());
        servers.push(Served::spawn(runtime.handle(), |stop| vipwatch_echo::serve_udp(socket, own, stop)));
    }
    Ok(servers)
}
