//! Every kind of receiver that is told over HTTP: what arrives on a real socket.

mod far_side;
mod tried;

use std::{path::Path, time::Duration};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Utc};
use far_side::{FarSide, Told};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use vipwatch::{
    config,
    outbox::{Message, Receiver, Reply},
};
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind, Event, Severity},
    notification::{Companion, Notification, Resolution},
};

const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

fn now() -> DateTime<Utc> {
    "2026-11-23T03:14:25Z".parse().unwrap()
}

fn alert(id: &str) -> Alert {
    let key = AlertKey::of_vantage(AlertKind::SourceTranslated, "default/echo-server@192.0.2.201");
    Alert {
        service: Some("default/echo-server".into()),
        target: "192.0.2.201:80".into(),
        title: "default/echo-server loses its clients' source addresses".into(),
        reason: "All 4 connections arrived from 10.244.1.1 <!channel> @everyone.".into(),
        remedy: Some("Look at the policy: `kubectl get service`.".into()),
        // Whoever answers names itself as it likes.
        responders: vec!["/../../evil?x#\r\nX-Evil: 1".into()],
        ..Alert::of_vantage(id.into(), key, Severity::Critical, now(), now())
    }
}

fn opened() -> Notification {
    Notification::opened(alert("a"), "office-fra", "https://vipwatch.example.net/")
}

fn resolved(also: usize) -> Notification {
    let resolution =
        Resolution { at: now(), open_seconds: 10, reason: "It is over.".into(), superseded: false };
    let mut notification =
        Notification::resolved(alert("a"), resolution.clone(), "office-fra", "https://vipwatch.example.net/");
    notification.also = (0..also)
        .map(|n| Companion {
            event: Event::Resolved,
            consequence: false,
            alert: alert(&format!("b{n}")),
            acknowledgement: None,
            resolution: Some(resolution.clone()),
        })
        .collect();
    notification
}

/// The client for a `[[receiver]]` with these keys.
fn client(keys: &str) -> Receiver {
    // As `main` does; that it is there already is no fault.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let source = format!("[agent]\nvantage = \"test\"\n[[receiver]]\nname = \"ops\"\n{keys}\n");
    let config = config::parse(&source, Path::new("probes.toml"), &|_| None);
    let config = config.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    Receiver::new(&config.receivers[0]).unwrap()
}

async fn attempt(client: &Receiver, notification: &Notification) -> Reply {
    let document = serde_json::to_string(notification).unwrap();
    client.attempt(&Message { notification, document: &document, now: now() }).await
}

/// What a receiver with these keys (and a URL) is told of an opened alert.
async fn told(keys: &str, path: &str, reply: &str) -> Told {
    let far_side = FarSide::replying(&[reply]);
    let client = client(&format!("{keys}\nurl = \"http://{}{path}\"", far_side.address));
    assert_eq!(attempt(&client, &opened()).await, Reply::Taken);
    let told = far_side.next();
    assert!(far_side.is_done());
    assert!(told.header("user-agent").starts_with("vipwatch/"), "{told:?}");
    told
}

#[tokio::test]
async fn slack_gets_blocks_under_a_colour() {
    let told = told("kind = \"slack\"", "/services/T0/B0/x", "200 OK\n\nok").await;
    assert_eq!(told.line, "POST /services/T0/B0/x HTTP/1.1");
    let message = told.json();
    assert!(message["text"].as_str().unwrap().contains("Critical: default/echo-server"), "{message}");
    assert_eq!(message["attachments"][0]["color"], "#d1242f");
    assert_eq!(message["attachments"][0]["blocks"][0]["type"], "section");
    assert!(!told.body.contains("<!channel>"), "{told:?}");
}

#[tokio::test]
async fn discord_gets_an_embed_and_mentions_nobody() {
    let told = told("kind = \"discord\"", "/api/webhooks/0/x", "204 No Content").await;
    let message = told.json();
    assert!(message["content"].as_str().unwrap().starts_with("**Critical: "), "{message}");
    assert_eq!(message["embeds"][0]["color"], 0x00d1_242f);
    assert_eq!(message["allowed_mentions"], json!({ "parse": [] }));
}

