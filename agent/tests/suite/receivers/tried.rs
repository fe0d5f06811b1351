//! Receivers that are tried: what the command shows of it, and that no secret gets anywhere else.

use std::{fs::File, process::Stdio, time::Duration};

use serde_json::{Value, json};
use vipwatch::outbox::Reply;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};

use super::{
    attempt, client,
    far_side::{FarSide, Told},
    opened,
};
use crate::{
    agent::{Home, Page, Running, free_address, get, state, vipwatch},
    cluster::{Cluster, ECHO},
};

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
