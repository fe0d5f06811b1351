//! Fresh sockets, bound as a probe asks for.
//!
//! `IP_BIND_ADDRESS_NO_PORT` would let the kernel choose a source port only once it knows the target, but neither
//! tokio nor socket2 nor rustix can set it, and it is not worth unsafe code: servers close first (see `http`), so
//! few ports of ours are ever held.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, UdpSocket};
use vipwatch_model::flow::{Failure, FailureKind};

use super::{blame, method::Bind};

/// A TCP socket that can be connected to `remote`.
pub(super) fn tcp(bind: &Bind, remote: IpAddr) -> Result<TcpSocket, Failure> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(|error| blame::failure(&error))?;
    if let Some(interface) = &bind.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(|error| no_interface(interface, &error))?;
    }
    if let Some(source) = source(bind, remote)? {
        socket.bind(SocketAddr::new(source, 0)).map_err(|error| no_source(source, &error))?;
    }
    Ok(socket)
}

/// A UDP socket that can be connected to `remote`.
pub(super) fn udp(bind: &Bind, remote: IpAddr) -> Result<UdpSocket, Failure> {
    let failure = |error| blame::failure(&error);
    let domain = if remote.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket =
        Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP)).map_err(failure)?;
    bound(socket, bind, remote)
}

/// A socket for datagrams, bound as a flow to `remote` ought to be. It must not block.
pub(super) fn bound(socket: Socket, bind: &Bind, remote: IpAddr) -> Result<UdpSocket, Failure> {
    if let Some(interface) = &bind.interface {
        let bound = socket.bind_device(Some(interface.as_bytes()));
        bound.map_err(|error| no_interface(interface, &error))?;
    }
    if let Some(source) = source(bind, remote)? {
        let bound = socket.bind(&SocketAddr::new(source, 0).into());
        bound.map_err(|error| no_source(source, &error))?;
    }
    UdpSocket::from_std(socket.into()).map_err(|error| blame::failure(&error))
}

/// The source address to bind for a flow to `remote`, if one was asked for.
fn source(bind: &Bind, remote: IpAddr) -> Result<Option<IpAddr>, Failure> {
    let same_family = bind.addresses.iter().find(|address| address.is_ipv4() == remote.is_ipv4());
    if same_family.is_none() && !bind.addresses.is_empty() {
        let family = if remote.is_ipv4() { "IPv4" } else { "IPv6" };
        let why = format!("{remote} is an {family} address, and none of this family is given to bind");
        return Err(Failure::new(FailureKind::Vantage, why));
    }
    Ok(same_family.copied())
}

fn no_source(source: IpAddr, error: &io::Error) -> Failure {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ADDRNOTAVAIL) => {
            Failure::new(FailureKind::Vantage, format!("{source} is not an address of this host"))
        }
        Some(Errno::ADDRINUSE) => {
            Failure::new(FailureKind::Vantage, format!("no source port of {source} is free"))
        }
        _ => blame::failure(error),
    }
}

fn no_interface(interface: &str, error: &io::Error) -> Failure {
    let why = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NODEV) => format!("this host has no interface {interface}"),
        Some(Errno::PERM) => format!(
            "binding to the interface {interface} is not allowed: it takes Linux 5.7, or CAP_NET_RAW before that"
        ),
        _ => format!("failed to bind to the interface {interface}: {error}"),
    };
    Failure::new(FailureKind::Vantage, why)
}
