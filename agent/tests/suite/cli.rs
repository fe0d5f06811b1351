//! The commands, as a newcomer and a script use them.

use std::{process::Output, time::Duration};

use serde_json::Value;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};

use crate::{
    agent::{Home, Running, connect, free_address, get, vipwatch},
    cluster::{Cluster, ECHO},
};

fn run(home: &Home, arguments: &[&str]) -> Output {
    let (command, rest) = arguments.split_first().unwrap();
    vipwatch().arg(command).arg("--config").arg(home.path()).args(rest).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn probe_prints_verdicts_and_exits_by_them() {
    let cluster = Cluster::start();
    let home = Home::new(&cluster.config(free_address(), 1_000, ""));
    let fine = run(&home, &["probe"]);
    assert_eq!(fine.status.code(), Some(0), "{fine:?}");
    let table = text(&fine.stdout);
    assert!(
        table.contains("preserved") && table.contains("2/2") && table.contains("no_endpoints"),
        "{table}"
    );

    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let bad = run(&home, &["probe", "--json", &cluster.vip_probe()]);
    assert_eq!(bad.status.code(), Some(1));
    let verdicts: Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!(verdicts.as_array().unwrap().len(), 1);
    assert_eq!(verdicts[0]["probe"], cluster.vip_probe());
    assert_eq!(verdicts[0]["verdict"]["finding"], "translated");
    assert!(verdicts[0]["verdict"]["seen"][0]["class"]["node"].as_str().unwrap().starts_with("node-"));

    let by_node = run(&home, &["probe", "--json", "node-2"]);
    let verdicts: Value = serde_json::from_slice(&by_node.stdout).unwrap();
    assert_eq!(verdicts[0]["node"], "node-2");

    let stray = run(&home, &["probe", "nothing"]);
    assert_eq!(stray.status.code(), Some(2));
    assert!(text(&stray.stderr).contains(&cluster.vip_probe()), "the names that there are are listed");
    assert!(!home.database().exists(), "probe stores nothing");
}

#[test]
fn validate_shows_every_fault_and_exits_78() {
    let home = Home::new("[agent]\nvantage = \"test\"\n");
    let fine = run(&home, &["validate"]);
    assert_eq!(fine.status.code(), Some(0));
    assert!(text(&fine.stdout).contains(
        "is fine: 0 services, 0 nodes, 0 probes, 0 receivers. Results of 7 days take about 0.0 GB."
    ));

    home.configure("[agent]\nvantage = \"test\"\nlisten = \"nowhere\"\n[defaults]\nevery = 10\nflowz = 3\n");
    let faulty = run(&home, &["validate"]);
    assert_eq!(faulty.status.code(), Some(78));
    let told = text(&faulty.stderr);
    for part in ["probes.toml:3:", "probes.toml:5:", "probes.toml:6:", "nowhere", "flowz"] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let json = run(&home, &["validate", "--json"]);
    assert_eq!(json.status.code(), Some(78));
    let told: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(told["faults"].as_array().unwrap().len(), 3, "{told:#}");
    assert_eq!(told["faults"][0]["line"], 3);

    let missing = vipwatch().args(["validate", "--config", "/nonexistent/probes.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(78));
    assert!(text(&missing.stderr).contains("/nonexistent/probes.toml"));
}

#[test]
fn validate_tells_who_is_told_and_what_is_odd_about_it() {
    let receivers = r#"
        [agent]
        vantage = "test"
        [[receiver]]
        name = "ops"
        kind = "webhook"
        url = "https://alerts.example.net/ops"
        [[receiver]]
        name = "shop"
        kind = "webhook"
        url = "https://alerts.example.net/shop"
    "#;
    let windows = r#"
        [[maintenance]]
        name = "long-ago"
        from = 2020-03-01T22:00:00Z
        to = 2020-03-02T02:00:00Z
        [[maintenance]]
        name = "long-since"
        from = 2020-03-01T22:00:00Z
        to = 2999-03-02T02:00:00Z
        [[maintenance]]
        name = "far-off"
        from = 2998-03-01T22:00:00Z
        to = 2998-03-02T02:00:00Z
        nodes = ["node-9"]
        labels = { team = "sh*" }
    "#;
    let odd = "[[route]]\nreceivers = [\"ops\"]\nservices = [\"shop/*\"]\n[[route]]\nreceivers = [\"ops\"]\n";
    let home = Home::new(receivers);
    let plain = run(&home, &["validate"]);
    assert!(text(&plain.stdout).ends_with("Alerts go to every receiver.\n"), "{plain:?}");
    assert!(plain.stderr.is_empty(), "{plain:?}");

    home.configure(&format!("{receivers}{odd}{windows}"));
    let told = run(&home, &["validate"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(
        text(&told.stdout).ends_with(
            "Alerts go by 2 routes. 3 maintenance windows: long-since is open until 2999-03-02 02:00 UTC; \
             far-off opens next, on 2998-03-01 22:00 UTC.\n"
        ),
        "{told:?}"
    );
    let warnings = [
        "The receiver shop is never told of anything: no route leads to it, and one takes whatever comes.",
        "The route to ops names the service shop/*, and there is none.",
        "The maintenance window far-off names the node node-9, and there is none.",
        "The maintenance window far-off names the label team = \"sh*\", and there is none.",
        "The maintenance window long-ago is over for good: take it out.",
    ];
    let lines: String = warnings.iter().map(|warning| format!("vipwatch: {warning}\n")).collect();
    assert_eq!(text(&told.stderr), lines);
    let json: Value = serde_json::from_slice(&run(&home, &["validate", "--json"]).stdout).unwrap();
    assert_eq!((&json["faults"], &json["warnings"]), (&serde_json::json!([]), &serde_json::json!(warnings)));
}

#[test]
fn a_faulty_configuration_keeps_run_from_starting() {
    let home = Home::new("[agent]\n");
    let output = home.command().output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("vantage"));
}

#[test]
fn wrong_usage_exits_2_and_help_names_the_commands() {
    assert_eq!(vipwatch().arg("dance").output().unwrap().status.code(), Some(2));
    let help = text(&vipwatch().arg("--help").output().unwrap().stdout);
    for word in ["run", "validate", "probe", "receivers", "echo", "demo", "schema", "Exit codes"] {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn echo_tells_who_asked() {
    let listen = free_address();
    let mut command = vipwatch();
    command
        .args(["echo", "--http", &listen.to_string()])
        .env("NODE_NAME", "node-7")
        .env("POD_NAME", "echo-x");
    let echo = Running::of(&mut command);
    let local = connect(listen).local_addr().unwrap();
    let (status, body) = get(listen, "/");
    assert!(status.ends_with("200 OK"));
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["peer"]["address"], local.ip().to_string());
    assert_eq!((answer["node"].as_str(), answer["pod"].as_str()), (Some("node-7"), Some("echo-x")));
    echo.signal(rustix::process::Signal::TERM);
    assert_eq!(echo.ended(Duration::from_secs(2)), 0);
}

#[test]
fn logs_are_json_when_asked_for() {
    let home = Home::new(&format!("[agent]\nvantage = \"test\"\nlisten = \"{}\"\n", free_address()));
    let mut command = home.command();
    command.args(["--log-format", "json"]).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut entries = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    // What the parts say of their start comes in no order.
    let start = entries.find(|entry| entry["vantage"] == "test").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(start["level"], "INFO");
}
