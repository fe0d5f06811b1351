//! What goes wrong on nodes while the policy stays what it was.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use vipwatch_echo::Answer;
use vipwatch_lab::cluster::ExternalTrafficPolicy::{Cluster, Local};
use vipwatch_lab::cluster::{Announcement, Change, Family, ProxyHealth};
use vipwatch_lab::namespaces::{CLIENT, NamespaceLab, NamespacePlan, inside};
use vipwatch_lab::proxy_health;

use crate::client::{PATIENCE, echo_all, get, get_with, of};

const ECHO: &str = "default/echo-server";
const WEB: &str = "default/web-server";

fn lab() -> NamespaceLab {
    NamespaceLab::start(&NamespacePlan::default()).unwrap()
}

/// What the port says on the first address of a node: the status code and the body.
fn ask(lab: &NamespaceLab, node: &str, port: u16, path: &str) -> Result<(u16, String), ErrorKind> {
    let address = lab.state().node(node).unwrap().addresses[0];
    let (_, status, body) = get_with(lab, (address, port).into(), path, "").map_err(|error| error.kind())?;
    Ok((status.split(' ').nth(1).unwrap().parse().unwrap(), body))
}

#[test]
fn a_stray_rule_masquerades_under_local_on_its_node_alone() {
    if !inside("faults::a_stray_rule_masquerades_under_local_on_its_node_alone") {
        return;
    }
    let mut lab = lab();
    lab.apply(&Change::stray_masquerade("node-2", true)).unwrap();
    lab.set_announcement(WEB, Announcement::Pinned("node-2".to_owned())).unwrap();
    for (family, flow) in echo_all(&lab, WEB) {
        assert_eq!(flow.seen(), of(family, "10.244.2.1", "2001:db8:244:2::1"));
    }
    let port = lab.state().service(WEB).unwrap().health_check_node_port;
    assert_eq!(ask(&lab, "node-2", port, "/healthz").unwrap().0, 200);
    lab.set_announcement(WEB, Announcement::Pinned("node-3".to_owned())).unwrap();
    assert!(echo_all(&lab, WEB).iter().all(|(_, flow)| flow.is_preserved()));

    // Where the policy has it masquerade anyway, the node that has the pod has the last word.
    lab.set_policy(WEB, Cluster).unwrap();
    lab.set_endpoints(WEB, &[("node-2", 1)]).unwrap();
    for (family, flow) in echo_all(&lab, WEB) {
        assert_eq!(flow.seen(), of(family, "10.244.2.1", "2001:db8:244:2::1"));
    }

    lab.heal_all().unwrap();
    lab.set_announcement(WEB, Announcement::Pinned("node-2".to_owned())).unwrap();
    assert!(echo_all(&lab, WEB).iter().all(|(_, flow)| flow.is_preserved()));
}

#[test]
fn kube_proxy_tells_how_it_is() {
    if !inside("faults::kube_proxy_tells_how_it_is") {
        return;
    }
    let mut lab = lab();
    let check_port = lab.state().service(ECHO).unwrap().health_check_node_port;
    let mut set = |health| {
        lab.apply(&Change::proxy_health("node-1", health)).unwrap();
        let told = ask(&lab, "node-1", proxy_health::PORT, "/healthz");
        let (_, others) = ask(&lab, "node-2", proxy_health::PORT, "/healthz").unwrap();
        assert!(others.contains("\"nodeEligible\": true"), "{others}");
        let checked = ask(&lab, "node-1", check_port, "/healthz");
        assert!(echo_all(&lab, ECHO).iter().all(|(_, flow)| flow.is_preserved()));
        (told.map(|(status, _)| status), checked.map(|(status, _)| status))
    };
    assert_eq!(set(ProxyHealth::Stale), (Ok(503), Ok(503)));
    assert_eq!(set(ProxyHealth::Leaving), (Ok(503), Ok(200)));
    let closed = Err(ErrorKind::ConnectionRefused);
    assert_eq!(set(ProxyHealth::Gone), (closed, closed));
    assert_eq!(set(ProxyHealth::Healthy), (Ok(200), Ok(200)));

    let v6 = lab.state().node("node-1").unwrap().address(Family::V6).unwrap();
    let (_, status, _) = get(&lab, SocketAddr::from((v6, proxy_health::PORT))).unwrap();
    assert_eq!(status, "HTTP/1.1 404 Not Found");
}

#[test]
fn a_health_check_port_can_be_another_services() {
    if !inside("faults::a_health_check_port_can_be_another_services") {
        return;
    }
    let mut lab = lab();
    let port = lab.state().service(ECHO).unwrap().health_check_node_port;
    lab.apply(&Change::health_check_port(ECHO, Some(WEB))).unwrap();
    // As the pods of the other service are: on node-2 and node-3.
    for (node, expected) in [("node-1", 503), ("node-2", 200), ("node-3", 200)] {
        let (status, body) = ask(&lab, node, port, "/healthz").unwrap();
        assert_eq!(status, expected, "{node}");
        assert!(body.contains("\"name\": \"web-server\""), "{body}");
    }
    lab.set_policy(WEB, Cluster).unwrap();
    assert_eq!(ask(&lab, "node-1", port, "/"), Err(ErrorKind::ConnectionRefused));
    lab.apply(&Change::health_check_port(ECHO, None)).unwrap();
    assert!(ask(&lab, "node-1", port, "/").unwrap().1.contains("\"name\": \"echo-server\""));
}

#[test]
fn a_reused_socket_goes_on_as_before_a_change_of_policy() {
    if !inside("faults::a_reused_socket_goes_on_as_before_a_change_of_policy") {
        return;
    }
    let mut lab = lab();
    let vip = lab.state().service(ECHO).unwrap().vip(Family::V4).unwrap();
    let socket = lab.within(CLIENT, || UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    socket.connect(vip).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let exchange = || {
        socket.send(b"").unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        serde_json::from_slice::<Answer>(&answer[..length]).unwrap().peer
    };
    let own = socket.local_addr().unwrap().into();
    assert_eq!(lab.state().service(ECHO).unwrap().policy, Local);
    assert_eq!(exchange(), own);
    lab.set_policy(ECHO, Cluster).unwrap();
    assert_eq!(exchange(), own);
    assert!(echo_all(&lab, ECHO).iter().all(|(_, flow)| !flow.is_preserved()));
}
