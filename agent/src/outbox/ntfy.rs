//! ntfy: a message to a topic, published as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    cut::to_bytes,
    exchange::Exchanges,
    post::{Letter, Post},
    receiver::{Message, Reply},
    story::{Story, Tone},
};
use crate::config::{self, Secret};

/// A longer message becomes an attachment (docs.ntfy.sh, "Limitations").
const MESSAGE: usize = 4_096;
/// The longest title: it is one line on a telephone.
const TITLE: usize = 250;

/// A client for one topic.
pub struct Ntfy {
    post: Post,
    topic: Secret,
}

impl Ntfy {
    /// A client for `config`, whose attempts take `timeout` at most.
    pub(super) fn new(config: &config::Ntfy, timeout: Duration) -> Result<Self, String> {
        let post = Post::new(&config.endpoint, timeout)?.hiding(&config.topic);
        Ok(Self { post, topic: config.topic.clone() })
    }

    /// Makes one attempt.
    pub(super) async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let kind = message.notification.alert.key.kind.as_str();
        let mut payload = payload(&Story::of(message.notification), kind);
        payload["topic"] = self.topic.expose().into();
        self.post.send(Letter::json(payload.to_string()), message.now, exchanges).await
    }
}

/// The message, without its topic. Tags that are names of emoji are shown as such, others as words.
fn payload(story: &Story, kind: &str) -> Value {
    let (priority, tag) = match story.tone {
        Tone::Critical => (5, "rotating_light"),
        Tone::Warning => (4, "warning"),
        Tone::Info => (3, "information_source"),
        Tone::Over => (3, "white_check_mark"),
        Tone::Calm => (2, "speech_balloon"),
    };
    json!({
        "title": to_bytes(&story.title, TITLE),
        "message": to_bytes(&story.text(), MESSAGE),
        "priority": priority,
        "tags": [tag, kind],
        "click": story.page,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::sample;

    #[test]
    fn every_event_has_its_message() {
        let payloads: Vec<Value> = sample::all()
            .iter()
            .map(|notification| payload(&Story::of(notification), notification.alert.key.kind.as_str()))
            .collect();
        insta::assert_json_snapshot!(payloads);
    }

    #[test]
    fn the_largest_message_fits() {
        let payload = payload(&Story::of(&sample::enormous()), "unreachable");
        assert!(payload["message"].as_str().unwrap().len() <= MESSAGE);
        assert!(payload["title"].as_str().unwrap().len() <= TITLE);
    }
}
