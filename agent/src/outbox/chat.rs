//! Chats: one POST with the story as the service wants it.

use std::time::Duration;

use reqwest::header::HeaderValue;
use serde_json::Value;

use super::{
    exchange::Exchanges,
    post::{Letter, Post},
    receiver::{Message, Reply},
    story::Story,
};
use crate::config::Endpoint;

/// A client for a chat's incoming webhook.
pub struct Chat {
    post: Post,
    payload: fn(&Story) -> Value,
}

impl Chat {
    /// A client for `endpoint`, where `payload` writes the story as the service wants it.
    pub(super) fn new(
        endpoint: &Endpoint,
        timeout: Duration,
        payload: fn(&Story) -> Value,
    ) -> Result<Self, String> {
        Ok(Self { post: Post::new(endpoint, timeout)?, payload })
    }

    /// Makes one attempt.
    pub(super) async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let payload = (self.payload)(&Story::of(message.notification));
        // Without it, Teams reckons with characters of two bytes.
        let content_type = HeaderValue::from_static("application/json; charset=utf-8");
        let letter = Letter { content_type, ..Letter::json(payload.to_string()) };
        self.post.send(letter, message.now, exchanges).await
    }
}

/// What `payload` makes of a notification of each event.
#[cfg(test)]
pub(super) fn samples(payload: fn(&Story) -> Value) -> Vec<Value> {
    super::sample::all().iter().map(|notification| payload(&Story::of(notification))).collect()
}
