//! Runs one round of a probe: real packets out, an observation back.
//!
//! A failed probe is an observation like any other. Nothing here judges, stores or alerts.

mod answer;
mod blame;
mod connection;
mod flow;
mod http;
mod method;
mod proxy_header;
mod resolve;
mod route;
mod socket;
mod tcp;
mod tls;
mod trust;
mod udp;
mod verifier;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::{OptionFuture, join_all};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use vipwatch_model::{
    flow::{Failure, FailureKind, Flow, Outcome},
    node_health::{HealthAnswer, NodeHealth},
    observation::{Lookup, Observation, Sight},
};

use answer::CAP;
use connection::Wire;
use flow::{Ended, Progress, micros, until};
use http::{Answer, Ask};
pub use method::{
    Bind, Exchange, FlowMethod, Host, HttpExchange, HttpExpectation, HttpPoll, Method, Pattern, ProxyVersion,
    TcpExchange, Tls, UdpExchange,
};
pub use trust::{Authorities, Identity, Roots, Unusable};

use crate::plan::Planned;

/// The most addresses of one name that are probed in a round.
const ADDRESS_CAP: usize = 32;

/// The header in which kube-proxy tells the endpoint weight (Kubernetes 1.28 and later).
const WEIGHT_HEADER: &str = "x-load-balancing-endpoint-weight";

