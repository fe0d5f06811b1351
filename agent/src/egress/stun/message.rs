//! STUN messages (RFC 8489), as far as it takes to learn an address: the Binding request, and what is in its answer.
//!
//! Answers are hostile: any bytes give an address or a named refusal. The attributes of RFC 3489, which old servers
//! still send, are passed over like all others that nobody needs to know an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

/// The fixed value in every message since RFC 5389.
const MAGIC_COOKIE: u32 = 0x2112_a442;
/// Type, length, cookie and transaction id.
const HEADER: usize = 20;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// What tells the answer to one request from all others. To be chosen at random: who cannot guess it cannot forge
/// an answer.
pub(super) type TransactionId = [u8; 12];

/// An answer that tells no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refused {
    /// It belongs to another request, or to no STUN at all: the right one may still come.
    #[error("the answer belongs to another request")]
    Foreign,
    /// An error response, with its code.
    #[error("the server refuses with the STUN error {0}")]
    Error(u16),
    /// A success response without an address that can be read.
    #[error("the answer holds no address")]
    NoAddress,
}

/// A Binding request without attributes.
pub(super) fn request(id: TransactionId) -> [u8; HEADER] {
    let mut request = [0; HEADER];
    request[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
    request[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    request[8..].copy_from_slice(&id);
    request
}

/// The address that the server saw the request `id` come from. XOR-MAPPED-ADDRESS counts before MAPPED-ADDRESS,
/// which some NATs rewrite on the way.
pub(super) fn answer(id: TransactionId, message: &[u8]) -> Result<SocketAddr, Refused> {
    let (header, attributes) = message.split_at_checked(HEADER).ok_or(Refused::Foreign)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let ours = header[4..8] == MAGIC_COOKIE.to_be_bytes() && header[8..] == id;
    if !ours || length != attributes.len() || length % 4 != 0 {
        return Err(Refused::Foreign);
    }
    let find = |wanted: u16| Attributes(attributes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    match u16::from_be_bytes([header[0], header[1]]) {
        BINDING_SUCCESS => {
            let xored = find(XOR_MAPPED_ADDRESS).and_then(address).map(|address| unxored(address, id));
            xored.or_else(|| find(MAPPED_ADDRESS).and_then(address)).ok_or(Refused::NoAddress)
        }
        BINDING_ERROR => Err(Refused::Error(find(ERROR_CODE).map_or(0, error_code))),
        _ => Err(Refused::Foreign),
    }
}

/// Type and value of each attribute; ends at the first that reaches beyond the message.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_at_checked(4)?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (value, rest) = rest.split_at_checked(length)?;
        // Values are padded to a multiple of four bytes.
        self.0 = rest.get(length.next_multiple_of(4) - length..).unwrap_or_default();
        Some((u16::from_be_bytes([head[0], head[1]]), value))
    }
}

/// The value of MAPPED-ADDRESS, and of XOR-MAPPED-ADDRESS before its mask is taken off.
fn address(value: &[u8]) -> Option<SocketAddr> {
    let (head, address) = value.split_at_checked(4)?;
    let ip = match head[1] {
        1 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([head[2], head[3]])))
}

/// Takes the mask off (or puts it on): the cookie, followed for IPv6 by the transaction id.
fn unxored(masked: SocketAddr, id: TransactionId) -> SocketAddr {
    let [a, b, c, d] = MAGIC_COOKIE.to_be_bytes();
    let ip = match masked.ip() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() ^ MAGIC_COOKIE)),
        IpAddr::V6(v6) => {
            let mut mask = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            mask[4..].copy_from_slice(&id);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() ^ u128::from_be_bytes(mask)))
        }
    };
    SocketAddr::new(ip, masked.port() ^ u16::from_be_bytes([a, b]))
}

/// Class and number of ERROR-CODE (RFC 8489, 14.8); 0 for what is none.
fn error_code(value: &[u8]) -> u16 {
    match value {
        [_, _, class, number, ..] => u16::from(class & 7) * 100 + u16::from(*number),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
