//! Runs one round of a probe: real packets out, an observation back.
//!
//! A failed probe is an observation like any other. Nothing here judges, stores or alerts.

mod answer;
mod blame;
mod connection;
mod dns;
mod flow;
mod http;
mod method;
mod ping;
mod proxy_header;
mod resolve;
mod round;
mod route;
mod socket;
mod tcp;
mod tls;
mod trust;
mod udp;
mod verifier;

use std::{net::IpAddr, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use vipwatch_model::{
    flow::{Failure, FailureKind, Flow},
    node_health::{HealthAnswer, NodeHealth},
    observation::Observation,
    proxy_health::{ProxyAnswer, ProxyHealth},
};

use answer::CAP;
use flow::{Progress, micros, until};
use http::{Answer, Ask};
pub use method::{
    Bind, DnsExchange, DnsPurpose, Exchange, FlowMethod, Host, HttpExchange, HttpExpectation, HttpPoll,
    Method, Pattern, ProxyVersion, TcpExchange, Tls, UdpExchange,
};
pub use trust::{Authorities, Identity, Roots, Unusable};

use crate::plan::Planned;

/// The header in which kube-proxy tells the endpoint weight (Kubernetes 1.28 and later).
const WEIGHT_HEADER: &str = "x-load-balancing-endpoint-weight";

/// What stands in for a round that the agent could not carry out.
#[must_use]
pub fn not_made(method: &Method, why: &str) -> Observation {
    match method {
        Method::Flows(_) | Method::Ping { .. } => {
            Observation::Flows(vec![Flow::failed(None, FailureKind::Agent, why)].into())
        }
        Method::NodeHealth(_) => {
            let answer = HealthAnswer::failed(FailureKind::Agent, why);
            Observation::NodeHealth(NodeHealth { answer, took_us: 0 })
        }
        Method::ProxyHealth(_) => {
            let answer = ProxyAnswer::failed(FailureKind::Agent, why);
            Observation::ProxyHealth(ProxyHealth { answer, took_us: 0 })
        }
    }
}

/// The addresses of `name`, as this host's name servers give them within `limit`.
pub(crate) async fn addresses_of(name: &str, limit: Duration) -> Result<Vec<IpAddr>, Failure> {
    timeout(limit, resolve::addresses(name, &[])).await.unwrap_or_else(|_| Err(resolve::silent(&[])))
}

/// Carries out rounds. One for the whole agent: it holds the cap on concurrent flows.
pub struct Prober {
    slots: Semaphore,
    handshakes: tls::Handshakes,
    routes: route::Routes,
}

impl Prober {
    /// A prober that keeps at most `max_flows` connections open at once.
    #[must_use]
    pub fn new(max_flows: usize) -> Self {
        Self {
            slots: Semaphore::new(max_flows),
            handshakes: tls::Handshakes::new(),
            routes: route::Routes::default(),
        }
    }

    /// Runs one round. Always ends before the probe's next round is due.
    pub async fn observe(&self, planned: &Planned) -> Observation {
        match &planned.method {
            Method::Flows(method) => Observation::Flows(self.flows(planned, method).await),
            Method::Ping { address, bind } => Observation::Flows(self.pings(planned, *address, bind).await),
            Method::NodeHealth(poll) => {
                let (answer, took_us) = self.poll(planned, poll).await;
                let answer = match answer {
                    Ok(answer) => {
                        let weight =
                            answer.headers.get(WEIGHT_HEADER).and_then(|weight| weight.to_str().ok());
                        HealthAnswer::read(answer.status.as_u16(), weight, &answer.body.bytes)
                    }
                    Err(failure) if failure.kind == FailureKind::Protocol => {
                        HealthAnswer::Unreadable(failure.detail)
                    }
                    Err(failure) => HealthAnswer::Failed(failure),
                };
                Observation::NodeHealth(NodeHealth { answer, took_us })
            }
            Method::ProxyHealth(poll) => {
                let (answer, took_us) = self.poll(planned, poll).await;
                let answer = match answer {
                    Ok(answer) => ProxyAnswer::read(answer.status.as_u16(), &answer.body.bytes),
                    Err(failure) if failure.kind == FailureKind::Protocol => {
                        ProxyAnswer::Unreadable(failure.detail)
                    }
                    Err(failure) => ProxyAnswer::Failed(failure),
                };
                Observation::ProxyHealth(ProxyHealth { answer, took_us })
            }
        }
    }

    /// Whether a link of this host but the loopback has carrier; nothing if the kernel does not tell.
    pub(crate) async fn has_carrier(&self) -> Option<bool> {
        self.routes.has_carrier().await
    }

    /// Polls a health port, and says how long it took in microseconds.
    async fn poll(&self, planned: &Planned, poll: &HttpPoll) -> (Result<Answer, Failure>, u32) {
        let started = Instant::now();
        let answer = match self.ask(planned, poll).await {
            Err(failure) => {
                let ours = self.routes.failure_of_ours(failure.kind, poll.address.ip(), &poll.bind).await;
                Err(ours.unwrap_or(failure))
            }
            answer => answer,
        };
        (answer, micros(started.elapsed()))
    }

    async fn ask(&self, planned: &Planned, poll: &HttpPoll) -> Result<Answer, Failure> {
        let Some(_slot) = self.slot(planned).await else {
            return Err(Failure::new(FailureKind::Agent, NO_SLOT));
        };
        let mut progress = Progress::towards(poll.address);
        let authority = poll.address.to_string();
        let answer = until(Instant::now() + planned.timeout, async {
            let wire = connection::open(&poll.bind, None, None, &mut progress).await?;
            http::exchange(wire, &Ask::poll(poll, &authority), &mut progress).await
        });
        let answer = answer.await?;
        if answer.body.cut_off {
            return Err(Failure::new(
                FailureKind::Protocol,
                format!("the answer is longer than {CAP} bytes"),
            ));
        }
        Ok(answer)
    }

    /// A place among the concurrent flows, waited for no longer than the round can afford.
    async fn slot(&self, planned: &Planned) -> Option<SemaphorePermit<'_>> {
        // Half of what the time-out leaves of the gap; the rest is for what comes after the flows.
        let patience = planned.gap.saturating_sub(planned.timeout) / 2;
        timeout(patience, self.slots.acquire()).await.ok()?.ok()
    }
}

const NO_SLOT: &str = "no slot for a connection was free in time; raise agent.max_flows or probe less often";
