//! Flows from a given source address or interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncWriteExt as _;
use vipwatch::prober::{Bind, Exchange, FlowMethod, TcpExchange, UdpExchange};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{FailureKind, Outcome},
};

use super::{detail, kind, outcome, server::Server, sight, to};

/// Tells by TCP and UDP, at the same port, where a flow comes from.
async fn echo(at: &str) -> [(Server, Exchange); 2] {
    let tcp = Server::at(at, |mut stream| async move {
        let peer = stream.peer_addr().unwrap().to_string();
        let _ = stream.write_all(peer.as_bytes()).await;
    });
    let udp = Server::datagrams(at, |_, _, peer| vec![peer.to_string().into_bytes()]);
    [
        (tcp.await, Exchange::Tcp(TcpExchange::default())),
        (udp.await, Exchange::Udp(UdpExchange::new("clientip"))),
    ]
}

fn from(address: SocketAddr, exchange: &Exchange, bind: Bind) -> FlowMethod {
    FlowMethod { bind, echo: Some(EchoFormat::Auto), ..to(address, exchange.clone()) }
}

fn addresses(addresses: &[IpAddr]) -> Bind {
    Bind { addresses: addresses.to_vec(), interface: None }
}

#[tokio::test]
async fn flows_leave_from_the_address_that_they_are_bound_to() {
    let source = IpAddr::from([127, 0, 0, 42]);
    for (server, exchange) in echo("127.0.0.1:0").await {
        let both = addresses(&[Ipv6Addr::LOCALHOST.into(), source]);
        let flows = sight(from(server.address, &exchange, both), 3).await.flows;
        let ports: std::collections::HashSet<_> =
            flows.iter().map(|flow| flow.local.unwrap().port()).collect();
        assert_eq!(ports.len(), 3);
        for flow in flows {
            assert_eq!(flow.local.unwrap().ip(), source);
            assert!(matches!(&flow.outcome, Outcome::Echoed(report) if report.address == source), "{flow:?}");
        }
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_this_hosts_fault() {
    for (server, exchange) in echo("[::1]:0").await {
        let v4_only = addresses(&[Ipv4Addr::LOCALHOST.into()]);
        let failed = outcome(from(server.address, &exchange, v4_only)).await;
        assert_eq!(kind(&failed), Some(FailureKind::Vantage));
        assert_eq!(detail(&failed), "::1 is an IPv6 address, and none of this family is given to bind");
    }
    for (server, exchange) in echo("127.0.0.1:0").await {
        let foreign = addresses(&["192.0.2.9".parse().unwrap()]);
        let failed = outcome(from(server.address, &exchange, foreign)).await;
        assert_eq!(kind(&failed), Some(FailureKind::Vantage));
        assert_eq!(detail(&failed), "192.0.2.9 is not an address of this host");
    }
}

#[tokio::test]
async fn flows_leave_by_the_interface_that_they_are_bound_to() {
    let by = |interface: &str| Bind { addresses: Vec::new(), interface: Some(interface.to_owned()) };
    for (server, exchange) in echo("127.0.0.1:0").await {
        let flow = sight(from(server.address, &exchange, by("lo")), 1).await.flows.remove(0);
        assert!(matches!(flow.outcome, Outcome::Echoed(_)), "{flow:?}");
        let failed = outcome(from(server.address, &exchange, by("no-such-link"))).await;
        assert_eq!(kind(&failed), Some(FailureKind::Vantage));
        assert_eq!(detail(&failed), "this host has no interface no-such-link");
    }
}
