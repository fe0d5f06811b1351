//! Whoever is told: one attempt at a time, by the means that are configured.

use std::time::Duration;

use chrono::{DateTime, Utc};
use vipwatch_model::notification::Notification;

pub use vipwatch_model::lane::Reply;

use super::{
    alertmanager::Alertmanager,
    chat::Chat,
    discord,
    email::Email,
    exchange::{Exchange, Exchanges},
    exec::Exec,
    ntfy::Ntfy,
    pagerduty::PagerDuty,
    slack,
    standing::Standing,
    teams,
    webhook::Webhook,
};
use crate::config::{self, Means};

/// What is to be told.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The notification.
    pub notification: &'a Notification,
    /// The same as JSON, as the webhook document has it.
    pub document: &'a str,
    /// When the attempt is made.
    pub now: DateTime<Utc>,
}

/// A client for one receiver.
pub enum Receiver {
    /// A webhook.
    Webhook(Box<Webhook>),
    /// Slack, Discord or Teams.
    Chat(Chat),
    /// PagerDuty.
    PagerDuty(PagerDuty),
    /// A topic of an ntfy server.
    Ntfy(Ntfy),
    /// Alertmanagers.
    Alertmanager(Alertmanager),
    /// Mailboxes.
    Email(Box<Email>),
    /// A program.
    Exec(Exec),
}

impl Receiver {
    /// A client for `config`.
    ///
    /// # Errors
    /// When the receiver cannot be told like that, in words.
    pub fn new(config: &config::Receiver) -> Result<Self, String> {
        let timeout = config.timeout;
        match &config.means {
            Means::Webhook(webhook) => Webhook::new(webhook, timeout).map(Box::new).map(Self::Webhook),
            Means::Slack(endpoint) => Chat::new(endpoint, timeout, slack::payload).map(Self::Chat),
            Means::Discord(endpoint) => Chat::new(endpoint, timeout, discord::payload).map(Self::Chat),
            Means::Teams(endpoint) => Chat::new(endpoint, timeout, teams::payload).map(Self::Chat),
            Means::PagerDuty(pagerduty) => PagerDuty::new(pagerduty, timeout).map(Self::PagerDuty),
            Means::Ntfy(ntfy) => Ntfy::new(ntfy, timeout).map(Self::Ntfy),
            Means::Alertmanager(several) => {
                Alertmanager::new(&config.name, several, timeout).map(Self::Alertmanager)
            }
            Means::Email(email) => Email::new(email, timeout).map(Box::new).map(Self::Email),
            Means::Exec(exec) => Ok(Self::Exec(Exec::new(exec, timeout))),
        }
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>) -> Reply {
        self.tell(message, &mut Exchanges::unwanted()).await
    }

    /// Makes one attempt, and shows what went to and fro.
    pub async fn rehearse(&self, message: &Message<'_>) -> (Reply, Vec<Exchange>) {
        let mut exchanges = Exchanges::wanted();
        let reply = self.tell(message, &mut exchanges).await;
        (reply, exchanges.into_vec())
    }

    async fn tell(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        match self {
            Self::Webhook(webhook) => webhook.attempt(message, exchanges).await,
            Self::Chat(chat) => chat.attempt(message, exchanges).await,
            Self::PagerDuty(pagerduty) => pagerduty.attempt(message, exchanges).await,
            Self::Ntfy(ntfy) => ntfy.attempt(message, exchanges).await,
            Self::Alertmanager(several) => several.attempt(message, exchanges).await,
            Self::Email(email) => email.attempt(message, exchanges).await,
            Self::Exec(exec) => exec.attempt(message, exchanges).await,
        }
    }

    /// How often the receiver wants to be told again of what is open, if it does.
    #[must_use]
    pub fn refresh_every(&self) -> Option<Duration> {
        match self {
            Self::Alertmanager(several) => Some(several.refresh_every()),
            _ => None,
        }
    }

    /// Tells such a receiver again of those `standing` alerts that it knows of.
    pub async fn refresh(&self, standing: &[Standing], now: DateTime<Utc>) {
        if let Self::Alertmanager(several) = self {
            several.refresh(standing, now).await;
        }
    }
}
