//! The host `control` outside the cluster: an echo server that nothing translates on the way to, and two
//! servers that tell a client its egress.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use vipwatch_echo::Identity;

use super::namespace::Namespace;
use super::{CONTROL, echo};
use crate::served::Served;
use crate::{dns, stun};

/// Starts all of it: the echo server on `addresses`, the others on their usual ports beside it.
pub(super) fn serve(
    namespace: &Namespace,
    runtime: &Runtime,
    addresses: &[SocketAddr],
) -> Result<Vec<Served>> {
    let identity = Identity { pod: Some(CONTROL.to_owned()), ..Identity::default() };
    let mut servers = echo::serve(namespace, runtime, addresses, &identity)?;
    for address in addresses {
        let socket = |port| -> Result<UdpSocket> { namespace.socket(runtime, (address.ip(), port).into()) };
        let (stun, dns) = (socket(stun::PORT)?, socket(dns::PORT)?);
        servers.push(Served::spawn(runtime.handle(), |stop| stun::serve(stun, stop)));
        servers.push(Served::spawn(runtime.handle(), |stop| dns::serve(dns, stop)));
    }
    Ok(servers)
}
