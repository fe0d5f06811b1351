//! Announcing VIPs: the announcing node owns the address, so that its kernel answers ARP or neighbour
//! solicitations for it, and tells the segment when it takes it over. With routes in its place no node owns
//! it: the router has the routes, and those who send to it have one to the router. They could spread flows over
//! nodes by themselves, but a route of one's own is looked up anew while a connection lasts, and before it has
//! its port: connections would change nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::ptr;

use anyhow::{Context, Result};

use super::address::{add_alone, alone};
use super::host::Host;
use super::ready::await_addresses;
use super::{CLIENT, CONTROL, NAT, ROUTER};
use crate::cluster::decide::{announcer, next_hops};
use crate::cluster::{Cluster, Family};

/// How VIPs are found at present.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// Which node announces which VIP.
    pairs: BTreeSet<(IpAddr, String)>,
    /// The next hops to VIPs that routes lead to.
    routes: BTreeMap<IpAddr, Vec<IpAddr>>,
}

impl Announced {
    pub(super) fn converge(&mut self, next: &Cluster, hosts: &BTreeMap<String, Host>) -> Result<()> {
        let (pairs, routes) = (pairs(next), routes(next));
        let host = |name: &str| hosts.get(name).with_context(|| format!("no host is called {name}"));
        for (vip, node) in self.pairs.difference(&pairs) {
            host(node)?.namespace.ip(&format!("address delete {} dev eth0", alone(*vip)))?;
            if !pairs.iter().any(|(kept, _)| kept == vip) {
                forget(*vip, hosts)?;
            }
        }
        for (vip, node) in pairs.difference(&self.pairs) {
            let node = host(node)?;
            // Without a preferred lifetime it is no source address for what the node itself sends: in a real
            // cluster the VIP is on no interface.
            let lifetime = if vip.is_ipv6() { "preferred_lft 0" } else { "" };
            node.namespace.ip(&format!("{} {lifetime}", add_alone(*vip, "eth0").trim_end()))?;
            await_addresses(&node.namespace, "eth0")?;
            node.tell_addresses()?;
        }
        self.pairs = pairs;
        if routes != self.routes {
            let gone = self.routes.keys().filter(|vip| !routes.contains_key(vip));
            let gone: String = gone.map(|vip| format!("route delete {}\n", alone(*vip))).collect();
            self.routes = routes;
            host(ROUTER)?.namespace.ip(&format!("{gone}{}", self.to_nodes()))?;
            let to_router = self.to_router(host(ROUTER)?);
            senders(hosts).try_for_each(|sender| sender.namespace.ip(&format!("{gone}{to_router}")))?;
        }
        Ok(())
    }

    /// Sets the routes anew that `host` has lost along with its link.
    pub(super) fn restore(&self, host: &Host, hosts: &BTreeMap<String, Host>) -> Result<()> {
        let router = hosts.get(ROUTER).context("the router is missing")?;
        if ptr::eq(host, router) {
            host.namespace.ip(&self.to_nodes())?;
        }
        if senders(hosts).any(|sender| ptr::eq(host, sender)) {
            host.namespace.ip(&self.to_router(router))?;
        }
        Ok(())
    }

    fn to_nodes(&self) -> String {
        let mut lines = String::new();
        for (vip, hops) in &self.routes {
            let hops: String = hops.iter().map(|hop| format!(" nexthop via {hop}")).collect();
            let _ = writeln!(lines, "route replace {}{hops}", alone(*vip));
        }
        lines
    }

    fn to_router(&self, router: &Host) -> String {
        let mut lines = String::new();
        for vip in self.routes.keys() {
            if let Some(address) = router.address(Family::of(*vip)) {
                let _ = writeln!(lines, "route replace {} via {address}", alone(*vip));
            }
        }
        lines
    }
}

fn pairs(next: &Cluster) -> BTreeSet<(IpAddr, String)> {
    let announced = next.services().iter().filter_map(|service| Some((service, announcer(next, service)?)));
    announced
        .flat_map(|(service, node)| service.vips.iter().map(|vip| (vip.ip(), node.name.clone())))
        .collect()
}

fn routes(next: &Cluster) -> BTreeMap<IpAddr, Vec<IpAddr>> {
    let mut routes = BTreeMap::new();
    for service in next.services() {
        let nodes = next_hops(next, service);
        if nodes.is_empty() {
            continue;
        }
        for vip in service.vips.iter().map(SocketAddr::ip) {
            let hops = nodes.iter().filter_map(|node| node.address(Family::of(vip))).collect();
            routes.insert(vip, hops);
        }
    }
    routes
}

/// While traffic flows a client keeps what it knows of a VIP, and the node that had it goes on serving.
/// A lab does not wait for that to end.
fn forget(vip: IpAddr, hosts: &BTreeMap<String, Host>) -> Result<()> {
    senders(hosts).try_for_each(|sender| sender.namespace.ip(&format!("neighbour flush to {vip} dev eth0")))
}

/// Those on the nodes' network that send to VIPs: the client or its NAT, and the control.
fn senders(hosts: &BTreeMap<String, Host>) -> impl Iterator<Item = &Host> {
    let outside = if hosts.contains_key(NAT) { NAT } else { CLIENT };
    [outside, CONTROL].into_iter().filter_map(|name| hosts.get(name))
}
