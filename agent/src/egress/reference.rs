//! Asking the endpoint of another probe, which is known not to be translated: an echo outside the cluster, say. It is
//! asked by a round of that probe's own, so by the way that its flows take.

use vipwatch_model::probe::ProbeName;

use super::{echo, memory::Answer};
use crate::{
    plan::{Plan, Planned},
    prober::{Method, Prober},
};

/// What the endpoint of `probe` sees of this agent. As long as the endpoint is translated itself it teaches nothing.
pub(super) async fn ask(prober: &Prober, name: &str, plan: &Plan, probe: &str) -> Vec<Answer> {
    let wanted = ProbeName::new(probe);
    let Some(planned) = plan.probes.iter().find(|planned| planned.probe.name == wanted) else {
        return Vec::new();
    };
    let observation = prober.observe(&once(planned, plan)).await;
    echo::answers(name, None, &observation, |address| {
        let class = plan.book.classify(address);
        if class.is_cluster() {
            Err(format!("its own answer is translated: it reports {address} ({class})"))
        } else {
            Ok(address)
        }
    })
}

fn once(planned: &Planned, plan: &Plan) -> Planned {
    let mut once = planned.clone();
    once.flows = 1;
    once.timeout = once.timeout.min(plan.egress.timeout);
    once.gap = 2 * once.timeout;
    if let Method::Flows(method) = &mut once.method {
        method.canary = false;
        method.dns_name = None;
    }
    once
}
