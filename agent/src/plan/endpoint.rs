//! The probe that follows from a stand-alone one.

use vipwatch_model::probe::{Expectation, ProbeName, Subject};

use super::{Aim, Plan, method};
use crate::{
    config::{Errand, Probe},
    prober::Method,
};

impl Plan {
    pub(super) fn add_endpoint(&mut self, probe: &Probe) {
        let name = ProbeName::new(&probe.name);
        self.endpoints.push(name.clone());
        let subject = Subject::Endpoint { url: probe.url.clone() };
        let (method, expectation) = match &probe.errand {
            Errand::Flows { host, port, flows } => {
                let method = method::flows(host.clone(), *port, flows, probe.timing.timeout);
                (Method::Flows(Box::new(method)), flows.expectation.clone())
            }
            Errand::Ping { address, bind } => {
                let bind = method::bind_towards(*address, bind);
                (Method::Ping { address: *address, bind }, Expectation::Answer)
            }
        };
        self.add(name, Aim { expectation, ..Aim::at(subject) }, method, &probe.timing, &probe.alerts);
    }
}
