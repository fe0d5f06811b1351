//! The matrix: in every kind of cluster, over every path, what the backend sees is what the table says and
//! what the rules say.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::process::Command;
use std::thread;

use serde_json::Value;
use vipwatch_lab::cluster::ExternalTrafficPolicy::{Cluster, Local};
use vipwatch_lab::cluster::decide::translation;
use vipwatch_lab::cluster::{Cni, Overlay};
use vipwatch_lab::matrix::{Cell, Outcome, RECEIVING, Seen, Topology, cells};
use vipwatch_lab::namespaces::{CLIENT, NamespaceLab, inside};

use crate::client::{Echoed, ask, echo_all};

/// Lets the kernel write down with which time to live packets reach the client.
const WATCH_TTL: &str = "
table inet ttl {
  set v4 { typeof ip saddr . meta l4proto . ip ttl; size 256; flags dynamic; }
  set v6 { typeof ip6 saddr . meta l4proto . ip6 hoplimit; size 256; flags dynamic; }
  chain input {
    type filter hook input priority filter; policy accept;
    add @v4 { ip saddr . meta l4proto . ip ttl }
    add @v6 { ip6 saddr . meta l4proto . ip6 hoplimit }
  }
}";

fn nft(lab: &NamespaceLab, arguments: &[&str]) -> String {
    let run = || Command::new("nft").args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output();
    let output = lab.within(CLIENT, run).unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Who has sent what with which time to live.
fn ttls(lab: &NamespaceLab) -> BTreeSet<(IpAddr, String, u64)> {
    let mut ttls = BTreeSet::new();
    for set in ["v4", "v6"] {
        let listed: Value =
            serde_json::from_str(&nft(lab, &["-j", "list", "set", "inet", "ttl", set])).unwrap();
        let listed = &listed["nftables"].as_array().unwrap()[1]["set"]["elem"];
        for element in listed.as_array().into_iter().flatten() {
            let fields = element["concat"].as_array().unwrap();
            let [from, protocol, ttl] = fields.as_slice() else { panic!("{element}") };
            let from = from.as_str().unwrap().parse().unwrap();
            ttls.insert((from, protocol.as_str().unwrap().to_owned(), ttl.as_u64().unwrap()));
        }
    }
    ttls
}

/// What comes of two flows as `cell` asks for them.
fn check(lab: &NamespaceLab, cell: &Cell) {
    let node = lab.state().node(RECEIVING).unwrap();
    let vip = lab.state().service(cell.path.service()).unwrap().vip(cell.family).unwrap();
    let flows = [(); 2].map(|()| ask(lab, cell.transport, vip));
    match cell.expected(node).unwrap() {
        Outcome::Silence => {
            let kinds = flows.map(|flow| flow.unwrap_err().kind());
            assert_eq!(kinds, [ErrorKind::TimedOut; 2], "{cell:?}");
        }
        Outcome::Answered { seen, ttl } => {
            let flows = flows.map(Result::unwrap);
            match seen {
                Seen::Client => assert!(flows.iter().all(Echoed::is_preserved), "{cell:?}: {flows:?}"),
                Seen::Address(address) => {
                    assert_eq!(flows.each_ref().map(Echoed::seen), [address; 2], "{cell:?}");
                    // A random port may happen to be the client's; twice it does not.
                    let kept = flows.iter().all(|flow| flow.answer.peer.port == flow.source.port());
                    assert!(!kept, "{cell:?} keeps ports");
                }
            }
            let protocol = cell.transport.to_string().to_lowercase();
            let ttls = ttls(lab);
            let own: Vec<_> = ttls
                .iter()
                .filter(|(from, by, _)| *from == vip.ip() && *by == protocol)
                .map(|(.., ttl)| *ttl)
                .collect();
            assert_eq!(own, [u64::from(ttl)], "{cell:?}");
        }
    }
}

/// All cells of the matrix that a lab of this kind has, at once where they do not meet.
fn check_cells(lab: &mut NamespaceLab, topology: Topology) -> usize {
    let mut checked = 0;
    for (policy, ports) in [(Local, "20000 39999"), (Cluster, "40000 59999")] {
        // Nodes remember datagrams for a while, whatever the policy is by then.
        let range = "/proc/sys/net/ipv4/ip_local_port_range";
        lab.within(CLIENT, || std::fs::write(range, ports)).unwrap().unwrap();
        let services: Vec<_> = lab.state().services().iter().map(|service| service.name.clone()).collect();
        for service in services {
            lab.set_policy(&service, policy).unwrap();
        }
        let of_lab = |cell: &Cell| cell.path.topology() == topology && cell.policy == policy;
        let cells: Vec<_> = cells().into_iter().filter(of_lab).collect();
        let lab = &*lab;
        thread::scope(|scope| {
            for cell in &cells {
                scope.spawn(move || check(lab, cell));
            }
        });
        checked += cells.len();
    }
    checked
}

/// Under Cluster, every service sees what the rule for masquerading says: also those that the matrix leaves
/// out.
fn check_masquerading(lab: &NamespaceLab) {
    let state = lab.state();
    let node = state.node(RECEIVING).unwrap();
    for service in state.services() {
        assert_eq!(service.policy, Cluster);
        for (family, flow) in echo_all(lab, &service.name) {
            let source = translation(state, service, node, &service.endpoints[0], family);
            let expected = source.unwrap_or(flow.source.ip());
            assert_eq!(flow.seen(), expected, "{} in {family}", service.name);
        }
    }
}

fn matrix(name: &str, cni: Cni, overlay: Overlay, cells: usize) {
    if !inside(&format!("matrix::{name}")) {
        return;
    }
    let topology = Topology { cni, overlay };
    let mut lab = NamespaceLab::start(&topology.plan()).unwrap();
    nft(&lab, &[WATCH_TTL]);
    assert_eq!(check_cells(&mut lab, topology), cells);
    check_masquerading(&lab);
}

#[test]
fn bridges_and_host_gw() {
    matrix("bridges_and_host_gw", Cni::Bridge, Overlay::HostGw, 3 * 8);
}

#[test]
fn bridges_and_vxlan() {
    matrix("bridges_and_vxlan", Cni::Bridge, Overlay::Vxlan, 8);
}

#[test]
fn ptp_and_host_gw() {
    matrix("ptp_and_host_gw", Cni::Ptp, Overlay::HostGw, 8);
}

#[test]
fn ptp_and_vxlan() {
    matrix("ptp_and_vxlan", Cni::Ptp, Overlay::Vxlan, 0);
}

#[test]
fn veth_and_host_gw() {
    matrix("veth_and_host_gw", Cni::Veth, Overlay::HostGw, 8);
}

#[test]
fn veth_and_vxlan() {
    matrix("veth_and_vxlan", Cni::Veth, Overlay::Vxlan, 0);
}
