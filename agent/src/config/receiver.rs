//! `[[receiver]]`: who is told about alerts.

use std::{collections::BTreeMap, time::Duration};

use super::{
    address::WebUrl,
    choice::choice,
    duration::Time,
    header::{HeaderName, HeaderValue},
    name::Name,
    secret::{Hidden, Secret},
    table::table,
    value::Pairs,
};

/// Someone to tell about alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name, unique among the receivers.
    pub name: String,
    /// What may be shown of where deliveries go: of a URL scheme, host and port.
    pub origin: String,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How it is told.
    pub means: Means,
}

/// How a receiver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// By a POST with the JSON document.
    Webhook(Webhook),
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where deliveries go: `http` or `https`. Secret, because many services put a token into it.
    pub url: Secret,
    /// Headers to send along.
    pub headers: BTreeMap<String, Secret>,
}

impl Means {
    /// The word that stands for it in the configuration and on the page.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
        }
    }
}

/// How a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Webhook,
}

choice! {
    Kind: "a kind of receiver" { "webhook" => Kind::Webhook } later { "alertmanager", "slack", "email" }
}

table! {
    /// Someone to tell about alerts.
    pub(super) struct ReceiverTable {
        /// The receiver's name.
        required name: Name,
        /// How it is told.
        decides kind: Kind,
        /// Where deliveries are posted to. Never shown, as it may hold a token.
        required url: Hidden<WebUrl>,
        /// How long one attempt may take.
        default timeout: Time<100, 300_000> = "10s",
        /// Headers to send along. Their values are never shown.
        optional headers: Pairs<HeaderName, Hidden<HeaderValue>>,
    }
}

impl ReceiverTable {
    pub(super) fn resolve(self) -> Option<Receiver> {
        let kind = self.kind.required()?;
        let Hidden(WebUrl(url)) = self.url.required()?;
        let headers = self.headers.optional()?.map(|headers| headers.pairs).unwrap_or_default();
        let origin = url.origin().ascii_serialization();
        let means = match kind {
            Kind::Webhook => Means::Webhook(Webhook {
                url: Secret::from(String::from(url)),
                headers: headers.into_iter().map(|(name, Hidden(value))| (name, value.0)).collect(),
            }),
        };
        Some(Receiver {
            name: self.name.required()?.0,
            origin,
            timeout: self.timeout.required()?.get(),
            means,
        })
    }
}
