//! Which addresses a loopback cluster takes.

use std::net::{Ipv4Addr, SocketAddr};

use crate::cluster::{
    Announcement, Backend, ClusterPlan, Cni, ExternalTrafficPolicy, NodePlan, Overlay, PodNetwork,
    ServicePlan,
};

/// The port of pods, services and the control.
const HTTP: u16 = 8080;

/// A cluster and what is beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackPlan {
    /// The cluster.
    pub cluster: ClusterPlan,
    /// An echo server outside the cluster, which nothing translates.
    pub control: SocketAddr,
    /// Where the demo's webhook receiver is to listen. The cluster leaves it to the demo to run one.
    pub webhook: SocketAddr,
}

impl LoopbackPlan {
    /// The cluster that the sample `probes.toml` watches: nodes in 127.10.0.0/24, pods in
    /// 127.244.0.0/16.
    #[must_use]
    pub fn demo() -> Self {
        Self::new(10, 244)
    }

    /// The same with all addresses in 127.`octet`.0.0/16.
    #[must_use]
    pub fn within(octet: u8) -> Self {
        Self::new(octet, octet)
    }

    fn new(octet: u8, pods: u8) -> Self {
        let outside = |host| Ipv4Addr::new(127, octet, 0, host);
        let node = |number| NodePlan {
            name: format!("node-{number}"),
            addresses: vec![outside(10 + number).into()],
            pods: vec![PodNetwork::new(Ipv4Addr::new(127, pods, number, 0))],
        };
        let service = |name: &str, host, health_check_node_port, placement: [&str; 2]| ServicePlan {
            name: format!("default/{name}"),
            vips: vec![SocketAddr::from((outside(host), HTTP))],
            health_check_node_port,
            policy: ExternalTrafficPolicy::Local,
            backend: Backend::Pods,
            placement: placement.map(|node| (node.to_owned(), 1)).into(),
            announcement: Announcement::Elected,
        };
        Self {
            cluster: ClusterPlan {
                nodes: [1, 2, 3].map(node).into(),
                services: vec![
                    service("echo-server", 201, 30001, ["node-1", "node-3"]),
                    service("web-server", 202, 30002, ["node-2", "node-3"]),
                ],
                pod_port: HTTP,
                cni: Cni::Bridge,
                overlay: Overlay::HostGw,
            },
            control: SocketAddr::from((outside(30), HTTP)),
            webhook: SocketAddr::from((outside(40), 9099)),
        }
    }
}
