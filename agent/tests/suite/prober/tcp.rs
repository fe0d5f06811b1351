//! Plain words over TCP.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    time::Instant,
};
use vipwatch::prober::{Exchange, FlowMethod, Pattern, TcpExchange};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{FailureKind, Outcome},
};

use super::{
    TIMEOUT, detail, kind, outcome,
    server::{Server, closed, reset_on_drop},
    sight, to,
};

/// Says `words` to whoever connects, and then closes or waits.
async fn saying(words: &'static [&'static [u8]], then_close: bool) -> Server {
    Server::doing(move |mut stream| async move {
        for word in words {
            let _ = stream.write_all(word).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !then_close {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    })
    .await
}

fn echo(address: SocketAddr) -> FlowMethod {
    let mut method = to(address, Exchange::Tcp(TcpExchange::default()));
    method.echo = Some(EchoFormat::Auto);
    method
}

fn expecting(address: SocketAddr, pattern: &str) -> FlowMethod {
    let expect = Some(Pattern::new(pattern).unwrap());
    to(address, Exchange::Tcp(TcpExchange { expect, ..TcpExchange::default() }))
}

#[tokio::test]
async fn a_connection_is_enough_where_nothing_else_is_asked_for() {
    let silent = Server::silent().await;
    let sight = sight(to(silent.address, Exchange::Tcp(TcpExchange::default())), 4).await;
    let ports: std::collections::HashSet<_> =
        sight.flows.iter().map(|flow| flow.local.unwrap().port()).collect();
    assert_eq!(ports.len(), 4);
    for flow in sight.flows {
        assert_eq!(flow.outcome, Outcome::Answered);
        assert!(flow.phases.connect_us.is_some() && flow.phases.first_byte_us.is_none());
    }
    let refused = outcome(to(closed().await, Exchange::Tcp(TcpExchange::default()))).await;
    assert_eq!(kind(&refused), Some(FailureKind::Refused));
}

#[tokio::test]
async fn a_command_is_sent_and_its_answer_read() {
    let server = Server::doing(|stream| async move {
        let peer = stream.peer_addr().unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let answer = if line == "clientip\n" { peer.to_string() } else { "what?".to_owned() };
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let mut method = echo(server.address);
    method.exchange = Exchange::Tcp(TcpExchange { send: b"clientip\n".into(), ..TcpExchange::default() });
    for flow in sight(method, 3).await.flows {
        let Outcome::Echoed(report) = &flow.outcome else { panic!("{flow:?}") };
        assert_eq!(
            (report.address, report.port),
            (flow.local.unwrap().ip(), Some(flow.local.unwrap().port()))
        );
        assert!(flow.phases.first_byte_us.is_some() && flow.phases.body_us.is_some());
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_line_or_the_connection_and_half_an_address_is_none() {
    let line = saying(&[b"192.0.", b"2.9:4711\n"], false).await;
    let started = Instant::now();
    assert!(
        matches!(outcome(echo(line.address)).await, Outcome::Echoed(report) if report.port == Some(4711))
    );
    assert!(started.elapsed() < TIMEOUT, "a line end is waited for no longer");
    let closes = saying(&[b"192.0.", b"2.9"], true).await;
    assert!(
        matches!(outcome(echo(closes.address)).await, Outcome::Echoed(report) if report.address.to_string() == "192.0.2.9")
    );
    let lines =
        saying(&[b"{\"vipwatch_echo\":1,\n", b"\"peer\":{\"address\":\"192.0.2.9\"}}\n"], false).await;
    assert!(matches!(outcome(echo(lines.address)).await, Outcome::Echoed(_)));
    // 192.0.2.9 might go on to be 192.0.2.99.
    let open = saying(&[b"192.0.2.9"], false).await;
    let Outcome::Unreadable(why) = outcome(echo(open.address)).await else {
        panic!("half an address was read")
    };
    assert!(why.contains("in time"), "{why}");
}

#[tokio::test]
async fn what_is_expected_is_waited_for_and_what_else_comes_is_not_quoted() {
    let ssh = saying(&[b"SSH-2.0-", b"OpenSSH_9.2"], false).await;
    let started = Instant::now();
    assert_eq!(outcome(expecting(ssh.address, "^SSH-2.0-OpenSSH")).await, Outcome::Answered);
    assert!(started.elapsed() < TIMEOUT);
    for then_close in [true, false] {
        let other = saying(&[b"220 hunter2\r\n"], then_close).await;
        let wrong = outcome(expecting(other.address, "^SSH-")).await;
        assert_eq!(kind(&wrong), Some(FailureKind::Unexpected));
        assert_eq!(detail(&wrong), r#"the answer does not match "^SSH-""#);
    }
}

#[tokio::test]
async fn bad_manners_are_told_apart_and_bounded() {
    let silent = Server::silent().await;
    assert_eq!(kind(&outcome(echo(silent.address)).await), Some(FailureKind::Timeout));
    let hangs_up = saying(&[], true).await;
    assert_eq!(kind(&outcome(echo(hangs_up.address)).await), Some(FailureKind::Reset));
    let resets = Server::doing(|stream| async move { reset_on_drop(&stream) }).await;
    assert_eq!(kind(&outcome(echo(resets.address)).await), Some(FailureKind::Reset));
    let garbage = saying(&[b"\xff\xfe\x00\x01\n"], true).await;
    assert!(matches!(outcome(echo(garbage.address)).await, Outcome::Unreadable(_)));

    let flood =
        Server::doing(|mut stream| async move { while stream.write_all(&[b'1'; 8192]).await.is_ok() {} });
    let flood = flood.await;
    assert_eq!(
        outcome(echo(flood.address)).await,
        Outcome::Unreadable("the answer is longer than 65536 bytes".to_owned())
    );
    assert_eq!(kind(&outcome(expecting(flood.address, "2")).await), Some(FailureKind::Unexpected));

    let drip = Server::doing(|mut stream| async move {
        while stream.write_all(b"1").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let started = Instant::now();
    assert!(matches!(outcome(echo(drip.address)).await, Outcome::Unreadable(_)));
    assert!(started.elapsed() < TIMEOUT * 2);
}
