//! The cluster of network namespaces as a client on its segment meets it: real forwarding, real address
//! translation, real ARP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use vipwatch_echo::Answer;
use vipwatch_lab::cluster::ExternalTrafficPolicy::{Cluster, Local};
use vipwatch_lab::cluster::{Announcement, Family};
use vipwatch_lab::namespaces::{CLIENT, Link, NamespaceLab, NamespacePlan, inside};

const ECHO: &str = "default/echo-server";
/// Shorter than the kernel takes to find that nobody answers ARP for an address.
const PATIENCE: Duration = Duration::from_secs(1);

fn lab() -> NamespaceLab {
    NamespaceLab::start(&NamespacePlan::default()).unwrap()
}

/// One GET from the client: the address it was sent from, the status line and the body.
fn get(lab: &NamespaceLab, target: SocketAddr) -> io::Result<(SocketAddr, String, String)> {
    let exchange = || {
        let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, body) = reply.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let status = head.lines().next().unwrap_or_default().to_owned();
        Ok((stream.local_addr()?, status, body.to_owned()))
    };
    lab.within(CLIENT, exchange).unwrap()
}

fn echo(lab: &NamespaceLab, family: Family) -> (SocketAddr, Answer) {
    let vip = lab.state().service(ECHO).unwrap().vip(family).unwrap();
    let (source, _, body) = get(lab, vip).unwrap();
    (source, serde_json::from_str(&body).unwrap())
}

fn echo_both(lab: &NamespaceLab) -> [Answer; 2] {
    Family::ALL.map(|family| echo(lab, family).1)
}

/// How a connection to the VIP fails, in whichever family.
fn failure(lab: &NamespaceLab) -> ErrorKind {
    let kinds = Family::ALL.map(|family| {
        let vip = lab.state().service(ECHO).unwrap().vip(family).unwrap();
        get(lab, vip).unwrap_err().kind()
    });
    assert_eq!(kinds[0], kinds[1]);
    kinds[0]
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
    if !inside("local_keeps_the_clients_address_and_port") {
        return;
    }
    let lab = lab();
    let expected = [("192.0.2.9", "10.244.1.10"), ("2001:db8::9", "2001:db8:244:1::a")];
    for (family, (client, pod)) in Family::ALL.into_iter().zip(expected) {
        let (source, answer) = echo(&lab, family);
        assert_eq!(answer.peer, source.into());
        assert_eq!(answer.peer.address, address(client));
        assert_eq!(answer.local.address, address(pod));
        assert_eq!(answer.node.as_deref(), Some("node-1"));
    }
    assert_eq!(health(&lab), [Ok(200), Ok(503), Ok(503)]);
}

#[test]
fn cluster_with_a_pod_on_the_receiving_node_shows_the_bridge() {
    if !inside("cluster_with_a_pod_on_the_receiving_node_shows_the_bridge") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    assert_eq!(lab.announcer(ECHO).unwrap(), Some("node-1"));
    for (family, bridge) in Family::ALL.into_iter().zip(["10.244.1.1", "2001:db8:244:1::1"]) {
        let mut ports_kept = 0;
        for _ in 0..4 {
            let (source, answer) = echo(&lab, family);
            assert_eq!(answer.peer.address, address(bridge));
            ports_kept += usize::from(answer.peer.port == source.port());
        }
        // A random port may happen to be the client's; four times it does not.
        assert!(ports_kept < 4);
    }
    assert_eq!(health(&lab), [Err(ErrorKind::ConnectionRefused); 3]);

    lab.set_policy(ECHO, Local).unwrap();
    for family in Family::ALL {
        let (source, answer) = echo(&lab, family);
        assert_eq!(answer.peer, source.into());
    }
    assert_eq!(health(&lab), [Ok(200), Ok(503), Ok(503)]);
}

#[test]
fn cluster_with_a_pod_on_another_node_shows_the_receiving_node() {
    if !inside("cluster_with_a_pod_on_another_node_shows_the_receiving_node") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.move_pod(ECHO, "node-2").unwrap();
    lab.set_announcement(ECHO, Announcement::Pinned("node-3".to_owned())).unwrap();
    for (family, receiving) in Family::ALL.into_iter().zip(["192.0.2.13", "2001:db8::13"]) {
        let (_, answer) = echo(&lab, family);
        assert_eq!(answer.peer.address, address(receiving));
        assert_eq!(answer.node.as_deref(), Some("node-2"));
    }
}

