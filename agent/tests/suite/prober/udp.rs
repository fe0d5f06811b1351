//! Questions and answers in datagrams.

use std::{net::SocketAddr, time::Duration};

use tokio::net::UdpSocket;
use vipwatch::prober::{Exchange, FlowMethod, Pattern, UdpExchange};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{FailureKind, Outcome},
};

use super::{detail, kind, outcome, server::Server, sight, to};

/// agnhost's `clientip`, which answers no datagram before it has seen so many of the same sender.
async fn clientip(at: &str, lost: usize) -> Server {
    Server::datagrams(at, move |nth, question, peer| match question {
        b"clientip" if nth >= lost => vec![peer.to_string().into_bytes()],
        _ => Vec::new(),
    })
    .await
}

fn asking(address: SocketAddr) -> FlowMethod {
    let exchange =
        UdpExchange { retransmit_after: Duration::from_millis(50), ..UdpExchange::new("clientip") };
    let mut method = to(address, Exchange::Udp(exchange));
    method.echo = Some(EchoFormat::Auto);
    method
}

#[tokio::test]
async fn each_flow_has_its_own_socket_and_tells_its_source() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let server = clientip(at, 0).await;
        let flows = sight(asking(server.address), 4).await.flows;
        let ports: std::collections::HashSet<_> =
            flows.iter().map(|flow| flow.local.unwrap().port()).collect();
        assert_eq!(ports.len(), 4);
        for flow in flows {
            let Outcome::Echoed(report) = &flow.outcome else { panic!("{flow:?}") };
            let local = flow.local.unwrap();
            assert_eq!((report.address, report.port), (local.ip(), Some(local.port())));
            assert_eq!((flow.remote, flow.retransmits), (Some(server.address), 0));
            assert!(flow.phases.first_byte_us.is_some() && flow.phases.connect_us.is_none());
        }
    }
}

#[tokio::test]
async fn what_is_lost_is_sent_again_and_counted() {
    let server = clientip("127.0.0.1:0", 2).await;
    let flow = sight(asking(server.address), 1).await.flows.remove(0);
    assert!(matches!(flow.outcome, Outcome::Echoed(_)), "{flow:?}");
    assert_eq!(flow.retransmits, 2);
    // 50 ms, and then twice as long.
    assert!(flow.phases.first_byte_us.unwrap() >= 150_000, "{flow:?}");

    let silent = clientip("127.0.0.1:0", usize::MAX).await;
    let flow = sight(asking(silent.address), 1).await.flows.remove(0);
    assert_eq!(kind(&flow.outcome), Some(FailureKind::Timeout));
    // At 50, 150 and 350 of 400 ms; on a busy machine the last may come too late.
    assert!((2..=3).contains(&flow.retransmits), "{flow:?}");
    assert!(flow.local.is_some() && flow.phases.first_byte_us.is_none());
}

#[tokio::test]
async fn a_closed_port_is_refused_and_an_odd_answer_unexpected() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(kind(&outcome(asking(closed)).await), Some(FailureKind::Refused));

    let odd = Server::datagrams("127.0.0.1:0", |_, _, _| vec![b"hunter2".into()]).await;
    assert!(matches!(outcome(asking(odd.address)).await, Outcome::Unreadable(_)));
    let mut exchange = UdpExchange::new("ping");
    exchange.expect = Some(Pattern::new("^pong$").unwrap());
    let wrong = outcome(to(odd.address, Exchange::Udp(exchange.clone()))).await;
    assert_eq!(kind(&wrong), Some(FailureKind::Unexpected));
    assert_eq!(detail(&wrong), r#"the answer does not match "^pong$""#);
    let pong = Server::datagrams("127.0.0.1:0", |_, _, _| vec![b"pong".into()]).await;
    assert_eq!(outcome(to(pong.address, Exchange::Udp(exchange))).await, Outcome::Answered);
    let empty = Server::datagrams("127.0.0.1:0", |_, _, _| vec![Vec::new()]).await;
    assert_eq!(outcome(to(empty.address, Exchange::Udp(UdpExchange::new("")))).await, Outcome::Answered);
}

#[tokio::test]
async fn an_answer_from_somebody_else_is_none() {
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
    let server = Server::datagrams("127.0.0.1:0", move |_, _, peer| {
        stranger.send_to(b"192.0.2.66:666", peer).unwrap();
        Vec::new()
    })
    .await;
    assert_eq!(kind(&outcome(asking(server.address)).await), Some(FailureKind::Timeout));
}
