//! `[[receiver]]`: who is told about alerts. Each kind of receiver has a file of its own.

mod alertmanager;
mod email;
mod endpoint;
mod exec;
mod kind;
mod rate_limit;
mod webhook;

use std::time::Duration;

pub use self::{
    alertmanager::Alertmanager,
    email::{Email, Encryption, Login},
    endpoint::Endpoint,
    exec::Exec,
    kind::Kind,
    rate_limit::RateLimit,
    webhook::Webhook,
};
use self::{
    alertmanager::AlertmanagerTable,
    email::EmailTable,
    endpoint::EndpointTable,
    exec::ExecTable,
    kind::{ALERTMANAGER, EMAIL, EXEC, LOGIN, TOKEN},
    rate_limit::RateLimitTable,
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
    Webhook(Webhook),
    /// By alerts in the form of Alertmanager's API.
    Alertmanager(Alertmanager),
    /// By a mail.
    Email(Email),
    /// By starting a program.
    Exec(Exec),
}

impl Means {
    /// The word for it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Webhook(_) => Kind::Webhook,
            Self::Alertmanager(_) => Kind::Alertmanager,
            Self::Email(_) => Kind::Email,
            Self::Exec(_) => Kind::Exec,
        }
    }

    /// Whether it can be told several alerts in one digest, each with an event of its own.
    #[must_use]
    pub fn takes_digests(&self) -> bool {
        match self {
            Self::Webhook(_) | Self::Email(_) | Self::Exec(_) => true,
            // It groups by itself, and its alerts are told one by one.
            Self::Alertmanager(_) => false,
        }
    }

    /// What may be shown of where deliveries go.
    fn origin(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.endpoint.origin().to_owned(),
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
        /// How long one attempt may take.
        default timeout: Time<100, 300_000> = "10s",
        /// How many notifications it gets at most. What is beyond comes later, in one digest.
        optional rate_limit: RateLimitTable,
        /// Where it listens.
        flatten endpoint: EndpointTable,
        /// Who tells it.
        flatten auth: AuthTable,
        /// Alertmanagers.
        flatten alertmanager: AlertmanagerTable,
        /// Mailboxes.
        flatten email: EmailTable,
        /// A program.
        flatten exec: ExecTable,
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
            Kind::Webhook => Webhook::resolve(self, reader).map(Means::Webhook),
            Kind::Alertmanager => Alertmanager::resolve(self, reader).map(Means::Alertmanager),
            Kind::Email => Email::resolve(self, reader).map(Means::Email),
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

    /// Reports the keys that mean nothing to such a receiver.
    fn check(&self, reader: &mut Reader<'_>) {
        let Some(kind) = self.kind.given() else { return };
        self.endpoint.check(kind, reader);
        self.auth.check(kind, LOGIN, TOKEN, reader);
        kind.takes("urls", &self.alertmanager.urls, ALERTMANAGER, reader);
        kind.takes("resend_every", &self.alertmanager.resend_every, ALERTMANAGER, reader);
        kind.takes("smtp", &self.email.smtp, EMAIL, reader);
        kind.takes("encryption", &self.email.encryption, EMAIL, reader);
        kind.takes("from", &self.email.from, EMAIL, reader);
        kind.takes("to", &self.email.to, EMAIL, reader);
        kind.takes("helo", &self.email.helo, EMAIL, reader);
        kind.takes("command", &self.exec.command, EXEC, reader);
    }
}
