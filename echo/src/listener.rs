//! Where an echo server can be asked.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use crate::tls::Tls;

const BACKLOG: i32 = 1024;

/// A bound socket and what is spoken on it.
pub enum Listener {
    /// HTTP/1.
    Http(TcpListener),
    /// HTTP/1 over TLS.
    Https(TcpListener, Tls),
    /// A line, and its answer.
    Tcp(TcpListener),
    /// A datagram, and its answer.
    Udp(UdpSocket),
    /// DNS over TCP.
    DnsOverTcp(TcpListener),
    /// DNS over UDP.
    DnsOverUdp(UdpSocket),
}

impl Listener {
    /// The word for what is spoken.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Https(..) => "https",
            Self::Tcp(_) => "tcp",
            Self::Udp(_) => "udp",
            Self::DnsOverTcp(_) => "dns over tcp",
            Self::DnsOverUdp(_) => "dns over udp",
        }
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Http(socket) | Self::Https(socket, _) | Self::Tcp(socket) | Self::DnsOverTcp(socket) => {
                socket.local_addr()
            }
            Self::Udp(socket) | Self::DnsOverUdp(socket) => socket.local_addr(),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.protocol()).field(&self.address()).finish()
    }
}

/// Listens for connections. `[::]` takes those over IPv4 as well, however the system is set.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM)?;
    // A server that starts again need not wait for the connections of its former life.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes datagrams. `[::]` takes those over IPv4 as well, however the system is set.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