/// What stands in for a round that the agent could not carry out.
#[must_use]
pub fn not_made(method: &Method, why: &str) -> Observation {
    match method {
        Method::Flows(_) => Observation::Flows(vec![Flow::failed(None, FailureKind::Agent, why)].into()),
        Method::NodeHealth(_) => {
            let answer = HealthAnswer::failed(FailureKind::Agent, why);
            Observation::NodeHealth(NodeHealth { answer, took_us: 0 })
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
            Method::NodeHealth(poll) => {
                let started = Instant::now();
                let answer = match self.poll(planned, poll).await {
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
                Observation::NodeHealth(NodeHealth { answer, took_us: micros(started.elapsed()) })
            }
        }
    }

    /// The flows of a round. A name is looked up once for all of them; since each of them would have had to, each
    /// counts the time. It gets as many flows as it has addresses, at least.
    async fn flows(&self, planned: &Planned, method: &FlowMethod) -> Sight {
        let name = method.dns_name.as_deref();
        let beside = OptionFuture::from(name.map(|name| self.look_up(name, method, planned.timeout)));
        let (mut sight, beside) = tokio::join!(self.flows_to_host(planned, method), beside);
        if let (Some(name), Some(Ok(addresses))) = (name, beside) {
            sight.lookup = Some(Lookup { name: name.to_owned(), addresses });
        }
        sight
    }

    async fn flows_to_host(&self, planned: &Planned, method: &FlowMethod) -> Sight {
        match &method.host {
            Host::Address(address) => self.flows_to(planned, method, &[*address], None).await,
            Host::Name(name) => {
                let started = Instant::now();
                match self.look_up(name, method, planned.timeout).await {
                    Ok(addresses) => {
                        let took = started.elapsed();
                        let mut sight = self.flows_to(planned, method, &addresses, Some(took)).await;
                        sight.lookup = Some(Lookup { name: name.clone(), addresses });
                        sight
                    }
                    Err(failure) => {
                        let flow = Flow::failed(None, failure.kind, failure.detail);
                        vec![flow; planned.flows as usize].into()
                    }
                }
            }
        }
    }

    /// The addresses of a target's name.
    async fn look_up(
        &self,
        name: &str,
        method: &FlowMethod,
        limit: Duration,
    ) -> Result<Vec<IpAddr>, Failure> {
        let found = timeout(limit, resolve::addresses(name, &method.name_servers)).await;
        found.unwrap_or_else(|_| Err(resolve::silent(&method.name_servers)))
    }

    async fn flows_to(
        &self,
        planned: &Planned,
        method: &FlowMethod,
        addresses: &[IpAddr],
        resolved_in: Option<Duration>,
    ) -> Sight {
        let addresses = &addresses[..addresses.len().min(ADDRESS_CAP)];
        let flows = addresses.len().max(planned.flows as usize);
        let limit = planned.timeout.saturating_sub(resolved_in.unwrap_or_default());
        let made = |(address, canary): (&IpAddr, bool)| {
            let mut progress = Progress::towards(SocketAddr::new(*address, method.port));
            progress.phases.resolve_us = resolved_in.map(micros);
            self.flow(planned, method, progress, limit, canary)
        };
        let measuring = addresses.iter().cycle().take(flows).map(|address| (address, false));
        let canary = addresses.iter().take(usize::from(method.canary)).map(|address| (address, true));
        let ended = join_all(measuring.chain(canary).map(made)).await;
        let mut sight = Sight::default();
        for Ended { flow, certificate } in ended {
            sight.flows.push(flow);
            sight.certificate = sight.certificate.or(certificate);
        }
        self.blame_ourselves(&mut sight.flows).await;
        sight.canary = sight.flows.pop_if(|_| method.canary);
        sight
    }

    async fn flow(
        &self,
        planned: &Planned,
        method: &FlowMethod,
        mut progress: Progress,
        limit: Duration,
        canary: bool,
    ) -> Ended {
        let Some(_slot) = self.slot(planned).await else {
            return progress.ended(Err(Failure::new(FailureKind::Agent, NO_SLOT)));
        };
        let deadline = Instant::now() + limit;
        let outcome = until(deadline, self.attempt(method, canary, deadline, &mut progress)).await;
        progress.ended(outcome)
    }

    async fn attempt(
        &self,
        method: &FlowMethod,
        canary: bool,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        progress.begin();
        match &method.exchange {
            Exchange::Http(exchange) => {
                let wire = self.open(method, exchange.tls.as_ref(), progress).await?;
                let ask = Ask::of(exchange, method.echo.is_some(), canary);
                let answer = http::exchange(wire, &ask, progress).await?;
                Ok(http::outcome(&exchange.expect, method.echo, &answer))
            }
            Exchange::Tcp(exchange) => {
                let wire = self.open(method, exchange.tls.as_ref(), progress).await?;
                tcp::exchange(wire, exchange, method.echo, deadline, progress).await
            }
            Exchange::Udp(exchange) => udp::exchange(&method.bind, exchange, method.echo, progress).await,
        }
    }

    async fn open(
        &self,
        method: &FlowMethod,
        tls: Option<&Tls>,
        progress: &mut Progress,
    ) -> Result<Wire, Failure> {
        let tls = tls.map(|tls| (tls, &self.handshakes));
        connection::open(&method.bind, method.proxy_header, tls, progress).await
    }

    async fn poll(&self, planned: &Planned, poll: &HttpPoll) -> Result<Answer, Failure> {
        let Some(_slot) = self.slot(planned).await else {
            return Err(Failure::new(FailureKind::Agent, NO_SLOT));
        };
        let mut progress = Progress::towards(poll.address);
        let authority = poll.address.to_string();
        let answer = until(Instant::now() + planned.timeout, async {
            let wire = connection::open(&poll.bind, None, None, &mut progress).await?;
            http::exchange(wire, &Ask::poll(poll, &authority), &mut progress).await
        });
        match answer.await {
            Ok(answer) if answer.body.cut_off => {
                Err(Failure::new(FailureKind::Protocol, format!("the answer is longer than {CAP} bytes")))
            }
            Ok(answer) => Ok(answer),
            Err(failure) => {
                let ours = self.routes.failure_of_ours(failure.kind, poll.address.ip()).await;
                Err(ours.unwrap_or(failure))
            }
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
        let mut asked: Option<(IpAddr, FailureKind, Option<Failure>)> = None;
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