#[test]
fn cluster_uses_every_pod() {
    if !inside("cluster_uses_every_pod") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_endpoints(ECHO, &[("node-1", 1), ("node-2", 1)]).unwrap();
    let mut seen: Vec<_> = (0..64).map(|_| echo(&lab, Family::V4).1.peer.address).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, [address("10.244.1.1"), address("192.0.2.11")]);
}

#[test]
fn local_on_a_node_without_a_pod_times_out() {
    if !inside("local_on_a_node_without_a_pod_times_out") {
        return;
    }
    let mut lab = lab();
    lab.set_announcement(ECHO, Announcement::Pinned("node-2".to_owned())).unwrap();
    assert_eq!(failure(&lab), ErrorKind::TimedOut);
}

#[test]
fn a_service_without_pods_is_refused_where_it_is_announced_and_silent_elsewhere() {
    if !inside("a_service_without_pods_is_refused_where_it_is_announced_and_silent_elsewhere") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_endpoints(ECHO, &[]).unwrap();
    assert_eq!(lab.announcer(ECHO).unwrap(), None);
    assert_eq!(failure(&lab), ErrorKind::TimedOut);
    lab.set_announcement(ECHO, Announcement::Pinned("node-1".to_owned())).unwrap();
    assert_eq!(failure(&lab), ErrorKind::ConnectionRefused);
}

#[test]
fn a_pod_takes_the_vip_and_the_health_with_it() {
    if !inside("a_pod_takes_the_vip_and_the_health_with_it") {
        return;
    }
    let mut lab = lab();
    let nodes = ["node-2", "node-3", "node-1"];
    for (index, node) in [1, 2, 0].into_iter().zip(nodes) {
        lab.move_pod(ECHO, node).unwrap();
        assert_eq!(lab.announcer(ECHO).unwrap(), Some(node));
        // At once, with what the client knew of the VIP a moment ago: the announcement's doing.
        for family in Family::ALL {
            let (source, answer) = echo(&lab, family);
            assert_eq!(answer.node.as_deref(), Some(node));
            assert_eq!(answer.peer, source.into());
        }
        let mut expected = [Ok(503); 3];
        expected[index] = Ok(200);
        assert_eq!(health(&lab), expected);
    }
}

#[test]
fn a_withheld_vip_is_silent_even_to_a_client_that_has_just_used_it() {
    if !inside("a_withheld_vip_is_silent_even_to_a_client_that_has_just_used_it") {
        return;
    }
    let mut lab = lab();
    echo_both(&lab);
    lab.set_announcement(ECHO, Announcement::Withheld).unwrap();
    assert_eq!(failure(&lab), ErrorKind::TimedOut);
    assert_eq!(health(&lab), [Ok(200), Ok(503), Ok(503)]);
    lab.heal_all().unwrap();
    echo_both(&lab);
}

#[test]
fn a_link_that_was_down_works_again() {
    if !inside("a_link_that_was_down_works_again") {
        return;
    }
    let mut lab = lab();
    lab.set_link(CLIENT, Link::Down).unwrap();
    assert_eq!(failure(&lab), ErrorKind::NetworkUnreachable);
    lab.set_link(CLIENT, Link::Up).unwrap();
    echo_both(&lab);

    // A node forgets its routes to the other nodes' pods along with its link.
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_announcement(ECHO, Announcement::Pinned("node-2".to_owned())).unwrap();
    lab.set_link("node-2", Link::Down).unwrap();
    lab.set_link("node-2", Link::Up).unwrap();
    let seen = Family::ALL.map(|family| echo(&lab, family).1.peer.address);
    assert_eq!(seen, ["192.0.2.12", "2001:db8::12"].map(address));
}

#[test]
fn processes_and_listeners_belong_to_their_host() {
    if !inside("processes_and_listeners_belong_to_their_host") {
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
        let (source, _, body) = get(&lab, control).unwrap();
        assert_eq!(serde_json::from_str::<Answer>(&body).unwrap().peer, source.into());
    }
}
