//! The probes that follow from a service: one per VIP, and one per node for its health check node port.

use std::net::SocketAddr;

use vipwatch_model::probe::{Expectation, ProbeName, Subject};

use super::{Plan, PlannedService, method};
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
        let Service { flows, timing, labels, .. } = service;
        for (nth, vip) in service.vips.iter().enumerate() {
            let mut method = method::flows(Host::Address(*vip), service.port, flows, timing.timeout);
            // One look-up tells about all of them.
            method.dns_name = service.dns_name.clone().filter(|_| nth == 0);
            let looks_up = method.dns_name.is_some();
            let probe_name = ProbeName::of_vip(&name, *vip);
            planned.vips.push(probe_name.clone());
            let address = SocketAddr::new(*vip, service.port);
            let subject = Subject::Vip { service: name.clone(), policy, address };
            let method = Method::Flows(Box::new(method));
            let probe = self.add(probe_name, subject, flows.expectation.clone(), method, timing, labels);
            if looks_up {
                probe.vips.clone_from(&service.vips);
            }
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
            self.add(probe_name, subject, Expectation::Answer, method, timing, labels);
        }
        self.services.push(planned);
    }
}
