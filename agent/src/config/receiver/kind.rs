//! The kinds of receivers, and which keys go with which.

use crate::config::{choice::choice, meaning::Deciding};

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
}

choice! {
    Kind: "a kind of receiver" {
        "webhook" => Kind::Webhook,
        "slack" => Kind::Slack,
        "discord" => Kind::Discord,
        "teams" => Kind::Teams,
        "pagerduty" => Kind::PagerDuty,
        "ntfy" => Kind::Ntfy,
    }
    later { "alertmanager", "email", "exec" }
}

/// The kinds that a key goes with.
pub(super) type Takers = &'static [Kind];

/// Those that are told over HTTP.
pub(super) const HTTP: Takers =
    &[Kind::Webhook, Kind::Slack, Kind::Discord, Kind::Teams, Kind::PagerDuty, Kind::Ntfy];
/// Those that may ask who tells them.
pub(super) const AUTH: Takers = &[Kind::Webhook, Kind::Ntfy];

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
