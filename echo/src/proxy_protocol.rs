//! The PROXY protocol, versions 1 and 2: a header in which a proxy says for whom it connects.
//!
//! Read here rather than by a crate: a crate parses a buffer that has been read, and the care is in reading
//! no byte more than the header, since those after it belong to TLS or the request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Begins every header of version 2. Shorter than any header of version 1.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1 with its line end, as its specification reckons.
const LINE_BYTES: usize = 107;
/// What may follow the first 16 bytes of version 2: addresses, and what extensions a proxy may add.
const REST_BYTES: usize = 1024;

/// Why there is no header that could be read.
#[derive(Debug, Error)]
pub(crate) enum HeaderError {
    #[error("the connection ended within the PROXY header")]
    Read(#[from] io::Error),
    #[error("the connection begins with no PROXY header, or a faulty one")]
    Malformed,
}

/// For whom a connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// For the proxy itself, such as its health check, or for somebody it does not name.
    Proxy,
    /// For the client at this address.
    Client(SocketAddr),
}

/// Reads the header, and nothing after it.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Source, HeaderError> {
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return read_binary(stream).await;
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES || !line.starts_with(b"PROXY ") {
            return Err(HeaderError::Malformed);
        }
        line.push(stream.read_u8().await?);
    }
    text(&line).ok_or(HeaderError::Malformed)
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin)) -> Result<Source, HeaderError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [command, transport, length @ ..] = head;
    let length = usize::from(u16::from_be_bytes(length));
    if length > REST_BYTES {
        return Err(HeaderError::Malformed);
    }
    let mut rest = [0; REST_BYTES];
    let rest = &mut rest[..length];
    stream.read_exact(rest).await?;
    binary(command, transport, rest).ok_or(HeaderError::Malformed)
}

/// A line of version 1, such as `PROXY TCP4 192.0.2.9 198.51.100.1 41234 80` with its line end.
fn text(line: &[u8]) -> Option<Source> {
    let line = str::from_utf8(line).ok()?.strip_suffix("\r\n")?.strip_prefix("PROXY ")?;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(Source::Proxy);
    }
    let mut words = line.split(' ');
    let (family, source, destination) = (words.next()?, words.next()?, words.next()?);
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    let address: fn(&str) -> Option<IpAddr> = match family {
        "TCP4" => |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => return None,
    };
    let (source, _) = (address(source)?, (address(destination)?, destination_port));
    words.next().is_none().then(|| Source::Client((source, source_port).into()))
}

/// A port in decimal digits alone: parsing a number would take a sign as well.
fn port(word: &str) -> Option<u16> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?
}

/// What follows the signature of version 2. Extensions after the addresses are passed over.
fn binary(command: u8, transport: u8, rest: &[u8]) -> Option<Source> {
    match (command, transport) {
        (0x20, _) | (0x21, 0x00) => Some(Source::Proxy),
        (0x21, 0x11) => {
            let (source, rest) = rest.split_first_chunk::<4>()?;
            let (_destination, rest) = rest.split_first_chunk::<4>()?;
            client(*source, rest)
        }
        (0x21, 0x21) => {
            let (source, rest) = rest.split_first_chunk::<16>()?;
            let (_destination, rest) = rest.split_first_chunk::<16>()?;
            client(*source, rest)
        }
        _ => None,
    }
}

