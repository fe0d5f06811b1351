//! Alertmanagers: what they are told over HTTP, and what a real one makes of it (feature `receiver-tests`).

#[cfg(feature = "receiver-tests")]
mod real;

use std::{net::SocketAddr, time::Duration};

use chrono::TimeDelta;
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch::outbox::{Receiver, Reply, Standing};
use vipwatch_lab::webhook;
use vipwatch_model::notification::Notification;

use crate::told::{alert, now, opened, receiver, rehearse, resolved, tell, tell_at};

/// The alert, as the agent knows it while it is open.
pub(crate) fn standing(told: &[&str]) -> Standing {
    Standing {
        alert: alert().into(),
        told: told.iter().map(|&name| name.to_owned()).collect(),
        vantage: "office-fra".into(),
        page: "http://192.0.2.9:9180/".into(),
    }
}

/// A server that takes everything and shows it.
struct Server {
    address: SocketAddr,
    told: mpsc::Receiver<webhook::Delivery>,
    _end: DropGuard,
}

impl Server {
    async fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn at(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel(64);
        let end = CancellationToken::new();
        let ended = end.clone();
        tokio::spawn(webhook::serve(listener, move |delivery| tell.try_send(delivery).unwrap(), ended));
        Self { address, told, _end: end.drop_guard() }
    }

    /// What it was told since the last time: label `alertname`, and when the alert ends.
    fn heard(&mut self) -> Vec<(String, String)> {
        let mut heard = Vec::new();
        while let Ok(delivery) = self.told.try_recv() {
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            let entries = delivery.body.as_array().unwrap().iter();
            heard.extend(entries.map(|entry| (word(&entry["labels"]["alertname"]), word(&entry["endsAt"]))));
        }
        heard
    }

    fn receiver(&self) -> Receiver {
        receiver(&format!(
            "kind = \"alertmanager\"\nurls = [\"http://{}\"]\nresend_every = \"1m\"",
            self.address
        ))
    }
}

#[tokio::test]
async fn the_request_is_that_of_the_api_below_the_servers_own_path() {
    let mut server = Server::start().await;
    for (url, more, target, authorization) in [
        ("", "bearer_token = \"t0ken\"", "/api/v2/alerts", Some("Bearer t0ken")),
        ("/prom/alertmanager/?a=b", "", "/prom/alertmanager/api/v2/alerts?a=b", None),
        ("/prom", "username = \"u\"\npassword = \"p\"", "/prom/api/v2/alerts", Some("Basic dTpw")),
        ("/", "headers = { Authorization = \"x\" }", "/api/v2/alerts", Some("x")),
    ] {
        let section = format!("kind = \"alertmanager\"\nurls = [\"http://{}{url}\"]\n{more}", server.address);
        assert_eq!(tell(&receiver(&section), &opened()).await, Reply::Taken);
        let delivery = server.told.recv().await.unwrap();
        let header = |name| delivery.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(delivery.target, target);
        assert_eq!(header("authorization"), authorization);
        assert_eq!(header("content-type"), Some("application/json"));
    }
    // A user's name and password in the URL do as well.
    let section = format!("kind = \"alertmanager\"\nurls = [\"http://u:p@{}\"]", server.address);
    assert_eq!(tell(&receiver(&section), &opened()).await, Reply::Taken);
    assert_eq!(server.told.recv().await.unwrap().headers["authorization"], "Basic dTpw");
}

#[tokio::test]
async fn what_is_told_along_is_told_on_its_own() {
    let mut server = Server::start().await;
    let mut notification = opened();
    let mut other = alert();
    other.id = "another".into();
    other.key.kind = vipwatch_model::alert::AlertKind::PolicyDrift;
    notification.also.push(vipwatch_model::notification::Companion {
        event: notification.event,
        consequence: true,
        alert: other,
        resolution: None,
        acknowledgement: None,
    });
    assert_eq!(tell(&server.receiver(), &notification).await, Reply::Taken);
    let until = "2026-11-23T03:18:25Z".to_owned();
    assert_eq!(
        server.heard(),
        [("VipwatchSourceTranslated".to_owned(), until.clone()), ("VipwatchPolicyDrift".to_owned(), until)]
    );
}

