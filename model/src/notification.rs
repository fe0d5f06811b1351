//! The document that a webhook receiver gets. It is versioned: fields are added, never changed or
//! removed, within one version. `docs/webhook.md` shows examples.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, AlertKey, AlertKind, Event, Severity},
    dispatch::Scene,
};

/// The version of the document.
pub const VERSION: u32 = 1;

/// One notification: what happened to an alert, and to those that are told along with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// [`VERSION`].
    pub version: u32,
    /// What happened.
    pub event: Event,
    /// The same for every attempt of the same notification; also sent as the `Idempotency-Key` header.
    pub idempotency_key: String,
    /// Where the agent stands.
    pub vantage: String,
    /// The status page.
    pub page: String,
    /// The alert; of several, the one that explains the others, or the worst.
    pub alert: Alert,
    /// What happened to it, for [`Event::Digest`]; otherwise that is `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_event: Option<Event>,
    /// How it ended, for [`Event::Resolved`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Who has taken it on, once somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// The open alert that most likely explains it, where that was told before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained_by: Option<Reference>,
    /// What is told along with it: of the same service, or a consequence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Companion>,
}

/// Another alert, in brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// An alert that is told along with another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Companion {
    /// What happened to it: in a [`Event::Digest`] any event, otherwise that of the notification.
    pub event: Event,
    /// Whether the leading alert most likely explains it.
    #[serde(default)]
    pub consequence: bool,
    /// The alert.
    pub alert: Alert,
    /// How it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Who has taken it on, where a [`Event::Digest`] tells that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
}

/// Who has taken an alert on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who, in their own words.
    pub by: String,
    /// Why, or what they do about it.
    pub comment: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How an alert ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// When it was resolved.
    pub at: DateTime<Utc>,
    /// How long it was open, in seconds.
    pub open_seconds: i64,
    /// Why it is over, in one or two sentences.
    pub reason: String,
    /// Whether its opening was left out, because it was over before that could be delivered. The receiver may know of it all the
    /// same, if it took an attempt whose answer was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

impl Notification {
    /// Tells of an opened alert.
    #[must_use]
    pub fn opened(alert: Alert, vantage: &str, page: &str) -> Self {
        Self::new(Event::Opened, alert, vantage, page, None)
    }

    /// Tells of a resolved alert; `resolution` comes from the board.
    #[must_use]
    pub fn resolved(alert: Alert, resolution: Resolution, vantage: &str, page: &str) -> Self {
        Self::new(Event::Resolved, alert, vantage, page, Some(resolution))
    }

    /// Tells of `event` of `alert`, and of nothing else.
    pub(crate) fn about(event: Event, alert: Alert, scene: &Scene<'_>) -> Self {
        Self::new(event, alert, scene.vantage, scene.page, None)
    }

    /// Tells nothing: somebody tries `receiver`. The alert in it is made up under `id`.
    #[must_use]
    pub fn test(id: String, receiver: &str, vantage: &str, page: &str, at: DateTime<Utc>) -> Self {
        let key = AlertKey::of_vantage(AlertKind::EgressChanged, "test");
        let alert = Alert {
            title: format!("vipwatch can tell {receiver}"),
            reason: "Nothing happened: somebody tries whether alerts get here.".to_owned(),
            ..Alert::of_vantage(id, key, Severity::Info, at, at)
        };
        Self::new(Event::Test, alert, vantage, page, None)
    }

    /// The worst of what it tells.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let also = self.also.iter().map(|companion| companion.alert.severity);
        also.fold(self.alert.severity, Severity::min)
    }

    /// The ids of the alerts that it tells of.
    pub fn alerts(&self) -> impl Iterator<Item = &str> {
        let also = self.also.iter().map(|companion| companion.alert.id.as_str());
        std::iter::once(self.alert.id.as_str()).chain(also)
    }

    /// Leaves out the alerts of which `is_over` says that they are; of those that stay, the worst leads if the leading one is among
    /// them. Tells whether one stays; otherwise nothing is left out.
    pub(crate) fn leave_out(&mut self, is_over: impl Fn(&str) -> bool) -> bool {
        if self.alerts().all(&is_over) {
            return false;
        }
        self.also.retain(|companion| !is_over(&companion.alert.id));
        if !is_over(&self.alert.id) {
            return true;
        }
        let worst = self.also.iter().enumerate().min_by_key(|(_, companion)| companion.alert.severity);
        let Some((worst, _)) = worst else { return false };
        let leading = self.also.remove(worst);
        (self.alert, self.resolution) = (leading.alert, leading.resolution);
        (self.acknowledgement, self.explained_by) = (leading.acknowledgement, None);
        // What they were a consequence of is over.
        self.also.iter_mut().for_each(|companion| companion.consequence = false);
        true
    }

    fn new(event: Event, alert: Alert, vantage: &str, page: &str, resolution: Option<Resolution>) -> Self {
        Self {
            version: VERSION,
            event,
            idempotency_key: format!("{}-{event}", alert.id),
            vantage: vantage.to_owned(),
            page: page.to_owned(),
            alert,
            alert_event: None,
            resolution,
            acknowledgement: None,
            explained_by: None,
            also: Vec::new(),
        }
    }
}

impl Resolution {
    /// The end of `alert` because the pod runs on `node` now.
    #[must_use]
    pub fn by_move(alert: &Alert, node: &str, at: DateTime<Utc>) -> Self {
        let what = alert.service.as_deref().unwrap_or("the service");
        Self::because(alert, format!("{node} has a ready endpoint of {what} since then: the pod moved."), at)
    }

    /// The end of `alert` because a newer one stands in its place.
    #[must_use]
    pub fn by_successor(alert: &Alert, at: DateTime<Utc>) -> Self {
        let reason =
            "It was told anew while the database could not be read; the newer alert goes on.".to_owned();
        Self::because(alert, reason, at)
    }

    /// The end of `alert` because its probe is no longer configured.
    #[must_use]
    pub fn by_removal(alert: &Alert, at: DateTime<Utc>) -> Self {
        Self::because(alert, format!("{} is no longer configured.", alert.probe), at)
    }

    /// The receiver was never told that the alert was opened.
    pub(crate) fn supersede(&mut self) {
        if !self.superseded {
            self.superseded = true;
            self.reason = format!("It was over before it could be told. {}", self.reason);
        }
    }

    /// Says that the opening was left out. Whether the receiver never knew of it is not for sure: its answer may have been
    /// lost.
    pub(crate) fn supersede_undelivered(&mut self) {
        if !self.superseded {
            self.superseded = true;
            let untold = "Its opening could not be delivered: you may not have been told of it.";
            self.reason = format!("{untold} {}", self.reason);
        }
    }

    /// The end of `alert`, for a reason in words.
    #[must_use]
    pub fn because(alert: &Alert, reason: String, at: DateTime<Utc>) -> Self {
        Self { at, open_seconds: (at - alert.opened_at).num_seconds().max(0), reason, superseded: false }
    }
}
