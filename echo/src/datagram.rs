//! Datagrams in and answers out. Each answer leaves from the address that its datagram was sent to, so that
//! the client and every NAT on the way recognise it, also on a socket bound to all addresses.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::pace::Pace;
use crate::server::Flow;
use crate::stats::Counter;

/// What is read of a datagram; a longer one is malformed. EDNS recommends it as the largest message.
pub(crate) const DATAGRAM_BYTES: u16 = 1232;
/// Receiving goes on after a failure, but not for ever.
const RECEIVE_FAILURES: u32 = 100;
const RECEIVE_PAUSE: Duration = Duration::from_millis(50);

/// What becomes of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Answer(Vec<u8>),
    /// It is well-formed, and answering it could do harm.
    Refused,
    Malformed,
}

/// Replies to every datagram on `socket`, within `pace`, until `shutdown` is cancelled.
pub(crate) async fn serve(
    socket: UdpSocket,
    mut pace: Pace,
    counter: &Counter,
    shutdown: &CancellationToken,
    reply: impl Fn(&[u8], Flow) -> Reply,
) -> io::Result<()> {
    let bound = socket.local_addr()?;
    if let Err(error) = tell_destinations(&socket, bound) {
        debug!(%bound, %error, "failed to ask for the addresses that datagrams were sent to");
    }
    let mut buffer = [0; DATAGRAM_BYTES as usize];
    let mut failures = 0;
    loop {
        let received = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            received = receive(&socket, &mut buffer) => received,
        };
        let received = match received {
            Ok(received) => received,
            Err(error) if failures == RECEIVE_FAILURES => return Err(error),
            Err(error) => {
                if failures == 0 {
                    warn!(%bound, %error, "failed to receive a datagram, trying again");
                }
                failures += 1;
                sleep(RECEIVE_PAUSE).await;
                continue;
            }
        };
        failures = 0;
        if !pace.admits(received.peer.ip(), Instant::now()) {
            counter.refused();
            continue;
        }
        let local = received.local.map_or(bound, |address| SocketAddr::new(address, bound.port()));
        let reply = match buffer.get(..received.bytes) {
            Some(datagram) => reply(datagram, Flow { peer: received.peer, local }),
            None => Reply::Malformed,
        };
        match reply {
            Reply::Answer(answer) => match send(&socket, &answer, &received) {
                Ok(()) => counter.answered(),
                Err(error) => debug!(peer = %received.peer, %error, "failed to send an answer"),
            },
            Reply::Refused => counter.refused(),
            Reply::Malformed => counter.malformed(),
        }
    }
}

struct Received {
    /// As the datagram had it: more than the buffer holds when it was cut off.
    bytes: usize,
    peer: SocketAddr,
    /// The address it was sent to, where the kernel tells.
    local: Option<IpAddr>,
}

fn tell_destinations(socket: &UdpSocket, bound: SocketAddr) -> io::Result<()> {
    match bound {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        // Tells IPv4 destinations too, as mapped ones.
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!(in6_pktinfo);
    let read = || {
        let mut parts = [IoSliceMut::new(buffer)];
        // MSG_TRUNC: tell the datagram's length, not that of what is read of it.
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_TRUNC,
        )?;
        let peer = message.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
        let local = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into())
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
            _ => None,
        });
        Ok(Received { bytes: message.bytes, peer, local })
    };
    socket.async_io(Interest::READABLE, read).await
}

/// Sends at once or not at all: when the socket's buffer is full, an answer less is the right thing.
fn send(socket: &UdpSocket, answer: &[u8], to: &Received) -> io::Result<()> {
    let parts = [IoSlice::new(answer)];
    let peer = SockaddrStorage::from(to.peer);
    let send = |source: &[ControlMessage]| {
        sendmsg(socket.as_raw_fd(), &parts, source, MsgFlags::MSG_DONTWAIT, Some(&peer))
    };
    match to.local {
        Some(IpAddr::V4(local)) => {
            let source = in_addr { s_addr: u32::from_ne_bytes(local.octets()) };
            let any = in_addr { s_addr: 0 };
            send(&[ControlMessage::Ipv4PacketInfo(&in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: source,
                ipi_addr: any,
            })])?;
        }
        Some(IpAddr::V6(local)) => {
            let source = in6_addr { s6_addr: local.octets() };
            send(&[ControlMessage::Ipv6PacketInfo(&in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 })])?;
        }
        None => {
            send(&[])?;
        }
    }
    Ok(())
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::from(*address)))
}
