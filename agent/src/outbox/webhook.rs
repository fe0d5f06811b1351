//! The webhook receiver: one POST with the JSON document.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::{
    post::Post,
    receiver::{Message, Reply},
};
use crate::config;

/// The header that tells the attempts of one notification from another notification.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client for one webhook.
pub struct Webhook {
    post: Post,
    config: config::Webhook,
    headers: HeaderMap,
}

impl Webhook {
    /// A client for `config`, whose attempts take `timeout` at most.
    ///
    /// # Errors
    /// When TLS cannot be set up, in words.
    pub fn new(config: &config::Webhook, timeout: Duration) -> Result<Self, String> {
        let mut headers = config.endpoint.headers.clone();
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        Ok(Self { post: Post::new(&config.endpoint.roots, timeout)?, config: config.clone(), headers })
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>) -> Reply {
        let Ok(key) = HeaderValue::from_str(&message.notification.idempotency_key) else {
            return Reply::Refused { error: "the notification has no key that could be sent".into() };
        };
        let mut headers = self.headers.clone();
        headers.insert(IDEMPOTENCY_KEY, key);
        self.post
            .send(self.config.endpoint.url().expose(), headers, message.document.to_owned(), message.now)
            .await
    }
}
