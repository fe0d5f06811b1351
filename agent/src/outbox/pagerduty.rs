//! PagerDuty: events of its Events API v2.
//!
//! Each alert has an incident of its own, known by the alert's id (its `dedup_key`): it is triggered, acknowledged and
//! resolved with that alert and no other. So an incident is never over while an alert that was told along is open. The
//! details of the leading alert's incident tell of the others.

use std::time::Duration;

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
    progress::Progress,
    receiver::{Message, Reply},
    story::Story,
};
use crate::config::{self, Secret};

// developer.pagerduty.com, "Events API v2 Overview" and "PD-CEF".
const SUMMARY: usize = 1_024;
const EVENT: usize = 512 * 1_000;

/// A client for one integration.
pub struct PagerDuty {
    post: Post,
    routing_key: Secret,
    /// Which events of a notification were taken already: PagerDuty takes so many per minute, and the attempt after one
    /// that it interrupts goes on there. Not how many: meanwhile some of its alerts may have been left out.
    told: Progress<Vec<Part>>,
}

/// What tells an event from the others of its notification: its action, and the incident that it is about.
type Part = (String, String);

impl PagerDuty {
    /// A client for `config`, whose attempts take `timeout` at most for each event.
    pub(super) fn new(config: &config::PagerDuty, timeout: Duration) -> Result<Self, String> {
        let post = Post::new(&config.endpoint, timeout)?.hiding(&config.routing_key);
        Ok(Self { post, routing_key: config.routing_key.clone(), told: Progress::default() })
    }

    /// Makes one attempt.
    pub(super) async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let key = &message.notification.idempotency_key;
        let mut told = self.told.take(key).unwrap_or_default();
        for mut event in events(message.notification) {
            let part = part(&event);
            if told.contains(&part) {
                continue;
            }
            event["routing_key"] = self.routing_key.expose().into();
            let reply = self.post.send(Letter::json(event.to_string()), message.now, exchanges).await;
            if reply != Reply::Taken {
                self.told.keep(key, told);
                return reply;
            }
            told.push(part);
        }
        Reply::Taken
    }
}

/// The events that a notification makes, without the routing key.
fn events(notification: &Notification) -> Vec<Value> {
    let leading = (notification.alert_event.unwrap_or(notification.event), &notification.alert);
    let also = notification.also.iter().map(|companion| (companion.event, &companion.alert));
    let all: Vec<(Event, &Alert)> = std::iter::once(leading).chain(also).collect();
    let each = |action| all.iter().map(|(_, alert)| about(action, alert)).collect();
    match notification.event {
        Event::Opened | Event::Reminder => {
            all.iter().map(|(_, alert)| trigger(alert, notification)).collect()
        }
        Event::Acknowledged => each("acknowledge"),
        Event::Resolved => each("resolve"),
        Event::Digest => digest(&all, notification),
        Event::Test => {
            vec![trigger(&notification.alert, notification), about("resolve", &notification.alert)]
        }
    }
}

/// Incidents for all that is open, and what becomes of others.
fn digest(all: &[(Event, &Alert)], notification: &Notification) -> Vec<Value> {
    let over = |id: &str| all.iter().any(|(event, alert)| *event == Event::Resolved && alert.id == id);
    let open = |(event, alert): &&(Event, &Alert)| {
        matches!(event, Event::Opened | Event::Reminder) && !over(&alert.id)
    };
    let incidents = all.iter().filter(open).map(|(_, alert)| trigger(alert, notification));
    let others = all.iter().filter_map(|(event, alert)| match event {
        Event::Acknowledged => Some(about("acknowledge", alert)),
        Event::Resolved => Some(about("resolve", alert)),
        _ => None,
    });
    incidents.chain(others).collect()
}

/// The part of its notification that `event` is.
fn part(event: &Value) -> Part {
    let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    (word("event_action"), word("dedup_key"))
}

/// An event about the incident of `alert`.
fn about(action: &str, alert: &Alert) -> Value {
    json!({ "event_action": action, "dedup_key": alert.id })
}

/// Opens the incident of `alert`, which `notification` tells, or tells more of it. That of a companion tells its own
/// story alone.
fn trigger(alert: &Alert, notification: &Notification) -> Value {
    let leads = alert.id == notification.alert.id;
    let own =
        (!leads).then(|| Notification::opened(alert.clone(), &notification.vantage, &notification.page));
    let story = Story::of(own.as_ref().unwrap_or(notification));
    let fits = |event: &Value| event.to_string().len() < EVENT;
    shrink(16_384, fits, |share| {
        let mut event = about("trigger", alert);
        event["client"] = "vipwatch".into();
        event["client_url"] = story.page.clone().into();
        event["links"] = json!([{ "href": story.page, "text": "Status page" }]);
        event["payload"] = json!({
            "summary": to_characters(&story.title, SUMMARY),
            "source": to_characters(&alert.target, share),
            "severity": severity(alert.severity),
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
    fn every_alert_has_an_incident_of_its_own() {
        assert_eq!(actions(&sample::opened()), ["trigger 1", "trigger 2", "trigger 3"]);
        assert_eq!(actions(&sample::reminder()), ["trigger 1", "trigger 2", "trigger 3"], "the same again");
        assert_eq!(actions(&sample::acknowledged()), ["acknowledge 1", "acknowledge 2", "acknowledge 3"]);
        assert_eq!(actions(&sample::resolved()), ["resolve 1", "resolve 2"]);
        assert_eq!(actions(&sample::superseded()), ["resolve 1"]);
        assert_eq!(actions(&sample::test()), ["trigger 5", "resolve 5"], "nobody is left paged");
    }

    #[test]
    fn a_digest_opens_incidents_and_ends_others() {
        let mut digest = sample::digest();
        assert_eq!(actions(&digest), ["trigger 2", "resolve 1", "acknowledge 3"]);
        digest.also[0].alert.id.clone_from(&digest.alert.id);
        assert_eq!(actions(&digest), ["resolve 2", "acknowledge 3"], "opened, and over by now");
    }

    #[test]
    fn an_incident_tells_of_its_own_alert() {
        let events = events(&sample::opened());
        let severities: Vec<_> = events.iter().map(|event| &event["payload"]["severity"]).collect();
        assert_eq!(severities, ["critical", "warning", "warning"]);
        let summary = events[1]["payload"]["summary"].as_str().unwrap();
        assert!(summary.contains("node-2 does not answer"), "{summary}");
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
