//! What must hold of every judgement, whatever the flows.

use std::{collections::BTreeMap, net::SocketAddr};

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::{
    address::{AddressBook, Node},
    egress::Egress,
    flow::{FailureKind, Flow, Outcome, Phases, SourceReport},
    probe::{Expectation, Probe, ProbeName, Subject, TrafficPolicy, Transport},
    state::{State, Thresholds},
    verdict::{Finding, Verdict},
};

fn probe(expectation: Expectation) -> Probe {
    let address: SocketAddr = "192.0.2.201:80".parse().unwrap();
    Probe {
        name: ProbeName::of_vip("default/echo-server", address.ip()),
        subject: Subject::Vip {
            service: "default/echo-server".into(),
            policy: TrafficPolicy::Local,
            address,
        },
        transport: Transport::Tcp,
        expectation,
        thresholds: Thresholds { alert_after: 2, resolve_after: 2, stale_after: TimeDelta::minutes(10) },
        labels: BTreeMap::new(),
    }
}

fn book() -> AddressBook {
    AddressBook {
        nodes: vec![Node {
            name: "node-1".into(),
            addresses: vec!["192.0.2.11".parse().unwrap()],
            pod_cidr: Some("10.244.1.0/24".parse().unwrap()),
        }],
        pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
        vips: vec!["192.0.2.201".parse().unwrap()],
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    const ADDRESSES: &[&str] =
        &["192.0.2.9", "::ffff:192.0.2.9", "10.244.1.1", "192.0.2.11", "203.0.113.5", "2001:db8::9"];
    let echoed = proptest::sample::select(ADDRESSES)
        .prop_map(|address| Outcome::Echoed(SourceReport::of(address.parse().unwrap(), None)));
    let failed =
        proptest::sample::select(FailureKind::ALL).prop_map(|kind| Flow::failed(None, kind, "x").outcome);
    prop_oneof![3 => echoed, 1 => Just(Outcome::Answered), 1 => Just(Outcome::Unreadable("no JSON".into())), 2 => failed]
}

fn flows() -> impl Strategy<Value = Vec<Flow>> {
    let flow = outcome().prop_map(|outcome| Flow {
        local: Some("192.0.2.9:40000".parse().unwrap()),
        remote: Some("192.0.2.201:80".parse().unwrap()),
        phases: Phases::default(),
        retransmits: 0,
        outcome,
    });
    proptest::collection::vec(flow, 0..12)
}

fn socket() -> Egress {
    Egress { socket: true, ..Egress::default() }
}

fn judged(probe: &Probe, flows: Vec<Flow>) -> Verdict {
    let scene = Scene { egress: &socket(), book: &book(), nodes: &[], at: DateTime::UNIX_EPOCH };
    source(probe, &flows.into(), &scene)
}

proptest! {
    #[test]
    fn the_order_of_flows_does_not_matter(flows in flows()) {
        let probe = probe(Expectation::Preserved);
        let forwards = judged(&probe, flows.clone());
        let backwards: Vec<Flow> = flows.into_iter().rev().collect();
        let backwards = judged(&probe, backwards);
        prop_assert_eq!(forwards, backwards);
    }

    #[test]
    fn preserved_means_that_every_conclusive_address_is_the_agents(flows in flows()) {
        let verdict = judged(&probe(Expectation::Preserved), flows.clone());
        if verdict.finding == Finding::Preserved {
            prop_assert!(verdict.seen.iter().all(|seen| seen.class.is_none()));
        }
        let foreign = verdict.seen.iter().any(|seen| seen.class.is_some());
        prop_assert_eq!(foreign, verdict.state == State::Translated, "a single foreign address is never missed");
    }

    #[test]
    fn only_the_target_can_bring_the_target_down(flows in flows()) {
        let verdict = judged(&probe(Expectation::Preserved), flows.clone());
        let by_target = flows.iter().filter_map(Flow::failure).any(|failure| !failure.kind.is_ours());
        if verdict.state == State::Down {
            prop_assert!(by_target && verdict.answered == 0);
        }
        if !by_target {
            prop_assert!(!matches!(verdict.state, State::Down | State::Degraded));
        }
    }

    #[test]
    fn where_any_source_will_do_nothing_is_translated(flows in flows()) {
        for expectation in [Expectation::Any, Expectation::Answer] {
            let verdict = judged(&probe(expectation), flows.clone());
            prop_assert_ne!(verdict.state, State::Translated);
        }
    }

    #[test]
    fn every_verdict_has_a_reason_in_words(flows in flows()) {
        let verdict = judged(&probe(Expectation::Preserved), flows.clone());
        prop_assert!(verdict.reason.ends_with('.') && verdict.reason.len() > 20, "{}", verdict.reason);
    }
}

#[test]
fn an_agent_inside_the_cluster_trusts_nothing_it_sees() {
    let flow = Flow {
        local: Some("10.244.1.9:40000".parse().unwrap()),
        remote: Some("192.0.2.201:80".parse().unwrap()),
        phases: Phases::default(),
        retransmits: 0,
        outcome: Outcome::Echoed(SourceReport::of("10.244.1.9".parse().unwrap(), None)),
    };
    let verdict = judged(&probe(Expectation::Preserved), vec![flow]);
    assert_eq!((verdict.finding, verdict.state), (Finding::Inconclusive, State::Unknown));
    assert!(verdict.reason.contains("inside the cluster"), "{}", verdict.reason);
}
