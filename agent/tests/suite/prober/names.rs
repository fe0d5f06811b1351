//! Targets by name, with a name server of our own.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::{
    op::ResponseCode,
    rr::{RData, Record, RecordType},
};
use tokio::io::AsyncWriteExt as _;
use vipwatch::prober::{Exchange, FlowMethod, Host, TcpExchange};
use vipwatch_model::{
    flow::{FailureKind, Outcome},
    observation::Lookup,
};

use super::{
    detail, kind,
    name_server::{over_udp, response},
    server::Server,
    sight, to,
};

/// Answers every question with those of `addresses` that fit, a name that begins with `no` with NXDOMAIN, one with
/// `broken` with SERVFAIL, and one with `silent` not at all.
async fn name_server(addresses: &'static [&'static str]) -> Server {
    over_udp("127.0.0.1:0", move |query, _| {
        let mut message = response(&query);
        let query = &query.queries[0];
        match query.name.to_ascii() {
            name if name.starts_with("no") => message.metadata.response_code = ResponseCode::NXDomain,
            name if name.starts_with("broken") => message.metadata.response_code = ResponseCode::ServFail,
            name if name.starts_with("silent") => return Vec::new(),
            _ => {
                for address in addresses {
                    let data = match (query.query_type, address.parse().unwrap()) {
                        (RecordType::A, IpAddr::V4(v4)) => RData::A(v4.into()),
                        (RecordType::AAAA, IpAddr::V6(v6)) => RData::AAAA(v6.into()),
                        _ => continue,
                    };
                    message.add_answer(Record::from_rdata(query.name.clone(), 60, data));
                }
            }
        }
        vec![message]
    })
    .await
}

/// Says something on one port of several addresses.
async fn everywhere(addresses: &[&str]) -> (Vec<Server>, u16) {
    let say = |mut stream: tokio::net::TcpStream| async move {
        let _ = stream.write_all(b"hello\n").await;
    };
    let mut servers = vec![Server::at(&format!("{}:0", addresses[0]), say).await];
    let port = servers[0].address.port();
    for address in &addresses[1..] {
        servers.push(Server::at(&format!("{address}:{port}"), say).await);
    }
    (servers, port)
}

fn named(name: &str, port: u16, name_server: &Server) -> FlowMethod {
    let exchange = Exchange::Tcp(TcpExchange::default());
    let mut method = FlowMethod::new(Host::Name(name.to_owned()), port, exchange);
    method.name_servers = vec![name_server.address];
    method
}

#[tokio::test]
async fn each_address_of_a_name_is_probed() {
    let (_servers, port) = everywhere(&["127.0.0.31", "127.0.0.32", "[::1]"]).await;
    let names = name_server(&["127.0.0.32", "::1", "127.0.0.31"]).await;
    let sorted: Vec<IpAddr> =
        ["127.0.0.31", "127.0.0.32", "::1"].map(|address| address.parse().unwrap()).into();
    // Fewer flows than addresses are raised to one each.
    for (flows, times) in [(1, 1), (6, 2)] {
        let sight = sight(named("echo.example.net", port, &names), flows).await;
        assert_eq!(sight.lookup, Some(Lookup { name: "echo.example.net".into(), addresses: sorted.clone() }));
        for address in &sorted {
            let there =
                sight.flows.iter().filter(|flow| flow.remote == Some(SocketAddr::new(*address, port)));
            assert_eq!(there.count(), times);
        }
        for flow in sight.flows {
            assert_eq!(flow.outcome, Outcome::Answered);
            assert!(flow.phases.resolve_us.is_some_and(|took| took > 0));
        }
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_apart_from_name_servers_that_do_not_work() {
    let names = name_server(&[]).await;
    for (name, why) in [
        ("no.example.net", "no.example.net has no address"),
        ("empty.example.net", "empty.example.net has no address"),
        ("broken.example.net", "the name servers of the probe do not work: "),
        ("silent.example.net", "the name servers of the probe do not work: no answer in time"),
    ] {
        let sight = sight(named(name, 80, &names), 2).await;
        assert_eq!(sight.flows.len(), 2);
        for flow in sight.flows {
            assert_eq!((kind(&flow.outcome), flow.remote), (Some(FailureKind::Resolve), None));
            assert!(detail(&flow.outcome).starts_with(why), "{name}: {flow:?}");
        }
        assert_eq!(sight.lookup, None);
    }
}

#[tokio::test]
async fn a_name_beside_the_flows_is_looked_up_and_its_failure_is_not_theirs() {
    let (servers, _) = everywhere(&["127.0.0.31"]).await;
    let names = name_server(&["192.0.2.201"]).await;
    for (name, found) in
        [("echo.example.net", true), ("broken.example.net", false), ("silent.example.net", false)]
    {
        let mut method = to(servers[0].address, Exchange::Tcp(TcpExchange::default()));
        method.name_servers = vec![names.address];
        method.dns_name = Some(name.to_owned());
        let sight = sight(method, 2).await;
        assert!(
            sight
                .flows
                .iter()
                .all(|flow| flow.outcome == Outcome::Answered && flow.phases.resolve_us.is_none())
        );
        let lookup = Lookup { name: name.to_owned(), addresses: vec!["192.0.2.201".parse().unwrap()] };
        assert_eq!(sight.lookup, found.then_some(lookup));
    }
}
