//! PagerDuty: events of its Events API v2.
//!
//! An incident is known by the id of the alert that led it (its `dedup_key`): that alert triggers it, with those that are
//! told along in its details. When alerts are acknowledged or over, each of them says so under its own id, as nobody
//! remembers which of them led: PagerDuty drops what is about no open incident.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use vipwatch_model::{
    alert::{Alert, Event, Severity},
    notification::Notification,
};

use super::{
    cut::{shrink, to_characters},
    exchange::Exchanges,
    post::{Letter, Post},
    receiver::{Message, Reply},
    story::{Story, worst},
};
use crate::config::{self, Secret};

// developer.pagerduty.com, "Events API v2 Overview" and "PD-CEF".
const SUMMARY: usize = 1_024;
const EVENT: usize = 512 * 1_000;

/// A client for one integration.
pub struct PagerDuty {
    post: Post,
    routing_key: Secret,
    /// How many events of which notification were taken already: PagerDuty takes so many per minute, and an attempt that
    /// it interrupts goes on there.
    told: Mutex<(String, usize)>,
}

impl PagerDuty {
    /// A client for `config`, whose attempts take `timeout` at most for each event.
    pub(super) fn new(config: &config::PagerDuty, timeout: Duration) -> Result<Self, String> {
        let post = Post::new(&config.endpoint, timeout)?.hiding(&config.routing_key);
        Ok(Self { post, routing_key: config.routing_key.clone(), told: Mutex::default() })
    }

    /// Makes one attempt.
    pub(super) async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let key = &message.notification.idempotency_key;
        for (i, mut event) in events(message.notification).into_iter().enumerate().skip(self.told(key)) {
            event["routing_key"] = self.routing_key.expose().into();
            match self.post.send(Letter::json(event.to_string()), message.now, exchanges).await {
                Reply::Taken => self.note(key, i + 1),
                other => return other,
            }
        }
        self.note(key, 0);
        Reply::Taken
    }

    fn told(&self, key: &str) -> usize {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0 == key { told.1 } else { 0 }
    }

    fn note(&self, key: &str, events: usize) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = (key.to_owned(), events);
    }
}

/// The events that a notification makes, without the routing key.
fn events(notification: &Notification) -> Vec<Value> {
    let leading = (notification.alert_event.unwrap_or(notification.event), &notification.alert);
    let also = notification.also.iter().map(|companion| (companion.event, &companion.alert));
    let all: Vec<(Event, &Alert)> = std::iter::once(leading).chain(also).collect();
    let each = |action| all.iter().map(|(_, alert)| about(action, alert)).collect();
    match notification.event {
        Event::Opened | Event::Reminder => vec![trigger(&notification.alert, notification)],
        Event::Acknowledged => each("acknowledge"),
        Event::Resolved => each("resolve"),
        Event::Digest => digest(&all, notification),
        Event::Test => {
            vec![trigger(&notification.alert, notification), about("resolve", &notification.alert)]
        }
    }
}

/// One incident for all that is open, and what becomes of others. PagerDuty is told of each alert by itself, but a digest may have
/// waited for another kind of receiver of that name.
fn digest(all: &[(Event, &Alert)], notification: &Notification) -> Vec<Value> {
    let over = |id: &str| all.iter().any(|(event, alert)| *event == Event::Resolved && alert.id == id);
    let open = |(event, alert): &&(Event, &Alert)| {
        matches!(event, Event::Opened | Event::Reminder) && !over(&alert.id)
    };
    let incident = all.iter().find(open).map(|(_, alert)| trigger(alert, notification));
    let others = all.iter().filter_map(|(event, alert)| match event {
        Event::Acknowledged => Some(about("acknowledge", alert)),
        Event::Resolved => Some(about("resolve", alert)),
        _ => None,
    });
    incident.into_iter().chain(others).collect()
}

/// An event about the incident that `alert` leads, if it leads one.
fn about(action: &str, alert: &Alert) -> Value {
    json!({ "event_action": action, "dedup_key": alert.id })
}

/// Opens the incident that `alert` leads, or tells more of it.
fn trigger(alert: &Alert, notification: &Notification) -> Value {
    let story = Story::of(notification);
    let fits = |event: &Value| event.to_string().len() < EVENT;
    shrink(16_384, fits, |share| {
        let mut event = about("trigger", alert);
        event["client"] = "vipwatch".into();
        event["client_url"] = story.page.clone().into();
        event["links"] = json!([{ "href": story.page, "text": "Status page" }]);
        event["payload"] = json!({
            "summary": to_characters(&story.title, SUMMARY),
            "source": to_characters(&alert.target, share),
            "severity": severity(worst(notification)),
            "timestamp": alert.opened_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "component": to_characters(alert.node.as_deref().unwrap_or(&alert.probe), share),
            "class": alert.key.kind,
            "custom_details": details(&story, share),
        });
        if let Some(service) = &alert.service {
            event["payload"]["group"] = to_characters(service, share).into();
        }
        event
    })
}

/// The story, where no text is longer than `share`.
fn details(story: &Story, share: usize) -> Map<String, Value> {
    let passages = story.passages.iter().map(|passage| {
        (passage.heading.unwrap_or("What happened"), Value::from(to_characters(&passage.text, share)))
    });
    let lists = story.lists.iter().map(|list| {
        let lines = list.lines.iter().map(|line| to_characters(line, share));
        (list.heading, Value::from_iter(lines))
    });
    let facts = story.facts.iter().map(|fact| (fact.name, Value::from(to_characters(&fact.value, share))));
    passages.chain(lists).chain(facts).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// PagerDuty's word for it.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::sample;

    fn actions(notification: &Notification) -> Vec<String> {
        let word = |event: &Value| {
            let key = event["dedup_key"].as_str().unwrap();
            format!("{} {}", event["event_action"].as_str().unwrap(), key.chars().last().unwrap())
        };
        events(notification).iter().map(word).collect()
    }

    #[test]
    fn every_event_has_its_events() {
        let payloads: Vec<Vec<Value>> = sample::all().iter().map(events).collect();
        insta::assert_json_snapshot!(payloads);
    }

    #[test]
    fn an_incident_is_known_by_the_alert_that_led_it() {
        assert_eq!(actions(&sample::opened()), ["trigger 1"]);
        assert_eq!(actions(&sample::reminder()), ["trigger 1"], "the same incident again");
        assert_eq!(actions(&sample::acknowledged()), ["acknowledge 1", "acknowledge 2", "acknowledge 3"]);
        assert_eq!(actions(&sample::resolved()), ["resolve 1", "resolve 2"]);
        assert_eq!(actions(&sample::superseded()), ["resolve 1"]);
        assert_eq!(actions(&sample::test()), ["trigger 5", "resolve 5"], "nobody is left paged");
    }

    #[test]
    fn a_digest_ends_incidents_and_opens_one() {
        let mut digest = sample::digest();
        assert_eq!(actions(&digest), ["trigger 2", "resolve 1", "acknowledge 3"]);
        digest.also[0].alert.id.clone_from(&digest.alert.id);
        assert_eq!(actions(&digest), ["resolve 2", "acknowledge 3"], "opened, and over by now");
    }

    #[test]
    fn the_largest_event_fits() {
        let mut notification = sample::enormous();
        notification.event = Event::Opened;
        let event = &events(&notification)[0];
        assert!(event.to_string().len() < EVENT);
        assert!(event["payload"]["summary"].as_str().unwrap().chars().count() <= SUMMARY);
    }
}
