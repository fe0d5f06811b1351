//! `[[receiver]]`: who is told about alerts. Each kind of receiver has a file of its own.

mod endpoint;
mod form;
mod kind;
mod ntfy;
mod pagerduty;
mod rate_limit;
mod signing_key;
mod webhook;

use std::time::Duration;

pub use self::{
    endpoint::Endpoint,
    form::{Body, Form},
    kind::Kind,
    ntfy::Ntfy,
    pagerduty::PagerDuty,
    rate_limit::RateLimit,
    signing_key::SigningKey,
    webhook::Webhook,
};
use self::{
    endpoint::EndpointTable,
    kind::{AUTH, HTTP},
    ntfy::NtfyTable,
    pagerduty::PagerDutyTable,
    rate_limit::RateLimitTable,
    webhook::WebhookTable,
};
use super::{auth::AuthTable, duration::Time, name::Name, reader::Reader, table::table};

/// Someone to tell about alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name, unique among the receivers.
    pub name: String,
    /// What may be shown of where deliveries go: of a URL scheme, host and port.
    pub origin: String,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How many notifications it gets at most.
    pub rate_limit: Option<RateLimit>,
    /// How it is told.
    pub means: Means,
}

/// How a receiver is told, with everything that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// By a request with the JSON document.
    Webhook(Box<Webhook>),
    /// By an incoming webhook of Slack.
    Slack(Endpoint),
    /// By a webhook of Discord.
    Discord(Endpoint),
    /// By a webhook of Teams' Workflows.
    Teams(Endpoint),
    /// By PagerDuty's Events API v2.
    PagerDuty(PagerDuty),
    /// By a topic of an ntfy server.
    Ntfy(Ntfy),
}

impl Means {
    /// The word for it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Webhook(_) => Kind::Webhook,
            Self::Slack(_) => Kind::Slack,
            Self::Discord(_) => Kind::Discord,
            Self::Teams(_) => Kind::Teams,
            Self::PagerDuty(_) => Kind::PagerDuty,
            Self::Ntfy(_) => Kind::Ntfy,
        }
    }

    /// What may be shown of where deliveries go.
    fn origin(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.endpoint.origin(),
            Self::Slack(endpoint) | Self::Discord(endpoint) | Self::Teams(endpoint) => endpoint.origin(),
            Self::PagerDuty(pagerduty) => pagerduty.endpoint.origin(),
            Self::Ntfy(ntfy) => ntfy.endpoint.origin(),
        }
        .to_owned()
    }
}

table! {
    /// Someone to tell about alerts.
    pub(super) struct ReceiverTable {
        /// The receiver's name.
        required name: Name,
        /// How it is told.
        decides kind: Kind,
        /// How long one attempt may take.
        default timeout: Time<100, 300_000> = "10s",
        /// How many notifications it gets at most. What is beyond comes later, in one digest.
        optional rate_limit: RateLimitTable,
        /// Where it listens.
        flatten endpoint: EndpointTable,
        /// Who tells it.
        flatten auth: AuthTable,
        /// What it is sent.
        flatten webhook: WebhookTable,
        /// Its key.
        flatten pagerduty: PagerDutyTable,
        /// Its topic.
        flatten ntfy: NtfyTable,
    }
}

impl ReceiverTable {
    pub(super) fn resolve(self, reader: &mut Reader<'_>) -> Option<Receiver> {
        self.check(reader);
        let kind = self.kind.given()?.value;
        let rate_limit = match self.rate_limit.clone().optional() {
            Some(Some(limit)) => limit.resolve().map(Some),
            absent_or_faulty => absent_or_faulty.map(|_| None),
        };
        let (name, timeout) = (self.name.clone().required(), self.timeout.clone().required());
        let means = match kind {
            Kind::Webhook => Webhook::resolve(self, reader).map(Box::new).map(Means::Webhook),
            Kind::Slack => self.endpoint(reader).map(Means::Slack),
            Kind::Discord => self.endpoint(reader).map(Means::Discord),
            Kind::Teams => self.endpoint(reader).map(Means::Teams),
            Kind::PagerDuty => PagerDuty::resolve(self, reader).map(Means::PagerDuty),
            Kind::Ntfy => Ntfy::resolve(self, reader).map(Means::Ntfy),
        }?;
        Some(Receiver {
            name: name?.0,
            origin: means.origin(),
            timeout: timeout?.get(),
            rate_limit: rate_limit?,
            means,
        })
    }

    /// Where a receiver listens that takes requests.
    fn endpoint(self, reader: &mut Reader<'_>) -> Option<Endpoint> {
        self.endpoint.resolve(self.kind.given()?, self.auth, reader)
    }

    /// Reports the keys that mean nothing to such a receiver.
    fn check(&self, reader: &mut Reader<'_>) {
        let Some(kind) = self.kind.given() else { return };
        self.endpoint.check(kind, HTTP, reader);
        self.auth.check(kind, AUTH, reader);
        kind.takes("method", &self.webhook.method, &[Kind::Webhook], reader);
        kind.takes("secrets", &self.webhook.secrets, &[Kind::Webhook], reader);
        kind.takes("template", &self.webhook.template, &[Kind::Webhook], reader);
        kind.takes("routing_key", &self.pagerduty.routing_key, &[Kind::PagerDuty], reader);
        kind.takes("topic", &self.ntfy.topic, &[Kind::Ntfy], reader);
    }
}
