use proptest::prelude::*;

use super::*;
use crate::{
    address::{AddressBook, Node},
    flow::{Flow, Outcome, Phases, SourceReport},
    probe::Expectation,
};

fn egress(socket: bool, fixed: &[&str]) -> Egress {
    let fixed = fixed.iter().map(|net| net.parse().unwrap()).collect();
    Egress { socket, fixed, ..Egress::default() }
}

fn learnt(local: &str, address: &str) -> Learnt {
    let (local, address) = (local.parse().unwrap(), address.parse().unwrap());
    Learnt { local, address, from: "stun".into(), at: DateTime::UNIX_EPOCH }
}

#[test]
fn the_socket_is_the_baseline() {
    let egress = egress(true, &[]);
    let local = Some("192.0.2.9:40000".parse().unwrap());
    assert_eq!(egress.compare(local, "192.0.2.9".parse().unwrap()), Comparison::Same);
    assert_eq!(egress.compare(local, "::ffff:192.0.2.9".parse().unwrap()), Comparison::Same);
    assert_eq!(egress.compare(local, "10.244.1.1".parse().unwrap()), Comparison::Different);
    assert_eq!(egress.compare(None, "192.0.2.9".parse().unwrap()), Comparison::NoBaseline);
    assert_eq!(egress.compare(local, "2001:db8::9".parse().unwrap()), Comparison::NoBaseline);
}

#[test]
fn fixed_addresses_and_networks_per_family() {
    let egress = egress(false, &["198.51.100.7/32", "2001:db8:1::/48"]);
    let local = Some("192.0.2.9:40000".parse().unwrap());
    assert_eq!(egress.compare(local, "198.51.100.7".parse().unwrap()), Comparison::Same);
    assert_eq!(egress.compare(local, "192.0.2.9".parse().unwrap()), Comparison::Different);
    assert_eq!(egress.compare(local, "2001:db8:1::5".parse().unwrap()), Comparison::Same);
    assert_eq!(egress.expected(local), ["198.51.100.7"]);
    assert_eq!(egress.expected(Some("[2001:db8::9]:1".parse().unwrap())), ["2001:db8:1::/48"]);
}

#[test]
fn each_uplink_has_its_own_egress() {
    let egress = Egress {
        learnt: vec![learnt("10.0.0.2", "198.51.100.7"), learnt("10.1.0.2", "203.0.113.7")],
        ..Egress::default()
    };
    let over = |local: &str, seen: &str| egress.compare(Some(local.parse().unwrap()), seen.parse().unwrap());
    assert_eq!(over("10.0.0.2:1", "198.51.100.7"), Comparison::Same);
    assert_eq!(over("10.0.0.2:1", "203.0.113.7"), Comparison::Different, "that is the other uplink's");
    assert_eq!(over("10.2.0.2:1", "203.0.113.7"), Comparison::Same, "nothing was learnt for this one alone");
    assert_eq!(over("[2001:db8::9]:1", "2001:db8::9"), Comparison::NoBaseline);
}

#[test]
fn a_reason_is_found_by_the_family_that_it_concerns() {
    let unknown = |family, why: &str| Unknown { family, why: why.into() };
    let mut egress = Egress { unknown: vec![unknown(Some(Family::V6), "no IPv6")], ..Egress::default() };
    let (v4, v6) = (Some("192.0.2.9:1".parse().unwrap()), Some("[2001:db8::9]:1".parse().unwrap()));
    assert_eq!((egress.why_unknown(v4), egress.why_unknown(v6)), (None, Some("no IPv6")));
    egress.unknown.push(unknown(None, "still being learnt"));
    assert_eq!(egress.why_unknown(v4), Some("still being learnt"));
    assert_eq!(egress.why_unknown(v6), Some("no IPv6"));
}

fn book() -> AddressBook {
    let node = Node {
        name: "node-1".into(),
        addresses: vec!["192.0.2.11".parse().unwrap()],
        pod_cidrs: vec!["10.244.1.0/24".parse().unwrap()],
    };
    AddressBook { nodes: vec![node], ..AddressBook::default() }
}

/// A flow from 10.0.0.2 that was reported to come from `peer`, with `forwarded` in the headers.
fn flow(peer: &str, forwarded: &[&str]) -> Flow {
    let forwarded = forwarded.iter().map(|address| address.parse().unwrap()).collect();
    Flow {
        local: Some("10.0.0.2:40000".parse().unwrap()),
        remote: None,
        phases: Phases::default(),
        retransmits: 0,
        outcome: Outcome::Echoed(SourceReport { forwarded, ..SourceReport::of(peer.parse().unwrap(), None) }),
    }
}

