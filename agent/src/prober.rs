//! Runs one round of a probe: real packets out, an observation back.
//!
//! A failed probe is an observation like any other. Nothing here judges, stores or alerts.

mod blame;
mod exchange;
mod resolve;
mod route;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use vipwatch_model::{
    echo::{EchoFormat, Reply},
    flow::{Failure, FailureKind, Flow, Outcome},
    node_health::{HealthAnswer, NodeHealth},
};

use exchange::{Answer, Exchanger, Failed};
pub use exchange::{Host, HttpTarget};

use crate::plan::{Method, Planned};

/// The most of a body that is read: 64 KiB.
pub const BODY_CAP: usize = 64 * 1024;

/// The header in which kube-proxy tells the endpoint weight (Kubernetes 1.28 and later).
const WEIGHT_HEADER: &str = "x-load-balancing-endpoint-weight";

/// What a round saw.
#[derive(Debug, Clone)]
pub enum Observation {
    /// The flows of a source or reachability probe.
    Flows(Vec<Flow>),
    /// The poll of a health check node port.
    NodeHealth(NodeHealth),
}

impl Observation {
    /// What stands in for a round that the agent could not carry out.
    #[must_use]
    pub fn not_made(method: &Method, why: &str) -> Self {
        match method {
            Method::Source { .. } => Self::Flows(vec![Flow::failed(None, FailureKind::Agent, why)]),
            Method::NodeHealth { .. } => {
                let answer = HealthAnswer::failed(FailureKind::Agent, why);
                Self::NodeHealth(NodeHealth { answer, took_us: 0 })
            }
        }
    }

    /// The number of connections that the round made or tried.
    #[must_use]
    pub fn flows(&self) -> usize {
        match self {
            Self::Flows(flows) => flows.len(),
            Self::NodeHealth(_) => 1,
        }
    }
}

/// Carries out rounds. One for the whole agent: it holds the cap on concurrent flows.
pub struct Prober {
    slots: Arc<Semaphore>,
    exchanger: Exchanger,
    routes: route::Routes,
}

impl Prober {
    /// A prober that keeps at most `max_flows` connections open at once.
    #[must_use]
    pub fn new(max_flows: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(max_flows)),
            exchanger: Exchanger::new(),
            routes: route::Routes::default(),
        }
    }

    /// Runs one round. Always ends before the probe's next round is due.
    pub async fn observe(&self, planned: &Planned) -> Observation {
        match &planned.method {
            Method::Source { target, echo } => {
                let flows =
                    (0..planned.flows).map(|nth| self.source_flow(planned, target, echo.as_ref(), nth));
                let mut flows = join_all(flows).await;
                self.blame_ourselves(&mut flows).await;
                Observation::Flows(flows)
            }
            Method::NodeHealth { target } => {
                let started = Instant::now();
                let mut answer = self.poll(planned, target).await;
                if let HealthAnswer::Failed(failure) = &mut answer
                    && let Some(address) = target.address()
                    && let Some(ours) = self.routes.failure_of_ours(failure.kind, address.ip()).await
                {
                    *failure = ours;
                }
                Observation::NodeHealth(NodeHealth { answer, took_us: micros(started.elapsed()) })
            }
        }
    }

    async fn source_flow(
        &self,
        planned: &Planned,
        target: &HttpTarget,
        echo: Option<&EchoFormat>,
        nth: u32,
    ) -> Flow {
        let Some(_slot) = self.slot(planned).await else {
            return Flow::failed(target.address(), FailureKind::Agent, NO_SLOT);
        };
        let cap = match echo {
            None | Some(EchoFormat::Header(_)) => 0,
            Some(_) => BODY_CAP,
        };
        match self.exchanger.get(target, nth, cap, planned.timeout).await {
            Ok(answer) => Flow {
                local: Some(answer.local),
                remote: Some(answer.remote),
                phases: answer.phases,
                retransmits: 0,
                outcome: outcome(echo, &answer),
            },
            Err(Failed { local, remote, phases, failure }) => {
                Flow { local, remote, phases, retransmits: 0, outcome: Outcome::Failed(failure) }
            }
        }
    }

    async fn poll(&self, planned: &Planned, target: &HttpTarget) -> HealthAnswer {
        let Some(_slot) = self.slot(planned).await else {
            return HealthAnswer::failed(FailureKind::Agent, NO_SLOT);
        };
        match self.exchanger.get(target, 0, BODY_CAP, planned.timeout).await {
            Ok(answer) => {
                let weight = answer.headers.get(WEIGHT_HEADER).and_then(|weight| weight.to_str().ok());
                match &answer.body {
                    Ok(body) => HealthAnswer::read(answer.status.as_u16(), weight, body),
                    Err(why) => HealthAnswer::Unreadable(why.clone()),
                }
            }
            Err(failed) if failed.failure.kind == FailureKind::Protocol => {
                HealthAnswer::Unreadable(failed.failure.detail)
            }
            Err(failed) => HealthAnswer::Failed(failed.failure),
        }
    }

    /// A place among the concurrent flows, waited for no longer than the round can afford.
    async fn slot(&self, planned: &Planned) -> Option<SemaphorePermit<'_>> {
        // Half of what the time-out leaves of the gap; the rest is for what comes after the flows.
        let patience = planned.gap.saturating_sub(planned.timeout) / 2;
        timeout(patience, self.slots.acquire()).await.ok()?.ok()
    }

    /// Asks, once per address, whether failures have their cause on this host.
    async fn blame_ourselves(&self, flows: &mut [Flow]) {
        let mut asked: Option<(std::net::IpAddr, FailureKind, Option<Failure>)> = None;
        for flow in flows {
            let (Some(remote), Outcome::Failed(failure)) = (flow.remote, &mut flow.outcome) else { continue };
            let key = (remote.ip(), failure.kind);
            if asked.as_ref().is_none_or(|(address, kind, _)| (*address, *kind) != key) {
                asked = Some((key.0, key.1, self.routes.failure_of_ours(key.1, key.0).await));
            }
            if let Some((_, _, Some(ours))) = &asked {
                *failure = ours.clone();
            }
        }
    }
}

const NO_SLOT: &str = "no slot for a connection was free in time; raise agent.max_flows or probe less often";

/// What an HTTP answer means to a source probe. A client or redirect status proves that the target
/// answers, so it is never "down"; it only tells nothing about the source address.
fn outcome(echo: Option<&EchoFormat>, answer: &Answer) -> Outcome {
    let status = answer.status;
    if status.is_server_error() {
        let words = status.canonical_reason().unwrap_or_default();
        let failure = Failure::new(
            FailureKind::Status,
            format!("HTTP {} {words}", status.as_u16()).trim_end().to_owned(),
        );
        return Outcome::Failed(failure);
    }
    let Some(format) = echo else { return Outcome::Answered };
    if !status.is_success() {
        return Outcome::Unreadable(format!("the answer is HTTP {} instead of an echo", status.as_u16()));
    }
    match &answer.body {
        Ok(body) => {
            let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
            match format.read(&Reply { body, header: &header }) {
                Ok(report) => Outcome::Echoed(report),
                Err(error) => Outcome::Unreadable(error.to_string()),
            }
        }
        Err(why) => Outcome::Unreadable(why.clone()),
    }
}

/// A duration in whole microseconds, as far as 32 bits reach (71 minutes).
fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The time since `*mark` in microseconds; moves the mark to now.
fn lap(mark: &mut Instant) -> u32 {
    let now = Instant::now();
    let took = micros(now - *mark);
    *mark = now;
    took
}
