//! Another egress address than before, and the alert that informs of it.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use super::Family;
use crate::{
    alert::{Alert, AlertKey, AlertKind, Severity},
    notification::Resolution,
};

/// How long a change is news.
const NEWS: TimeDelta = TimeDelta::hours(1);

/// Another egress address than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When it was learnt.
    pub at: DateTime<Utc>,
    /// Over which family.
    pub family: Family,
    /// From which of this host's addresses, where one was chosen.
    pub local: Option<IpAddr>,
    /// The address before.
    pub from: IpAddr,
    /// The address from now on.
    pub to: IpAddr,
    /// Who said so, such as `stun stun.example.net:3478`.
    pub source: String,
}

impl Change {
    /// What makes the alert about it the same as another one: the way out that it is about.
    #[must_use]
    pub fn key(&self) -> AlertKey {
        let way = self.local.map_or_else(|| self.family.to_string(), |local| local.to_string());
        AlertKey::of_vantage(AlertKind::EgressChanged, &way)
    }

    /// The alert about it.
    #[must_use]
    pub fn alert(&self, id: String, severity: Severity, now: DateTime<Utc>) -> Alert {
        let Self { from, to, source, .. } = self;
        let way = match self.local {
            Some(local) => format!("for connections from {local}"),
            None => format!("over {}", self.family),
        };
        Alert {
            title: "the agent's own address changed".to_owned(),
            reason: format!(
                "This agent's egress address {way} changed from {from} to {to}, as told by {source}."
            ),
            remedy: Some(format!(
                "If somebody lets in {from} by its address, such as a firewall or an allow-list, let in {to} as well."
            )),
            ..Alert::of_vantage(id, self.key(), severity, self.at, now)
        }
    }

    /// The end of `alert` by this change, which came after that which it is about.
    #[must_use]
    pub fn end(&self, alert: &Alert, now: DateTime<Utc>) -> Resolution {
        let reason = format!("It changed again since: from {} to {}.", self.from, self.to);
        Resolution::because(alert, reason, now)
    }

    /// Whether `alert` about a change is no news any more.
    #[must_use]
    pub fn is_old(alert: &Alert, now: DateTime<Utc>) -> bool {
        now - alert.opened_at >= NEWS
    }

    /// The end of an alert that is no news any more.
    #[must_use]
    pub fn end_of_news(alert: &Alert, now: DateTime<Utc>) -> Resolution {
        Resolution::because(alert, "It has been so for an hour, without another change.".to_owned(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(local: Option<&str>) -> Change {
        Change {
            at: DateTime::UNIX_EPOCH,
            family: Family::V4,
            local: local.map(|local| local.parse().unwrap()),
            from: "198.51.100.7".parse().unwrap(),
            to: "203.0.113.7".parse().unwrap(),
            source: "stun stun.example.net:3478".into(),
        }
    }

    #[test]
    fn the_alert_says_from_what_to_what_and_who_says_so() {
        let alert = change(None).alert("1".into(), Severity::Info, DateTime::UNIX_EPOCH);
        assert_eq!(
            alert.reason,
            "This agent's egress address over IPv4 changed from 198.51.100.7 to 203.0.113.7, as told by stun \
             stun.example.net:3478."
        );
        assert_eq!((alert.key.subject.as_str(), alert.severity.as_str()), ("IPv4", "info"));
        let of_uplink = change(Some("10.0.0.2"));
        assert_eq!(of_uplink.key().subject, "10.0.0.2");
        assert!(
            of_uplink
                .alert("2".into(), Severity::Info, DateTime::UNIX_EPOCH)
                .reason
                .contains("for connections from 10.0.0.2")
        );
    }

    #[test]
    fn it_is_news_for_an_hour() {
        let alert = change(None).alert("1".into(), Severity::Info, DateTime::UNIX_EPOCH);
        let after = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        assert!(!Change::is_old(&alert, after(59)));
        assert!(Change::is_old(&alert, after(60)));
    }
}
