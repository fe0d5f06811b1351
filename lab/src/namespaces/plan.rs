//! Which addresses a lab of namespaces takes. They are the documentation's: nothing outside is reachable
//! from there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::cluster::{
    Announcement, Backend, ClusterPlan, Cni, ExternalTrafficPolicy, NodePlan, Overlay, PodNetwork,
    ServicePlan,
};

/// A cluster and what is beside it on the same network, a /24 and a /64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespacePlan {
    /// The cluster.
    pub cluster: ClusterPlan,
    /// The addresses of the host `client`, one in each family.
    pub client: Vec<IpAddr>,
    /// What stands between the client and the nodes' network, if anything does.
    pub nat: Option<NatPlan>,
    /// The addresses of the router that knows the ways to VIPs which no node announces, one in each family.
    pub router: Vec<IpAddr>,
    /// Where the host `control` answers, once in each family.
    pub control: Vec<SocketAddr>,
}

/// A NAT: one machine on the nodes' network, in whose name everybody behind it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatPlan {
    /// Its addresses on the nodes' network, one in each family.
    pub outside: Vec<IpAddr>,
    /// Its addresses on the client's network, one in each family.
    pub inside: Vec<IpAddr>,
}

impl NamespacePlan {
    /// `nodes` nodes without services, in both families.
    #[must_use]
    pub fn empty(nodes: u8, cni: Cni, overlay: Overlay) -> Self {
        let node = |number| NodePlan {
            name: format!("node-{number}"),
            addresses: outside(10 + number, 0x10 + u16::from(number)),
            pods: vec![
                PodNetwork::new(Ipv4Addr::new(10, 244, number, 0)),
                PodNetwork::new(Ipv6Addr::new(0x2001, 0xdb8, 0x244, number.into(), 0, 0, 0, 0)),
            ],
        };
        Self {
            cluster: ClusterPlan {
                nodes: (1..=nodes).map(node).collect(),
                services: Vec::new(),
                pod_port: 8080,
                cni,
                overlay,
            },
            client: outside(9, 0x9),
            nat: None,
            router: outside(1, 0x1),
            control: at_port(outside(30, 0x30), 8080),
        }
    }

    /// Moves the client behind a NAT: it becomes 198.51.100.9 and 2001:db8:98::9, and is seen as 192.0.2.8 and
    /// 2001:db8::8.
    #[must_use]
    pub fn behind_nat(mut self) -> Self {
        let home = |host: u8| -> Vec<IpAddr> {
            vec![
                Ipv4Addr::new(198, 51, 100, host).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0x98, 0, 0, 0, 0, host.into()).into(),
            ]
        };
        self.client = home(9);
        self.nat = Some(NatPlan { outside: outside(8, 0x8), inside: home(1) });
        self
    }

    /// Adds a service under Local with a pod on each of `nodes`. Its VIPs are 192.0.2.201 and 2001:db8::201
    /// for the first, then .202, and so on, all on port 80; its health check node port is 30001, then 30002.
    #[must_use]
    pub fn with_service(mut self, name: &str, backend: Backend, nodes: &[&str]) -> Self {
        let number = u8::try_from(self.cluster.services.len()).unwrap_or(u8::MAX).saturating_add(1);
        self.cluster.services.push(ServicePlan {
            name: name.to_owned(),
            vips: at_port(outside(200_u8.saturating_add(number), 0x200 + u16::from(number)), 80),
            health_check_node_port: 30000 + u16::from(number),
            policy: ExternalTrafficPolicy::Local,
            backend,
            placement: nodes.iter().map(|node| ((*node).to_owned(), 1)).collect(),
            announcement: Announcement::Elected,
        });
        self
    }
}

impl Default for NamespacePlan {
    /// Three nodes; `default/echo-server` with a pod on node-1 and `default/web-server` with one each on
    /// node-2 and node-3, both Local.
    fn default() -> Self {
        Self::empty(3, Cni::Bridge, Overlay::HostGw)
            .with_service("default/echo-server", Backend::Pods, &["node-1"])
            .with_service("default/web-server", Backend::Pods, &["node-2", "node-3"])
    }
}

/// The addresses of a host on the network that nodes and clients share.
fn outside(v4: u8, v6: u16) -> Vec<IpAddr> {
    vec![Ipv4Addr::new(192, 0, 2, v4).into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, v6).into()]
}

fn at_port(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| SocketAddr::from((address, port))).collect()
}
