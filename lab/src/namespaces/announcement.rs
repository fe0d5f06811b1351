//! Announcing VIPs: the announcing node owns the address, so that its kernel answers ARP or neighbour
//! solicitations for it, and tells the segment when it takes it over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context, Result};

use super::address::{add_alone, alone};
use super::host::Host;
use super::{CLIENT, CONTROL};
use crate::cluster::Cluster;
use crate::cluster::decide::announcer;

/// Which node announces which VIP at present.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pairs: BTreeSet<(IpAddr, String)>,
}

impl Announced {
    pub(super) fn converge(&mut self, next: &Cluster, hosts: &BTreeMap<String, Host>) -> Result<()> {
        let pairs: BTreeSet<_> = next
            .services()
            .iter()
            .filter_map(|service| Some((service, announcer(next, service)?)))
            .flat_map(|(service, node)| service.vips.iter().map(|vip| (vip.ip(), node.name.clone())))
            .collect();
        let host = |name: &str| hosts.get(name).with_context(|| format!("no host is called {name}"));
        for (vip, node) in self.pairs.difference(&pairs) {
            host(node)?.namespace.ip(&format!("address delete {} dev eth0", alone(*vip)))?;
            if !pairs.iter().any(|(kept, _)| kept == vip) {
                forget(*vip, &[host(CLIENT)?, host(CONTROL)?])?;
            }
        }
        for (vip, node) in pairs.difference(&self.pairs) {
            let node = host(node)?;
            // Without a preferred lifetime it is no source address for what the node itself sends: in a real
            // cluster the VIP is on no interface.
            let lifetime = if vip.is_ipv6() { "preferred_lft 0" } else { "" };
            node.namespace.ip(&format!("{} {lifetime}", add_alone(*vip, "eth0").trim_end()))?;
            node.tell_addresses()?;
        }
        self.pairs = pairs;
        Ok(())
    }
}

/// While traffic flows a client keeps what it knows of a VIP, and the node that had it goes on serving.
/// A lab does not wait for that to end.
fn forget(vip: IpAddr, listeners: &[&Host]) -> Result<()> {
    for listener in listeners {
        listener.namespace.ip(&format!("neighbour flush to {vip} dev eth0"))?;
    }
    Ok(())
}
