//! Notifications of every kind, made up: templates are tried on them when the configuration is read, and they show in
//! tests what each receiver is sent.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind, Event, Observed, Severity},
    cause::{Cause, CauseKind},
    notification::{Acknowledgement, Companion, Notification, Reference, Resolution},
    verdict::{Evidence, FlowFinding},
};

const VANTAGE: &str = "office-fra";
const PAGE: &str = "https://vipwatch.example.net/";

/// One of each event, with everything that such a notification can hold, and one with as little as possible.
pub(super) fn all() -> Vec<Notification> {
    vec![opened(), bare(), reminder(), acknowledged(), resolved(), superseded(), digest(), test()]
}

/// An opened alert with two companions.
pub(super) fn opened() -> Notification {
    let mut notification = Notification::opened(translated(), VANTAGE, PAGE);
    notification.also = vec![companion(node_down(), true), companion(certificate(), false)];
    notification
}

/// An opened alert of which hardly anything is known.
pub(super) fn bare() -> Notification {
    let key = AlertKey::of_vantage(AlertKind::VantageBlind, "office-fra");
    let since = at(0);
    let mut alert = Alert::of_vantage(id(4), key, Severity::Critical, since, since);
    alert.title = "the agent cannot see".into();
    alert.reason = "Neither the gateway nor the control endpoint answers.".into();
    Notification::opened(alert, VANTAGE, PAGE)
}

/// It is open still.
pub(super) fn reminder() -> Notification {
    let mut notification = told(Event::Reminder, opened());
    let title = "the gateway of the office does not answer".to_owned();
    notification.explained_by = Some(Reference { id: id(6), title });
    notification
}

/// Somebody has taken it on.
pub(super) fn acknowledged() -> Notification {
    Notification { acknowledgement: Some(acknowledgement()), ..told(Event::Acknowledged, opened()) }
}

/// It is over, and so is one that was told along with it.
pub(super) fn resolved() -> Notification {
    let mut notification = Notification::resolved(translated(), resolution(), VANTAGE, PAGE);
    notification.acknowledgement = Some(acknowledgement());
    notification.also = vec![over(companion(node_down(), false))];
    notification
}

/// It was over before it was told.
pub(super) fn superseded() -> Notification {
    let reason = format!("It was over before it could be told. {}", resolution().reason);
    let resolution = Resolution { superseded: true, reason, ..resolution() };
    Notification::resolved(translated(), resolution, VANTAGE, PAGE)
}

/// What a rate limit held back.
pub(super) fn digest() -> Notification {
    let mut notification = Notification::opened(node_down(), VANTAGE, PAGE);
    notification.event = Event::Digest;
    notification.alert_event = Some(Event::Opened);
    let taken_on = Companion {
        event: Event::Acknowledged,
        acknowledgement: Some(acknowledgement()),
        ..companion(certificate(), false)
    };
    notification.also = vec![over(companion(translated(), false)), taken_on];
    notification
}

/// Somebody tries a receiver.
pub(super) fn test() -> Notification {
    Notification::test(id(5), "ops", VANTAGE, PAGE, at(0))
}

/// `notification`, telling `event` of all its alerts.
fn told(event: Event, notification: Notification) -> Notification {
    let also = notification.also.into_iter().map(|companion| Companion { event, ..companion }).collect();
    Notification { event, also, ..notification }
}

