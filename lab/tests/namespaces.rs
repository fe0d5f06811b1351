//! The cluster of network namespaces as a client on its segment meets it: real forwarding, real address
//! translation, real ARP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use vipwatch_echo::Answer;
use vipwatch_lab::cluster::Announcement;
use vipwatch_lab::cluster::ExternalTrafficPolicy::{Cluster, Local};
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

fn vip(lab: &NamespaceLab) -> SocketAddr {
    lab.state().service(ECHO).unwrap().vip
}

fn echo(lab: &NamespaceLab) -> (SocketAddr, Answer) {
    let (source, _, body) = get(lab, vip(lab)).unwrap();
    (source, serde_json::from_str(&body).unwrap())
}

fn failure(lab: &NamespaceLab) -> ErrorKind {
    get(lab, vip(lab)).unwrap_err().kind()
}

/// The status that each node's health check has for the service, or how it cannot be reached.
fn health(lab: &NamespaceLab) -> Vec<Result<u16, ErrorKind>> {
    let port = lab.state().service(ECHO).unwrap().health_check_node_port;
    let nodes = lab.state().nodes().iter();
    nodes
        .map(|node| {
            let (_, status, body) =
                get(lab, SocketAddr::from((node.address, port))).map_err(|error| error.kind())?;
            assert!(body.contains("\"name\": \"echo-server\""), "{body}");
            Ok(status.split(' ').nth(1).unwrap().parse().unwrap())
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
    let (source, answer) = echo(&lab);
    assert_eq!(answer.peer, source.into());
    assert_eq!(answer.peer.address, address("192.0.2.9"));
    assert_eq!(answer.local.address, address("10.244.1.10"));
    assert_eq!(answer.node.as_deref(), Some("node-1"));
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
    let mut ports_kept = 0;
    for _ in 0..4 {
        let (source, answer) = echo(&lab);
        assert_eq!(answer.peer.address, address("10.244.1.1"));
        ports_kept += usize::from(answer.peer.port == source.port());
    }
    // A random port may happen to be the client's; four times it does not.
    assert!(ports_kept < 4);
    assert_eq!(health(&lab), [Err(ErrorKind::ConnectionRefused); 3]);

    lab.set_policy(ECHO, Local).unwrap();
    let (source, answer) = echo(&lab);
    assert_eq!(answer.peer, source.into());
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
    let (_, answer) = echo(&lab);
    assert_eq!(answer.peer.address, address("192.0.2.13"));
    assert_eq!(answer.node.as_deref(), Some("node-2"));
}

#[test]
fn cluster_uses_every_pod() {
    if !inside("cluster_uses_every_pod") {
        return;
    }
    let mut lab = lab();
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_endpoints(ECHO, &[("node-1", 1), ("node-2", 1)]).unwrap();
    let mut seen: Vec<_> = (0..64).map(|_| echo(&lab).1.peer.address).collect();
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
        // At once, with what the client knew of the VIP a moment ago: this is the gratuitous ARP's doing.
        let (source, answer) = echo(&lab);
        assert_eq!(answer.node.as_deref(), Some(node));
        assert_eq!(answer.peer, source.into());
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
    echo(&lab);
    lab.set_announcement(ECHO, Announcement::Withheld).unwrap();
    assert_eq!(failure(&lab), ErrorKind::TimedOut);
    assert_eq!(health(&lab), [Ok(200), Ok(503), Ok(503)]);
    lab.heal_all().unwrap();
    echo(&lab);
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
    echo(&lab);

    // A node forgets its routes to the other nodes' pods along with its link.
    lab.set_policy(ECHO, Cluster).unwrap();
    lab.set_announcement(ECHO, Announcement::Pinned("node-2".to_owned())).unwrap();
    lab.set_link("node-2", Link::Down).unwrap();
    lab.set_link("node-2", Link::Up).unwrap();
    assert_eq!(echo(&lab).1.peer.address, address("192.0.2.12"));
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

    let (source, _, body) = get(&lab, NamespacePlan::default().control).unwrap();
    assert_eq!(serde_json::from_str::<Answer>(&body).unwrap().peer, source.into());
}
