//! The webhook receiver: one request with the JSON document.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};

use super::{
    exchange::Exchanges,
    post::{Letter, Post},
    receiver::{Message, Reply},
};
use crate::config;

/// The header that tells the attempts of one notification from another notification.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client for one webhook.
pub struct Webhook {
    post: Post,
}

impl Webhook {
    /// A client for `config`, whose attempts take `timeout` at most.
    ///
    /// # Errors
    /// When TLS cannot be set up, in words.
    pub fn new(config: &config::Webhook, timeout: Duration) -> Result<Self, String> {
        Ok(Self { post: Post::new(&config.endpoint, timeout)? })
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let Ok(key) = HeaderValue::from_str(&message.notification.idempotency_key) else {
            return Reply::Refused { error: "the notification has no key that could be sent".into() };
        };
        let mut letter = Letter::json(message.document.to_owned());
        letter.headers.insert(IDEMPOTENCY_KEY, key);
        self.post.send(letter, message.now, exchanges).await
    }
}
