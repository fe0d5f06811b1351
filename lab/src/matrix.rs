//! Every path that a client's address can take to a backend, as a table: what there is to try, and what a
//! backend sees. The table is written down here, not worked out: tests hold it against the rules in
//! [`decide`](crate::cluster::decide) and against what the kernel does.

use std::fmt;
use std::net::IpAddr;

use crate::cluster::{Announcement, Backend, Cni, ExternalTrafficPolicy, Family, NodePlan, Overlay};
use crate::namespaces::NamespacePlan;

/// The node that receives everything in a lab of the matrix.
pub const RECEIVING: &str = "node-1";
/// The other node.
pub const OTHER: &str = "node-2";

/// How a packet gets from the receiving node to the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// To a pod on the same node, over a bridge.
    Bridge,
    /// To a pod on the same node, over a cable whose host end has an address.
    Ptp,
    /// To a pod on the same node, over a cable whose host end has none.
    Veth,
    /// To a pod on another node, by a plain route.
    RemoteHostGw,
    /// To a pod on another node, through a VXLAN.
    RemoteVxlan,
    /// To a pod on the receiving node's own network.
    HostNetwork,
}

impl Path {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Bridge, Self::Ptp, Self::Veth, Self::RemoteHostGw, Self::RemoteVxlan, Self::HostNetwork];

    /// The lab that has this path.
    #[must_use]
    pub fn topology(self) -> Topology {
        let (cni, overlay) = match self {
            Self::Bridge | Self::RemoteHostGw | Self::HostNetwork => (Cni::Bridge, Overlay::HostGw),
            Self::Ptp => (Cni::Ptp, Overlay::HostGw),
            Self::Veth => (Cni::Veth, Overlay::HostGw),
            Self::RemoteVxlan => (Cni::Bridge, Overlay::Vxlan),
        };
        Topology { cni, overlay }
    }

    /// The service in that lab whose connections take this path.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::Bridge | Self::Ptp | Self::Veth => LOCAL_POD,
            Self::RemoteHostGw | Self::RemoteVxlan => REMOTE_POD,
            Self::HostNetwork => HOST_NETWORK,
        }
    }

    fn is_remote(self) -> bool {
        matches!(self, Self::RemoteHostGw | Self::RemoteVxlan)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Bridge => "bridge",
            Self::Ptp => "ptp",
            Self::Veth => "veth without address",
            Self::RemoteHostGw => "remote by host-gw",
            Self::RemoteVxlan => "remote by VXLAN",
            Self::HostNetwork => "hostNetwork",
        })
    }
}

/// The service with a pod on [`RECEIVING`].
pub const LOCAL_POD: &str = "matrix/local-pod";
/// The service with a pod on [`OTHER`].
pub const REMOTE_POD: &str = "matrix/remote-pod";
/// The service with a pod on the network of [`RECEIVING`] itself.
pub const HOST_NETWORK: &str = "matrix/host-network";
/// The service with a pod on the network of [`OTHER`] itself.
pub const REMOTE_HOST_NETWORK: &str = "matrix/remote-host-network";

/// A kind of cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topology {
    /// How pods are attached to their node.
    pub cni: Cni,
    /// How packets get to the pods of another node.
    pub overlay: Overlay,
}

impl Topology {
    /// Those that the cells of the matrix need.
    #[must_use]
    pub fn of_matrix() -> Vec<Self> {
        let mut topologies: Vec<_> = Path::ALL.map(Path::topology).into();
        topologies.sort();
        topologies.dedup();
        topologies
    }

