//! One alert as Alertmanager's API has it (v2, `postableAlert`). Its labels are what tells it from others there, so
//! they depend on nothing but the alert as it was opened: not on what happened to it since.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use vipwatch_model::{
    alert::{Alert, AlertKind, Event},
    notification::{Notification, Resolution},
};

use crate::outbox::standing::Standing;

/// The name of the alert by which somebody tries a receiver.
const TEST: &str = "VipwatchTest";

/// An alert, ready to be posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<&'static str, String>,
    pub(super) starts_at: DateTime<Utc>,
    /// When it was over; of an open alert, when it counts as over unless it is told again.
    pub(super) ends_at: DateTime<Utc>,
    #[serde(rename = "generatorURL")]
    pub(super) generator_url: String,
    /// The alert's id, and whether it is over.
    #[serde(skip)]
    pub(super) id: String,
    #[serde(skip)]
    pub(super) over: bool,
}

/// The alerts that `notification` tells of. Those that are open count as over at `until`.
pub(super) fn told_by(notification: &Notification, until: DateTime<Utc>) -> Vec<Entry> {
    let (vantage, page) = (&*notification.vantage, &*notification.page);
    let entry = |alert, resolution| Entry::new(alert, resolution, vantage, page, until);
    let mut leading = entry(&notification.alert, notification.resolution.as_ref());
    if notification.event == Event::Test {
        leading.labels.insert("alertname".into(), TEST.into());
    }
    let also = notification.also.iter().map(|also| entry(&also.alert, also.resolution.as_ref()));
    std::iter::once(leading).chain(also).collect()
}

impl Entry {
    /// An alert that is still open.
    pub(super) fn standing(standing: &Standing, until: DateTime<Utc>) -> Self {
        Self::new(&standing.alert, None, &standing.vantage, &standing.page, until)
    }

    fn new(
        alert: &Alert,
        resolution: Option<&Resolution>,
        vantage: &str,
        page: &str,
        until: DateTime<Utc>,
    ) -> Self {
        Self {
            labels: labels(alert, vantage),
            annotations: annotations(alert, resolution),
            starts_at: alert.since,
            // An end before the start is refused, and a clock may have been set back in between.
            ends_at: resolution.map_or(until, |resolution| resolution.at).max(alert.since),
            generator_url: page.to_owned(),
            id: alert.id.clone(),
            over: resolution.is_some(),
        }
    }
}

