//! Which addresses a lab of namespaces takes. They are the documentation's: nothing outside is reachable
//! from there.

use std::net::{Ipv4Addr, SocketAddr};

use crate::cluster::{ClusterPlan, ExternalTrafficPolicy, NodePlan, PodNetwork, ServicePlan};

/// A cluster and what is beside it on the same network, a /24.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespacePlan {
    /// The cluster.
    pub cluster: ClusterPlan,
    /// The address of the host `client`.
    pub client: Ipv4Addr,
    /// Where the host `control` answers.
    pub control: SocketAddr,
}

impl Default for NamespacePlan {
    /// Three nodes; `default/echo-server` with a pod on node-1 and `default/web-server` with one each on
    /// node-2 and node-3, both Local.
    fn default() -> Self {
        let outside = |host| Ipv4Addr::new(192, 0, 2, host);
        let node = |number| NodePlan {
            name: format!("node-{number}"),
            address: outside(10 + number),
            pods: PodNetwork::new(10, 244, number),
        };
        let service = |name: &str, host, health_check_node_port, nodes: &[&str]| ServicePlan {
            name: format!("default/{name}"),
            vip: SocketAddr::from((outside(host), 80)),
            health_check_node_port,
            policy: ExternalTrafficPolicy::Local,
            placement: nodes.iter().map(|node| ((*node).to_owned(), 1)).collect(),
        };
        Self {
            cluster: ClusterPlan {
                nodes: [1, 2, 3].map(node).into(),
                services: vec![
                    service("echo-server", 201, 30001, &["node-1"]),
                    service("web-server", 202, 30002, &["node-2", "node-3"]),
                ],
                pod_port: 8080,
            },
            client: outside(9),
            control: SocketAddr::from((outside(30), 8080)),
        }
    }
}