    /// Two nodes; a service for each place that a pod can be in. [`RECEIVING`] announces all of them,
    /// also when it has no endpoint. They begin as Local.
    #[must_use]
    pub fn plan(self) -> NamespacePlan {
        let mut plan = NamespacePlan::empty(2, self.cni, self.overlay)
            .with_service(LOCAL_POD, Backend::Pods, &[RECEIVING])
            .with_service(REMOTE_POD, Backend::Pods, &[OTHER])
            .with_service(HOST_NETWORK, Backend::HostNetwork, &[RECEIVING])
            .with_service(REMOTE_HOST_NETWORK, Backend::HostNetwork, &[OTHER]);
        for service in &mut plan.cluster.services {
            service.announcement = Announcement::Pinned(RECEIVING.to_owned());
        }
        plan
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// HTTP over TCP.
    Tcp,
    /// A datagram.
    Udp,
}

impl Transport {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// One thing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// How the backend is reached.
    pub path: Path,
    /// The policy of the path's service.
    pub policy: ExternalTrafficPolicy,
    /// The address family.
    pub family: Family,
    /// The transport protocol.
    pub transport: Transport,
}

/// What comes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A backend answers.
    Answered {
        /// Whom it takes the client to be.
        seen: Seen,
        /// The time to live, or hop limit, that is left of 64 when its packets reach a client on the nodes' own
        /// network.
        ttl: u8,
    },
    /// Nothing comes back.
    Silence,
}

/// Whom a backend takes a client to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The client itself, address and port.
    Client,
    /// This address, with some other port.
    Address(IpAddr),
}

/// The whole matrix, path by path.
#[must_use]
pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for path in Path::ALL {
        for policy in [ExternalTrafficPolicy::Local, ExternalTrafficPolicy::Cluster] {
            for family in Family::ALL {
                cells.extend(Transport::ALL.map(|transport| Cell { path, policy, family, transport }));
            }
        }
    }
    cells
}

impl Cell {
    /// What comes of a connection when `receiving` is the node that it reaches first; `None` when that has
    /// no addresses of the cell's family.
    #[must_use]
    pub fn expected(&self, receiving: &NodePlan) -> Option<Outcome> {
        let own = receiving.address(self.family)?;
        let pods = receiving.pod_network(self.family)?;
        let ttl = match self.path {
            Path::HostNetwork => 64,
            Path::Bridge | Path::Ptp | Path::Veth => 63,
            Path::RemoteHostGw | Path::RemoteVxlan => 62,
        };
        let seen = match (self.policy, self.path) {
            (ExternalTrafficPolicy::Local, path) if path.is_remote() => return Some(Outcome::Silence),
            (ExternalTrafficPolicy::Local, _) | (_, Path::HostNetwork) => Seen::Client,
            (_, Path::Bridge | Path::Ptp) => Seen::Address(pods.gateway()),
            (_, Path::Veth | Path::RemoteHostGw) => Seen::Address(own),
            (_, Path::RemoteVxlan) => Seen::Address(pods.overlay()),
        };
        Some(Outcome::Answered { seen, ttl })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::decide::{Forwarding, forwarding, translation};
    use crate::cluster::{Change, Cluster};

    #[test]
    fn every_cell_is_there_once() {
        let cells = cells();
        assert_eq!(cells.len(), 6 * 2 * 2 * 2);
        for (position, cell) in cells.iter().enumerate() {
            assert!(!cells[..position].contains(cell), "{cell:?} is there twice");
        }
        assert_eq!(Topology::of_matrix().len(), 4);
    }

    #[test]
    fn the_rules_agree_with_the_table() {
        for cell in cells() {
            let service = cell.path.service();
            let cluster = Cluster::new(cell.path.topology().plan().cluster).unwrap();
            let cluster = cluster.changed(&Change::policy(service, cell.policy)).unwrap();
            let node = cluster.node(RECEIVING).unwrap();
            let state = cluster.service(service).unwrap();
            let decided = match forwarding(state, RECEIVING) {
                Forwarding::Drop => None,
                Forwarding::Reject => panic!("{cell:?} is refused"),
                Forwarding::To { endpoints, .. } => {
                    let source = translation(&cluster, state, node, &endpoints[0], cell.family);
                    Some(source.map_or(Seen::Client, Seen::Address))
                }
            };
            let expected = match cell.expected(node).unwrap() {
                Outcome::Answered { seen, .. } => Some(seen),
                Outcome::Silence => None,
            };
            assert_eq!(decided, expected, "{cell:?}");
        }
    }
}
