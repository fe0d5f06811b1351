//! Every kind of receiver that is told over HTTP: what arrives on a real socket, what the command shows of it, and
//! that no secret gets anywhere else.

mod far_side;

use std::{fs::File, path::Path, process::Stdio, time::Duration};

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
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind, Event, Severity},
    notification::{Companion, Notification, Resolution},
};

use crate::{
    agent::{Home, Page, Running, free_address, get, state, vipwatch},
    cluster::{Cluster, ECHO},
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

/// A configuration with a receiver of each kind, every secret in it `s3cr3t`.
fn secretive(address: std::net::SocketAddr) -> String {
    format!(
        r#"
        [[receiver]]
        name = "slack"
        kind = "slack"
        url = "http://vipwatch:s3cr3t-password@{address}/services/s3cr3t-slack"
        [[receiver]]
        name = "on-call"
        kind = "pagerduty"
        url = "http://{address}/"
        routing_key = "s3cr3tpagerduty"
        [[receiver]]
        name = "telephone"
        kind = "ntfy"
        url = "http://{address}/"
        topic = "s3cr3t-topic"
        bearer_token = "s3cr3t-token"
        [[receiver]]
        name = "hook"
        kind = "webhook"
        headers = {{ X-Token = "s3cr3t-header" }}
        secrets = ["whsec_czNjcjN0LXMzY3IzdC1zM2NyM3QtczNjcjN0"]
        [receiver.template]
        url = "http://{address}/hook/s3cr3t-path?key=s3cr3t-query&kind={{{{ alert.kind }}}}"
        body = '{{"token": "${{HOOK_TOKEN}}", "text": {{{{ story.text }}}}}}'
        "#
    )
    .lines()
    .map(|line| format!("{}\n", line.trim_start()))
    .collect()
}

#[test]
fn a_test_shows_the_exchange_without_its_secrets() {
    // A far side that repeats all it is told, and tries to move the cursor.
    let echo = "200 OK\nx-repeated: s3cr3t-header s3cr3t-slack\n\ns3cr3t-path s3cr3t-query s3cr3tpagerduty s3cr3t-topic \
                s3cr3t-token s3cr3t-body s3cr3t-password\u{1b}[2J";
    let far_side = FarSide::replying(&[echo]);
    let home = Home::new(&format!("[agent]\nvantage = \"office-fra\"\n{}", secretive(far_side.address)));
    for (name, requests) in [("slack", 1), ("on-call", 2), ("telephone", 1), ("hook", 1)] {
        let mut command = vipwatch();
        command.args(["receivers", "test", name, "--config"]).arg(home.path());
        let output = command.env("HOOK_TOKEN", "s3cr3t-body").output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{shown}");
        let told: Vec<Told> = (0..requests).map(|_| far_side.next()).collect();
        assert!(told[0].body.contains("Nothing happened"), "{told:?}");
        assert!(shown.contains(&format!("> POST http://{}/", far_side.address)), "{shown}");
        assert!(shown.contains("< HTTP/1.1 200 OK\n"), "{shown}");
        assert!(shown.ends_with(&format!("✓ {name} has it.\n")), "{shown}");
        let own = ["password", "slack", "pagerduty", "topic", "token", "header", "path", "query", "body"];
        let kinds: &[&str] = match name {
            "slack" => &own[..2],
            "on-call" => &own[2..3],
            "telephone" => &own[3..5],
            _ => &own[5..],
        };
        for kind in kinds {
            assert!(!shown.contains(&format!("s3cr3t-{kind}")), "{kind}: {shown}");
            assert!(!shown.contains(&format!("s3cr3t{kind}")), "{kind}: {shown}");
        }
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
    assert!(far_side.is_done());
}

#[tokio::test]
async fn a_proxy_of_the_configuration_is_asked() {
    for (kind, url, line) in [
        (
            "webhook",
            "url = \"http://alerts.example.net/hook\"",
            "POST http://alerts.example.net/hook HTTP/1.1",
        ),
        (
            "alertmanager",
            "urls = [\"http://alerts.example.net/\"]",
            "POST http://alerts.example.net/api/v2/alerts HTTP/1.1",
        ),
    ] {
        let proxy = FarSide::replying(&["200 OK"]);
        let client = client(&format!("kind = \"{kind}\"\n{url}\nproxy = \"http://u:p@{}\"", proxy.address));
        assert_eq!(attempt(&client, &opened()).await, Reply::Taken);
        let told = proxy.next();
        assert_eq!((told.line.as_str(), told.header("proxy-authorization")), (line, "Basic dTpw"));
        assert_eq!(told.header("authorization"), "");
    }
    // Its password is in no error.
    let refuses = FarSide::replying(&["407 Proxy Authentication Required"]);
    let client = client(&format!(
        "kind = \"webhook\"\nurl = \"https://alerts.example.net/\"\nproxy = \"http://user:s3cr3t@{}\"",
        refuses.address
    ));
    let Reply::Later { error, .. } = attempt(&client, &opened()).await else { panic!() };
    assert!(!error.contains("s3cr3t") && error.starts_with("failed to connect: "), "{error}");
}

/// Alerts go where the configuration says, whatever the environment is made for.
#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let (far_side, dead_address) = (FarSide::replying(&["200 OK"]), free_address());
    let home = Home::new(&format!(
        "[agent]\nvantage = \"office-fra\"\n[[receiver]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"http://{}/\"\n",
        far_side.address
    ));
    let mut command = vipwatch();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, format!("http://{dead_address}/"));
    }
    let output = command.args(["receivers", "test", "ops", "--config"]).arg(home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(far_side.next().line, "POST / HTTP/1.1");
}

