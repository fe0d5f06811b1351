//! `[cluster]`: what is known of the cluster's own addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use vipwatch_model::address::Node;

use super::{
    name::Name,
    table::table,
    value::{List, Tables},
};

/// What is known of the cluster's own addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The pod network; several for dual stack.
    pub pod_cidrs: Vec<IpNet>,
    /// The nodes.
    pub nodes: Vec<Node>,
}

table! {
    /// What is known of the cluster: to tell to whom an address was translated, and which nodes to ask.
    pub(super) struct ClusterTable {
        /// The pod network, as networks in CIDR notation; one per address family.
        optional pod_cidrs: List<IpNet>,
        /// The nodes that may announce a VIP or carry a pod.
        default node: Tables<NodeTable> = [],
    }
}

table! {
    /// One node.
    pub(super) struct NodeTable {
        /// The node's name in Kubernetes.
        required name: Name,
        /// The node's own addresses, as `kubectl get nodes -o wide` shows them.
        required addresses: List<IpAddr>,
        /// The part of the pod network that lives on this node (spec.podCIDR).
        optional pod_cidr: IpNet,
    }
}

impl ClusterTable {
    pub(super) fn resolve(self) -> Option<Cluster> {
        Some(Cluster {
            pod_cidrs: self.pod_cidrs.optional()?.map(List::into_values).unwrap_or_default(),
            nodes: self.node.required()?.map(NodeTable::resolve)?,
        })
    }
}

impl NodeTable {
    fn resolve(self) -> Option<Node> {
        Some(Node {
            name: self.name.required()?.0,
            addresses: self.addresses.required()?.into_values(),
            pod_cidrs: self.pod_cidr.optional()?.into_iter().collect(),
        })
    }
}
