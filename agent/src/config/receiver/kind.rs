//! The kinds of receivers, and which keys go with which.

use crate::config::{choice::choice, duration::Time, meaning::Deciding};

/// How a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By a request with vipwatch's own JSON document, or one of the operator's making.
    Webhook,
    /// By an incoming webhook of Slack.
    Slack,
    /// By a webhook of Discord.
    Discord,
    /// By a webhook of Teams' Workflows.
    Teams,
    /// By PagerDuty's Events API v2.
    PagerDuty,
    /// By a topic of an ntfy server.
    Ntfy,
    /// By alerts in the form of Alertmanager's API.
    Alertmanager,
    /// By a mail.
    Email,
    /// By starting a program.
    Exec,
}

choice! {
    Kind: "a kind of receiver" {
        "webhook" => Kind::Webhook,
        "slack" => Kind::Slack,
        "discord" => Kind::Discord,
        "teams" => Kind::Teams,
        "pagerduty" => Kind::PagerDuty,
        "ntfy" => Kind::Ntfy,
        "alertmanager" => Kind::Alertmanager,
        "email" => Kind::Email,
        "exec" => Kind::Exec,
    }
}

/// The kinds that a key goes with.
pub(super) type Takers = &'static [Kind];

/// Those that are told at one URL.
pub(super) const URL: Takers =
    &[Kind::Webhook, Kind::Slack, Kind::Discord, Kind::Teams, Kind::PagerDuty, Kind::Ntfy];
/// Those that are told over HTTP.
pub(super) const HTTP: Takers = &[
    Kind::Webhook,
    Kind::Slack,
    Kind::Discord,
    Kind::Teams,
    Kind::PagerDuty,
    Kind::Ntfy,
    Kind::Alertmanager,
];
/// Those that may ask for a user's name and password.
pub(super) const LOGIN: Takers = &[Kind::Webhook, Kind::Ntfy, Kind::Alertmanager, Kind::Email];
/// Those that may ask for a token.
pub(super) const TOKEN: Takers = &[Kind::Webhook, Kind::Ntfy, Kind::Alertmanager];
/// Those that may be told less often than there is something to tell.
pub(super) const LIMITED: Takers = &[
    Kind::Webhook,
    Kind::Slack,
    Kind::Discord,
    Kind::Teams,
    Kind::PagerDuty,
    Kind::Ntfy,
    Kind::Email,
    Kind::Exec,
];
/// Those that have a certificate.
pub(super) const CERTIFIED: Takers = &[
    Kind::Webhook,
    Kind::Slack,
    Kind::Discord,
    Kind::Teams,
    Kind::PagerDuty,
    Kind::Ntfy,
    Kind::Alertmanager,
    Kind::Email,
];

impl Kind {
    /// The word that stands for it in the configuration and on the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::PagerDuty => "pagerduty",
            Self::Ntfy => "ntfy",
            Self::Alertmanager => "alertmanager",
            Self::Email => "email",
            Self::Exec => "exec",
        }
    }

    /// How long one attempt may take unless something else is said.
    pub(super) fn usual_timeout<const MIN: u64, const MAX: u64>(self) -> Time<MIN, MAX> {
        match self {
            // RFC 5321, 4.5.3.2.6 would have it be ten minutes for the answer to a mail.
            Self::Email => Time::seconds(60),
            _ => Time::seconds(10),
        }
    }

    /// Where it listens unless something else is said.
    pub(super) fn usual_url(self) -> Option<&'static str> {
        match self {
            Self::PagerDuty => Some("https://events.pagerduty.com/v2/enqueue"),
            Self::Ntfy => Some("https://ntfy.sh/"),
            _ => None,
        }
    }
}

impl Deciding for Kind {
    fn word(self) -> &'static str {
        Self::word(self)
    }
}
