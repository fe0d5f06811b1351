//! How packets get from one node to the pods of another, as lines for `ip` and `bridge`. Pure.

use std::fmt::Write;
use std::net::IpAddr;

use super::address::add_alone;
use super::host::hardware_address;
use crate::cluster::{Family, NodePlan, Overlay};

/// What makes a node reach the pods of others.
#[derive(Default)]
pub(super) struct Ways {
    /// Lines for `ip` that set up the node's own end.
    pub(super) interfaces: String,
    /// Lines for `ip` that the kernel forgets when eth0 goes down; they can be run again.
    pub(super) routes: String,
    /// Lines for `bridge`: where the overlay's interfaces of the other nodes are.
    pub(super) forwarding: String,
}

/// The ways from `node` to the pods of all other `nodes`.
pub(super) fn ways(overlay: Overlay, node: &NodePlan, nodes: &[NodePlan]) -> Ways {
    let mut ways = Ways::default();
    for own in &node.pods {
        let family = own.family();
        let Some(address) = node.address(family) else { continue };
        let device = device(family);
        if overlay == Overlay::Vxlan {
            let _ = write!(
                ways.interfaces,
                "link add {device} address {} type vxlan id 1 local {address} dev eth0 dstport 8472 nolearning\n\
                 link set {device} up\n{}",
                overlay_hardware_address(address),
                add_alone(own.overlay(), device),
            );
        }
        for other in nodes.iter().filter(|other| other.name != node.name) {
            let (Some(there), Some(pods)) = (other.address(family), other.pod_network(family)) else {
                continue;
            };
            match overlay {
                Overlay::HostGw => {
                    let _ = writeln!(ways.routes, "route replace {pods} via {there}");
                }
                Overlay::Vxlan => {
                    let (peer, hardware) = (pods.overlay(), overlay_hardware_address(there));
                    let _ = writeln!(ways.routes, "route replace {pods} via {peer} dev {device} onlink");
                    let _ = writeln!(
                        ways.interfaces,
                        "neighbour add {peer} lladdr {hardware} dev {device} nud permanent"
                    );
                    let _ = writeln!(ways.forwarding, "fdb append {hardware} dev {device} dst {there}");
                }
            }
        }
    }
    ways
}

fn device(family: Family) -> &'static str {
    match family {
        Family::V4 => "flannel.1",
        Family::V6 => "flannel-v6.1",
    }
}

fn overlay_hardware_address(node: IpAddr) -> String {
    hardware_address(1, node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespaces::NamespacePlan;

    #[test]
    fn a_node_reaches_the_pods_of_the_other_directly_or_through_the_overlay() {
        let mut nodes = NamespacePlan::default().cluster.nodes;
        nodes.truncate(2);
        let mut told = String::new();
        for overlay in [Overlay::HostGw, Overlay::Vxlan] {
            let ways = ways(overlay, &nodes[0], &nodes);
            let _ = write!(
                told,
                "{overlay:?}, interfaces:\n{}routes:\n{}forwarding:\n{}\n",
                ways.interfaces, ways.routes, ways.forwarding,
            );
        }
        insta::assert_snapshot!(told);
    }
}
