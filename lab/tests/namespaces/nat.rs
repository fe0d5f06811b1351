//! A client behind a NAT of its own.

use vipwatch_lab::cluster::ExternalTrafficPolicy::Cluster;
use vipwatch_lab::matrix::Transport;
use vipwatch_lab::namespaces::{CLIENT, Link, NamespaceLab, NamespacePlan, inside};

use crate::client::{ask, echo_all, of};

const ECHO: &str = "default/echo-server";

#[test]
fn a_client_behind_a_nat_is_seen_as_the_nat() {
    if !inside("nat::a_client_behind_a_nat_is_seen_as_the_nat") {
        return;
    }
    let plan = NamespacePlan::default().behind_nat();
    let mut lab = NamespaceLab::start(&plan).unwrap();
    let check_local = |lab: &NamespaceLab| {
        for (family, flow) in echo_all(lab, ECHO) {
            assert_eq!(flow.source.ip(), of(family, "198.51.100.9", "2001:db8:98::9"));
            assert_eq!(flow.seen(), of(family, "192.0.2.8", "2001:db8::8"));
        }
    };
    check_local(&lab);
    for control in &plan.control {
        for transport in Transport::ALL {
            let flow = ask(&lab, transport, *control).unwrap();
            assert!(plan.nat.as_ref().unwrap().outside.contains(&flow.seen()), "{flow:?}");
        }
    }

    lab.set_link(CLIENT, Link::Down).unwrap();
    lab.set_link(CLIENT, Link::Up).unwrap();
    lab.move_pod(ECHO, "node-3").unwrap();
    check_local(&lab);

    lab.set_policy(ECHO, Cluster).unwrap();
    for (family, flow) in echo_all(&lab, ECHO) {
        let announcer = lab.announcer(ECHO).unwrap().unwrap();
        assert_eq!(announcer, "node-1");
        assert_eq!(flow.seen(), of(family, "192.0.2.11", "2001:db8::11"));
    }
}
