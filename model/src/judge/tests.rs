//! What must hold of every judgement, whatever the flows.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::{
    address::{AddressBook, Node},
    egress::{Comparison, Egress},
    flow::{FailureKind, Flow, Outcome, Phases, SourceReport},
    probe::{Expectation, Limits, Probe, ProbeName, Subject, TrafficPolicy, Transport},
    rule::Rules,
    state::State,
    verdict::{Finding, FlowFinding, Verdict},
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
        vips: Vec::new(),
        expectation,
        rules: Rules::uniform(2, 2, TimeDelta::minutes(10)),
        limits: Limits::default(),
        labels: BTreeMap::new(),
    }
}

fn book() -> AddressBook {
    AddressBook {
        nodes: vec![Node {
            name: "node-1".into(),
            addresses: vec!["192.0.2.11".parse().unwrap()],
            pod_cidrs: vec!["10.244.1.0/24".parse().unwrap()],
        }],
        pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
        vips: vec!["192.0.2.201".parse().unwrap()],
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    const ADDRESSES: &[&str] = &[
        "192.0.2.9",
        "::ffff:192.0.2.9",
        "10.244.1.1",
        "192.0.2.11",
        "203.0.113.5",
        "2001:db8::9",
        "127.0.0.1",
    ];
    let address = || proptest::sample::select(ADDRESSES).prop_map(|address| address.parse().unwrap());
    let forwarded = proptest::collection::vec(address(), 0..3);
    let name = proptest::option::of(proptest::sample::select(&["a", "b"][..]).prop_map(str::to_owned));
    let port = proptest::sample::select(&[None, Some(40000), Some(2311)][..]);
    let echoed = (address(), port, forwarded, any::<bool>(), name.clone(), name).prop_map(
        |(address, port, forwarded, trusts_headers, node, pod)| {
            Outcome::Echoed(SourceReport { address, port, forwarded, trusts_headers, node, pod })
        },
    );
    let failed =
        proptest::sample::select(FailureKind::ALL).prop_map(|kind| Flow::failed(None, kind, "x").outcome);
    prop_oneof![3 => echoed, 1 => Just(Outcome::Answered), 1 => Just(Outcome::Unreadable("no JSON".into())), 2 => failed]
}

fn expectation() -> impl Strategy<Value = Expectation> {
    proptest::sample::select(vec![
        Expectation::Preserved,
        Expectation::InHeader,
        Expectation::Within(vec!["192.0.2.0/24".parse().unwrap()]),
        Expectation::Any,
        Expectation::Answer,
    ])
}

fn node_sights() -> impl Strategy<Value = Vec<Option<Finding>>> {
    proptest::collection::vec(proptest::option::of(proptest::sample::select(Finding::ALL)), 0..4)
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
    judged_beside(probe, flows, &[])
}

fn judged_beside(probe: &Probe, flows: Vec<Flow>, nodes: &[Option<Finding>]) -> Verdict {
    let nodes: Vec<NodeSight<'_>> =
        nodes.iter().map(|finding| NodeSight { node: "node-1", finding: *finding }).collect();
    let scene = Scene { egress: &socket(), book: &book(), nodes: &nodes, at: DateTime::UNIX_EPOCH };
    source(probe, &flows.into(), &scene)
}

/// Behind a NAT that may have changed: what nobody could be asked about is no evidence, neither as the peer nor in the
/// header that is compared. What is of the cluster is.
#[test]
fn a_doubtful_address_is_no_evidence() {
    let learnt = crate::egress::Learnt {
        local: "192.0.2.9".parse().unwrap(),
        address: "198.51.100.7".parse().unwrap(),
        from: "stun".into(),
        at: DateTime::UNIX_EPOCH,
    };
    let egress = Egress { learnt: vec![learnt], ..Egress::default() };
    let found = |peer: &str, forwarded: &[&str], expectation: Expectation| {
        let report = SourceReport {
            forwarded: forwarded.iter().map(|address| address.parse().unwrap()).collect(),
            ..SourceReport::of(peer.parse().unwrap(), None)
        };
        let flows = vec![Flow {
            local: Some("192.0.2.9:40000".parse().unwrap()),
            outcome: Outcome::Echoed(report),
            ..Flow::failed(None, FailureKind::Agent, "")
        }];
        let strangers = egress.strangers(&flows, &book(), &expectation);
        let doubting =
            egress.doubting(strangers.into_iter().map(|stranger| (stranger, "nobody knows".into())));
        let scene = Scene { egress: &doubting, book: &book(), nodes: &[], at: DateTime::UNIX_EPOCH };
        source(&probe(expectation), &flows.into(), &scene).finding
    };
    assert_eq!(found("203.0.113.9", &[], Expectation::Preserved), Finding::Inconclusive);
    assert_eq!(found("10.244.1.7", &["203.0.113.9"], Expectation::Preserved), Finding::Translated);
    assert_eq!(found("10.244.1.7", &["203.0.113.9"], Expectation::InHeader), Finding::Inconclusive);
    assert_eq!(found("10.244.1.7", &["198.51.100.7"], Expectation::InHeader), Finding::OnlyInHeader);
}

fn remapped(flows: &[Flow]) -> Vec<Flow> {
    let other_form = |address: IpAddr| match address {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(_) => address.to_canonical(),
    };
    let mut flows = flows.to_vec();
    for flow in &mut flows {
        flow.local = flow.local.map(|local| SocketAddr::new(other_form(local.ip()), local.port()));
        if let Outcome::Echoed(report) = &mut flow.outcome {
            report.address = other_form(report.address);
            report.forwarded.iter_mut().for_each(|address| *address = other_form(*address));
        }
    }
    flows
}

proptest! {
    #[test]
    fn the_order_of_flows_does_not_matter(flows in flows(), expectation in expectation(), nodes in node_sights()) {
        let probe = probe(expectation);
        let forwards = judged_beside(&probe, flows.clone(), &nodes);
        let backwards: Vec<Flow> = flows.into_iter().rev().collect();
        let mut backwards = judged_beside(&probe, backwards, &nodes);
        backwards.evidence.reverse();
        prop_assert_eq!(forwards, backwards);
    }

    #[test]
    fn mapped_and_plain_addresses_judge_alike(flows in flows(), expectation in expectation()) {
        let probe = probe(expectation);
        let plain = judged(&probe, flows.clone());
        let mut mapped = judged(&probe, remapped(&flows));
        for (mapped, plain) in mapped.evidence.iter_mut().zip(&plain.evidence) {
            mapped.local = plain.local;
        }
        prop_assert_eq!(plain, mapped);
    }

    #[test]
    fn preserved_means_that_every_conclusive_address_is_the_agents(flows in flows(), expectation in expectation()) {
        let verdict = judged(&probe(expectation), flows);
        if verdict.finding == Finding::Preserved {
            let conclusive = verdict.evidence.iter().filter(|flow| !matches!(
                flow.finding,
                FlowFinding::HeaderTrusted | FlowFinding::Inconclusive | FlowFinding::Answered | FlowFinding::Failed | FlowFinding::NotMade
            ));
            for flow in conclusive {
                prop_assert_eq!(socket().compare(flow.local, flow.seen.unwrap()), Comparison::Same);
            }
        }
    }

    #[test]
    fn a_single_foreign_address_is_never_missed(flows in flows()) {
        let verdict = judged(&probe(Expectation::Preserved), flows);
        let foreign = verdict.seen.iter().any(|seen| seen.class.is_some());
        prop_assert_eq!(foreign, verdict.state == State::Translated);
    }

    #[test]
    fn only_the_target_can_bring_the_target_down(flows in flows(), expectation in expectation()) {
        let verdict = judged(&probe(expectation), flows.clone());
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
    fn every_verdict_has_a_reason_and_every_regression_a_cause_and_a_remedy(
        flows in flows(), expectation in expectation(), nodes in node_sights(),
    ) {
        let is_list = matches!(expectation, Expectation::Within(_));
        let verdict = judged_beside(&probe(expectation), flows, &nodes);
        prop_assert!(verdict.reason.ends_with('.') && verdict.reason.len() > 20, "{}", verdict.reason);
        prop_assert_eq!(verdict.evidence.len(), verdict.flows as usize);
        if matches!(verdict.state, State::Translated) {
            prop_assert!(verdict.remedy.is_some(), "{}", verdict.reason);
            prop_assert!(is_list || verdict.cause.is_some(), "{}", verdict.reason);
        }
        for sentence in verdict.cause.iter().map(|cause| &cause.text).chain(&verdict.remedy) {
            prop_assert!(sentence.ends_with('.'), "{}", sentence);
        }
    }

    #[test]
    fn what_the_nodes_say_changes_the_cause_and_nothing_else(flows in flows(), nodes in node_sights()) {
        let probe = probe(Expectation::Preserved);
        let alone = judged(&probe, flows.clone());
        let beside = judged_beside(&probe, flows, &nodes);
        prop_assert_eq!(Verdict { cause: None, remedy: None, ..alone }, Verdict { cause: None, remedy: None, ..beside });
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
