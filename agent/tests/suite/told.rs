//! Telling one receiver, without the rest of the agent.

use std::{future::Future, net::SocketAddr, path::Path};

use chrono::{DateTime, Utc};
use tokio::net::{TcpListener, TcpStream};
use vipwatch::{
    config,
    outbox::{Exchange, Message, Receiver, Reply},
};
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind, Severity},
    notification::{Notification, Resolution},
};

/// When everything here happens.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-23T03:14:25Z".parse().unwrap()
}

/// A client for the receiver that the keys in `section` describe.
pub(crate) fn receiver(section: &str) -> Receiver {
    let source = format!("[agent]\nvantage = \"test\"\n[[receiver]]\nname = \"it\"\n{section}\n");
    let config = config::parse(&source, Path::new("/probes.toml"), &|_| None);
    let config = config.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    Receiver::new(&config.receivers[0]).unwrap()
}

/// An alert with a whole story.
pub(crate) fn alert() -> Alert {
    let subject = "default/echo-server@192.0.2.201".to_owned();
    let key = AlertKey { kind: AlertKind::SourceTranslated, subject };
    let id = "01a20614-ac08-7098-b455-c6cdc68d2f3c".to_owned();
    let mut alert = Alert::of_vantage(id, key, Severity::Critical, now(), now());
    alert.service = Some("default/echo-server".into());
    alert.target = "192.0.2.201:80".into();
    alert.title = "default/echo-server loses its clients' source addresses at 192.0.2.201:80".into();
    alert.reason = "All 4 connections arrived from 10.244.1.1 instead of 203.0.113.50.".into();
    alert.remedy = Some("Look at the policy: `kubectl get service`.".into());
    alert.labels.insert("team".into(), "edge".into());
    alert
}

/// That it was opened.
pub(crate) fn opened() -> Notification {
    Notification::opened(alert(), "office-fra", "http://192.0.2.9:9180/")
}

/// That it is over.
pub(crate) fn resolved() -> Notification {
    let at = now() + chrono::TimeDelta::seconds(160);
    let reason = "4 of 4 connections arrived from 203.0.113.50.".to_owned();
    let end = Resolution { at, open_seconds: 160, reason, superseded: false };
    Notification::resolved(alert(), end, "office-fra", "http://192.0.2.9:9180/")
}

/// One attempt at telling `notification`.
pub(crate) async fn tell(receiver: &Receiver, notification: &Notification) -> Reply {
    tell_at(now(), receiver, notification).await
}

/// The same, at another time.
pub(crate) async fn tell_at(now: DateTime<Utc>, receiver: &Receiver, notification: &Notification) -> Reply {
    let document = serde_json::to_string(notification).unwrap();
    receiver.attempt(&Message { notification, document: &document, now }).await
}

/// The same, and what went to and fro.
pub(crate) async fn rehearse(receiver: &Receiver, notification: &Notification) -> (Reply, Vec<Exchange>) {
    let document = serde_json::to_string(notification).unwrap();
    receiver.rehearse(&Message { notification, document: &document, now: now() }).await
}

/// The error of a reply that asks for another attempt.
#[track_caller]
pub(crate) fn later(reply: Reply) -> String {
    match reply {
        Reply::Later { error, retry_after: None } => error,
        reply => panic!("{reply:?}"),
    }
}

/// The error of a reply that asks for another attempt for those who do not have it.
#[track_caller]
pub(crate) fn later_in_part(reply: Reply) -> String {
    match reply {
        Reply::LaterInPart { error } => error,
        reply => panic!("{reply:?}"),
    }
}

/// The error of a reply that wants no other attempt.
#[track_caller]
pub(crate) fn refused(reply: Reply) -> String {
    match reply {
        Reply::Refused { error } => error,
        reply => panic!("{reply:?}"),
    }
}

/// A server that treats every connection like this, until the test's runtime ends.
pub(crate) async fn serve<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(treat(stream));
        }
    });
    address
}
