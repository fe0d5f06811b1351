//! Alerts: what they are about, and the story that each of them tells. When they are opened and
//! resolved is decided by the [`board`].

pub mod board;
mod condition;
mod handover;
mod kind;
mod story;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{cause::Cause, notification::Reference, probe::Probe, verdict::Evidence};
pub use board::{Board, Changes, Known, Nodes};
pub use condition::conditions;
pub use kind::{AlertKind, Event, Scope, Severity};

/// What makes two alerts the same: at most one is open per key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlertKey {
    /// What it is about.
    pub kind: AlertKind,
    /// The probe's name, the service's for kinds that are about the service, or what of the agent it is about.
    pub subject: String,
}

impl AlertKey {
    /// The key of the alert of `kind` that is about the agent itself: `subject` says what of it.
    #[must_use]
    pub fn of_vantage(kind: AlertKind, subject: &str) -> Self {
        Self { kind, subject: subject.to_owned() }
    }

    /// The key of an alert of `kind` that `probe` gives rise to.
    #[must_use]
    pub fn new(kind: AlertKind, probe: &Probe) -> Self {
        let service = probe.subject.service().filter(|_| kind.scope() == Scope::Service);
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
    /// The alert in brief.
    #[must_use]
    pub fn reference(&self) -> Reference {
        Reference { id: self.id.clone(), title: self.title.clone() }
    }

    /// An alert about the agent itself, without a probe that gave rise to it.
    #[must_use]
    pub fn of_vantage(
        id: String,
        key: AlertKey,
        severity: Severity,
        since: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            probe: key.subject.clone(),
            target: key.subject.clone(),
            key,
            severity,
            service: None,
            node: None,
            labels: BTreeMap::new(),
            since,
            opened_at: at,
            title: String::new(),
            reason: String::new(),
            cause: None,
            remedy: None,
            expected: Vec::new(),
            observed: Vec::new(),
            responders: Vec::new(),
            evidence: Vec::new(),
            flows_answered: 0,
            flows: 0,
        }
    }

    /// An alert of `kind` that `probe` may give rise to some day: all that routes and windows ask for, and no story.
    #[must_use]
    pub fn untold(kind: AlertKind, probe: &Probe) -> Self {
        let (severity, never) = (probe.rules.of(kind).severity, DateTime::UNIX_EPOCH);
        Self {
            service: probe.subject.service().map(str::to_owned),
            probe: probe.name.as_str().to_owned(),
            node: probe.subject.node().filter(|_| kind.scope() == Scope::Probe).map(str::to_owned),
            target: probe.subject.target(),
            labels: probe.labels.clone(),
            ..Self::of_vantage(String::new(), AlertKey::new(kind, probe), severity, never, never)
        }
    }

    /// Tells the story of an alert that `known` gives rise to.
    #[must_use]
    fn open(id: String, kind: AlertKind, known: &Known<'_>) -> Self {
        let Known { probe, machine, verdict, at } = known;
        let since = match kind {
            AlertKind::Flapping => machine.flapping,
            _ => machine.holds(kind).or(machine.began),
        };
        let observed = verdict.seen.iter().map(|seen| Observed {
            address: seen.address.to_string(),
            what: seen.what(),
            flows: seen.flows,
        });
        Self {
            id,
            since: since.unwrap_or(*at),
            opened_at: *at,
            title: story::title(kind, probe, verdict),
            reason: story::reason(kind, known),
            cause: story::cause(kind, verdict),
            remedy: story::remedy(kind, verdict),
            expected: verdict.expected.clone(),
            observed: observed.collect(),
            responders: verdict.answered_by.iter().map(ToString::to_string).collect(),
            evidence: verdict.evidence.clone(),
            flows_answered: verdict.answered,
            flows: verdict.flows,
            ..Self::untold(kind, probe)
        }
    }
}
