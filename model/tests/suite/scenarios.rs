//! Runs every `scenarios/*.toml`: rounds in, verdicts, states and alerts out.
//!
//! A scenario has a `story`, the service as configured, and `[[round]]`s. A flow is written as the
//! source address that the far side reports, or as the word of a failure; an answer of a health check
//! node port as `ready`, `no endpoints`, `other service`, or the word of a failure. What a round leaves
//! out is not checked.

use std::{collections::BTreeSet, path::Path};

use chrono::{DateTime, TimeDelta};
use serde::Deserialize;
use vipwatch_model::{
    address::{AddressBook, Node},
    alert::{self, Alert, AlertKey},
    egress::Egress,
    flow::{FailureKind, Flow, Outcome, Phases, SourceReport},
    judge,
    node_health::{HealthAnswer, HealthDetail, NodeHealth},
    probe::{Expectation, Probe, ProbeName, Subject, TrafficPolicy},
    state::{Machine, State, Thresholds},
    verdict::Finding,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    story: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    reachability_only: bool,
    #[serde(default)]
    fixed_egress: Vec<String>,
    #[serde(default = "two")]
    alert_after: u32,
    #[serde(default = "two")]
    resolve_after: u32,
    round: Vec<Round>,
}

fn two() -> u32 {
    2
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    flows: Option<Vec<String>>,
    node: Option<String>,
    #[serde(default)]
    drift_everywhere: bool,
    #[serde(default = "once")]
    times: u32,
    finding: Option<Finding>,
    state: Option<State>,
    reason_has: Option<Vec<String>>,
    remedy_has: Option<String>,
    #[serde(default)]
    opens: Vec<alert::AlertKind>,
    #[serde(default)]
    resolves: Vec<alert::AlertKind>,
}

fn once() -> u32 {
    1
}

const LOCAL: &str = "192.0.2.9:40000";

fn book() -> AddressBook {
    let node = |n: u8| Node {
        name: format!("node-{n}"),
        addresses: vec![format!("192.0.2.1{n}").parse().unwrap()],
        pod_cidr: Some(format!("10.244.{n}.0/24").parse().unwrap()),
    };
    AddressBook {
        nodes: (1..=3).map(node).collect(),
        pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
        vips: vec!["192.0.2.201".parse().unwrap()],
    }
}

fn flow(text: &str) -> Flow {
    let outcome = match text {
        "answered" => Outcome::Answered,
        "garbage" => Outcome::Unreadable("the answer is in no format that vipwatch knows".into()),
        word => match word.parse::<FailureKind>() {
            Ok(kind) => {
                return Flow::failed(Some("192.0.2.201:80".parse().unwrap()), kind, format!("({word})"));
            }
            Err(_) => Outcome::Echoed(SourceReport {
                address: word
                    .parse()
                    .unwrap_or_else(|_| panic!("{word:?} is neither an address nor a failure")),
                port: None,
                node: None,
                pod: None,
            }),
        },
    };
    Flow {
        local: Some(LOCAL.parse().unwrap()),
        remote: Some("192.0.2.201:80".parse().unwrap()),
        phases: Phases::default(),
        outcome,
    }
}

fn health(text: &str) -> NodeHealth {
    let of = |service: &str, n| HealthDetail {
        local_endpoints: Some(n),
        service: Some(service.into()),
        ..HealthDetail::default()
    };
    let answer = match text {
        "ready" => HealthAnswer::Ready(of("default/echo-server", 1)),
        "no endpoints" => HealthAnswer::NotReady(of("default/echo-server", 0)),
        "proxy unhealthy" => {
            let detail = HealthDetail { proxy_healthy: Some(false), ..of("default/echo-server", 1) };
            HealthAnswer::NotReady(detail)
        }
        "other service" => HealthAnswer::Ready(of("default/other", 1)),
        "garbage" => HealthAnswer::Unreadable("HTTP 404".into()),
        word => HealthAnswer::failed(word.parse().unwrap(), format!("({word})")),
    };
    NodeHealth { answer, took_us: 1_000 }
}

