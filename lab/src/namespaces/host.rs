//! The machines on the lab's network: a namespace each, its eth0 plugged into the bridge that is the
//! switch.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Child;

use anyhow::Result;

use super::address::shared_prefix;
use super::namespace::Namespace;
use super::{CLIENT, CONTROL, Link, NamespacePlan, address, cni, overlay, tool};
use crate::cluster::{ClusterPlan, NodePlan};

/// What every machine is told before there are interfaces to inherit it.
const SETTINGS: [(&str, &str); 8] = [
    // Answers may come back another way than requests went, and nobody is to be told of a better one.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    // See `Host::tell_addresses`.
    ("ipv4/conf/default/arp_notify", "1"),
    ("ipv6/conf/default/ndisc_notify", "1"),
    // Addresses outlast a cable that is pulled, as those of IPv4 do, and are good again at once.
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/keep_addr_on_down", "1"),
];

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) namespace: Namespace,
    hardware_address: String,
    /// The switch's end of eth0.
    port: String,
    /// `ip` lines that set the routes which the kernel forgets when eth0 goes down.
    routes: String,
}

/// The switch and every machine on it.
pub(super) fn build_all(plan: &NamespacePlan) -> Result<BTreeMap<String, Host>> {
    tool::ip("link set lo up\nlink add lan type bridge mcast_snooping 0\nlink set lan up")?;
    let control: Vec<_> = plan.control.iter().map(SocketAddr::ip).collect();
    let mut hosts = BTreeMap::new();
    for (name, addresses) in [(CLIENT, &plan.client), (CONTROL, &control)] {
        let host = Host::build(name, addresses, hosts.len())?;
        hosts.insert(name.to_owned(), host);
    }
    for node in &plan.cluster.nodes {
        let mut host = Host::build(&node.name, &node.addresses, hosts.len())?;
        host.become_node(node, &plan.cluster)?;
        hosts.insert(node.name.clone(), host);
    }
    hosts.values().try_for_each(|host| tool::await_link(&host.port, "state forwarding"))?;
    Ok(hosts)
}

impl Host {
    fn build(name: &str, addresses: &[IpAddr], number: usize) -> Result<Self> {
        let port = format!("port{number}");
        let namespace = Namespace::create(name)?;
        namespace.sysctl(&SETTINGS)?;
        let hardware_address = addresses.first().map(|first| hardware_address(0, *first)).unwrap_or_default();
        tool::ip(&format!(
            "link add {port} type veth peer name eth0 address {hardware_address} netns {name}\n\
             link set {port} master lan up"
        ))?;
        let lines = addresses.iter().map(|address| address::add(*address, shared_prefix(*address), "eth0"));
        let lines: String = lines.collect();
        namespace.ip(&format!("link set eth0 up\n{lines}"))?;
        Ok(Self { namespace, hardware_address, port, routes: String::new() })
    }

    /// Forwarding, what the CNI plugin needs, and ways to the pods of the other nodes.
    fn become_node(&mut self, node: &NodePlan, cluster: &ClusterPlan) -> Result<()> {
        self.namespace.sysctl(&[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")])?;
        self.namespace.ip(&cni::prepare(cluster.cni, node))?;
        let ways = overlay::ways(cluster.overlay, node, &cluster.nodes);
        self.namespace.ip(&format!("{}{}", ways.interfaces, ways.routes))?;
        if !ways.forwarding.is_empty() {
            self.namespace.within(|| tool::run("bridge", &["-batch", "-"], &ways.forwarding))??;
        }
        self.routes = ways.routes;
        Ok(())
    }

    /// Tells the segment who has this host's addresses: a gratuitous ARP request or an unsolicited
    /// neighbour advertisement for each.
    ///
    /// The kernel sends them, as `arp_notify` and `ndisc_notify` have it, when the hardware address is set,
    /// be it to what it is already. The usual tool, arping, takes a second longer and says no more.
    pub(super) fn tell_addresses(&self) -> Result<()> {
        self.namespace.ip(&format!("link set eth0 address {}", self.hardware_address))
    }

    pub(super) fn set_link(&self, link: Link) -> Result<()> {
        match link {
            Link::Down => self.namespace.ip("link set eth0 down"),
            Link::Up => {
                self.namespace.ip(&format!("link set eth0 up\n{}", self.routes))?;
                tool::await_link(&self.port, "state forwarding")
            }
        }
    }
}

/// Locally administered, and recognisable in a capture; `kind` tells interfaces of one machine apart.
pub(super) fn hardware_address(kind: u8, address: IpAddr) -> String {
    let [a, b, c, d] = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            [a, b, c, d]
        }
    };
    format!("02:{kind:02x}:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// A process that runs on a host; killed when dropped.
#[derive(Debug)]
pub struct HostProcess {
    child: Child,
}

impl HostProcess {
    pub(super) fn new(child: Child) -> Self {
        Self { child }
    }

    /// The process, to wait for it or to read what it writes. Its id is that of the lab's own process
    /// namespace: good for signals, not for `/proc`.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
