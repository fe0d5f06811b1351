//! Echo requests of ICMP (RFC 792) and ICMPv6 (RFC 4443), each from a socket of its own.
//!
//! Linux lets groups in `net.ipv4.ping_group_range` send them without privileges (that setting is for IPv6, too); a raw
//! socket takes `CAP_NET_RAW`. surge-ping would spare some of these lines, but it shares one socket and a detached
//! task between pings, and does not say which kind of socket it got.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut as _, BytesMut};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use vipwatch_model::flow::{Failure, FailureKind, Outcome};

use super::{blame, flow::Progress, method::Bind, socket};

/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;
/// Room for the answer, with an IP header before it.
const ANSWER_CAP: usize = 256;

/// The kind of socket that the kernel granted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grant {
    /// The kernel fills in the identifier and hands over answers to it alone.
    Unprivileged,
    /// All ICMP packets from the target come, over IPv4 with their IP header.
    Raw,
}

/// Sends the `nth` echo request to where `progress` leads and waits for its answer. The caller bounds the time.
pub(super) async fn ping(bind: &Bind, nth: u16, progress: &mut Progress) -> Result<Outcome, Failure> {
    let failure = |error| blame::failure(&error);
    let target = progress.remote.ip();
    let (socket, grant) = open(bind, target)?;
    // Raw sockets know no ports; the identifier takes their place.
    socket.connect(SocketAddr::new(target, 0)).await.map_err(failure)?;
    let mut local = socket.local_addr().map_err(failure)?;
    if grant == Grant::Raw {
        local.set_port(fastrand::u16(1..));
    }
    progress.local = Some(local);
    let token = fastrand::u128(..).to_be_bytes();
    progress.begin();
    socket.send(&request(target, local.port(), nth, token)).await.map_err(failure)?;
    let mut packet = BytesMut::with_capacity(ANSWER_CAP);
    loop {
        packet.clear();
        socket.recv_buf(&mut (&mut packet).limit(ANSWER_CAP)).await.map_err(failure)?;
        let message = match (grant, target) {
            (Grant::Raw, IpAddr::V4(_)) => after_ip_header(&packet),
            _ => Some(&packet[..]),
        };
        if message.is_some_and(|message| answers(message, target, local.port(), nth, token)) {
            progress.phases.first_byte_us = Some(progress.lap());
            return Ok(Outcome::Answered);
        }
    }
}

fn open(bind: &Bind, target: IpAddr) -> Result<(UdpSocket, Grant), Failure> {
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let new = |kind: Type| Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol));
    let refused = |error: &std::io::Error| {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        matches!(errno, Some(Errno::ACCESS | Errno::PERM))
    };
    let (socket, grant) = match new(Type::DGRAM) {
        Ok(socket) => (socket, Grant::Unprivileged),
        Err(error) if refused(&error) => match new(Type::RAW) {
            Ok(socket) => (socket, Grant::Raw),
            Err(error) if refused(&error) => return Err(Failure::new(FailureKind::Agent, NOT_ALLOWED)),
            Err(error) => return Err(blame::failure(&error)),
        },
        Err(error) => return Err(blame::failure(&error)),
    };
    socket::bound(socket, bind, target).map(|socket| (socket, grant))
}

const NOT_ALLOWED: &str = "this agent may not send echo requests: let its group do so with \
     sysctl net.ipv4.ping_group_range=\"0 2147483647\", or give it CAP_NET_RAW";

fn request(target: IpAddr, identifier: u16, sequence: u16, token: [u8; 16]) -> [u8; HEADER + 16] {
    let mut message = [0; HEADER + 16];
    message[0] = if target.is_ipv4() { 8 } else { 128 };
    message[4..6].copy_from_slice(&identifier.to_be_bytes());
    message[6..8].copy_from_slice(&sequence.to_be_bytes());
    message[HEADER..].copy_from_slice(&token);
    // For ICMPv6 the kernel does it, with the addresses.
    if target.is_ipv4() {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// Whether `message` is the answer to the request with these.
fn answers(message: &[u8], target: IpAddr, identifier: u16, sequence: u16, token: [u8; 16]) -> bool {
    let Some((header, payload)) = message.split_at_checked(HEADER) else { return false };
    header[..2] == [if target.is_ipv4() { 0 } else { 129 }, 0]
        && header[4..6] == identifier.to_be_bytes()
        && header[6..8] == sequence.to_be_bytes()
        && payload == token
}

/// What follows the IPv4 header, whose length is in its first byte, in words of four bytes.
fn after_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    packet.get(length..)
}

/// The internet checksum (RFC 1071) of an even number of bytes.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: [u8; 16] = *b"0123456789abcdef";

    fn reply(target: IpAddr) -> Vec<u8> {
        let mut reply = request(target, 7, 3, TOKEN).to_vec();
        reply[0] = if target.is_ipv4() { 0 } else { 129 };
        reply
    }

    #[test]
    fn the_checksum_of_a_message_with_its_checksum_is_zero() {
        let message = request("192.0.2.11".parse().unwrap(), 0xfffe, 0xffff, [0xff; 16]);
        assert_ne!(message[2..4], [0, 0]);
        assert_eq!(checksum(&message), 0);
    }

    #[test]
    fn only_the_answer_to_this_very_request_is_taken() {
        for target in ["192.0.2.11", "2001:db8::11"].map(|target| target.parse().unwrap()) {
            assert!(answers(&reply(target), target, 7, 3, TOKEN));
            assert!(!answers(&reply(target), target, 8, 3, TOKEN));
            assert!(!answers(&reply(target), target, 7, 4, TOKEN));
            assert!(!answers(&reply(target), target, 7, 3, [0; 16]));
            assert!(!answers(&request(target, 7, 3, TOKEN), target, 7, 3, TOKEN), "our own request");
            for end in 0..reply(target).len() {
                assert!(!answers(&reply(target)[..end], target, 7, 3, TOKEN));
            }
        }
    }

    #[test]
    fn an_ip_header_is_left_out_whatever_its_length_says() {
        let mut packet = vec![0x46; 24];
        packet.extend(b"message");
        assert_eq!(after_ip_header(&packet), Some(&b"message"[..]));
        assert_eq!(after_ip_header(&[0x4f; 20]), None);
        assert_eq!(after_ip_header(&[]), None);
    }
}
