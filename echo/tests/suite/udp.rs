//! The UDP listener on real sockets: its commands, the address it answers from, and what it does not answer.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch_echo::{ANSWER_BYTES, Answer, Identity, Listener, Settings, bind_udp};

use crate::running::{Running, localhost, rates, settings};

async fn start(bind: &str) -> (u16, DropGuard) {
    let socket = bind_udp(bind.parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let identity = Identity { pod: Some("echo-1".to_owned()), ..Identity::default() };
    tokio::spawn(vipwatch_echo::serve_udp(socket, identity, shutdown.clone()));
    (port, shutdown.drop_guard())
}

async fn exchange(client: &UdpSocket, server: SocketAddr, request: &[u8]) -> (String, SocketAddr) {
    client.send_to(request, server).await.unwrap();
    let mut answer = [0; 2 * ANSWER_BYTES];
    let (length, from) = client.recv_from(&mut answer).await.unwrap();
    (String::from_utf8(answer[..length].to_vec()).unwrap(), from)
}

#[tokio::test]
async fn every_datagram_is_answered_by_one() {
    let (port, _server) = start("127.0.0.1:0").await;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let source = client.local_addr().unwrap();
    assert_eq!(exchange(&client, server, b"clientip").await.0, source.to_string());
    assert_eq!(exchange(&client, server, b"hostname").await.0, "echo-1");
    assert_eq!(exchange(&client, server, b"echo one two").await.0, "one two");
    for other in [b"".as_slice(), b"what", b"\0\xff"] {
        let (json, _) = exchange(&client, server, other).await;
        let answer: Answer = serde_json::from_str(&json).unwrap();
        assert_eq!((answer.peer, answer.local, answer.request), (source.into(), server.into(), None));
    }
}

#[tokio::test]
async fn answers_leave_from_the_address_that_was_asked() {
    let (port, _server) = start("[::]:0").await;
    for (client, server) in [("127.0.0.1:0", "127.0.0.7"), ("127.0.0.1:0", "127.1.2.3"), ("[::1]:0", "::1")] {
        let client = UdpSocket::bind(client).await.unwrap();
        let server = SocketAddr::new(server.parse().unwrap(), port);
        let (json, from) = exchange(&client, server, b"").await;
        assert_eq!(from, server);
        let answer: Answer = serde_json::from_str(&json).unwrap();
        assert_eq!(answer.local, server.into());
        assert_eq!(answer.peer, client.local_addr().unwrap().into());
    }

    let (port, _server) = start("0.0.0.0:0").await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = SocketAddr::from(([127, 0, 0, 9], port));
    assert_eq!(exchange(&client, server, b"hostname").await.1, server);
}

/// What `client` gets for `requests`, the last of which is answered for certain: they are read in order.
async fn answers(client: &UdpSocket, server: SocketAddr, requests: &[&[u8]]) -> Vec<String> {
    for request in requests {
        client.send_to(request, server).await.unwrap();
    }
    let mut answers = Vec::new();
    let mut buffer = [0; 2 * ANSWER_BYTES];
    while answers.last().is_none_or(|last| last != "the end") {
        let length = client.recv(&mut buffer).await.unwrap();
        answers.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    answers
}

#[tokio::test]
async fn what_is_too_long_or_an_answer_itself_is_not_answered() {
    let (port, _server) = start("127.0.0.1:0").await;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (own, _) = exchange(&client, server, b"").await;
    let long = [b'x'; ANSWER_BYTES + 1];
    let endless = [b'x'; 60_000];
    let got = answers(&client, server, &[own.as_bytes(), &long, &endless, b"echo the end"]).await;
    assert_eq!(got, ["the end"]);
}

#[tokio::test]
async fn two_servers_do_not_keep_each_other_busy() {
    let (port, _server) = start("127.0.0.1:0").await;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    // The other server bounces everything, as the echo service of old does.
    let bouncing = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (own, _) = exchange(&bouncing, server, b"").await;
    assert_eq!(answers(&bouncing, server, &[own.as_bytes(), b"echo the end"]).await, ["the end"]);
}

#[tokio::test]
async fn one_peer_cannot_have_any_number_of_answers() {
    let socket = bind_udp(localhost()).unwrap();
    let rates = rates(1000, 1);
    let server = Running::start(vec![Listener::Udp(socket)], Settings { rates, ..settings() });
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..50 {
        client.send_to(b"hostname", server.addresses[0]).await.unwrap();
    }
    let counts = server.counted(50).await;
    assert!((2..10).contains(&counts.answered), "{counts:?}");

    // Others are still answered, all but those that happen to share the bucket.
    for other in 2..=9 {
        let other = UdpSocket::bind(("127.0.0.".to_owned() + &other.to_string(), 0)).await.unwrap();
        other.send_to(b"hostname", server.addresses[0]).await.unwrap();
    }
    let counts = server.counted(58).await;
    assert!(counts.answered >= 4 + 2, "{counts:?}");
}
