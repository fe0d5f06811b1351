//! The machines on the lab's network: a namespace each, its eth0 plugged into the bridge that is the
//! switch.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Child;

use anyhow::{Result, bail};

use super::namespace::Namespace;
use super::{CLIENT, CONTROL, Link, NamespacePlan, tool};
use crate::cluster::NodePlan;

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
    tool::ip("link set lo up\nlink add lan type bridge\nlink set lan up")?;
    let IpAddr::V4(control) = plan.control.ip() else { bail!("the control must have an IPv4 address") };
    let mut hosts = BTreeMap::new();
    for (name, address) in [(CLIENT, plan.client), (CONTROL, control)] {
        let host = Host::build(name, address, hosts.len())?;
        hosts.insert(name.to_owned(), host);
    }
    for node in &plan.cluster.nodes {
        let mut host = Host::build(&node.name, node.address, hosts.len())?;
        host.become_node(node, &plan.cluster.nodes)?;
        hosts.insert(node.name.clone(), host);
    }
    hosts.values().try_for_each(|host| tool::await_forwarding(&host.port))?;
    Ok(hosts)
}

impl Host {
    fn build(name: &str, address: Ipv4Addr, number: usize) -> Result<Self> {
        let port = format!("port{number}");
        let namespace = Namespace::create(name)?;
        // Before there are interfaces to inherit these: answers may come back another way than requests
        // went, and nobody is to be told of a better one.
        namespace.sysctl(&[
            ("conf/all/rp_filter", "0"),
            ("conf/default/rp_filter", "0"),
            ("conf/all/send_redirects", "0"),
            ("conf/default/send_redirects", "0"),
            ("conf/default/arp_notify", "1"),
        ])?;
        // Locally administered, and recognisable in a capture.
        let [a, b, c, d] = address.octets();
        let hardware_address = format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
        tool::ip(&format!(
            "link add {port} type veth peer name eth0 address {hardware_address} netns {name}\n\
             link set {port} master lan up"
        ))?;
        namespace.ip(&format!("address add {address}/24 dev eth0\nlink set eth0 up"))?;
        Ok(Self { namespace, hardware_address, port, routes: String::new() })
    }

    /// Forwarding, a bridge for the pods, and routes to the pods of the other nodes.
    fn become_node(&mut self, node: &NodePlan, nodes: &[NodePlan]) -> Result<()> {
        self.namespace.sysctl(&[("ip_forward", "1")])?;
        let bridge = node.pods.bridge();
        self.namespace
            .ip(&format!("link add cni0 type bridge\naddress add {bridge}/24 dev cni0\nlink set cni0 up"))?;
        for other in nodes.iter().filter(|other| other.name != node.name) {
            writeln!(self.routes, "route replace {} via {}", other.pods, other.address)?;
        }
        self.namespace.ip(&self.routes)
    }

    /// Tells the segment who has this host's addresses, with a gratuitous ARP request for each.
    ///
    /// The kernel sends them, as `arp_notify` has it, when the hardware address is set, be it to what it
    /// is already. The usual tool, arping, takes a second longer and says no more.
    pub(super) fn send_gratuitous_arp(&self) -> Result<()> {
        self.namespace.ip(&format!("link set eth0 address {}", self.hardware_address))
    }

    pub(super) fn set_link(&self, link: Link) -> Result<()> {
        match link {
            Link::Down => self.namespace.ip("link set eth0 down"),
            Link::Up => {
                self.namespace.ip(&format!("link set eth0 up\n{}", self.routes))?;
                tool::await_forwarding(&self.port)
            }
        }
    }
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
