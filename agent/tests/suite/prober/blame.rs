//! Faults of this host, in a network namespace that has them: they are never the target's.

use std::{net::IpAddr, process::Command};

use vipwatch::prober::{Bind, Exchange, FlowMethod, Host, Method, Prober, TcpExchange, UdpExchange};
use vipwatch_lab::namespaces::inside;
use vipwatch_model::{
    flow::{FailureKind, Outcome},
    observation::Observation,
};

use super::{detail, kind, planned};

const TARGET: &str = "192.0.2.11";

fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{command}");
}

/// What comes of a TCP flow, a UDP flow and a ping to the target.
async fn outcomes(bind: &Bind) -> Vec<Outcome> {
    let target: IpAddr = TARGET.parse().unwrap();
    let to = |exchange| {
        let method = FlowMethod::new(Host::Address(target), 80, exchange);
        Method::Flows(Box::new(FlowMethod { bind: bind.clone(), ..method }))
    };
    let methods = [
        to(Exchange::Tcp(TcpExchange::default())),
        to(Exchange::Udp(UdpExchange::new("clientip"))),
        Method::Ping { address: target, bind: bind.clone() },
    ];
    let prober = Prober::new(4);
    let mut outcomes = Vec::new();
    for method in methods {
        let Observation::Flows(mut sight) = prober.observe(&planned(method, 1)).await else { panic!() };
        outcomes.push(sight.flows.remove(0).outcome);
    }
    outcomes
}

#[track_caller]
fn all_ours(outcomes: &[Outcome], why: &str) {
    assert!(!outcomes.is_empty());
    for outcome in outcomes {
        assert_eq!((kind(outcome), detail(outcome)), (Some(FailureKind::Vantage), why));
    }
}

#[tokio::test]
async fn no_route_a_dead_link_and_a_firewall_of_ones_own() {
    if !inside("prober::blame::no_route_a_dead_link_and_a_firewall_of_ones_own") {
        return;
    }
    let anyhow = Bind::default();
    all_ours(&outcomes(&anyhow).await, "this host has no route to 192.0.2.11");

    let exchange = Exchange::Tcp(TcpExchange::default());
    let mut by_name = FlowMethod::new(Host::Name("www.example.net".into()), 80, exchange);
    by_name.name_servers = vec!["192.0.2.53:53".parse().unwrap()];
    let by_name = planned(Method::Flows(Box::new(by_name)), 1);
    let Observation::Flows(sight) = Prober::new(4).observe(&by_name).await else { panic!() };
    let outcome = &sight.flows[0].outcome;
    assert_eq!(
        (kind(outcome), detail(outcome)),
        (Some(FailureKind::Vantage), "this host has no route to 192.0.2.53")
    );

    // Nobody answers at the far end of a veth pair that has no cable.
    run("ip link add near type veth peer name far");
    run("ip addr add 192.0.2.9/24 dev near");
    run("ip link set near up");
    all_ours(&outcomes(&anyhow).await, "this host's interface near has no carrier");
    let from = Bind { addresses: vec!["192.0.2.9".parse().unwrap()], interface: None };
    all_ours(&outcomes(&from).await, "this host's interface near has no carrier");
    run("ip link set far up");
    for outcome in outcomes(&anyhow).await {
        assert_eq!(
            kind(&outcome),
            Some(FailureKind::Timeout),
            "with a cable it is the target's: {outcome:?}"
        );
    }

    run("ip link add other type veth peer name elsewhere");
    let by_other = Bind { addresses: Vec::new(), interface: Some("other".into()) };
    all_ours(&outcomes(&by_other).await, "this host's interface other is down");

    run("nft add table inet own");
    run("nft add chain inet own out { type filter hook output priority 0 ; }");
    run("nft add rule inet own out ip daddr 192.0.2.11 drop");
    // The kernel tells it of datagrams; a connection's first packet vanishes in silence.
    all_ours(&outcomes(&anyhow).await[1..], "a firewall rule on this host refuses the connection");
}
