//! The machines on the lab's network: a namespace each, its eth0 plugged into the bridge that is the
//! switch.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Child;
use std::sync::Arc;

use anyhow::Result;

use super::address::shared_prefix;
use super::namespace::Namespace;
use super::plan::NatPlan;
use super::ready::{await_addresses, await_link};
use super::{CLIENT, CONTROL, Link, NAT, NamespacePlan, ROUTER, address, cni, overlay, tool};
use crate::cluster::{ClusterPlan, Family, NodePlan};

/// What every machine is told before there are interfaces to inherit it.
const SETTINGS: [(&str, &str); 11] = [
    // Answers may come back another way than requests went, and nobody is to learn of a better one.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    // See `Host::tell_addresses`.
    ("ipv4/conf/default/arp_notify", "1"),
    ("ipv6/conf/default/ndisc_notify", "1"),
    // Addresses outlast a cable that is pulled, as those of IPv4 do, and are good again at once.
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/keep_addr_on_down", "1"),
    // Where several routes lead to a VIP, flows are spread by their ports as well.
    ("ipv4/fib_multipath_hash_policy", "1"),
    ("ipv6/fib_multipath_hash_policy", "1"),
];
const FORWARDING: [(&str, &str); 2] = [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")];
/// The switch that nodes and clients share.
const LAN: &str = "lan";
/// The switch between a client and its NAT.
const HOME: &str = "home";
/// That switch's end of the NAT's cable.
const INSIDE: &str = "inside";
/// What a NAT does.
const MASQUERADE: &str = "
table inet nat {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname \"eth0\" masquerade
  }
}
";

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) namespace: Arc<Namespace>,
    /// Those of eth0.
    addresses: Vec<IpAddr>,
    hardware_address: String,
    /// The switch's end of eth0.
    port: String,
    /// `ip` lines that set the routes which the kernel forgets when eth0 goes down.
    routes: String,
}

/// The switches and every machine on them.
pub(super) fn build_all(plan: &NamespacePlan) -> Result<BTreeMap<String, Host>> {
    tool::ip("link set lo up")?;
    build_switch(LAN)?;
    let control: Vec<_> = plan.control.iter().map(SocketAddr::ip).collect();
    let mut number = 0;
    let mut build = |name: &str, addresses: &[IpAddr], switch: &str| {
        number += 1;
        Host::build(name, addresses, switch, format!("port{number}"))
    };
    let router = build(ROUTER, &plan.router, LAN)?;
    router.namespace.sysctl(&FORWARDING)?;
    let mut hosts = vec![build(CONTROL, &control, LAN)?, router];
    match &plan.nat {
        None => hosts.push(build(CLIENT, &plan.client, LAN)?),
        Some(nat) => {
            build_switch(HOME)?;
            let between = build(NAT, &nat.outside, LAN)?;
            between.become_nat(nat)?;
            let mut client = build(CLIENT, &plan.client, HOME)?;
            client.route_by_default(&nat.inside)?;
            hosts.extend([between, client]);
        }
    }
    for node in &plan.cluster.nodes {
        let mut host = build(&node.name, &node.addresses, LAN)?;
        host.become_node(node, &plan.cluster)?;
        hosts.push(host);
    }
    hosts.iter().try_for_each(|host| await_link(&host.port, "state forwarding"))?;
    Ok(hosts.into_iter().map(|host| (host.namespace.name().to_owned(), host)).collect())
}

fn build_switch(name: &str) -> Result<()> {
    tool::ip(&format!("link add {name} type bridge mcast_snooping 0\nlink set {name} up"))
}

impl Host {
    fn build(name: &str, addresses: &[IpAddr], switch: &str, port: String) -> Result<Self> {
        let namespace = Namespace::create(name)?;
        namespace.sysctl(&SETTINGS)?;
        let hardware_address = addresses.first().map(|first| hardware_address(0, *first)).unwrap_or_default();
        let host = Self {
            namespace: Arc::new(namespace),
            addresses: addresses.to_vec(),
            hardware_address,
            port,
            routes: String::new(),
        };
        host.plug("eth0", &host.port, switch, addresses)?;
        Ok(host)
    }

    /// Its address in `family`.
    pub(super) fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| Family::of(*address) == family)
    }

    /// Connects a new interface `own` to the switch by a cable whose other end is called `port`.
    fn plug(&self, own: &str, port: &str, switch: &str, addresses: &[IpAddr]) -> Result<()> {
        tool::ip(&format!(
            "link add {port} type veth peer name {own} address {} netns {}\n\
             link set {port} master {switch} up",
            self.hardware_address,
            self.namespace.name(),
        ))?;
        let lines = addresses.iter().map(|address| address::add(*address, shared_prefix(*address), own));
        self.namespace.ip(&format!("link set {own} up\n{}", lines.collect::<String>()))?;
        await_addresses(&self.namespace, own)
    }

    /// Sends through the machine that has these addresses whatever is not on its own network.
    fn route_by_default(&mut self, gateways: &[IpAddr]) -> Result<()> {
        self.routes =
            gateways.iter().map(|gateway| format!("route replace default via {gateway}\n")).collect();
        self.namespace.ip(&self.routes)
    }

    /// Forwarding, a second interface, and one address for everybody behind it.
    fn become_nat(&self, nat: &NatPlan) -> Result<()> {
        self.namespace.sysctl(&FORWARDING)?;
        self.plug("eth1", INSIDE, HOME, &nat.inside)?;
        self.namespace.within(|| tool::run("nft", &["-f", "-"], MASQUERADE))??;
        await_link(INSIDE, "state forwarding")
    }

    /// Forwarding, what the CNI plugin needs, and ways to the pods of the other nodes.
    fn become_node(&mut self, node: &NodePlan, cluster: &ClusterPlan) -> Result<()> {
        self.namespace.sysctl(&FORWARDING)?;
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
                await_addresses(&self.namespace, "eth0")?;
                await_link(&self.port, "state forwarding")
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
