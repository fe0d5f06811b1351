//! Echo requests, as far as this process may send them.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use vipwatch::prober::{Bind, Method, Prober};
use vipwatch_model::{
    flow::{FailureKind, Flow, Outcome},
    observation::Observation,
};

use super::{detail, kind, planned};

async fn pings(address: IpAddr, bind: Bind, n: u32) -> Vec<Flow> {
    match Prober::new(64).observe(&planned(Method::Ping { address, bind }, n)).await {
        Observation::Flows(sight) => sight.flows,
        other => panic!("pings gave {other:?}"),
    }
}

/// Whether the kernel lets this process send echo requests.
fn allowed() -> bool {
    [Type::DGRAM, Type::RAW]
        .iter()
        .any(|kind| Socket::new(Domain::IPV4, *kind, Some(Protocol::ICMPV4)).is_ok())
}

#[tokio::test]
async fn a_node_is_pinged_or_it_is_said_how_to_allow_that() {
    for address in ["127.0.0.1", "::1"].map(|address| address.parse::<IpAddr>().unwrap()) {
        let flows = pings(address, Bind::default(), 4).await;
        assert_eq!(flows.len(), 4);
        if !allowed() {
            assert_eq!(kind(&flows[0].outcome), Some(FailureKind::Agent));
            assert!(detail(&flows[0].outcome).contains("ping_group_range"));
            continue;
        }
        for flow in flows {
            assert_eq!(flow.outcome, Outcome::Answered);
            assert_eq!((flow.remote, flow.local.unwrap().ip()), (Some(SocketAddr::new(address, 0)), address));
            assert!(flow.phases.first_byte_us.is_some() && flow.phases.connect_us.is_none());
        }
    }
}

#[tokio::test]
async fn echo_requests_are_bound_like_flows() {
    let source: IpAddr = "127.0.0.42".parse().unwrap();
    let bind = |address: &str| Bind { addresses: vec![address.parse().unwrap()], interface: None };
    let flow = pings("127.0.0.1".parse().unwrap(), bind("127.0.0.42"), 1).await.remove(0);
    assert_eq!(flow.local.map(|local| local.ip()), allowed().then_some(source));
    let flow = pings("127.0.0.1".parse().unwrap(), bind("::1"), 1).await.remove(0);
    let expected = if allowed() { FailureKind::Vantage } else { FailureKind::Agent };
    assert_eq!(kind(&flow.outcome), Some(expected));
}

/// In a network namespace, where it can be decided who may send echo requests.
#[cfg(feature = "namespace-tests")]
#[test]
fn raw_sockets_unprivileged_ones_and_none_at_all() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    if !vipwatch_lab::namespaces::inside("prober::ping::raw_sockets_unprivileged_ones_and_none_at_all") {
        return;
    }
    let lo = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(lo.success());
    let both = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        ["127.0.0.1", "::1"].map(|address| {
            let flows = runtime.block_on(pings(address.parse().unwrap(), Bind::default(), 3));
            assert_eq!(flows.len(), 3);
            flows.into_iter().map(|flow| flow.outcome).collect::<Vec<_>>()
        })
    };
    let answered = [vec![Outcome::Answered; 3], vec![Outcome::Answered; 3]];
    let group_range = "/proc/sys/net/ipv4/ping_group_range";
    // The range of a new namespace is empty.
    assert_eq!(both(), answered, "by raw sockets");
    // Privileges are a thread's own; the runtime lives on this one.
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::NET_RAW);
    sets.permitted.remove(CapabilitySet::NET_RAW);
    set_capabilities(None, sets).unwrap();
    for outcome in both().concat() {
        assert_eq!(kind(&outcome), Some(FailureKind::Agent));
        assert!(detail(&outcome).contains("CAP_NET_RAW"), "{outcome:?}");
    }
    std::fs::write(group_range, "0 0").unwrap();
    assert_eq!(both(), answered, "without privileges");
}
