//! How scenarios write what was observed.
//!
//! A flow is written as the source address (with or without a port) that the far side reports, or as the word of a failure
//! (`connected` after it: once the connection stood); after the address may come `for=ADDR` (what a forwarding header holds),
//! `trusting` (the format takes its address from such headers), `pod=NAME`, `on=NODE`; after any flow `took=800ms`. An answer of a
//! health check node port is written as `ready`, `no endpoints`, `proxy unhealthy`, `other service`, `garbage`, or the word of a
//! failure.

use std::net::SocketAddr;

use vipwatch_model::{
    flow::{FailureKind, Flow, Outcome, Phases, SourceReport},
    node_health::{HealthAnswer, HealthDetail, NodeHealth},
    proxy_health::{ProxyAnswer, ProxyHealth},
};

use crate::scenarios::SERVICE;

pub(super) fn flow(text: &str) -> Flow {
    let took = text.split_whitespace().find_map(|word| word.strip_prefix("took=")?.strip_suffix("ms"));
    let first_byte_us = took.map(|ms| ms.parse::<u32>().unwrap() * 1_000);
    let phases = Phases { first_byte_us, ..Phases::default() };
    let mut words = text.split_whitespace().filter(|word| !word.starts_with("took="));
    let first = words.next().unwrap_or_default();
    let outcome = match first {
        "answered" => Outcome::Answered,
        "garbage" => Outcome::Unreadable("the answer is in no format that vipwatch knows".into()),
        word => match word.parse::<FailureKind>() {
            Ok(kind) => {
                let remote = Some("192.0.2.201:80".parse().unwrap());
                let mut failed = Flow::failed(remote, kind, format!("({word})"));
                failed.phases.connect_us = (words.next() == Some("connected")).then_some(500);
                return failed;
            }
            Err(_) => Outcome::Echoed(report(word, words)),
        },
    };
    Flow {
        local: Some("192.0.2.9:40000".parse().unwrap()),
        remote: Some("192.0.2.201:80".parse().unwrap()),
        phases,
        retransmits: 0,
        outcome,
    }
}

fn report<'a>(source: &str, words: impl Iterator<Item = &'a str>) -> SourceReport {
    let mut report = match source.parse::<SocketAddr>() {
        Ok(socket) => SourceReport::of(socket.ip(), Some(socket.port())),
        Err(_) => {
            let address = source.parse();
            let address =
                address.unwrap_or_else(|_| panic!("{source:?} is neither an address nor a failure"));
            SourceReport::of(address, None)
        }
    };
    for word in words {
        match word.split_once('=') {
            Some(("for", address)) => report.forwarded.push(address.parse().unwrap()),
            Some(("pod", pod)) => report.pod = Some(pod.to_owned()),
            Some(("on", node)) => report.node = Some(node.to_owned()),
            None if word == "trusting" => report.trusts_headers = true,
            _ => panic!("{word:?} is nothing that a report may hold"),
        }
    }
    report
}

pub(super) fn health(text: &str) -> NodeHealth {
    let of = |service: &str, n| HealthDetail {
        local_endpoints: Some(n),
        service: Some(service.into()),
        ..HealthDetail::default()
    };
    let answer = match text {
        "ready" => HealthAnswer::Ready(of(SERVICE, 1)),
        "no endpoints" => HealthAnswer::NotReady(of(SERVICE, 0)),
        "proxy unhealthy" => {
            HealthAnswer::NotReady(HealthDetail { proxy_healthy: Some(false), ..of(SERVICE, 1) })
        }
        "other service" => HealthAnswer::Ready(of("default/other", 1)),
        "garbage" => HealthAnswer::Unreadable("HTTP 404".into()),
        word => HealthAnswer::failed(word.parse().unwrap(), format!("({word})")),
    };
    NodeHealth { answer, took_us: 1_000 }
}

pub(super) fn proxy_health(text: &str) -> ProxyHealth {
    let answer = match text {
        "healthy" => ProxyAnswer::Healthy,
        "ineligible" => ProxyAnswer::Ineligible,
        "unhealthy" => ProxyAnswer::Unhealthy,
        word => ProxyAnswer::failed(word.parse().unwrap(), format!("({word})")),
    };
    ProxyHealth { answer, took_us: 1_000 }
}
