//! The probes of the nodes themselves, whatever services there are: their kube-proxies' health, and pings.

use std::net::SocketAddr;

use vipwatch_model::probe::{ProbeName, Subject};

use super::{Aim, Plan, method};
use crate::{
    config::Cluster,
    prober::{HttpPoll, Method},
};

impl Plan {
    pub(super) fn add_hosts(&mut self, cluster: &Cluster) {
        for node in &cluster.nodes {
            let Some(address) = node.addresses.first().copied() else { continue };
            let bind = || method::bind_towards(address, &cluster.departure.bind);
            if let Some(port) = cluster.kube_proxy_health_port {
                let address = SocketAddr::new(address, port);
                let poll = HttpPoll { bind: bind(), ..HttpPoll::healthz(address) };
                let (name, target) = (ProbeName::of_proxy(&node.name), address.to_string());
                self.add_host(name, &node.name, target, Method::ProxyHealth(poll), cluster);
            }
            if cluster.ping_nodes {
                let (name, method) = (ProbeName::of_ping(&node.name), Method::Ping { address, bind: bind() });
                self.add_host(name, &node.name, address.to_string(), method, cluster);
            }
        }
    }

    fn add_host(&mut self, name: ProbeName, node: &str, target: String, method: Method, cluster: &Cluster) {
        self.hosts.push(name.clone());
        let subject = Subject::Host { node: node.to_owned(), target };
        self.add(name, Aim::at(subject), method, &cluster.timing, &cluster.alerts);
    }
}
