//! The words of scenarios: what they call probes and rounds, and how alerts and notifications are written in them.

use std::collections::BTreeMap;

use vipwatch_model::{
    alert::{Alert, AlertKind},
    notification::{Notification, Resolution},
    probe::{Expectation, Limits, Probe, ProbeName, Subject, TrafficPolicy, Transport},
    rule::Rules,
    state::State,
    verdict::{Finding, Note, NoteKind, Verdict},
};

pub(super) fn words(alert: &Alert) -> String {
    match (&alert.service, &alert.node) {
        (Some(service), Some(node)) => format!("{} {service} {node}", alert.key.kind),
        (Some(service), None) => format!("{} {service}", alert.key.kind),
        _ => format!("{} {}", alert.key.kind, alert.key.subject),
    }
}

pub(super) fn sentence(notification: &Notification) -> String {
    let never = |resolution: &Option<Resolution>| {
        if resolution.as_ref().is_some_and(|resolution| resolution.superseded) {
            " (untold before)"
        } else {
            ""
        }
    };
    let mut text =
        format!("{} {}{}", notification.event, words(&notification.alert), never(&notification.resolution));
    for companion in &notification.also {
        let sign = if companion.consequence { '>' } else { '+' };
        text += &format!(" {sign} {}{}", words(&companion.alert), never(&companion.resolution));
    }
    if let Some(cause) = &notification.explained_by {
        text += &format!(" < {}", cause.title);
    }
    text
}

pub(super) fn probe(name: &str, rules: Rules, labels: BTreeMap<String, String>) -> Probe {
    let address = "192.0.2.201:80".parse().unwrap();
    let policy = TrafficPolicy::Local;
    let words: Vec<&str> = name.split_whitespace().collect();
    let subject = match words[..] {
        [service] if service.contains('/') => Subject::Vip { service: service.into(), policy, address },
        [service, node] => Subject::Node { service: service.into(), policy, node: node.into(), address },
        [node] if node.starts_with("node-") => {
            Subject::Host { node: node.into(), target: "192.0.2.11".into() }
        }
        _ => Subject::Endpoint { url: name.into() },
    };
    let down = if subject.node().is_some() { AlertKind::NodeDown } else { AlertKind::Unreachable };
    Probe {
        name: ProbeName::new(name),
        subject,
        transport: Transport::Tcp,
        expectation: Expectation::Preserved,
        vips: Vec::new(),
        limits: Limits::default(),
        rules: Rules { down, ..rules },
        labels,
    }
}

pub(super) fn verdict(probe: &Probe, word: &str, notes: &str) -> Verdict {
    let of_service = probe.subject.service().is_some() && probe.subject.node().is_some();
    let (finding, state) = match word {
        "ready" => (Finding::Ready, State::Up),
        "idle" => (Finding::NoEndpoints, State::Idle),
        "silent" => (Finding::NodeSilent, State::Down),
        "closed" => (Finding::PortClosed, State::Down),
        word => {
            let state: State = word.parse().unwrap();
            let finding = match state {
                State::Up => Finding::Preserved,
                State::Degraded => Finding::PartlyFailing,
                State::Translated => Finding::Translated,
                State::Down if of_service => Finding::NodeSilent,
                State::Down => Finding::Unreachable,
                State::Idle => Finding::NoEndpoints,
                State::Unknown => Finding::Blind,
            };
            (finding, state)
        }
    };
    let mut verdict = Verdict::new(finding, state, format!("It is {word}."));
    let kinds =
        notes.split(", ").filter(|note| !note.is_empty()).map(|note| note.parse::<NoteKind>().unwrap());
    verdict.notes = kinds.map(|kind| Note { kind, text: format!("There is {kind}.") }).collect();
    verdict
}
