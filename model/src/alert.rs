//! Alerts: what they are about, and the story that each of them tells. When they are opened and
//! resolved is decided by the [`board`].

pub mod board;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    cause::{Cause, CauseKind},
    probe::{Probe, Subject},
    verdict::{Evidence, Finding, Verdict},
    words::words,
};
pub use board::{Board, Changes, Known};

words! {
    /// What an alert is about.
    pub enum AlertKind {
        /// Clients' source addresses are lost although they ought to survive.
        SourceTranslated = "source_translated",
        /// The target does not answer.
        Unreachable = "unreachable",
        /// Part of the connections fail.
        Degraded = "degraded",
        /// A node lost its last ready endpoint of a service.
        NodeUnhealthy = "node_unhealthy",
        /// A node does not answer health checks, or its service proxy says that it is unhealthy.
        NodeDown = "node_down",
        /// The service's policy or health check node port is not what it was configured as.
        PolicyDrift = "policy_drift",
    }
}

impl AlertKind {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::SourceTranslated | Self::Unreachable => Severity::Critical,
            Self::Degraded | Self::NodeUnhealthy | Self::NodeDown | Self::PolicyDrift => Severity::Warning,
        }
    }

    /// Whether there is one alert per service rather than one per probe.
    #[must_use]
    pub fn is_about_service(self) -> bool {
        self == Self::PolicyDrift
    }
}

words! {
    /// How bad an alert is.
    pub enum Severity {
        /// Clients are hurt now.
        Critical = "critical",
        /// Something is not as it should be.
        Warning = "warning",
        /// For information.
        Info = "info",
    }
}

words! {
    /// What happened to an alert.
    pub enum Event {
        /// It was opened.
        Opened = "opened",
        /// It was resolved.
        Resolved = "resolved",
    }
}

/// What makes two alerts the same: at most one is open per key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlertKey {
    /// What it is about.
    pub kind: AlertKind,
    /// The probe's name, or the service's for kinds that are about the service.
    pub subject: String,
}

impl AlertKey {
    /// The key of an alert of `kind` that `probe` gives rise to.
    #[must_use]
    pub fn new(kind: AlertKind, probe: &Probe) -> Self {
        let service = probe.subject.service().filter(|_| kind.is_about_service());
        Self { kind, subject: service.unwrap_or(probe.name.as_str()).to_owned() }
    }
}

/// An address in an alert's story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The address that the far side reported.
    pub address: String,
    /// Whose address it is, in words.
    pub what: String,
    /// How many flows of the round reported it.
    pub flows: u32,
}

/// An alert and its whole story, as it was when it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique for ever (UUID version 7).
    pub id: String,
    /// What makes it the same alert as another.
    #[serde(flatten)]
    pub key: AlertKey,
    /// How bad it is.
    pub severity: Severity,
    /// `namespace/name` of the service, if it belongs to one.
    pub service: Option<String>,
    /// The probe that gave rise to it.
    pub probe: String,
    /// The node, if it is about one.
    pub node: Option<String>,
    /// `address:port` or URL.
    pub target: String,
    /// The labels of its service.
    pub labels: BTreeMap<String, String>,
    /// When the first of the rounds that led to it was judged.
    pub since: DateTime<Utc>,
    /// When it was confirmed and opened.
    pub opened_at: DateTime<Utc>,
    /// One line.
    pub title: String,
    /// Why, in one or two sentences.
    pub reason: String,
    /// What most likely lies behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What to do or look at next.
    pub remedy: Option<String>,
    /// The source addresses that were expected.
    pub expected: Vec<String>,
    /// The source addresses that were reported.
    pub observed: Vec<Observed>,
    /// The nodes and pods that answered, where they say so.
    pub responders: Vec<String>,
    /// Flow by flow what the last round saw.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// Flows of the last round that were answered.
    pub flows_answered: u32,
    /// Flows of the last round.
    pub flows: u32,
}

