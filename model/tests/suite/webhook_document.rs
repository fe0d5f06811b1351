//! The examples in `docs/webhook.md` are what the code writes.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, de::DeserializeOwned};
use vipwatch_model::{
    address::{AddressBook, Node},
    alert::{Alert, AlertKey, AlertKind, Board, Event, Known, Nodes, Severity},
    egress::Egress,
    flow::{Flow, Outcome, Phases, SourceReport},
    judge::{self, Scene},
    notification::{Acknowledgement, Companion, Notification, Resolution},
    probe::{Expectation, Limits, Probe, ProbeName, Subject, TrafficPolicy, Transport},
    rule::Rules,
    state::Machine,
    verdict::Verdict,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn probe() -> Probe {
    Probe {
        name: ProbeName::of_vip("default/echo-server", "192.0.2.201".parse().unwrap()),
        subject: Subject::Vip {
            service: "default/echo-server".into(),
            policy: TrafficPolicy::Local,
            address: "192.0.2.201:80".parse().unwrap(),
        },
        transport: Transport::Tcp,
        vips: Vec::new(),
        expectation: Expectation::Preserved,
        rules: Rules::uniform(2, 2, TimeDelta::minutes(10)),
        limits: Limits::default(),
        labels: BTreeMap::from([("team".to_owned(), "edge".to_owned())]),
    }
}

fn verdict(source: &str) -> Verdict {
    let book = AddressBook {
        nodes: vec![Node {
            name: "node-1".into(),
            addresses: vec!["192.0.2.11".parse().unwrap()],
            pod_cidrs: vec!["10.244.1.0/24".parse().unwrap()],
        }],
        ..AddressBook::default()
    };
    let flow = Flow {
        local: Some("203.0.113.50:40000".parse().unwrap()),
        remote: Some("192.0.2.201:80".parse().unwrap()),
        phases: Phases::default(),
        retransmits: 0,
        outcome: Outcome::Echoed(SourceReport {
            node: Some("node-1".into()),
            pod: Some("echo-server-5f7c9".into()),
            ..SourceReport::of(source.parse().unwrap(), Some(2311))
        }),
    };
    let egress = Egress { socket: true, ..Egress::default() };
    let scene = Scene { egress: &egress, book: &book, nodes: &[], at: DateTime::UNIX_EPOCH };
    judge::source(&probe(), &vec![flow.clone(), flow.clone(), flow.clone(), flow].into(), &scene)
}

#[test]
fn the_examples_are_what_the_code_writes() {
    let (probe, mut board, mut machine) = (probe(), Board::default(), Machine::default());
    let mut round = |source: &str, at: DateTime<Utc>| {
        let verdict = verdict(source);
        let transition = machine.step(verdict.state, at, &probe.rules, false);
        let known = Known { probe: &probe, machine: &machine, verdict: &verdict, at };
        let id = || "01a20614-ac08-7098-b455-c6cdc68d2f3c".to_owned();
        board.update(&known, transition.as_ref(), &Nodes::default(), false, id)
    };
    round("203.0.113.50", at("2026-11-23T03:14:05Z"));
    round("10.244.1.1", at("2026-11-23T03:14:15Z"));
    let alert: Alert = round("10.244.1.1", at("2026-11-23T03:14:25Z")).opened.remove(0);
    for second in 1..=5 {
        round("10.244.1.1", at(&format!("2026-11-23T03:15:{second}5Z")));
    }
    round("203.0.113.50", at("2026-11-23T03:16:55Z"));
    let (_, resolution) = round("203.0.113.50", at("2026-11-23T03:17:05Z")).resolved.remove(0);
    let page = "http://192.0.2.9:9180/";
    let opened = Notification::opened(alert.clone(), "office-fra", page);
    let resolved = Notification::resolved(alert, resolution, "office-fra", page);

    let test = Notification::test(
        "01a20621-3b6e-7c54-8f1a-5d0f2c9f7e10".to_owned(),
        "ops",
        "office-fra",
        page,
        at("2026-11-23T03:28:00Z"),
    );

    for notification in [opened, resolved, test] {
        is_in_the_document(&notification);
    }
}

#[test]
fn so_are_the_parts_of_them() {
    let since = at("2026-11-23T03:14:15Z");
    let key = AlertKey::of_vantage(AlertKind::NodeUnhealthy, "default/echo-server@node-1");
    let id = "01a20614-d318-7a02-8b4e-1f0c5d7e9a33".to_owned();
    let alert = Alert {
        service: Some("default/echo-server".into()),
        node: Some("node-1".into()),
        target: "192.0.2.11:30001".into(),
        title: "node-1 lost its last ready endpoint of default/echo-server".into(),
        reason: "node-1 has no ready endpoint of default/echo-server.".into(),
        flows_answered: 1,
        flows: 1,
        ..Alert::of_vantage(id, key, Severity::Warning, since, since)
    };
    let resolution =
        Resolution::because(&alert, "node-1 has a ready endpoint again.".into(), at("2026-11-23T03:14:35Z"));
    is_in_the_document(&Companion {
        event: Event::Opened,
        consequence: true,
        alert,
        resolution: None,
        acknowledgement: None,
    });
    is_in_the_document(&Acknowledgement {
        by: "mia@desk-7".into(),
        comment: "rolling the chart back".into(),
        at: at("2026-11-23T03:15:10Z"),
    });
    let reason = format!("It was over before it could be told. {}", resolution.reason);
    is_in_the_document(&Resolution { superseded: true, reason, ..resolution });
}

/// The document shows `example` as it is written now, and it can be read back.
fn is_in_the_document<T>(example: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/webhook.md");
    let doc = std::fs::read_to_string(path).unwrap();
    let text = serde_json::to_string_pretty(example).unwrap();
    assert!(doc.contains(&text), "docs/webhook.md lacks this example as it is written now:\n{text}");
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *example);
}
