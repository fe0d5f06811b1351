//! VIPs that routes lead to, as with BGP and ECMP.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::thread;

use vipwatch_lab::cluster::Announcement::{Ecmp, Elected};
use vipwatch_lab::cluster::ExternalTrafficPolicy::Cluster;
use vipwatch_lab::cluster::Family;
use vipwatch_lab::matrix::Transport;
use vipwatch_lab::namespaces::{CLIENT, Link, NamespaceLab, NamespacePlan, inside};

use crate::client::{Echoed, ask, echo_all};

const ECHO: &str = "default/echo-server";
/// All of them take the same one of two routes once in four billion times.
const FLOWS: usize = 33;

fn to(nodes: &[&str]) -> vipwatch_lab::cluster::Announcement {
    Ecmp(nodes.iter().map(|node| (*node).to_owned()).collect())
}

/// Many flows at once, over TCP in one family.
fn ask_often(lab: &NamespaceLab, family: Family) -> Vec<io::Result<Echoed>> {
    let vip = lab.state().service(ECHO).unwrap().vip(family).unwrap();
    thread::scope(|scope| {
        let flows: Vec<_> = (0..FLOWS).map(|_| scope.spawn(move || ask(lab, Transport::Tcp, vip))).collect();
        flows.into_iter().map(|flow| flow.join().unwrap()).collect()
    })
}

#[test]
fn a_stale_route_to_a_node_without_a_pod_loses_a_fraction_of_flows() {
    if !inside("routes::a_stale_route_to_a_node_without_a_pod_loses_a_fraction_of_flows") {
        return;
    }
    let mut lab = NamespaceLab::start(&NamespacePlan::default()).unwrap();
    lab.set_announcement(ECHO, to(&["node-1", "node-2"])).unwrap();
    for family in Family::ALL {
        let (answered, lost): (Vec<_>, Vec<_>) = ask_often(&lab, family).into_iter().partition(Result::is_ok);
        assert!(!answered.is_empty() && !lost.is_empty(), "{} of {FLOWS} in {family}", answered.len());
        assert!(answered.iter().flatten().all(Echoed::is_preserved));
        assert!(lost.into_iter().all(|flow| flow.unwrap_err().kind() == ErrorKind::TimedOut));
    }
    lab.set_announcement(ECHO, to(&["node-1"])).unwrap();
    for family in Family::ALL {
        assert!(ask_often(&lab, family).into_iter().all(|flow| flow.unwrap().is_preserved()));
    }
}

#[test]
fn under_cluster_flows_are_spread_over_all_nodes() {
    if !inside("routes::under_cluster_flows_are_spread_over_all_nodes") {
        return;
    }
    let mut lab = NamespaceLab::start(&NamespacePlan::default()).unwrap();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_announcement(ECHO, to(&["node-1", "node-2"])).unwrap();
    assert_eq!(lab.announcer(ECHO).unwrap(), None);
    lab.set_link(CLIENT, Link::Down).unwrap();
    lab.set_link(CLIENT, Link::Up).unwrap();
    let expected = [["10.244.1.1", "192.0.2.12"], ["2001:db8:244:1::1", "2001:db8::12"]];
    for (family, expected) in Family::ALL.into_iter().zip(expected) {
        let seen: BTreeSet<_> =
            ask_often(&lab, family).into_iter().map(|flow| flow.unwrap().seen()).collect();
        assert_eq!(seen, expected.map(|address| address.parse().unwrap()).into());
    }
    lab.set_announcement(ECHO, Elected).unwrap();
    echo_all(&lab, ECHO);
}
