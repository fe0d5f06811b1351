//! `[cluster]`: what is known of the cluster's own addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use vipwatch_model::address::Node;

use super::{
    departure::{Departure, DepartureLayer},
    name::Name,
    reader::{At, Reader},
    rule::{AlertRules, RulesLayer},
    table::table,
    timing::{Layer, Timing},
    value::{List, OneOrMore, Tables, Whole},
};

/// What is known of the cluster, and what is asked of its nodes whatever services there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The pod network; several for dual stack.
    pub pod_cidrs: Vec<IpNet>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The port on which every node's kube-proxy tells its own health.
    pub kube_proxy_health_port: Option<u16>,
    /// Whether every node is pinged.
    pub ping_nodes: bool,
    /// When and how persistently nodes are asked.
    pub timing: Timing,
    /// How polls and pings of nodes leave this host.
    pub departure: Departure,
    /// When alerts about nodes are opened.
    pub alerts: AlertRules,
}

table! {
    /// What is known of the cluster: to tell to whom an address was translated, and which nodes to ask.
    pub(super) struct ClusterTable {
        /// The pod network, as networks in CIDR notation; one per address family.
        optional pod_cidrs: List<IpNet>,
        /// The port on which kube-proxy tells its own health, 10256 unless its healthz-bind-address says
        /// otherwise. Every node is asked on it: with externalTrafficPolicy Cluster that is what load
        /// balancers go by. Left out: nobody is asked.
        optional kube_proxy_health_port: Whole<u16, 1, 65_535>,
        /// Whether every node is pinged, to tell a node that is gone from a service that is.
        default ping_nodes: bool = false,
        /// The nodes that may announce a VIP or carry a pod.
        default node: Tables<NodeTable> = [],
    }
}

table! {
    /// One node.
    pub(super) struct NodeTable {
        /// The node's name in Kubernetes.
        required name: Name,
        /// The node's own addresses, as `kubectl get nodes -o wide` shows them. The first of them is the one
        /// that is asked.
        required addresses: List<IpAddr>,
        /// The part of the pod network that lives on this node (spec.podCIDR); for dual stack a list of two
        /// (spec.podCIDRs).
        optional pod_cidr: OneOrMore<IpNet>,
    }
}

impl ClusterTable {
    pub(super) fn resolve(
        self,
        timing: &Layer,
        rules: &RulesLayer,
        departure: &DepartureLayer,
        reader: &mut Reader<'_>,
    ) -> Option<Cluster> {
        let pinged = self.ping_nodes.given().filter(|ping| ping.value).map(At::place);
        let asked = [self.kube_proxy_health_port.written(), pinged];
        if self.node.given().is_some_and(|nodes| nodes.value.0.is_empty()) {
            for place in asked.into_iter().flatten() {
                reader
                    .fault(place, "this is asked of nodes, and there are none")
                    .hint("add a [[cluster.node]] with its addresses for every node");
            }
        }
        let timing = timing.clone().timing()?;
        Some(Cluster {
            pod_cidrs: self.pod_cidrs.optional()?.map(List::into_values).unwrap_or_default(),
            nodes: self.node.required()?.map(NodeTable::resolve)?,
            kube_proxy_health_port: self.kube_proxy_health_port.optional()?.map(Whole::get),
            ping_nodes: self.ping_nodes.required()?,
            alerts: rules.rules(&timing)?,
            timing,
            departure: departure.clone().departure()?,
        })
    }
}

impl NodeTable {
    /// Its parts of the pod network.
    pub(super) fn pods(&self) -> &[At<IpNet>] {
        self.pod_cidr.given().map_or(&[][..], |cidrs| &cidrs.value.0)
    }

    fn resolve(self) -> Option<Node> {
        let pod_cidrs = self.pods().iter().map(|cidr| cidr.value).collect();
        self.pod_cidr.optional()?;
        Some(Node {
            name: self.name.required()?.0,
            addresses: self.addresses.required()?.into_values(),
            pod_cidrs,
        })
    }
}