#[test]
fn a_body_file_takes_its_secrets_from_the_environment() {
    let far_side = FarSide::replying(&["200 OK\n\ns3cr3t-body"]);
    let home = Home::new(&format!(
        "[agent]\nvantage = \"office-fra\"\n[[receiver]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"http://{}/\"\n\
         template = {{ body_file = \"body.json\" }}\n",
        far_side.address
    ));
    let body = "{\"token\": \"${HOOK_TOKEN}\", \"plain\": \"$${HOOK_TOKEN}\"}";
    std::fs::write(home.path().with_file_name("body.json"), body).unwrap();
    let run = |token: Option<&str>| {
        let mut command = vipwatch();
        command.env_remove("HOOK_TOKEN").envs(token.map(|token| ("HOOK_TOKEN", token)));
        command.args(["receivers", "test", "ops", "--config"]).arg(home.path()).output().unwrap()
    };
    let output = run(Some("s3cr3t-body"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(far_side.next().json(), json!({ "token": "s3cr3t-body", "plain": "${HOOK_TOKEN}" }));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("s3cr3t"));
    let faults = String::from_utf8(run(None).stderr).unwrap();
    assert!(faults.contains("the environment variable HOOK_TOKEN is not set"), "{faults}");
}

#[test]
fn a_test_that_fails_says_so() {
    let far_side = FarSide::replying(&["404 Not Found\n\nno_team"]);
    let (well, dead_address) = (FarSide::replying(&["200 OK"]), free_address());
    let config = format!(
        "[agent]\nvantage = \"office-fra\"\n[[receiver]]\nname = \"chat\"\nkind = \"slack\"\nurl = \"http://{}/s3cr3t\"\n\
         [[receiver]]\nname = \"dead\"\nkind = \"webhook\"\nurl = \"http://{dead_address}/\"\n\
         [[receiver]]\nname = \"several\"\nkind = \"alertmanager\"\nurls = [\"http://{dead_address}/\", \"http://{}/\"]\n",
        far_side.address, well.address
    );
    let home = Home::new(&config);
    let run = |arguments: &[&str]| {
        let output =
            vipwatch().arg("receivers").args(arguments).arg("--config").arg(home.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, shown, _) = run(&["test", "chat"]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("< HTTP/1.1 404 Not Found\n") && shown.contains("\n<\n< no_team\n"), "{shown}");
    assert!(shown.ends_with("✗ chat does not want it: HTTP 404. An alert would be given up.\n"), "{shown}");

    let (code, shown, _) = run(&["test", "chat", "--json"]);
    let report: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &report["outcome"], &report["error"]), (1, &json!("refused"), &json!("HTTP 404")));
    assert_eq!(report["exchanges"][0]["received"]["body"], "no_team");
    assert_eq!(report["exchanges"][0]["sent"]["line"], format!("POST http://{}/***", far_side.address));

    let (code, shown, _) = run(&["test", "dead"]);
    assert_eq!(code, 1);
    let dead = "✗ dead does not have it: failed to connect: Connection refused (os error 111). An alert would be told again \
                later.\n";
    assert!(shown.ends_with(dead) && !shown.contains("< "), "{shown}");

    let (code, shown, _) = run(&["test", "several"]);
    assert_eq!(code, 1);
    let several =
        format!("✗ Not everybody behind several has it: http://{dead_address}: failed to connect: ");
    assert!(shown.contains(&several) && shown.contains("< HTTP/1.1 200 OK\n"), "{shown}");

    let (code, _, told) = run(&["test", "nobody"]);
    assert_eq!(code, 2);
    assert!(told.contains("chat\n  dead"), "{told}");

    let (code, shown, _) = run(&[]);
    assert_eq!(code, 0);
    assert!(
        shown.contains("several")
            && shown.contains("chat")
            && shown.contains("slack")
            && shown.contains(&far_side.address.to_string()),
        "{shown}"
    );
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let (code, shown, _) = run(&["--json"]);
    let list: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &list[1]["name"], &list[1]["kind"]), (0, &json!("dead"), &json!("webhook")));
}

