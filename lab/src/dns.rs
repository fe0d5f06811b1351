//! A DNS server that answers every question with the address that it came from, as those do that tell the
//! world its egress: A and AAAA with the address, where it is of that family, and TXT with its text.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::datagrams;

/// Where DNS servers listen.
pub const PORT: u16 = 53;

const HEADER_BYTES: usize = 12;
/// The type and the class that follow a question's name.
const TAIL_BYTES: usize = 4;
/// A response, authoritative.
const RESPONSE: u8 = 0x84;
const RECURSION_DESIRED: u8 = 0x01;
/// A name that stands where the question's does.
const QUESTIONS_NAME: [u8; 2] = [0xc0, 12];
const CLASS_IN: [u8; 2] = [0, 1];
const TYPE_A: [u8; 2] = [0, 1];
const TYPE_TXT: [u8; 2] = [0, 16];
const TYPE_AAAA: [u8; 2] = [0, 28];

/// Answers on `socket` until `shutdown` is cancelled.
///
/// # Errors
/// When the socket stops receiving.
pub async fn serve(socket: UdpSocket, shutdown: CancellationToken) -> io::Result<()> {
    datagrams::serve(socket, answer, shutdown).await
}

/// The response to a query from `peer`; `None` when it is no query with one question.
#[must_use]
pub fn answer(query: &[u8], peer: SocketAddr) -> Option<Vec<u8>> {
    let header = query.get(..HEADER_BYTES)?;
    let is_query = header[2] & !RECURSION_DESIRED == 0 && header[4..6] == [0, 1];
    let name = name_bytes(&query[HEADER_BYTES..])?;
    let question = query.get(HEADER_BYTES..HEADER_BYTES + name + TAIL_BYTES)?;
    let (kind, class) = question[name..].split_at(2);
    if !is_query || class != CLASS_IN {
        return None;
    }
    let address = peer.ip().to_canonical();
    let data = match address {
        IpAddr::V4(address) if kind == TYPE_A => Some(address.octets().to_vec()),
        IpAddr::V6(address) if kind == TYPE_AAAA => Some(address.octets().to_vec()),
        _ if kind == TYPE_TXT => {
            let text = address.to_string();
            Some([&[u8::try_from(text.len()).ok()?], text.as_bytes()].concat())
        }
        _ => None,
    };

    let mut response = vec![header[0], header[1], RESPONSE | header[2], 0];
    response.extend([0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    response.extend(question);
    if let Some(data) = data {
        response.extend(QUESTIONS_NAME);
        response.extend(kind);
        response.extend(CLASS_IN);
        response.extend([0; 4]); // not to be kept
        response.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        response.extend(data);
    }
    Some(response)
}

/// How many bytes the name at the beginning takes.
fn name_bytes(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            label @ 1..=63 => at += 1 + usize::from(label),
            _ => return None, // a pointer, which a question has nothing to point to with
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(kind: [u8; 2]) -> Vec<u8> {
        let header = [0xbe, 0xef, RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        // With EDNS behind the question, as most clients have it.
        [&header, b"\x04myip\x04test\0".as_slice(), &kind, &CLASS_IN, &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]]
            .concat()
    }

    fn data(kind: [u8; 2], peer: &str) -> Option<Vec<u8>> {
        let response = answer(&query(kind), peer.parse().unwrap()).unwrap();
        assert_eq!(response[..6], [0xbe, 0xef, 0x85, 0, 0, 1]);
        assert_eq!(response[8..12], [0; 4]);
        let question = b"\x04myip\x04test\0".len() + TAIL_BYTES;
        assert_eq!(response[12..12 + question], query(kind)[12..12 + question]);
        let record = &response[12 + question..];
        assert_eq!(usize::from(response[7]), usize::from(!record.is_empty()));
        (!record.is_empty()).then(|| {
            assert_eq!(record[..4], [0xc0, 12, kind[0], kind[1]]);
            assert_eq!(usize::from(record[11]), record[12..].len());
            record[12..].to_vec()
        })
    }

    #[test]
    fn the_answer_is_the_askers_address() {
        let (v4, v6) = ("192.0.2.9:40000", "[2001:db8::9]:40000");
        assert_eq!(data(TYPE_A, v4), Some(vec![192, 0, 2, 9]));
        assert_eq!(
            data(TYPE_AAAA, v6),
            Some("2001:db8::9".parse::<std::net::Ipv6Addr>().unwrap().octets().into())
        );
        assert_eq!(data(TYPE_TXT, v4), Some(b"\x09192.0.2.9".to_vec()));
        assert_eq!(data(TYPE_A, "[::ffff:192.0.2.9]:40000"), Some(vec![192, 0, 2, 9]));
    }

    #[test]
    fn there_is_no_answer_of_the_other_family() {
        assert_eq!(data(TYPE_AAAA, "192.0.2.9:40000"), None);
        assert_eq!(data(TYPE_A, "[2001:db8::9]:40000"), None);
    }

    #[test]
    fn what_is_no_query_is_not_answered() {
        let peer = "192.0.2.9:40000".parse().unwrap();
        let response = answer(&query(TYPE_A), peer).unwrap();
        let mut pointing = query(TYPE_A);
        pointing[12] = 0xc0;
        for wrong in [response, pointing, query(TYPE_A)[..20].to_vec(), Vec::new()] {
            assert_eq!(answer(&wrong, peer), None, "{wrong:x?}");
        }
    }
}