#[tokio::test]
async fn teams_gets_an_adaptive_card() {
    let told = told("kind = \"teams\"", "/workflows/x?sig=y", "202 Accepted").await;
    assert_eq!(told.line, "POST /workflows/x?sig=y HTTP/1.1");
    let message = told.json();
    let card = &message["attachments"][0];
    assert_eq!((&message["type"], &card["contentUrl"]), (&json!("message"), &Value::Null));
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["type"], "AdaptiveCard");
    assert_eq!(card["content"]["actions"][0]["url"], "https://vipwatch.example.net/");
}

#[tokio::test]
async fn ntfy_gets_json_at_its_root_and_a_token() {
    let keys = "kind = \"ntfy\"\ntopic = \"vipwatch-0815\"\nbearer_token = \"tk_0815\"";
    let told = told(keys, "", "200 OK\n\n{}").await;
    assert_eq!(told.line, "POST / HTTP/1.1");
    assert_eq!(told.header("authorization"), "Bearer tk_0815");
    let message = told.json();
    assert_eq!((&message["topic"], &message["priority"]), (&json!("vipwatch-0815"), &json!(5)));
    assert_eq!(message["tags"], json!(["rotating_light", "source_translated"]));
    assert_eq!(message["click"], "https://vipwatch.example.net/");
}

#[tokio::test]
async fn pagerduty_gets_an_event_for_the_integration() {
    let keys = "kind = \"pagerduty\"\nrouting_key = \"0123456789abcdef\"";
    let told = told(keys, "/v2/enqueue", "202 Accepted\n\n{\"status\":\"success\"}").await;
    let event = told.json();
    assert_eq!((&event["routing_key"], &event["dedup_key"]), (&json!("0123456789abcdef"), &json!("a")));
    assert_eq!(event["event_action"], "trigger");
    assert_eq!(event["payload"]["severity"], "critical");
    assert_eq!(event["payload"]["source"], "192.0.2.201:80");
    assert_eq!(
        event["payload"]["custom_details"]["What to do"],
        "Look at the policy: `kubectl get service`."
    );
}