#[test]
fn a_configuration_without_receivers_is_named_as_such() {
    let home = Home::new("[agent]\nvantage = \"office-fra\"\n");
    let run = |arguments: &[&str]| {
        vipwatch().arg("receivers").args(arguments).arg("--config").arg(home.path()).output().unwrap()
    };
    let listed = run(&[]);
    let none = "Nobody is told about alerts: the configuration has no [[receiver]].\n";
    assert_eq!((listed.status.code(), String::from_utf8(listed.stdout).unwrap().as_str()), (Some(0), none));
    let tried = run(&["test", "ops"]);
    let told = String::from_utf8(tried.stderr).unwrap();
    assert_eq!(tried.status.code(), Some(2));
    assert_eq!(told, "vipwatch: there is no receiver \"ops\"; the configuration has no [[receiver]]\n");
}

/// An alert goes out to all kinds from a running agent; neither its log nor its page holds a secret, whatever the far
/// side answers.
#[test]
fn no_secret_gets_into_the_log_or_onto_the_page() {
    let cluster = Cluster::start();
    let far_side = FarSide::replying(&[
        "400 s3cr3t-reason\nx-echo: s3cr3t-slack\n\ns3cr3t-body",
        "302 Found\nlocation: /s3cr3t",
    ]);
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, &secretive(far_side.address)));
    let log = home.path().with_extension("log");
    let mut command = home.command();
    command.env("HOOK_TOKEN", "s3cr3t-body").env("RUST_LOG", "debug");
    command.stderr(Stdio::from(File::create(&log).unwrap()));
    let agent = Running::of(&mut command);
    let mut page = Page::open(listen);
    let patience = Duration::from_secs(20);
    page.wait_for("the healthy service", patience, |overview| {
        state(overview, &cluster.vip_probe()) == vipwatch_web::api::State::Up
    });
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    page.wait_for("refusals", patience, |overview| {
        overview.receivers.len() == 4
            && overview.receivers.iter().all(|receiver| receiver.last_error.is_some())
    });
    let (_, overview) = get(listen, "/api/v1/overview");
    agent.kill();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("a receiver refused a notification for good"), "{log}");
    assert!(!log.contains("s3cr3t"), "{log}");
    assert!(!overview.contains("s3cr3t"), "{overview}");
}
