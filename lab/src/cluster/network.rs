//! What networks of a cluster are made of: address families, the networks of pods, and how pods are
//! attached to their node and nodes to each other.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of `address`.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A node's own network for its pods in one family: a /24 or a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodNetwork {
    network: IpAddr,
}

impl PodNetwork {
    /// The network of the prefix's length that `address` lies in.
    #[must_use]
    pub fn new(address: impl Into<IpAddr>) -> Self {
        Self { network: address.into() }.at(0)
    }

    fn at(self, number: u8) -> Self {
        let network = match self.network {
            IpAddr::V4(address) => {
                let [first, second, third, _] = address.octets();
                Ipv4Addr::new(first, second, third, number).into()
            }
            IpAddr::V6(address) => {
                let [first, second, third, fourth, ..] = address.segments();
                Ipv6Addr::new(first, second, third, fourth, 0, 0, 0, number.into()).into()
            }
        };
        Self { network }
    }

    /// Its family.
    #[must_use]
    pub fn family(self) -> Family {
        Family::of(self.network)
    }

    /// An address of the network.
    #[must_use]
    pub fn host(self, number: u8) -> IpAddr {
        self.at(number).network
    }

    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Self::new(address) == self
    }

    /// The first address. With a bridge it is the bridge's, with point-to-point links it is that of every
    /// pod's host end: the pods' default gateway, and what a backend on the receiving node sees of a
    /// masqueraded client.
    #[must_use]
    pub fn gateway(self) -> IpAddr {
        self.host(1)
    }

    /// The network's own address, which an overlay gives to its interface on the node.
    #[must_use]
    pub fn overlay(self) -> IpAddr {
        self.host(0)
    }

    /// How many bits of an address name the network.
    #[must_use]
    pub fn prefix(self) -> u8 {
        match self.family() {
            Family::V4 => 24,
            Family::V6 => 64,
        }
    }
}

impl fmt::Display for PodNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.network, self.prefix())
    }
}

/// How pods are attached to their node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Cni {
    /// To a bridge that has the gateway's address, as with flannel.
    #[default]
    Bridge,
    /// By a cable each, whose host end has the gateway's address.
    Ptp,
    /// By a cable each, whose host end has no address, as with Calico.
    Veth,
}

/// How packets get from one node to the pods of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Overlay {
    /// By routes to the other node; there is no overlay.
    #[default]
    HostGw,
    /// Wrapped up, from an interface with the pod network's own address, as with flannel.
    Vxlan,
}
