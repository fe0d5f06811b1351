//! Behind a proxy that tells in a PROXY header for whom it connects.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use vipwatch_echo::server::Limits;
use vipwatch_echo::{Counts, Listener, Settings, bind_tcp};

use crate::running::{GET, Running, answer_in, exchange, localhost, rest, settings, with_limits};

const V1: &[u8] = b"PROXY TCP4 192.0.2.9 198.51.100.1 41234 80\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// 2001:db8::9 port 41234 to 2001:db8::1 port 80.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xa1\x12\0\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn behind_proxy() -> Settings {
    Settings { proxy_protocol: true, ..settings() }
}

#[tokio::test]
async fn the_peer_is_the_client_and_the_proxy_is_named_beside_it() {
    for (header, client) in [(V1, "192.0.2.9:41234"), (V2, "[2001:db8::9]:41234")] {
        for (server, request) in
            [(Running::http(behind_proxy()), GET), (Running::tcp(behind_proxy()), b"\n".as_slice())]
        {
            let mut stream = server.connect().await;
            let own = stream.local_addr().unwrap();
            let answer = answer_in(&exchange(&mut stream, &[header, request].concat()).await);
            assert_eq!(answer.peer.to_string(), client);
            assert_eq!(answer.proxy, Some(own.into()));
            assert_eq!(answer.local, server.addresses[0].into());
        }
    }
    let server = Running::tcp(behind_proxy());
    let mut stream = server.connect().await;
    assert_eq!(exchange(&mut stream, &[V1, b"clientip\n"].concat()).await, "192.0.2.9:41234\n");
}

#[tokio::test]
async fn the_proxys_own_connections_keep_their_addresses() {
    let server = Running::http(behind_proxy());
    for header in [LOCAL, b"PROXY UNKNOWN\r\n"] {
        let mut stream = server.connect().await;
        let own = stream.local_addr().unwrap();
        let answer = answer_in(&exchange(&mut stream, &[header, GET].concat()).await);
        assert_eq!((answer.peer, answer.proxy), (own.into(), None));
    }
}

#[tokio::test]
async fn a_header_may_come_in_pieces() {
    let server = Running::tcp(behind_proxy());
    for header in [V1, V2] {
        let mut stream = server.connect().await;
        stream.set_nodelay(true).unwrap();
        for byte in header {
            stream.write_all(&[*byte]).await.unwrap();
        }
        assert!(exchange(&mut stream, b"clientip\n").await.ends_with(":41234\n"));
    }
}

#[tokio::test]
async fn a_connection_without_a_header_is_refused() {
    let endless = [b"PROXY TCP4 ", [b'1'; 4000].as_slice()].concat();
    let oversized = [SIGNATURE, b"\x21\x11\xff\xff", &[0; 2000]].concat();
    let garbage: [&[u8]; 6] =
        [GET, b"PROXY TCP4 nobody nowhere 1 2\r\n", b"\0\0\0\0\0\0\0\0\0\0\0\0\0", &endless, &oversized, {
            // Version 1 of the binary form has never been.
            b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0"
        }];
    let server = Running::http(behind_proxy());
    for sent in garbage {
        let mut stream = server.connect().await;
        assert_eq!(exchange(&mut stream, sent).await, "", "{sent:?}");
    }
    assert_eq!(server.end().await, Counts { answered: 0, refused: 0, malformed: 6 });
}

#[tokio::test]
async fn a_header_that_does_not_come_ends_the_connection() {
    let limits = Limits { header_read: Duration::from_millis(50), ..Limits::default() };
    let server = Running::tcp(Settings { proxy_protocol: true, ..with_limits(limits) });
    for start in [b"".as_slice(), b"PROXY TCP4 192", SIGNATURE] {
        let mut stream = server.connect().await;
        assert_eq!(exchange(&mut stream, start).await, "", "{start:?}");
    }
    assert_eq!(server.end().await, Counts { answered: 0, refused: 3, malformed: 0 });
}

#[tokio::test]
async fn the_share_of_connections_is_the_clients_and_not_the_proxys() {
    let limits = Limits { connections_per_peer: 1, ..Limits::default() };
    let server = Running::http(Settings { proxy_protocol: true, ..with_limits(limits) });
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut held = server.connect().await;
    held.write_all(&[V1, request].concat()).await.unwrap();
    held.readable().await.unwrap();

    let mut same_client = server.connect().await;
    assert_eq!(exchange(&mut same_client, V1).await, "");
    let mut other_client = server.connect().await;
    answer_in(&exchange(&mut other_client, &[V2, GET].concat()).await);
    drop(held);
    assert_eq!(server.end().await, Counts { answered: 2, refused: 1, malformed: 0 });
}

#[tokio::test]
async fn dns_has_no_header_and_without_being_told_none_is_read() {
    let listener = bind_tcp(localhost()).unwrap();
    let server = Running::start(vec![Listener::DnsOverTcp(listener)], behind_proxy());
    let mut stream = server.connect().await;
    stream.write_all(V1).await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(server.counted(1).await.malformed, 1);

    let server = Running::tcp(settings());
    let mut stream = server.connect().await;
    let own = stream.local_addr().unwrap();
    let answer = answer_in(&exchange(&mut stream, V1).await);
    assert_eq!((answer.peer, answer.proxy), (own.into(), None));
}