fn strangers(egress: &Egress, flow: Flow, expectation: &Expectation) -> Vec<String> {
    let strangers = egress.strangers(&[flow], &book(), expectation);
    strangers.iter().map(|stranger| stranger.address.to_string()).collect()
}

#[test]
fn a_stranger_is_neither_ours_nor_the_clusters() {
    let egress = Egress { learnt: vec![learnt("10.0.0.2", "198.51.100.7")], ..Egress::default() };
    for (peer, forwarded, expected) in [
        ("198.51.100.7", &[][..], &[][..]),
        ("203.0.113.9", &[], &["203.0.113.9"]),
        ("::ffff:203.0.113.9", &[], &["203.0.113.9"]),
        ("192.0.2.11", &[], &[]),
        ("10.244.1.1", &[], &[]),
        ("127.0.0.1", &[], &[]),
        ("2001:db8::1", &[], &[]),
        ("10.244.1.7", &["203.0.113.9"], &[]),
        ("203.0.113.9", &["198.51.100.7"], &[]),
    ] {
        let found = strangers(&egress, flow(peer, forwarded), &Expectation::Preserved);
        assert_eq!(found, expected, "{peer} {forwarded:?}");
    }
    let nobody = Egress::default();
    let found = strangers(&nobody, flow("203.0.113.9", &[]), &Expectation::Preserved);
    assert_eq!(found, [""; 0], "without a baseline nothing is strange");
}

#[test]
fn only_what_is_compared_can_be_strange() {
    let egress = Egress { learnt: vec![learnt("10.0.0.2", "198.51.100.7")], ..Egress::default() };
    let proxied =
        |forwarded: &[&str]| strangers(&egress, flow("10.244.1.7", forwarded), &Expectation::InHeader);
    assert_eq!(proxied(&["203.0.113.9"]), ["203.0.113.9"]);
    assert_eq!(proxied(&["203.0.113.9", "198.51.100.7"]), [""; 0]);
    for indifferent in [Expectation::Any, Expectation::Answer, Expectation::Within(Vec::new())] {
        assert_eq!(strangers(&egress, flow("203.0.113.9", &[]), &indifferent), [""; 0]);
    }
}

#[test]
fn a_doubt_takes_away_the_baseline_of_what_is_doubtful_alone() {
    let egress = Egress { learnt: vec![learnt("10.0.0.2", "198.51.100.7")], ..Egress::default() };
    let stranger = Stranger { local: "10.0.0.2".parse().unwrap(), address: "203.0.113.9".parse().unwrap() };
    let egress = egress.doubting([(stranger, "stun does not answer".to_owned())]);
    let local = Some("10.0.0.2:40000".parse().unwrap());
    let compare = |seen: &str| egress.compare(local, seen.parse().unwrap());
    assert_eq!(compare("203.0.113.9"), Comparison::NoBaseline);
    assert_eq!(compare("::ffff:203.0.113.9"), Comparison::NoBaseline);
    assert_eq!(compare("198.51.100.7"), Comparison::Same);
    assert_eq!(compare("10.244.1.1"), Comparison::Different);
    assert_eq!(
        egress.why_unknown(local),
        Some("203.0.113.9 may be this agent's new egress address: stun does not answer")
    );
}

proptest! {
    #[test]
    fn once_doubted_nobody_is_strange_any_more(
        socket: bool, ours in prop::collection::vec(any::<[u8; 4]>(), 0..4), peer: [u8; 4], header: [u8; 4],
    ) {
        let learnt = |ours: [u8; 4]| learnt("10.0.0.2", &IpAddr::from(ours).to_string());
        let egress = Egress { socket, learnt: ours.into_iter().map(learnt).collect(), ..Egress::default() };
        let (peer, header) = (IpAddr::from(peer).to_string(), IpAddr::from(header).to_string());
        let flows = [flow(&peer, &[&header])];
        let strangers = egress.strangers(&flows, &book(), &Expectation::InHeader);
        let doubting = egress.doubting(strangers.into_iter().map(|stranger| (stranger, String::new())));
        prop_assert_eq!(doubting.strangers(&flows, &book(), &Expectation::InHeader).len(), 0);
        let compare = |egress: &Egress| egress.compare(flows[0].local, peer.parse().unwrap());
        if compare(&egress) != Comparison::Different {
            prop_assert_eq!(compare(&egress), compare(&doubting));
        }
    }
}
