//! The probes that follow from a service: one per VIP, and one per node for its health check node port.

use std::net::SocketAddr;

use vipwatch_model::probe::{ProbeName, Subject};

use super::{Aim, Plan, PlannedService, method};
use crate::{
    config::{Config, Service},
    prober::{Host, HttpPoll, Method},
};

impl Plan {
    pub(super) fn add_service(&mut self, config: &Config, service: &Service) {
        let name = service.name.to_string();
        let policy = service.external_traffic_policy;
        let mut planned = PlannedService {
            name: name.clone(),
            policy,
            health_check_node_port: service.health_check_node_port,
            vips: Vec::new(),
            nodes: Vec::new(),
        };
        let Service { flows, timing, labels, alerts, min_healthy_nodes, .. } = service;
        for (nth, vip) in service.vips.iter().enumerate() {
            let mut method = method::flows(Host::Address(*vip), service.port, flows, timing.timeout);
            // One look-up tells about all of them.
            method.dns_name = service.dns_name.clone().filter(|_| nth == 0);
            let vips = if method.dns_name.is_some() { service.vips.clone() } else { Vec::new() };
            let probe_name = ProbeName::of_vip(&name, *vip);
            planned.vips.push(probe_name.clone());
            let address = SocketAddr::new(*vip, service.port);
            let subject = Subject::Vip { service: name.clone(), policy, address };
            let method = Method::Flows(Box::new(method));
            let expectation = flows.expectation.clone();
            let aim = Aim { expectation, vips, labels: labels.clone(), ..Aim::at(subject) };
            self.add(probe_name, aim, method, timing, alerts);
        }
        for node in &config.cluster.nodes {
            let (Some(port), Some(address)) = (service.health_check_node_port, node.addresses.first()) else {
                continue;
            };
            let probe_name = ProbeName::of_node(&name, &node.name);
            planned.nodes.push(probe_name.clone());
            let bind = method::bind_towards(*address, &flows.departure.bind);
            let address = SocketAddr::new(*address, port);
            let subject = Subject::Node { service: name.clone(), policy, node: node.name.clone(), address };
            let method = Method::NodeHealth(HttpPoll { bind, ..HttpPoll::healthz(address) });
            let (labels, min_healthy_nodes) = (labels.clone(), *min_healthy_nodes);
            let aim = Aim { labels, min_healthy_nodes, ..Aim::at(subject) };
            self.add(probe_name, aim, method, timing, alerts);
        }
        self.services.push(planned);
    }
}
