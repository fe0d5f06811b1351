//! The usual cluster: policies, moving pods, announcements, health checks, links.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use vipwatch_lab::cluster::Announcement;
use vipwatch_lab::cluster::ExternalTrafficPolicy::{Cluster, Local};
use vipwatch_lab::matrix::Transport;
use vipwatch_lab::namespaces::{CLIENT, Link, NamespaceLab, NamespacePlan, inside};

use crate::client::{PATIENCE, ask, echo_all, failure, get, of};

const ECHO: &str = "default/echo-server";

fn lab() -> NamespaceLab {
    NamespaceLab::start(&NamespacePlan::default()).unwrap()
}

/// The status that each node's health check has for the service, or how it cannot be reached.
fn health(lab: &NamespaceLab) -> Vec<Result<u16, ErrorKind>> {
    let port = lab.state().service(ECHO).unwrap().health_check_node_port;
    let ask = |address| {
        let (_, status, body) = get(lab, SocketAddr::from((address, port))).map_err(|error| error.kind())?;
        assert!(body.contains("\"name\": \"echo-server\""), "{body}");
        Ok(status.split(' ').nth(1).unwrap().parse().unwrap())
    };
    let nodes = lab.state().nodes().iter();
    nodes
        .map(|node| {
            let said: Vec<_> = node.addresses.iter().map(|address| ask(*address)).collect();
            assert_eq!(said[0], said[1]);
            said[0]
        })
        .collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn local_keeps_the_clients_address_and_port() {
    if !inside("paths::local_keeps_the_clients_address_and_port") {
        return;
    }
    let lab = lab();
    for (family, flow) in echo_all(&lab, ECHO) {
        assert!(flow.is_preserved(), "{flow:?}");
        assert_eq!(flow.seen(), of(family, "192.0.2.9", "2001:db8::9"));
        assert_eq!(flow.answer.local.address, of(family, "10.244.1.10", "2001:db8:244:1::a"));
        assert_eq!(flow.answer.node.as_deref(), Some("node-1"));
    }
    assert_eq!(health(&lab), [Ok(200), Ok(503), Ok(503)]);
}

#[test]
fn cluster_with_a_pod_on_the_receiving_node_shows_the_bridge() {
    if !inside("paths::cluster_with_a_pod_on_the_receiving_node_shows_the_bridge") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    assert_eq!(lab.announcer(ECHO).unwrap(), Some("node-1"));
    for (family, flow) in echo_all(&lab, ECHO) {
        assert_eq!(flow.seen(), of(family, "10.244.1.1", "2001:db8:244:1::1"));
    }
    assert_eq!(health(&lab), [Err(ErrorKind::ConnectionRefused); 3]);

    lab.set_policy(ECHO, Local).unwrap();
    assert!(echo_all(&lab, ECHO).iter().all(|(_, flow)| flow.is_preserved()));
    assert_eq!(health(&lab), [Ok(200), Ok(503), Ok(503)]);
}

#[test]
fn cluster_with_a_pod_on_another_node_shows_the_receiving_node() {
    if !inside("paths::cluster_with_a_pod_on_another_node_shows_the_receiving_node") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.move_pod(ECHO, "node-2").unwrap();
    lab.set_announcement(ECHO, Announcement::Pinned("node-3".to_owned())).unwrap();
    for (family, flow) in echo_all(&lab, ECHO) {
        assert_eq!(flow.seen(), of(family, "192.0.2.13", "2001:db8::13"));
        assert_eq!(flow.answer.node.as_deref(), Some("node-2"));
    }
}

#[test]
fn cluster_uses_every_pod() {
    if !inside("paths::cluster_uses_every_pod") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_endpoints(ECHO, &[("node-1", 1), ("node-2", 1)]).unwrap();
    let vip = lab.state().service(ECHO).unwrap().vips[0];
    let mut seen: Vec<_> = (0..64).map(|_| ask(&lab, Transport::Udp, vip).unwrap().seen()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, [address("10.244.1.1"), address("192.0.2.11")]);
}

#[test]
fn local_on_a_node_without_a_pod_times_out() {
    if !inside("paths::local_on_a_node_without_a_pod_times_out") {
        return;
    }
    let mut lab = lab();
    lab.set_announcement(ECHO, Announcement::Pinned("node-2".to_owned())).unwrap();
    assert_eq!(failure(&lab, ECHO), ErrorKind::TimedOut);
}

#[test]
fn a_service_without_pods_is_refused_where_it_is_announced_and_silent_elsewhere() {
    if !inside("paths::a_service_without_pods_is_refused_where_it_is_announced_and_silent_elsewhere") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_endpoints(ECHO, &[]).unwrap();
    assert_eq!(lab.announcer(ECHO).unwrap(), None);
    assert_eq!(failure(&lab, ECHO), ErrorKind::TimedOut);
    lab.set_announcement(ECHO, Announcement::Pinned("node-1".to_owned())).unwrap();
    assert_eq!(failure(&lab, ECHO), ErrorKind::ConnectionRefused);
}

#[test]
fn a_pod_takes_the_vip_and_the_health_with_it() {
    if !inside("paths::a_pod_takes_the_vip_and_the_health_with_it") {
        return;
    }
    let mut lab = lab();
    let nodes = ["node-2", "node-3", "node-1"];
    for (index, node) in [1, 2, 0].into_iter().zip(nodes) {
        lab.move_pod(ECHO, node).unwrap();
        assert_eq!(lab.announcer(ECHO).unwrap(), Some(node));
        // At once, with what the client knew of the VIP a moment ago: the announcement's doing.
        for (_, flow) in echo_all(&lab, ECHO) {
            assert_eq!(flow.answer.node.as_deref(), Some(node));
            assert!(flow.is_preserved(), "{flow:?}");
        }
        let mut expected = [Ok(503); 3];
        expected[index] = Ok(200);
        assert_eq!(health(&lab), expected);
    }
}

#[test]
fn a_withheld_vip_is_silent_even_to_a_client_that_has_just_used_it() {
    if !inside("paths::a_withheld_vip_is_silent_even_to_a_client_that_has_just_used_it") {
        return;
    }
    let mut lab = lab();
    echo_all(&lab, ECHO);
    lab.set_announcement(ECHO, Announcement::Withheld).unwrap();
    assert_eq!(failure(&lab, ECHO), ErrorKind::TimedOut);
    assert_eq!(health(&lab), [Ok(200), Ok(503), Ok(503)]);
    lab.heal_all().unwrap();
    echo_all(&lab, ECHO);
}

#[test]
fn a_link_that_was_down_works_again() {
    if !inside("paths::a_link_that_was_down_works_again") {
        return;
    }
    let mut lab = lab();
    lab.set_link(CLIENT, Link::Down).unwrap();
    assert_eq!(failure(&lab, ECHO), ErrorKind::NetworkUnreachable);
    lab.set_link(CLIENT, Link::Up).unwrap();
    echo_all(&lab, ECHO);

    // A node forgets its routes to the other nodes' pods along with its link.
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_announcement(ECHO, Announcement::Pinned("node-2".to_owned())).unwrap();
    lab.set_link("node-2", Link::Down).unwrap();
    lab.set_link("node-2", Link::Up).unwrap();
    for (family, flow) in echo_all(&lab, ECHO) {
        assert_eq!(flow.seen(), of(family, "192.0.2.12", "2001:db8::12"));
    }
}

#[test]
fn processes_and_listeners_belong_to_their_host() {
    if !inside("paths::processes_and_listeners_belong_to_their_host") {
        return;
    }
    let lab = lab();
    let mut command = Command::new("ip");
    command.args(["-brief", "address", "show", "eth0"]).stdout(Stdio::piped());
    let mut process = lab.spawn_in(CLIENT, &mut command).unwrap();
    let mut told = String::new();
    process.child().stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("192.0.2.9/24"), "{told}");

    let listener = lab.bind_in(CLIENT, "192.0.2.9:0".parse().unwrap()).unwrap();
    let there = listener.local_addr().unwrap();
    lab.within("node-1", || TcpStream::connect_timeout(&there, PATIENCE)).unwrap().unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), address("192.0.2.11"));
    assert!(lab.bind_in("node-9", there).is_err());

    for control in NamespacePlan::default().control {
        for transport in Transport::ALL {
            assert!(ask(&lab, transport, control).unwrap().is_preserved());
        }
    }
}
