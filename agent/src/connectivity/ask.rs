//! One check: all targets are asked at once, each up to three times within the time that there is.
//!
//! A packet may get lost without anybody being blind, and the kernel sends nothing again within so short a time.

use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};
use vipwatch_model::{
    connectivity::Answer,
    flow::{Failure, FailureKind, Flow},
    observation::Observation,
};

use crate::{
    config::{Connectivity, ConnectivityTarget, Departure},
    plan::Planned,
    prober::{Exchange, FlowMethod, HttpExpectation, Method, Prober, TcpExchange},
};

/// How often a target is asked in one check.
const ATTEMPTS: u32 = 3;
/// Flows at once, over all targets: never so few that they wait for each other.
const FLOWS: usize = 256;

/// Asks the targets, on slots of its own: while everything falls silent those of the probes are taken.
pub(super) struct Asker {
    prober: Prober,
}

impl Default for Asker {
    fn default() -> Self {
        Self { prober: Prober::new(FLOWS) }
    }
}

impl Asker {
    /// What comes of each target.
    pub(super) async fn everybody(&self, settings: &Connectivity) -> Vec<Answer> {
        let asked = settings.targets.iter().map(|target| async move {
            let heard = self.one(target, &settings.departure, settings.timeout).await;
            Answer { target: target.to_string(), heard }
        });
        join_all(asked).await
    }

    /// Whether a link of this host but the loopback has carrier; nothing if the kernel does not tell.
    pub(super) async fn has_carrier(&self) -> Option<bool> {
        self.prober.has_carrier().await
    }

    /// How long the target's answer took, in microseconds; why there is none.
    async fn one(
        &self,
        target: &ConnectivityTarget,
        departure: &Departure,
        limit: Duration,
    ) -> Result<u32, Failure> {
        let (began, method) = (Instant::now(), method(target, departure));
        let attempt = |nth: u32| {
            let method = method.clone();
            async move {
                let wait = limit / ATTEMPTS * nth;
                sleep(wait).await;
                let planned = Planned::once("connectivity", method, limit - wait);
                heard(&self.prober.observe(&planned).await).map_err(|failure| (nth, failure))
            }
        };
        let mut attempts: FuturesUnordered<_> = (0..ATTEMPTS).map(attempt).collect();
        let mut failures = Vec::new();
        while let Some(heard) = attempts.next().await {
            match heard {
                Ok(()) => return Ok(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)),
                Err(failure) => failures.push(failure),
            }
        }
        // The first of them had the longest time.
        let first = failures.into_iter().min_by_key(|(nth, _)| *nth).map(|(_, failure)| failure);
        Err(first.unwrap_or_else(not_asked))
    }
}

fn method(target: &ConnectivityTarget, departure: &Departure) -> Method {
    let flows = |method: FlowMethod| {
        let Departure { bind, name_servers } = departure.clone();
        Method::Flows(Box::new(FlowMethod { bind, name_servers, ..method }))
    };
    match target {
        ConnectivityTarget::Ping(address) => Method::Ping { address: *address, bind: departure.bind.clone() },
        ConnectivityTarget::Connect(server) => {
            let exchange = Exchange::Tcp(TcpExchange::default());
            flows(FlowMethod::new(server.host.clone(), server.port, exchange))
        }
        ConnectivityTarget::Page(url) => {
            let mut method = FlowMethod::get(url);
            if let Exchange::Http(exchange) = &mut method.exchange {
                // Whoever says that something is wrong has spoken.
                exchange.expect = HttpExpectation { status: vec![(100, 999)], body: None };
            }
            flows(method)
        }
    }
}

/// Whether one of the flows was answered; why not, if none was.
fn heard(observation: &Observation) -> Result<(), Failure> {
    let flows: &[Flow] = match observation {
        Observation::Flows(sight) => &sight.flows,
        Observation::NodeHealth(_) | Observation::ProxyHealth(_) => &[],
    };
    if flows.iter().any(|flow| flow.failure().is_none()) {
        return Ok(());
    }
    Err(flows.iter().find_map(Flow::failure).cloned().unwrap_or_else(not_asked))
}

fn not_asked() -> Failure {
    Failure::new(FailureKind::Agent, "it was not asked")
}