fn probe(scenario: &Scenario, on_node: bool) -> Probe {
    let policy = match scenario.policy.as_deref() {
        Some("Cluster") => TrafficPolicy::Cluster,
        _ => TrafficPolicy::Local,
    };
    let service = "default/echo-server".to_owned();
    let (name, subject) = if on_node {
        let subject =
            Subject::Node { service, node: "node-1".into(), address: "192.0.2.11:30001".parse().unwrap() };
        (ProbeName::of_node("default/echo-server", "node-1"), subject)
    } else {
        let address = "192.0.2.201:80".parse().unwrap();
        (
            ProbeName::of_vip("default/echo-server", "192.0.2.201".parse().unwrap()),
            Subject::Vip { service, policy, address },
        )
    };
    let expectation = match policy {
        _ if scenario.reachability_only => Expectation::Answer,
        TrafficPolicy::Local => Expectation::Preserved,
        TrafficPolicy::Cluster => Expectation::Any,
    };
    let thresholds = Thresholds { alert_after: scenario.alert_after, resolve_after: scenario.resolve_after };
    Probe { name, subject, expectation, thresholds }
}

fn play(scenario: &Scenario) {
    let fixed: Vec<_> = scenario.fixed_egress.iter().map(|net| net.parse().unwrap()).collect();
    let egress = Egress { socket: fixed.is_empty(), fixed };
    let mut machine = Machine::default();
    let mut open: BTreeSet<AlertKey> = BTreeSet::new();
    let mut now = DateTime::UNIX_EPOCH;
    for (i, round) in scenario.round.iter().enumerate() {
        let place = format!("{}, round {}", scenario.story, i + 1);
        let probe = probe(scenario, round.node.is_some());
        let verdict = match (&round.flows, &round.node) {
            (Some(flows), None) => {
                let flows: Vec<Flow> = flows.iter().map(|text| flow(text)).collect();
                judge::source(&probe, &flows, &egress, &book())
            }
            (None, Some(answer)) => judge::node_health(&probe, &health(answer)),
            _ => panic!("{place}: a round has either flows or node"),
        };
        if let Some(finding) = round.finding {
            assert_eq!(verdict.finding, finding, "{place}: {}", verdict.reason);
        }
        for part in round.reason_has.iter().flatten() {
            assert!(verdict.reason.contains(part), "{place}: {part:?} is not in {:?}", verdict.reason);
        }
        if let Some(part) = &round.remedy_has {
            assert!(
                verdict.remedy.as_ref().is_some_and(|remedy| remedy.contains(part)),
                "{place}: {:?}",
                verdict.remedy
            );
        }
        let (mut opened, mut resolved) = (Vec::new(), Vec::new());
        for _ in 0..round.times {
            now += TimeDelta::seconds(10);
            let transition = machine.step(verdict.state, now, probe.thresholds);
            if machine.candidate.is_none() && machine.blind == 0 {
                let over: Vec<AlertKey> =
                    open.iter().filter(|key| key.kind.is_over_in(machine.state)).cloned().collect();
                for key in over {
                    resolved.push(key.kind);
                    open.remove(&key);
                }
            }
            if let Some(transition) = transition
                && let Some(kind) =
                    alert::opened_by(&probe, &transition, verdict.finding, round.drift_everywhere)
                && open.insert(AlertKey::new(kind, &probe))
            {
                let alert = Alert::open("id".into(), kind, &probe, &verdict, &transition);
                assert!(alert.since <= alert.opened_at && !alert.title.is_empty(), "{place}");
                opened.push(kind);
            }
        }
        if let Some(state) = round.state {
            assert_eq!(machine.state, state, "{place}: {}", verdict.reason);
        }
        assert_eq!(opened, round.opens, "{place}: opened");
        assert_eq!(resolved, round.resolves, "{place}: resolved");
    }
}

#[test]
fn every_scenario_plays_as_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/scenarios");
    let mut played = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        play(&scenario);
        played += 1;
    }
    assert!(played >= 15, "only {played} scenarios were found");
}