fn labels(alert: &Alert, vantage: &str) -> BTreeMap<String, String> {
    let (namespace, service) = match alert.service.as_deref() {
        Some(service) => service.split_once('/').map_or(("", service), |(namespace, name)| (namespace, name)),
        None => ("", ""),
    };
    let own = [
        ("alertname", name(alert.key.kind)),
        ("kind", alert.key.kind.to_string()),
        ("severity", alert.severity.to_string()),
        ("vantage", vantage.to_owned()),
        ("namespace", namespace.to_owned()),
        ("service", service.to_owned()),
        ("node", alert.node.clone().unwrap_or_default()),
        ("probe", alert.probe.clone()),
        ("target", alert.target.clone()),
    ];
    let mut labels: BTreeMap<String, String> = own.map(|(name, value)| (name.to_owned(), value)).into();
    for (name, value) in &alert.labels {
        let mut name = clean(name);
        if labels.contains_key(&name) {
            name = format!("label_{name}");
        }
        labels.entry(name).or_insert_with(|| value.clone());
    }
    // There, an empty label is none.
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// The kind as an alert's name: `source_translated` is `VipwatchSourceTranslated`.
fn name(kind: AlertKind) -> String {
    let mut name = "Vipwatch".to_owned();
    for word in kind.as_str().split('_') {
        let (first, rest) = word.split_at(word.len().min(1));
        name += &first.to_ascii_uppercase();
        name += rest;
    }
    name
}

/// A name that Prometheus takes for a label: letters, digits and underscores, and no digit first.
fn clean(name: &str) -> String {
    let mut clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if clean.is_empty() || clean.starts_with(|c: char| c.is_ascii_digit()) {
        clean.insert(0, '_');
    }
    clean
}

fn annotations(alert: &Alert, resolution: Option<&Resolution>) -> BTreeMap<&'static str, String> {
    let observed = alert.observed.iter().map(|seen| format!("{} ({})", seen.address, seen.what));
    let all = [
        ("summary", alert.title.clone()),
        ("description", alert.reason.clone()),
        ("cause", alert.cause.as_ref().map(|cause| cause.text.clone()).unwrap_or_default()),
        ("remedy", alert.remedy.clone().unwrap_or_default()),
        ("expected", alert.expected.join(", ")),
        ("observed", observed.collect::<Vec<_>>().join(", ")),
        ("responders", alert.responders.join(", ")),
        ("resolution", resolution.map(|resolution| resolution.reason.clone()).unwrap_or_default()),
        ("alert", alert.id.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use vipwatch_model::alert::{AlertKey, Severity};

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn alert() -> Alert {
        let key = AlertKey { kind: AlertKind::SourceTranslated, subject: "default/echo@192.0.2.1".into() };
        let mut alert = Alert::of_vantage("id-1".into(), key, Severity::Critical, at(100), at(110));
        alert.service = Some("default/echo".into());
        alert.target = "192.0.2.1:80".into();
        alert.title = "it loses its clients' addresses".into();
        alert.labels = [
            ("team", "edge"),
            ("app.kubernetes.io/name", "echo"),
            ("severity", "high"),
            ("2nd", "x"),
            ("é", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        alert
    }

    #[test]
    fn an_alert_keeps_its_labels_to_the_end() {
        let opened = Notification::opened(alert(), "office", "http://page.example.net/");
        let end = Resolution {
            at: at(200),
            open_seconds: 90,
            reason: "They arrive again.".into(),
            superseded: false,
        };
        let resolved = Notification::resolved(alert(), end, "office", "http://page.example.net/");
        let standing = Standing {
            alert: alert().into(),
            told: ["am".to_owned()].into(),
            vantage: "office".into(),
            page: "http://page.example.net/".into(),
        };
        let (opened, resolved) = (&told_by(&opened, at(900))[0], &told_by(&resolved, at(900))[0]);
        let standing = Entry::standing(&standing, at(900));
        assert_eq!(opened.labels, resolved.labels);
        assert_eq!(*opened, standing);
        assert_eq!((opened.ends_at, opened.over), (at(900), false));
        assert_eq!((resolved.ends_at, resolved.over), (at(200), true));
        let labels: Vec<_> = opened.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            labels,
            [
                "_2nd=x",
                "alertname=VipwatchSourceTranslated",
                "app_kubernetes_io_name=echo",
                "kind=source_translated",
                "label_severity=high",
                "namespace=default",
                "probe=default/echo@192.0.2.1",
                "service=echo",
                "severity=critical",
                "target=192.0.2.1:80",
                "team=edge",
                "vantage=office",
            ]
        );
    }

    #[test]
    fn an_alert_never_ends_before_it_starts() {
        let end = Resolution { at: at(10), open_seconds: 0, reason: "The clock.".into(), superseded: false };
        let resolved = Notification::resolved(alert(), end, "office", "http://page.example.net/");
        let entry = &told_by(&resolved, at(900))[0];
        assert_eq!(entry.ends_at, entry.starts_at);
    }

    #[test]
    fn every_kind_has_a_name_and_a_test_has_its_own() {
        assert_eq!(name(AlertKind::NoHealthyNode), "VipwatchNoHealthyNode");
        let mut test = Notification::opened(alert(), "office", "http://page.example.net/");
        test.event = Event::Test;
        assert_eq!(told_by(&test, at(900))[0].labels["alertname"], "VipwatchTest");
    }

    #[test]
    fn it_reads_as_the_api_has_it() {
        let opened = Notification::opened(alert(), "office", "http://page.example.net/");
        let json = serde_json::to_value(&told_by(&opened, at(900))[0]).unwrap();
        let mut keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["annotations", "endsAt", "generatorURL", "labels", "startsAt"]);
        assert_eq!(json["startsAt"], "1970-01-01T00:01:40Z");
    }
}
