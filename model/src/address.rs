//! Whose address is it? The address book holds what the configuration says about the cluster and puts
//! a name to every address that an echo endpoint reports.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One node of the cluster, as far as source addresses are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The Kubernetes node name.
    pub name: String,
    /// The node's own addresses (what `kubectl get node -o wide` shows).
    pub addresses: Vec<IpAddr>,
    /// The parts of the pod network that live on this node (`.spec.podCIDRs`), where they are known.
    pub pod_cidrs: Vec<IpNet>,
}

/// Everything that the configuration tells about addresses inside the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressBook {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The pod network as a whole (`--cluster-cidr`); may be several for dual stack.
    pub pod_cidrs: Vec<IpNet>,
    /// Every configured VIP.
    pub vips: Vec<IpAddr>,
}

/// What an address is, seen from the address book.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum AddressClass {
    /// A node's own address: masquerading to the outgoing interface of `node`.
    Node {
        /// The node's name.
        node: String,
    },
    /// The bridge of a node's pod network: the first address of its pod CIDR, which the bridge CNI
    /// plug-in gives to `cni0`.
    Bridge {
        /// The node whose bridge it is.
        node: String,
        /// That node's pod CIDR.
        cidr: IpNet,
    },
    /// A node's end of the overlay between nodes: the very network address of its pod CIDR, which flannel
    /// gives to `flannel.1`.
    Overlay {
        /// The node whose end it is.
        node: String,
        /// That node's pod CIDR.
        cidr: IpNet,
    },
    /// Another address of the pod network.
    PodNetwork {
        /// The node that owns this part of the pod network, where it is known.
        node: Option<String>,
        /// The pod CIDR that holds the address.
        cidr: IpNet,
    },
    /// A VIP of ours.
    Vip,
    /// A loopback address (127.0.0.0/8, ::1).
    Loopback,
    /// An address of a private or link-local range that the configuration does not name.
    Private,
    /// Any other address.
    Public,
}

impl AddressClass {
    /// Whether the address belongs to the cluster: a client cannot have it.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.is_cluster_network() || *self == Self::Vip
    }

    /// Whether it is an address that nodes translate to.
    #[must_use]
    pub fn is_cluster_network(&self) -> bool {
        matches!(
            self,
            Self::Node { .. } | Self::Bridge { .. } | Self::Overlay { .. } | Self::PodNetwork { .. }
        )
    }

    /// The node that the address leads to, where one is known.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Node { node } | Self::Bridge { node, .. } | Self::Overlay { node, .. } => Some(node),
            Self::PodNetwork { node, .. } => node.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { node } => write!(f, "address of {node}"),
            Self::Bridge { node, cidr } => write!(f, "pod bridge of {node} in {cidr}"),
            Self::Overlay { node, cidr } => write!(f, "overlay interface of {node} in {cidr}"),
            Self::PodNetwork { node: Some(node), cidr } => write!(f, "pod network of {node} in {cidr}"),
            Self::PodNetwork { node: None, cidr } => write!(f, "pod network in {cidr}"),
            Self::Vip => f.write_str("a VIP"),
            Self::Loopback => f.write_str("loopback address"),
            Self::Private => f.write_str("private address outside the configured cluster"),
            Self::Public => f.write_str("public address outside the configured cluster"),
        }
    }
}

/// `::ffff:192.0.2.9` and `192.0.2.9` are one address; this gives the plain one (RFC 4291, 2.5.5.2).
#[must_use]
pub fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl AddressBook {
    /// Names `address`: nodes first, then the pod network (the narrowest CIDR that holds it), then
    /// VIPs, then the address ranges of the IP standards (RFC 1918, 3927, 4193, 6598).
    #[must_use]
    pub fn classify(&self, address: IpAddr) -> AddressClass {
        let address = unmapped(address);
        if let Some(node) = self.nodes.iter().find(|node| node.addresses.contains(&address)) {
            return AddressClass::Node { node: node.name.clone() };
        }
        let of_node = self
            .nodes
            .iter()
            .flat_map(|node| node.pod_cidrs.iter().map(move |cidr| (node, *cidr)))
            .filter(|(_, cidr)| cidr.contains(&address))
            .max_by_key(|(_, cidr)| cidr.prefix_len());
        if let Some((node, cidr)) = of_node {
            let node = node.name.clone();
            return if first_host(cidr) == Some(address) {
                AddressClass::Bridge { node, cidr }
            } else if cidr.network() == address {
                AddressClass::Overlay { node, cidr }
            } else {
                AddressClass::PodNetwork { node: Some(node), cidr }
            };
        }
        let cidr = self.pod_cidrs.iter().filter(|cidr| cidr.contains(&address));
        if let Some(cidr) = cidr.max_by_key(|cidr| cidr.prefix_len()) {
            return AddressClass::PodNetwork { node: None, cidr: *cidr };
        }
        if self.vips.contains(&address) {
            AddressClass::Vip
        } else if address.is_loopback() {
            AddressClass::Loopback
        } else if is_private(address) {
            AddressClass::Private
        } else {
            AddressClass::Public
        }
    }
}

