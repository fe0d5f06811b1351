//! A STUN server: tells a client which address and port its request came from (RFC 8489, Binding with
//! XOR-MAPPED-ADDRESS).

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::datagrams;

/// Where STUN servers listen.
pub const PORT: u16 = 3478;

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
const HEADER_BYTES: usize = 20;

/// Answers on `socket` until `shutdown` is cancelled.
///
/// # Errors
/// When the socket stops receiving.
pub async fn serve(socket: UdpSocket, shutdown: CancellationToken) -> io::Result<()> {
    datagrams::serve(socket, answer, shutdown).await
}

/// The answer to a request from `peer`; `None` when it is none for a binding. Attributes of the request are
/// not looked at.
#[must_use]
pub fn answer(request: &[u8], peer: SocketAddr) -> Option<Vec<u8>> {
    let header = request.get(..HEADER_BYTES)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[..2] != BINDING_REQUEST
        || header[4..8] != MAGIC_COOKIE
        || request.len() != HEADER_BYTES + length
    {
        return None;
    }
    // The cookie and the transaction id, which addresses and ports are masked with.
    let mask = &header[4..];
    let (family, address) = match peer.ip().to_canonical() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let masked = |bytes: &[u8]| bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<_>>();
    let mut value = vec![0, family];
    value.extend(masked(&peer.port().to_be_bytes()));
    value.extend(masked(&address));

    let value_length = u16::try_from(value.len()).ok()?;
    let mut answer = BINDING_SUCCESS.to_vec();
    answer.extend((value_length + 4).to_be_bytes());
    answer.extend(mask);
    answer.extend(XOR_MAPPED_ADDRESS);
    answer.extend(value_length.to_be_bytes());
    answer.extend(value);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction id of the samples in RFC 5769.
    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request() -> Vec<u8> {
        [[0, 1, 0, 0].as_slice(), &MAGIC_COOKIE, &TRANSACTION].concat()
    }

    #[test]
    fn addresses_are_masked_as_in_the_samples_of_rfc_5769() {
        let answer_to = |peer: &str| answer(&request(), peer.parse().unwrap()).unwrap();
        let v4 = answer_to("192.0.2.1:32853");
        assert_eq!(v4[..4], [1, 1, 0, 12]);
        assert_eq!(v4[4..20], request()[4..]);
        assert_eq!(v4[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let v6 = answer_to("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
        let masked =
            [0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9];
        assert_eq!(v6[20..28], [0, 0x20, 0, 20, 0, 2, 0xa1, 0x47]);
        assert_eq!(v6[28..], masked);
    }

    #[test]
    fn what_is_no_binding_request_is_not_answered() {
        let peer = "192.0.2.9:40000".parse().unwrap();
        let mut cookie = request();
        cookie[4] = 0;
        let mut cut = request();
        cut[3] = 4;
        for wrong in [cookie, cut, request()[..19].to_vec(), answer(&request(), peer).unwrap()] {
            assert_eq!(answer(&wrong, peer), None, "{wrong:x?}");
        }
    }
}
