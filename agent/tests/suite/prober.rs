//! The prober against servers that behave as servers on the network do.

mod bind;
#[cfg(feature = "namespace-tests")]
mod blame;
mod dns;
mod health;
mod http;
mod name_server;
mod names;
mod ping;
mod proxy_header;
mod server;
mod tcp;
mod tls;
mod udp;

use std::{net::SocketAddr, time::Duration};

use vipwatch::{
    plan::Planned,
    prober::{Exchange, FlowMethod, Host, Method, Prober},
    schedule::Schedule,
};
use vipwatch_model::{
    flow::{FailureKind, Outcome},
    observation::{Observation, Sight},
    probe::{Expectation, Limits, Probe, ProbeName, Subject, Transport},
    rule::Rules,
};

const TIMEOUT: Duration = Duration::from_millis(400);

fn planned(method: Method, flows: u32) -> Planned {
    let gap = Duration::from_secs(1);
    Planned {
        probe: Probe {
            name: ProbeName::new("test"),
            subject: Subject::Endpoint { url: "http://test/".into() },
            transport: Transport::Tcp,
            vips: Vec::new(),
            expectation: Expectation::Preserved,
            rules: Rules::uniform(2, 2, chrono::TimeDelta::minutes(10)),
            limits: Limits::default(),
            labels: std::collections::BTreeMap::new(),
        },
        method,
        schedule: Schedule::Every(gap),
        gap,
        timeout: TIMEOUT,
        flows,
    }
}

fn to(address: SocketAddr, exchange: Exchange) -> FlowMethod {
    FlowMethod::new(Host::Address(address.ip()), address.port(), exchange)
}

/// One round of `n` flows.
async fn sight(method: FlowMethod, n: u32) -> Sight {
    match Prober::new(64).observe(&planned(Method::Flows(Box::new(method)), n)).await {
        Observation::Flows(sight) => sight,
        other => panic!("flows gave {other:?}"),
    }
}

/// What comes of a single flow.
async fn outcome(method: FlowMethod) -> Outcome {
    sight(method, 1).await.flows.remove(0).outcome
}

fn kind(outcome: &Outcome) -> Option<FailureKind> {
    match outcome {
        Outcome::Failed(failure) => Some(failure.kind),
        _ => None,
    }
}

/// What a failure says.
fn detail(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed(failure) => &failure.detail,
        other => panic!("no failure but {other:?}"),
    }
}
