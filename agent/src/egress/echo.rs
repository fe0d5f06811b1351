//! What the flows of a round tell about the egress address, where their far side is an echo outside the cluster.

use std::net::IpAddr;

use vipwatch_model::{
    egress::Family,
    flow::{Flow, Outcome},
    observation::Observation,
};

use super::memory::{Answer, Question};

/// One answer per address family. `from` is the address that the flows were bound to, if they were; `trust` has the
/// last word on what was reported.
pub(super) fn answers(
    name: &str,
    from: Option<IpAddr>,
    observation: &Observation,
    trust: impl Fn(IpAddr) -> Result<IpAddr, String>,
) -> Vec<Answer> {
    let flows: &[Flow] = match observation {
        Observation::Flows(sight) => &sight.flows,
        _ => &[],
    };
    let families =
        Family::ALL.into_iter().filter(|family| from.is_none_or(|from| Family::of(from) == *family));
    let answer = |family| {
        let of_family = |flow: &&Flow| flow.remote.is_none_or(|remote| Family::of(remote.ip()) == family);
        let mut heard: Vec<_> = flows.iter().filter(of_family).map(|flow| told(flow, &trust)).collect();
        heard.sort_by_key(Result::is_err);
        let heard = heard.into_iter().next().unwrap_or_else(|| Err(format!("it has no {family} address")));
        Answer { question: Question { source: name.to_owned(), family, from }, heard }
    };
    families.map(answer).collect()
}

fn told(flow: &Flow, trust: impl Fn(IpAddr) -> Result<IpAddr, String>) -> Result<(IpAddr, IpAddr), String> {
    match (&flow.outcome, flow.local) {
        (Outcome::Echoed(report), Some(local)) => Ok((local.ip(), trust(report.address)?)),
        (Outcome::Unreadable(why), _) => Err(why.clone()),
        (Outcome::Failed(failure), _) => Err(failure.detail.clone()),
        (Outcome::Answered | Outcome::Echoed(_), _) => Err("the answer tells no address".to_owned()),
    }
}
