//! The kinds of receivers, and which keys go with which.

use crate::config::{choice::choice, meaning::Deciding};

/// How a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By a request with vipwatch's own JSON document.
    Webhook,
}

choice! {
    Kind: "a kind of receiver" { "webhook" => Kind::Webhook }
    later { "alertmanager", "slack", "discord", "teams", "pagerduty", "ntfy", "email", "exec" }
}

/// The kinds that a key goes with.
pub(super) type Takers = &'static [Kind];

/// Those that are told over HTTP.
pub(super) const HTTP: Takers = &[Kind::Webhook];
/// Those that may ask who tells them.
pub(super) const AUTH: Takers = &[Kind::Webhook];

impl Kind {
    /// The word that stands for it in the configuration and on the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
        }
    }
}

impl Deciding for Kind {
    fn word(self) -> &'static str {
        Self::word(self)
    }
}