#[tokio::test]
async fn what_is_open_is_told_again_to_those_who_know_it() {
    let mut server = Server::start().await;
    let it = server.receiver();
    assert_eq!(it.refresh_every(), Some(Duration::from_secs(60)));
    let later = now() + TimeDelta::seconds(60);
    it.refresh(&[standing(&["somebody", "it"])], later).await;
    assert_eq!(server.heard(), [("VipwatchSourceTranslated".into(), "2026-11-23T03:19:25Z".into())]);
    it.refresh(&[standing(&["somebody"])], later).await;
    it.refresh(&[], later).await;
    assert_eq!(server.heard(), []);
    let many: Vec<Standing> = (0..150)
        .map(|number| {
            let mut alert = alert();
            alert.id = number.to_string();
            Standing { alert: alert.into(), ..standing(&["it"]) }
        })
        .collect();
    it.refresh(&many, later).await;
    let mut batches = Vec::new();
    while let Ok(delivery) = server.told.try_recv() {
        batches.push(delivery.body.as_array().unwrap().len());
    }
    assert_eq!(batches, [64, 64, 22]);
}

#[tokio::test]
async fn what_goes_to_and_fro_is_shown_for_each() {
    let server = Server::start().await;
    let several = receiver(&format!(
        "kind = \"alertmanager\"\nbearer_token = \"s3cr3t\"\n\
         urls = [\"http://{0}/prom/s3cr3t-0\", \"http://{0}/prom/s3cr3t-1\"]",
        server.address
    ));
    let (reply, exchanges) = rehearse(&several, &opened()).await;
    assert_eq!((reply, exchanges.len()), (Reply::Taken, 2));
    assert!(!format!("{exchanges:?}").contains("s3cr3t"), "{exchanges:#?}");
    for exchange in &exchanges {
        assert_eq!(exchange.sent.line, format!("POST http://{}/***", server.address));
        assert_eq!(exchange.received.as_ref().unwrap().line, "HTTP/1.1 204 No Content");
    }
}

/// The list of what is open may be older than the end that was told: then the end counts, and it is told again for a
/// while, to those who were away.
#[tokio::test]
async fn what_is_over_stays_over() {
    let mut server = Server::start().await;
    let it = server.receiver();
    let at = |seconds| now() + TimeDelta::seconds(seconds);
    let over = [("VipwatchSourceTranslated".to_owned(), "2026-11-23T03:17:05Z".to_owned())];
    assert_eq!(tell(&it, &opened()).await, Reply::Taken);
    assert_eq!(tell_at(at(160), &it, &resolved()).await, Reply::Taken);
    assert_eq!(server.heard().last(), over.last());
    it.refresh(&[standing(&["it"])], at(180)).await;
    assert_eq!(server.heard(), over);
    it.refresh(&[], at(160 + 239)).await;
    assert_eq!(server.heard(), over);
    it.refresh(&[], at(160 + 240)).await;
    assert_eq!(server.heard(), []);
}

/// One that takes connections and says nothing holds up neither attempts nor what is told again. Once it is back it hears
/// first of what it was sent meanwhile, which is old by then, and the end counts all the same.
#[tokio::test]
async fn one_that_hangs_holds_up_nobody_and_hears_the_end() {
    let mut well = Server::start().await;
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let it = receiver(&format!(
        "kind = \"alertmanager\"\nurls = [\"http://{}\", \"http://{}\"]\ntimeout = \"60s\"",
        hangs.local_addr().unwrap(),
        well.address
    ));
    let at = |seconds| now() + TimeDelta::seconds(seconds);
    let over = ("VipwatchSourceTranslated".to_owned(), "2026-11-23T03:17:05Z".to_owned());
    let began = std::time::Instant::now();
    assert_eq!(tell(&it, &opened()).await, Reply::Taken);
    it.refresh(&[standing(&["it"])], at(60)).await;
    assert_eq!(tell_at(at(160), &it, &resolved()).await, Reply::Taken);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(well.heard().len(), 3);

    let mut back = Server::at(hangs);
    it.refresh(&[standing(&["it"])], at(180)).await;
    assert_eq!(well.heard(), [over.clone()]);
    assert_eq!(back.heard().last(), Some(&over));
}

/// Whatever becomes of an alert, it is the same to an Alertmanager only under the same labels.
#[tokio::test]
async fn every_event_has_the_same_labels() {
    let mut server = Server::start().await;
    let it = server.receiver();
    let mut reminder = opened();
    reminder.event = vipwatch_model::alert::Event::Reminder;
    let notifications: [Notification; 3] = [opened(), reminder, resolved()];
    let mut labels = Vec::new();
    for notification in &notifications {
        assert_eq!(tell(&it, notification).await, Reply::Taken);
        labels.push(server.told.recv().await.unwrap().body[0]["labels"].clone());
    }
    it.refresh(&[standing(&["it"])], now()).await;
    labels.push(server.told.recv().await.unwrap().body[0]["labels"].clone());
    assert!(labels.iter().all(|each| *each == labels[0]), "{labels:#?}");
}