fn translated() -> Alert {
    let key = AlertKey::of_vantage(AlertKind::SourceTranslated, "default/echo-server@192.0.2.201");
    let evidence = Evidence {
        finding: FlowFinding::Translated,
        local: "203.0.113.50:40000".parse().ok(),
        remote: "192.0.2.201:80".parse().ok(),
        seen: "10.244.1.1".parse().ok(),
        port: Some(2311),
        failure: None,
    };
    Alert {
        service: Some("default/echo-server".into()),
        target: "192.0.2.201:80".into(),
        labels: BTreeMap::from([("team".to_owned(), "edge".to_owned())]),
        title: "default/echo-server loses its clients' source addresses at 192.0.2.201:80".into(),
        reason: "All 4 connections to 192.0.2.201:80 arrived from 10.244.1.1 (pod bridge of node-1 in 10.244.1.0/24) \
                 instead of 203.0.113.50: the client's address is lost on the way."
            .into(),
        cause: Some(Cause::new(
            CauseKind::PolicyReset,
            "The policy was reset to Cluster, by a helm upgrade or an edit.",
        )),
        remedy: Some(
            "Look at the policy: `kubectl -n default get service echo-server -o \
             jsonpath='{.spec.externalTrafficPolicy}'`. If it says Cluster, restore it."
                .into(),
        ),
        expected: vec!["203.0.113.50".into()],
        observed: vec![Observed {
            address: "10.244.1.1".into(),
            what: "pod bridge of node-1 in 10.244.1.0/24".into(),
            flows: 4,
        }],
        responders: vec!["echo-server-5f7c9 on node-1".into()],
        evidence: vec![evidence],
        flows_answered: 4,
        flows: 4,
        ..Alert::of_vantage(id(1), key, Severity::Critical, at(0), at(10))
    }
}

fn node_down() -> Alert {
    let key = AlertKey::of_vantage(AlertKind::NodeDown, "node-2");
    Alert {
        node: Some("node-2".into()),
        target: "192.0.2.12:30001".into(),
        title: "node-2 does not answer at 192.0.2.12:30001".into(),
        reason: "node-2 was silent to all of 2 health checks.".into(),
        remedy: Some("See whether the node lives: `kubectl get node node-2`.".into()),
        flows: 2,
        ..Alert::of_vantage(id(2), key, Severity::Warning, at(0), at(10))
    }
}

fn certificate() -> Alert {
    let key = AlertKey::of_vantage(AlertKind::CertificateExpiring, "shop/front@192.0.2.202");
    Alert {
        service: Some("shop/front".into()),
        target: "192.0.2.202:443".into(),
        title: "the certificate of shop/front at 192.0.2.202:443 expires soon".into(),
        reason: "The certificate expires in 6 days.".into(),
        flows_answered: 4,
        flows: 4,
        ..Alert::of_vantage(id(3), key, Severity::Warning, at(0), at(10))
    }
}

fn companion(alert: Alert, consequence: bool) -> Companion {
    Companion { event: Event::Opened, consequence, alert, resolution: None, acknowledgement: None }
}

fn over(companion: Companion) -> Companion {
    Companion { event: Event::Resolved, resolution: Some(resolution()), ..companion }
}

fn resolution() -> Resolution {
    Resolution {
        at: at(170),
        open_seconds: 160,
        reason: "4 of 4 connections to 192.0.2.201:80 arrived from 203.0.113.50, this agent's own address."
            .into(),
        superseded: false,
    }
}

fn acknowledgement() -> Acknowledgement {
    Acknowledgement { by: "mia".into(), comment: "rolling the chart back".into(), at: at(60) }
}

fn id(n: u32) -> String {
    format!("01a20614-ac08-7098-b455-{n:012}")
}

/// A Monday night, and so many seconds.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_403_655 + seconds, 0).unwrap_or_default()
}

/// Larger than any service takes, and of characters that take much room.
#[cfg(test)]
pub(super) fn enormous() -> Notification {
    let mut notification = acknowledged();
    let much = "<&*\"é😀`x` ".repeat(5_000);
    let alert = &mut notification.alert;
    for text in [&mut alert.title, &mut alert.reason, &mut alert.target, &mut alert.probe] {
        text.clone_from(&much);
    }
    alert.remedy = Some(much.clone());
    alert.cause = Some(Cause::new(CauseKind::PolicyReset, much.clone()));
    alert.responders = vec![much.clone(); 10];
    alert.expected = vec![much.clone(); 10];
    alert.labels = (0..50).map(|n| (format!("label-{n}"), much.clone())).collect();
    let mut companion = companion(alert.clone(), true);
    companion.alert.labels.clear();
    notification.also = vec![companion; 100];
    if let Some(acknowledgement) = &mut notification.acknowledgement {
        acknowledgement.comment = much;
    }
    notification
}