/// PagerDuty takes so many events per minute: a long list of them must come to its end all the same.
#[tokio::test]
async fn pagerduty_is_told_on_from_where_it_had_enough() {
    let (taken, enough) = ("202 Accepted", "429 Too Many Requests\nretry-after: 30");
    let far_side = FarSide::replying(&[taken, taken, enough, taken, taken, taken]);
    let keys = "kind = \"pagerduty\"\nrouting_key = \"0123456789abcdef\"";
    let client = client(&format!("{keys}\nurl = \"http://{}/v2/enqueue\"", far_side.address));
    let later = Reply::Later { error: "HTTP 429".into(), retry_after: Some(Duration::from_secs(30)) };
    assert_eq!(attempt(&client, &resolved(3)).await, later);
    assert_eq!(attempt(&client, &resolved(3)).await, Reply::Taken);
    let keys: Vec<String> = (0..5)
        .map(|_| {
            let event = far_side.next().json();
            assert_eq!(event["event_action"], "resolve");
            event["dedup_key"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(keys, ["a", "b0", "b1", "b1", "b2"]);
    assert!(far_side.is_done());
    assert_eq!(attempt(&client, &opened()).await, Reply::Taken);
    assert_eq!(far_side.next().json()["event_action"], "trigger");
}

/// What is attempted again after it was given up may tell of fewer alerts than before: the others are told all the same.
#[tokio::test]
async fn pagerduty_is_told_what_is_left_of_a_notification() {
    let far_side = FarSide::replying(&["202 Accepted", "403 Forbidden", "202 Accepted"]);
    let keys = "kind = \"pagerduty\"\nrouting_key = \"0123456789abcdef\"";
    let client = client(&format!("{keys}\nurl = \"http://{}/v2/enqueue\"", far_side.address));
    let mut notification = resolved(1);
    assert_eq!(attempt(&client, &notification).await, Reply::Refused { error: "HTTP 403".into() });
    let left = notification.also.remove(0);
    (notification.alert, notification.resolution) = (left.alert, left.resolution);
    assert_eq!(attempt(&client, &notification).await, Reply::Taken);
    let told: Vec<_> = (0..3).map(|_| far_side.next().json()["dedup_key"].clone()).collect();
    assert_eq!(told, ["a", "b0", "b0"]);
}

#[tokio::test]
async fn a_webhook_gets_the_document_or_what_a_template_makes_of_it() {
    let plain =
        told("kind = \"webhook\"\nusername = \"u\"\npassword = \"p\"", "/hook", "204 No Content").await;
    assert_eq!(plain.line, "POST /hook HTTP/1.1");
    assert_eq!(plain.header("idempotency-key"), "a-opened");
    assert_eq!(plain.header("authorization"), "Basic dTpw");
    assert_eq!(plain.json(), serde_json::to_value(opened()).unwrap());

    let far_side = FarSide::replying(&["204 No Content"]);
    let client = client(&format!(
        r#"kind = "webhook"
        method = "PUT"
        headers = {{ X-Fixed = "fixed" }}
        [receiver.template]
        url = "http://{}/{{{{ alert.severity }}}}/{{{{ alert.responders[0] if alert.responders else '-' }}}}?node={{{{ alert.node }}}}"
        headers = {{ X-Who = "{{{{ alert.responders | join(',') }}}}" }}
        body = '{{ "text": {{{{ story.title }}}}, "who": {{{{ alert.responders }}}} }}'
        "#,
        far_side.address
    ));
    assert_eq!(attempt(&client, &opened()).await, Reply::Taken);
    let told = far_side.next();
    assert_eq!(
        told.line, "PUT /critical/%2F..%2F..%2Fevil%3Fx%23%0D%0AX-Evil%3A%201?node= HTTP/1.1",
        "nothing that is filled in becomes a part of the URL"
    );
    assert_eq!(told.header("x-evil"), "");
    assert_eq!(told.header("x-who"), "/../../evil?x#  X-Evil: 1");
    assert_eq!(told.header("x-fixed"), "fixed");
    let body = told.json();
    assert_eq!(body["who"], json!(["/../../evil?x#\r\nX-Evil: 1"]));
    assert!(body["text"].as_str().unwrap().starts_with("Critical: "));
}

#[tokio::test]
async fn forms_and_texts_are_sent_as_what_they_are() {
    let keys = r#"kind = "webhook"
        template = { content_type = "application/x-www-form-urlencoded", body = "m={{ alert.reason }}&s={{ alert.severity }}" }"#;
    let form = told(keys, "/form", "200 OK").await;
    assert_eq!(form.header("content-type"), "application/x-www-form-urlencoded");
    let pairs: Vec<_> = url::form_urlencoded::parse(form.body.as_bytes()).into_owned().collect();
    assert_eq!(pairs[0], ("m".to_owned(), opened().alert.reason));
    assert_eq!(pairs[1], ("s".to_owned(), "critical".to_owned()));
}

#[tokio::test]
async fn the_signature_can_be_verified_with_either_secret() {
    let keys = format!("kind = \"webhook\"\nsecrets = [{OLD_SECRET:?}, {NEW_SECRET:?}]");
    let told = told(&keys, "/hook", "204 No Content").await;
    assert_eq!(told.header("webhook-id"), told.header("idempotency-key"));
    assert_eq!(told.header("webhook-timestamp"), now().timestamp().to_string());
    for secret in [OLD_SECRET, NEW_SECRET] {
        assert!(verify(&told, secret, &told.body), "{told:?}");
        assert!(!verify(&told, secret, &told.body.replace("opened", "closed")));
    }
    assert!(!verify(&told, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &told.body));
}

/// As a receiver would do it: some signature has to be the one that the secret makes of what arrived.
fn verify(told: &Told, secret: &str, body: &str) -> bool {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let content = format!("{}.{}.{body}", told.header("webhook-id"), told.header("webhook-timestamp"));
    let signatures = told.header("webhook-signature").split(' ');
    let signatures =
        signatures.filter_map(|signature| BASE64_STANDARD.decode(signature.strip_prefix("v1,")?).ok());
    signatures.into_iter().any(|signature| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(content.as_bytes());
        mac.verify_slice(&signature).is_ok()
    })
}
