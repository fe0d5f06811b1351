//! What no section can tell by itself: things that exist twice, or contradict each other across sections.

use std::{collections::BTreeMap, fmt::Display, net::IpAddr};

use super::{
    Root, alerts,
    cluster::{ClusterTable, NodeTable},
    inhibit,
    reader::{At, Reader, Slot},
    route,
    service::ServiceTable,
    value::{List, Tables},
};

/// Reports every conflict between the parts of the file.
pub(super) fn check(root: &Root, reader: &mut Reader<'_>) {
    let (services, probes) = (tables(&root.service), tables(&root.probe));
    let cluster = root.cluster.given().map(|cluster| &cluster.value);
    let nodes = cluster.map_or(&[][..], |cluster| tables(&cluster.node));

    unique("service", services.iter().filter_map(|service| service.name.given()), reader);
    unique("probe", probes.iter().filter_map(|probe| probe.name.given()), reader);
    unique("receiver", tables(&root.receiver).iter().filter_map(|receiver| receiver.name.given()), reader);
    let windows = tables(&root.maintenance).iter().filter_map(|maintenance| maintenance.name.given());
    unique("maintenance window", windows, reader);
    unique("node", nodes.iter().filter_map(|node| node.name.given()), reader);

    node_addresses(nodes, services, reader);
    pod_networks(cluster, nodes, reader);
    service_ports(services, nodes, reader);
    redundancy(services, nodes, reader);
    route::check(tables(&root.route), tables(&root.receiver), reader);
    inhibit::check(tables(&root.inhibit), alerts::inhibits_by_default(&root.alerts), reader);
    if let Some(egress) = root.egress.given() {
        egress.value.check_references(probes, reader);
        egress.value.check_cluster(cluster, reader);
    }
    if let Some(connectivity) = root.connectivity.given() {
        connectivity.value.check_cluster(cluster, services, reader);
    }
}

fn tables<T>(slot: &Slot<Tables<T>>) -> &[T] {
    slot.given().map_or(&[], |tables| &tables.value.0)
}

fn elements<T>(slot: &Slot<List<T>>) -> &[At<T>] {
    slot.given().map_or(&[], |list| &list.value.0)
}

fn unique<'a, K: Ord + Display + 'a>(
    what: &str,
    names: impl Iterator<Item = &'a At<K>>,
    reader: &mut Reader<'_>,
) {
    let mut seen: BTreeMap<&K, &At<K>> = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.get(&name.value) {
            reader
                .fault(name.place(), format!("a {what} named {} exists already", name.value))
                .hint("names tell them apart on the page and in alerts: choose another")
                .also(first.span.as_ref(), "first here");
        } else {
            seen.insert(&name.value, name);
        }
    }
}

/// An address has one owner, or nobody could tell to whom a source address was translated.
fn node_addresses(nodes: &[NodeTable], services: &[ServiceTable], reader: &mut Reader<'_>) {
    let mut owners: BTreeMap<IpAddr, (usize, &At<IpAddr>)> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for address in elements(&node.addresses) {
            match owners.get(&address.value) {
                Some((owner, first)) if *owner != index => {
                    reader
                        .fault(address.place(), format!("{} belongs to another node already", address.value))
                        .also(first.span.as_ref(), "first here");
                }
                _ => {
                    owners.insert(address.value, (index, address));
                }
            }
        }
    }
    for vip in services.iter().flat_map(|service| elements(&service.vips)) {
        if let Some((_, node)) = owners.get(&vip.value) {
            reader
                .fault(vip.place(), format!("the VIP {} is also the address of a node", vip.value))
                .hint("a VIP comes from MetalLB's address pool, which must not hold the nodes' own addresses")
                .also(node.span.as_ref(), "the node's address is here");
        }
    }
}

/// A node's part of the pod network lies in the pod network, and in nobody else's part.
fn pod_networks(cluster: Option<&ClusterTable>, nodes: &[NodeTable], reader: &mut Reader<'_>) {
    let whole = cluster.and_then(|cluster| cluster.pod_cidrs.given());
    let parts: Vec<_> = nodes.iter().flat_map(NodeTable::pods).collect();
    for (index, part) in parts.iter().enumerate() {
        if let Some(whole) = whole
            && !whole.value.0.iter().any(|net| net.value.contains(&part.value))
        {
            reader
                .fault(part.place(), format!("{} lies in none of the pod_cidrs", part.value))
                .hint("correct one of them")
                .also(whole.span.as_ref(), "the pod network is here");
        }
        let overlaps = |other: &&&At<ipnet::IpNet>| {
            other.value.contains(&part.value) || part.value.contains(&other.value)
        };
        if let Some(first) = parts[..index].iter().find(overlaps) {
            reader
                .fault(part.place(), format!("{} overlaps with another part", part.value))
                .also(first.span.as_ref(), "the other one is here");
        }
    }
}

fn service_ports(services: &[ServiceTable], nodes: &[NodeTable], reader: &mut Reader<'_>) {
    // UDP and TCP have ports of their own.
    let mut endpoints: BTreeMap<(IpAddr, u16, bool), &At<IpAddr>> = BTreeMap::new();
    let mut node_ports = BTreeMap::new();
    for service in services {
        if let Some(port) = service.port.given().map(|port| port.value.get()) {
            for vip in elements(&service.vips) {
                // Twice within one list is reported where lists are read.
                let first = *endpoints.entry((vip.value, port, service.is_udp())).or_insert(vip);
                let own = elements(&service.vips).iter().any(|own| std::ptr::eq(own, first));
                if !own {
                    reader
                        .fault(
                            vip.place(),
                            format!("{} port {port} belongs to another service already", vip.value),
                        )
                        .hint("services may share a VIP, but not a port on it")
                        .also(first.span.as_ref(), "first here");
                }
            }
        }
        let Some(port) = service.health_check_node_port.given() else { continue };
        let first = *node_ports.entry(port.value.get()).or_insert(port);
        if !std::ptr::eq(first, port) {
            reader
                .fault(
                    port.place(),
                    format!("the node port {} belongs to another service already", port.value.get()),
                )
                .hint("see spec.healthCheckNodePort of both")
                .also(first.span.as_ref(), "first here");
        }
        if nodes.is_empty() {
            reader
                .fault(port.place(), "a health check node port, but no node to ask on it")
                .hint("add a [[cluster.node]] with its addresses for every node");
        }
    }
}

/// No more nodes can be healthy than there are.
fn redundancy(services: &[ServiceTable], nodes: &[NodeTable], reader: &mut Reader<'_>) {
    for least in services.iter().filter_map(|service| service.min_healthy_nodes.given()) {
        // Without any nodes it is the health check node port that is at fault.
        if !nodes.is_empty() && least.value.get() as usize > nodes.len() {
            reader
                .fault(least.place(), format!("there are fewer nodes than that: {}", nodes.len()))
                .hint("correct it, or add a [[cluster.node]] for every node");
        }
    }
}
