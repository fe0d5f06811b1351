//! A notification as a mail.
//!
//! All mails about an alert refer to the first of them, by a Message-ID that follows from the alert's id: so they make
//! one thread, and a repeated attempt is the same mail.

use lettre::{
    Message as Letter,
    message::{
        MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use vipwatch_model::{alert::Event, notification::Notification};

use super::html;
use crate::{
    config,
    outbox::{receiver::Message, story::Story},
};

/// The most alerts that a mail refers to.
const REFERENCES: usize = 20;

/// The mail that tells `message`.
pub(super) fn write(config: &config::Email, message: &Message<'_>) -> Result<Letter, lettre::error::Error> {
    let notification = message.notification;
    let story = Story::of(notification);
    let domain = config.from.email.domain();
    let mut letter = Letter::builder()
        .from(config.from.clone())
        .date(message.now.into())
        .message_id(Some(message_id(notification, domain)))
        .subject(&*story.title);
    for to in &config.to {
        letter = letter.to(to.clone());
    }
    // A test is about nothing that there was a mail about.
    if notification.event != Event::Test {
        if notification.event != Event::Opened {
            letter = letter.in_reply_to(first_mail(&notification.alert.id, domain));
        }
        let references = references(notification, domain);
        if !references.is_empty() {
            letter = letter.references(references);
        }
    }
    for (name, value) in [
        (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()),
        (HeaderName::new_from_ascii_str("X-Vipwatch-Event"), notification.event.to_string()),
        (HeaderName::new_from_ascii_str("X-Vipwatch-Kind"), notification.alert.key.kind.to_string()),
        (HeaderName::new_from_ascii_str("X-Vipwatch-Severity"), notification.alert.severity.to_string()),
    ] {
        letter = letter.raw_header(HeaderValue::new(name, value));
    }
    let plain = format!("{}\n\n{}\n", story.title, story.text());
    letter.multipart(MultiPart::alternative_plain_html(plain, html::of(&story)))
}

/// The Message-ID of the first mail about an alert.
fn first_mail(alert: &str, domain: &str) -> String {
    format!("<{}-{}@{domain}>", word(alert), Event::Opened)
}

fn message_id(notification: &Notification, domain: &str) -> String {
    match notification.event {
        Event::Opened => first_mail(&notification.alert.id, domain),
        _ => format!("<{}@{domain}>", word(&notification.idempotency_key)),
    }
}

/// The first mails about all the alerts that are told of, without this one itself.
fn references(notification: &Notification, domain: &str) -> String {
    let own = message_id(notification, domain);
    let first = notification.alerts().map(|alert| first_mail(alert, domain));
    first.filter(|id| *id != own).take(REFERENCES).collect::<Vec<_>>().join(" ")
}

/// A text with nothing in it that has a meaning in a Message-ID.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}
