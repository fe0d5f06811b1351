//! The kinds of receivers, and which keys go with which.

use crate::config::{choice::choice, meaning::Deciding};

/// How a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By a request with vipwatch's own JSON document.
    Webhook,
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
        "alertmanager" => Kind::Alertmanager,
        "email" => Kind::Email,
        "exec" => Kind::Exec,
    }
    later { "slack", "discord", "teams", "pagerduty", "ntfy" }
}

/// The kinds that a key goes with.
pub(super) type Takers = &'static [Kind];

/// Those that are told at one URL.
pub(super) const URL: Takers = &[Kind::Webhook];
/// Those that are told over HTTP.
pub(super) const HTTP: Takers = &[Kind::Webhook, Kind::Alertmanager];
/// Those that may ask for a user's name and password.
pub(super) const LOGIN: Takers = &[Kind::Webhook, Kind::Alertmanager, Kind::Email];
/// Those that may ask for a token.
pub(super) const TOKEN: Takers = &[Kind::Webhook, Kind::Alertmanager];
/// Those that may have a certificate of the operator's own authority.
pub(super) const CERTIFIED: Takers = &[Kind::Webhook, Kind::Alertmanager, Kind::Email];
/// Alertmanagers.
pub(super) const ALERTMANAGER: Takers = &[Kind::Alertmanager];
/// Mailboxes.
pub(super) const EMAIL: Takers = &[Kind::Email];
/// Programs.
pub(super) const EXEC: Takers = &[Kind::Exec];

impl Kind {
    /// The word that stands for it in the configuration and on the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Alertmanager => "alertmanager",
            Self::Email => "email",
            Self::Exec => "exec",
        }
    }
}

impl Deciding for Kind {
    fn word(self) -> &'static str {
        Self::word(self)
    }
}