impl Alert {
    /// Tells the story of an alert that `known` gives rise to.
    #[must_use]
    fn open(id: String, kind: AlertKind, known: &Known<'_>) -> Self {
        let Known { probe, machine, verdict, at } = known;
        let observed = verdict.seen.iter().map(|seen| Observed {
            address: seen.address.to_string(),
            what: seen.what(),
            flows: seen.flows,
        });
        Self {
            id,
            key: AlertKey::new(kind, probe),
            severity: kind.severity(),
            service: probe.subject.service().map(str::to_owned),
            probe: probe.name.as_str().to_owned(),
            node: probe.subject.node().filter(|_| !kind.is_about_service()).map(str::to_owned),
            target: probe.subject.target(),
            labels: probe.labels.clone(),
            since: machine.began.unwrap_or(*at),
            opened_at: *at,
            title: title(kind, probe, verdict.finding),
            reason: reason(kind, probe, verdict),
            cause: cause(kind, verdict),
            remedy: verdict.remedy.clone(),
            expected: verdict.expected.clone(),
            observed: observed.collect(),
            responders: verdict.answered_by.iter().map(ToString::to_string).collect(),
            evidence: verdict.evidence.clone(),
            flows_answered: verdict.answered,
            flows: verdict.flows,
        }
    }
}

/// The verdict's reason; only what is told of a whole service has to be said of all its nodes.
fn reason(kind: AlertKind, probe: &Probe, verdict: &Verdict) -> String {
    match (&probe.subject, kind, verdict.finding) {
        (Subject::Node { service, address, .. }, AlertKind::PolicyDrift, Finding::PortClosed) => format!(
            "The health check node port {} of {service} is closed on every node: its externalTrafficPolicy is no \
             longer Local, its port changed, or the service is gone.",
            address.port()
        ),
        _ => verdict.reason.clone(),
    }
}

/// The verdict's cause; what one node alone does not show, all of them together do.
fn cause(kind: AlertKind, verdict: &Verdict) -> Option<Cause> {
    match (kind, verdict.finding) {
        (AlertKind::PolicyDrift, Finding::PortClosed) => Some(Cause::new(
            CauseKind::PolicyReset,
            "The policy was reset to Cluster by a helm upgrade or an edit, or the service was deleted: kube-proxy closes the port on \
             all nodes at once.",
        )),
        _ => verdict.cause.clone(),
    }
}

fn title(kind: AlertKind, probe: &Probe, finding: Finding) -> String {
    let target = probe.subject.target();
    let what = probe.subject.service().unwrap_or(probe.name.as_str());
    let node = probe.subject.node().unwrap_or_default();
    match kind {
        AlertKind::SourceTranslated if finding == Finding::PartlyTranslated => {
            format!("{what} loses some clients' source addresses at {target}")
        }
        AlertKind::SourceTranslated => format!("{what} loses its clients' source addresses at {target}"),
        AlertKind::Unreachable if finding == Finding::WrongAnswer => {
            format!("{what} does not answer as it should at {target}")
        }
        AlertKind::Unreachable => format!("{what} does not answer at {target}"),
        AlertKind::Degraded => format!("{what} answers only some connections at {target}"),
        AlertKind::NodeUnhealthy => format!("{node} lost its last ready endpoint of {what}"),
        AlertKind::NodeDown if finding == Finding::ProxyUnhealthy => {
            format!("the service proxy on {node} is unhealthy")
        }
        AlertKind::NodeDown if finding == Finding::PortClosed => {
            format!("{node} refuses health checks at {target}")
        }
        AlertKind::NodeDown => format!("{node} does not answer at {target}"),
        AlertKind::PolicyDrift if finding == Finding::PolicyLocal => {
            format!("{what} is no longer the Cluster service it is configured as")
        }
        AlertKind::PolicyDrift => format!("{what} is no longer the Local service it is configured as"),
    }
}