fn client(source: impl Into<IpAddr>, ports: &[u8]) -> Option<Source> {
    let [a, b, _, _, ..] = *ports else { return None };
    Some(Source::Client((source.into(), u16::from_be_bytes([a, b])).into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `bytes` are read as, and what is left of them.
    fn read_all(mut bytes: &[u8]) -> (Option<Source>, &[u8]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let source = runtime.block_on(read(&mut bytes)).ok();
        (source, bytes)
    }

    fn client(address: &str) -> Option<Source> {
        Some(Source::Client(address.parse().unwrap()))
    }

    fn version_2(command: u8, transport: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE, [command, transport].as_slice(), &length, rest, b"rest"].concat()
    }

    #[test]
    fn version_1_names_the_client_and_nothing_after_it_is_read() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.9 198.51.100.1 41234 80\r\n", client("192.0.2.9:41234")),
            ("PROXY TCP6 2001:db8::9 2001:db8::1 41234 80\r\n", client("[2001:db8::9]:41234")),
            ("PROXY UNKNOWN\r\n", Some(Source::Proxy)),
            ("PROXY UNKNOWN 192.0.2.9 x\r\n", Some(Source::Proxy)),
        ] {
            let sent = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(read_all(sent.as_bytes()), (source, b"GET / HTTP/1.1\r\n".as_slice()), "{line}");
        }
    }

    #[test]
    fn version_2_names_the_client_and_extensions_are_passed_over() {
        let v4 = [192, 0, 2, 9, 198, 51, 100, 1, 0xa1, 0x12, 0, 80];
        let extended = [v4.as_slice(), &[0x04, 0, 1, 0]].concat();
        let v6: Vec<u8> = ["2001:db8::9", "2001:db8::1"]
            .iter()
            .flat_map(|address| address.parse::<Ipv6Addr>().unwrap().octets())
            .chain([0xa1, 0x12, 0, 80])
            .collect();
        for (header, source) in [
            (version_2(0x21, 0x11, &v4), client("192.0.2.9:41234")),
            (version_2(0x21, 0x11, &extended), client("192.0.2.9:41234")),
            (version_2(0x21, 0x21, &v6), client("[2001:db8::9]:41234")),
            (version_2(0x20, 0x11, &v4), Some(Source::Proxy)),
            (version_2(0x20, 0x00, &[]), Some(Source::Proxy)),
            (version_2(0x21, 0x00, &v4), Some(Source::Proxy)),
        ] {
            assert_eq!(read_all(&header), (source, b"rest".as_slice()), "{header:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "PROXY TCP4 192.0.2.9 198.51.100.1 41234\r\n",
            "PROXY TCP4 192.0.2.9 198.51.100.1 41234 80 x\r\n",
            "PROXY TCP4 2001:db8::9 2001:db8::1 41234 80\r\n",
            "PROXY TCP4 192.0.2.9 198.51.100.1 +41 80\r\n",
            "PROXY TCP4 192.0.2.9 198.51.100.1 41234 65536\r\n",
            "PROXY TCP4 192.0.2.9 198.51.100.1  80\r\n",
            "PROXY  192.0.2.9 198.51.100.1 41234 80\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY TCP4 192.0.2.9",
            "",
        ] {
            assert_eq!(read_all(text.as_bytes()).0, None, "{text:?}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(1000));
        let (source, left) = read_all(endless.as_bytes());
        assert_eq!((source, left.len()), (None, endless.len() - LINE_BYTES));

        let v4 = [192, 0, 2, 9, 198, 51, 100, 1, 0xa1, 0x12, 0, 80];
        for header in [
            version_2(0x11, 0x11, &v4),
            version_2(0x22, 0x11, &v4),
            version_2(0x21, 0x12, &v4),
            version_2(0x21, 0x31, &[0; 216]),
            version_2(0x21, 0x11, &v4[..11]),
            version_2(0x21, 0x21, &v4),
            version_2(0x20, 0x00, &[0; REST_BYTES + 1]),
        ] {
            assert_eq!(read_all(&header).0, None, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_source_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_all(&bytes);
            let _ = read_all(&[b"PROXY TCP4 ", bytes.as_slice()].concat());
            let _ = read_all(&[&SIGNATURE, bytes.as_slice()].concat());
        }

        #[test]
        fn a_header_gives_back_the_address_it_was_made_of(ip in any::<IpAddr>(), port in any::<u16>()) {
            let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {family} {ip} {ip} {port} 80\r\n");
            prop_assert_eq!(text(line.as_bytes()), Some(Source::Client((ip, port).into())));
        }
    }
}
