//! `[[receiver]]`: who is told about alerts. Each kind of receiver has a file of its own.

mod alertmanager;
mod email;
mod endpoint;
mod exec;
mod form;
mod kind;
mod ntfy;
mod pagerduty;
mod rate_limit;
mod signing_key;
mod webhook;

use std::time::Duration;

pub use self::{
    alertmanager::Alertmanager,
    email::{Email, Encryption, Login},
    endpoint::Endpoint,
    exec::Exec,
    form::{Body, Form},
    kind::Kind,
    ntfy::Ntfy,
    pagerduty::PagerDuty,
    rate_limit::RateLimit,
    signing_key::SigningKey,
    webhook::Webhook,
};
use self::{
    alertmanager::AlertmanagerTable,
    email::EmailTable,
    endpoint::EndpointTable,
    exec::ExecTable,
    kind::{LIMITED, LOGIN, TOKEN},
    ntfy::NtfyTable,
    pagerduty::PagerDutyTable,
    rate_limit::RateLimitTable,
    webhook::WebhookTable,
};
use super::{
    auth::AuthTable,
    duration::Time,
    name::Name,
    reader::{Reader, Slot},
    table::table,
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
    /// By alerts in the form of Alertmanager's API.
    Alertmanager(Alertmanager),
    /// By a mail.
    Email(Box<Email>),
    /// By starting a program.
    Exec(Exec),
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
            Self::Alertmanager(_) => Kind::Alertmanager,
            Self::Email(_) => Kind::Email,
            Self::Exec(_) => Kind::Exec,
        }
    }

    /// Whether it can be told several alerts in one digest, each with an event of its own.
    #[must_use]
    pub fn takes_digests(&self) -> bool {
        // The others group by themselves, and have to be told of each alert.
        !matches!(self, Self::PagerDuty(_) | Self::Alertmanager(_))
    }

    /// Whether it forgets what it is not told again.
    #[must_use]
    pub fn forgets(&self) -> bool {
        matches!(self, Self::Alertmanager(_))
    }

    /// What may be shown of where deliveries go.
    fn origin(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.endpoint.origin().to_owned(),
            Self::Slack(endpoint) | Self::Discord(endpoint) | Self::Teams(endpoint) => {
                endpoint.origin().to_owned()
            }
            Self::PagerDuty(pagerduty) => pagerduty.endpoint.origin().to_owned(),
            Self::Ntfy(ntfy) => ntfy.endpoint.origin().to_owned(),
            Self::Alertmanager(several) => {
                let origins = several.endpoints.iter().map(Endpoint::origin);
                origins.collect::<Vec<_>>().join(", ")
            }
            Self::Email(email) => email.server.to_string(),
            Self::Exec(exec) => exec.program.display().to_string(),
        }
    }
}

table! {
    /// Someone to tell about alerts.
    pub(super) struct ReceiverTable {
        /// The receiver's name.
        required name: Name,
        /// How it is told.
        decides kind: Kind,
        /// How long one attempt may take. Left out: 10s; with email, where servers look through a mail before they
        /// answer, 60s.
        optional timeout: Time<100, 300_000>,
        /// How many notifications it gets at most. What is beyond comes later, in one digest. Not with alertmanager, which
        /// groups by itself.
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
        /// Alertmanagers.
        flatten alertmanager: AlertmanagerTable,
        /// Mailboxes.
        flatten email: EmailTable,
        /// A program.
        flatten exec: ExecTable,
    }
}

impl ReceiverTable {
    pub(super) fn resolve(mut self, reader: &mut Reader<'_>) -> Option<Receiver> {
        self.check(reader);
        let kind = self.kind.given()?.value;
        if self.timeout.is_absent() {
            self.timeout = Slot::built_in(kind.usual_timeout());
        }
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
            Kind::Alertmanager => Alertmanager::resolve(self, reader).map(Means::Alertmanager),
            Kind::Email => Email::resolve(self, reader).map(Box::new).map(Means::Email),
            Kind::Exec => Exec::resolve(self, reader).map(Means::Exec),
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
        // An Alertmanager is told again of all that is open: waiting would only delay the first time.
        kind.takes("rate_limit", &self.rate_limit, LIMITED, reader);
        self.endpoint.check(kind, reader);
        self.auth.check(kind, LOGIN, TOKEN, reader);
        kind.takes("method", &self.webhook.method, &[Kind::Webhook], reader);
        kind.takes("secrets", &self.webhook.secrets, &[Kind::Webhook], reader);
        kind.takes("template", &self.webhook.template, &[Kind::Webhook], reader);
        kind.takes("routing_key", &self.pagerduty.routing_key, &[Kind::PagerDuty], reader);
        kind.takes("topic", &self.ntfy.topic, &[Kind::Ntfy], reader);
        self.alertmanager.check(kind, reader);
        self.email.check(kind, reader);
        kind.takes("command", &self.exec.command, &[Kind::Exec], reader);
    }
}
