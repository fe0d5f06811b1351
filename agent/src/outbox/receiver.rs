//! Whoever is told: one attempt at a time, by the means that are configured.

use chrono::{DateTime, Utc};
use vipwatch_model::notification::Notification;

pub use vipwatch_model::lane::Reply;

use super::webhook::Webhook;
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
    Webhook(Webhook),
}

impl Receiver {
    /// A client for `config`.
    ///
    /// # Errors
    /// When the receiver cannot be told like that, in words.
    pub fn new(config: &config::Receiver) -> Result<Self, String> {
        match &config.means {
            Means::Webhook(webhook) => Webhook::new(webhook, config.timeout).map(Self::Webhook),
        }
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>) -> Reply {
        match self {
            Self::Webhook(webhook) => webhook.attempt(message).await,
        }
    }
}