/// The address that gateways and bridges of a pod network get: the one after the network's own. (In IPv6
/// [`IpNet::hosts`] begins with the network's own.)
fn first_host(cidr: IpNet) -> Option<IpAddr> {
    let mut hosts = cidr.hosts();
    match cidr {
        IpNet::V6(v6) if v6.prefix_len() < 128 => hosts.nth(1),
        _ => hosts.next(),
    }
}

/// The pod network that an address belongs to where nobody has chosen another one, in words.
///
/// Defaults of kubeadm's documentation with flannel, of k3s and RKE2, Kubespray, Weave Net, and
/// the join network of OVN-Kubernetes. They are ranges that others may use as well: a hint, never a proof.
#[must_use]
pub fn default_pod_network(address: IpAddr) -> Option<&'static str> {
    // Calico's 192.168.0.0/16 is not among them: it is in every home and office, and says nothing.
    const KNOWN: [(&str, &str); 5] = [
        ("10.244.0.0/16", "10.244.0.0/16, the pod network that flannel and many guides use"),
        ("10.42.0.0/16", "10.42.0.0/16, the pod network of k3s and RKE2"),
        ("10.233.64.0/18", "10.233.64.0/18, the pod network of Kubespray"),
        ("10.32.0.0/12", "10.32.0.0/12, the pod network of Weave Net"),
        ("100.64.0.0/16", "100.64.0.0/16, the join network of OVN-Kubernetes"),
    ];
    let address = unmapped(address);
    let holds = |(cidr, _): &&(&str, &str)| cidr.parse().is_ok_and(|cidr: IpNet| cidr.contains(&address));
    KNOWN.iter().find(holds).map(|(_, words)| *words)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 0x40; // RFC 6598
            v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> AddressBook {
        AddressBook {
            nodes: vec![Node {
                name: "node-1".into(),
                addresses: vec!["192.0.2.11".parse().unwrap()],
                pod_cidrs: vec!["10.244.1.0/24".parse().unwrap(), "2001:db8:244:1::/64".parse().unwrap()],
            }],
            pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
            vips: vec!["192.0.2.201".parse().unwrap()],
        }
    }

    #[test]
    fn every_address_gets_its_name() {
        for (address, words) in [
            ("192.0.2.11", "address of node-1"),
            ("::ffff:192.0.2.11", "address of node-1"),
            ("10.244.1.1", "pod bridge of node-1 in 10.244.1.0/24"),
            ("10.244.1.0", "overlay interface of node-1 in 10.244.1.0/24"),
            ("2001:db8:244:1::1", "pod bridge of node-1 in 2001:db8:244:1::/64"),
            ("2001:db8:244:1::", "overlay interface of node-1 in 2001:db8:244:1::/64"),
            ("2001:db8:244:1::7", "pod network of node-1 in 2001:db8:244:1::/64"),
            ("10.244.1.7", "pod network of node-1 in 10.244.1.0/24"),
            ("10.244.9.7", "pod network in 10.244.0.0/16"),
            ("192.0.2.201", "a VIP"),
            ("127.0.0.1", "loopback address"),
            ("::1", "loopback address"),
            ("10.0.0.1", "private address outside the configured cluster"),
            ("100.64.0.3", "private address outside the configured cluster"),
            ("fd00::1", "private address outside the configured cluster"),
            ("203.0.113.9", "public address outside the configured cluster"),
        ] {
            assert_eq!(book().classify(address.parse().unwrap()).to_string(), words, "{address}");
        }
    }

    #[test]
    fn a_single_address_pod_cidr_is_its_own_first_host() {
        let mut book = book();
        book.nodes[0].pod_cidrs = vec!["10.244.1.9/32".parse().unwrap()];
        let class = book.classify("10.244.1.9".parse().unwrap());
        assert!(matches!(class, AddressClass::Bridge { .. }));
    }
}
