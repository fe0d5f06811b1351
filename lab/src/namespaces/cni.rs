//! What a CNI plugin does when it attaches a pod to its node, as lines for `ip`. Pure.

use std::fmt::Write;

use super::address::{add, add_alone, alone};
use crate::cluster::{Cni, Endpoint, Family, NodePlan};

/// The gateway of pods whose host end has no address: nobody's, but the pod has its hardware address.
const NOBODY_V4: &str = "169.254.1.1";
/// The link-local address that the kernel makes from [`HOST_END`].
const NOBODY_V6: &str = "fe80::ecee:eeff:feee:eeee";
/// The hardware address of every host end without an address.
const HOST_END: &str = "ee:ee:ee:ee:ee:ee";

/// What a node gets before its first pod.
pub(super) fn prepare(cni: Cni, node: &NodePlan) -> String {
    let mut lines = String::new();
    if cni == Cni::Bridge {
        lines += "link add cni0 type bridge mcast_snooping 0\n";
        for network in &node.pods {
            lines += &add(network.gateway(), network.prefix(), "cni0");
        }
        lines += "link set cni0 up\n";
    }
    lines
}

/// The two ends of a pod's cable.
pub(super) struct Cable {
    /// Lines for the node.
    pub(super) node: String,
    /// Lines for the pod, to be run after the node's.
    pub(super) pod: String,
    /// What `ip` says of the node's end once it carries packets.
    pub(super) ready: &'static str,
    /// Which of the node's interfaces has the addresses of the pod's gateway.
    pub(super) gateway: String,
}

/// How `endpoint` is attached to `node` by a cable whose host end is called `link`.
pub(super) fn cable(cni: Cni, node: &NodePlan, endpoint: &Endpoint, link: &str) -> Cable {
    let namespace = &endpoint.pod;
    let mut cable = Cable {
        node: format!("link add {link} type veth peer name eth0 netns {namespace}\n"),
        pod: "link set eth0 up\n".to_owned(),
        ready: if cni == Cni::Bridge { "state forwarding" } else { "state UP" },
        gateway: if cni == Cni::Bridge { "cni0" } else { link }.to_owned(),
    };
    match cni {
        Cni::Bridge => {
            let _ = writeln!(cable.node, "link set {link} master cni0");
        }
        Cni::Ptp => {}
        Cni::Veth => {
            let _ = writeln!(cable.node, "link set {link} address {HOST_END}");
        }
    }
    let _ = writeln!(cable.node, "link set {link} up");
    for network in &node.pods {
        let family = network.family();
        let Some(address) = endpoint.address(family).map(|address| address.ip()) else { continue };
        let gateway = network.gateway();
        match cni {
            Cni::Bridge => {
                cable.pod += &add(address, network.prefix(), "eth0");
                let _ = writeln!(cable.pod, "route add default via {gateway}");
            }
            Cni::Ptp => {
                cable.node += &add_alone(gateway, link);
                let _ = writeln!(cable.node, "route add {} dev {link}", alone(address));
                cable.pod += &add_alone(address, "eth0");
                let _ = write!(
                    cable.pod,
                    "route add {} dev eth0\nroute add default via {gateway} dev eth0\n",
                    alone(gateway),
                );
            }
            Cni::Veth => {
                let nobody = match family {
                    Family::V4 => NOBODY_V4,
                    Family::V6 => NOBODY_V6,
                };
                let _ = writeln!(cable.node, "route add {} dev {link}", alone(address));
                cable.pod += &add_alone(address, "eth0");
                let _ = write!(
                    cable.pod,
                    "neighbour add {nobody} lladdr {HOST_END} dev eth0 nud permanent\n\
                     route add default via {nobody} dev eth0 onlink\n",
                );
            }
        }
    }
    cable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::namespaces::NamespacePlan;

    #[test]
    fn a_pod_is_attached_as_its_cni_plugin_does_it() {
        let cluster = Cluster::new(NamespacePlan::default().cluster).unwrap();
        let (node, endpoint) = (&cluster.nodes()[0], &cluster.services()[0].endpoints[0]);
        let mut told = String::new();
        for cni in [Cni::Bridge, Cni::Ptp, Cni::Veth] {
            let cable = cable(cni, node, endpoint, "pod10");
            let _ = write!(
                told,
                "{cni:?}, before the first pod:\n{}on the node:\n{}in the pod:\n{}\n",
                prepare(cni, node),
                cable.node,
                cable.pod,
            );
        }
        insta::assert_snapshot!(told);
    }
}
