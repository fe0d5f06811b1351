//! The PROXY protocol's header as a client sends it, for targets that take connections from a proxy only.
//!
//! It names the flow's own two ends, so nothing is forged: what the target then reports is still this flow's source
//! address, as it was on its way out. Sending takes these few lines; a crate that can also parse is for servers.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::net::{IpAddr, SocketAddr};

use super::method::ProxyVersion;

const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, command PROXY.
const V2_PROXY: u8 = 0x21;
const V2_TCP4: u8 = 0x11;
const V2_TCP6: u8 = 0x21;

/// The header for a TCP connection from `local` to `remote`.
pub(super) fn of(version: ProxyVersion, local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    match version {
        ProxyVersion::V1 => {
            let family = if local.is_ipv4() { "TCP4" } else { "TCP6" };
            format!("PROXY {family} {} {} {} {}\r\n", local.ip(), remote.ip(), local.port(), remote.port())
                .into_bytes()
        }
        ProxyVersion::V2 => {
            let (family, length) = if local.is_ipv4() { (V2_TCP4, 12_u16) } else { (V2_TCP6, 36) };
            let mut header = Vec::with_capacity(16 + usize::from(length));
            header.extend(V2_SIGNATURE);
            header.extend([V2_PROXY, family]);
            header.extend(length.to_be_bytes());
            for end in [local, remote] {
                match end.ip() {
                    IpAddr::V4(v4) => header.extend(v4.octets()),
                    IpAddr::V6(v6) => header.extend(v6.octets()),
                }
            }
            header.extend(local.port().to_be_bytes());
            header.extend(remote.port().to_be_bytes());
            header
        }
    }
}
