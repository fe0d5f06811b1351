//! What the configuration says of telling, through the whole agent: rules, routes and maintenance windows.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event, Severity};

use crate::{
    agent::{Home, Receiver, free_address, vipwatch},
    cluster::{Cluster, ECHO, receiver},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn alerts_go_where_routes_lead_and_are_as_bad_as_rules_say() {
    let cluster = Cluster::start();
    let (network, rest) = (Receiver::start(), Receiver::start());
    let listen = free_address();
    let home = Home::new(&cluster.config(
        listen,
        200,
        &format!(
            "alerts = {{ source_translated = {{ severity = \"warning\", after = 3 }}, policy_drift = {{ enabled = false }} }}\n\
             {}{}[[route]]\nreceivers = [\"network\"]\nkinds = [\"source_translated\"]\nservices = [\"default/*\"]\n\
             [[route]]\nreceivers = [\"rest\"]\n",
            receiver("network", network.address),
            receiver("rest", rest.address),
        ),
    ));
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let (opened, before) = network.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    assert_eq!(opened.alert.severity, Severity::Warning);
    // It is delivered once it is written.
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let rounds = database.query_row(
        "SELECT count(*) FROM round JOIN probe ON probe.id = round.probe WHERE name = ?1 AND at BETWEEN ?2 AND ?3",
        (&opened.alert.probe, opened.alert.since.timestamp_millis(), opened.alert.opened_at.timestamp_millis()),
        |row| row.get::<_, i64>(0),
    );
    assert_eq!(rounds, Ok(3));
    assert!(before.is_empty(), "{before:#?}");
    cluster.apply(Change::HealAll);
    let (_, before) = network.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert!(before.is_empty(), "{before:#?}");
    page.wait_for("quiet", PATIENCE, |overview| overview.alerts.is_empty());

    // Every node closed its port, which would have been policy drift.
    cluster.apply(Change::Endpoints { service: ECHO.into(), placement: Vec::new() });
    let (_, others) = rest.next_of(AlertKind::NoHealthyNode, Event::Opened, PATIENCE);
    let kinds: Vec<_> = others.iter().map(|other| other.alert.key.kind).collect();
    assert!(
        !kinds.contains(&AlertKind::SourceTranslated) && !kinds.contains(&AlertKind::PolicyDrift),
        "{kinds:?}"
    );
    agent.kill();
}

/// Asked before anything happens: which rule would open an alert, and who would be told.
#[test]
fn routes_and_rules_can_be_asked_for() {
    let home = Home::new(
        r#"
        [agent]
        vantage = "test"
        [alerts]
        unreachable = { after = "3 of 5", for = "1m30s" }
        dns_drift = { enabled = false }
        [cluster]
        node = [
            { name = "node-1", addresses = ["192.0.2.11"] },
            { name = "node-2", addresses = ["192.0.2.12"] },
        ]
        [[service]]
        name = "shop/front"
        vips = ["192.0.2.201"]
        port = 80
        external_traffic_policy = "Local"
        health_check_node_port = 30001
        dns_name = "front.example.net"
        alerts = { node_down = { after = 5, severity = "critical" } }
        [[probe]]
        name = "gateway"
        kind = "icmp"
        address = "192.0.2.1"
        [[receiver]]
        name = "ops"
        kind = "webhook"
        url = "https://alerts.example.net/ops"
        [[receiver]]
        name = "night"
        kind = "webhook"
        url = "https://alerts.example.net/night"
        [[route]]
        receivers = ["night"]
        severities = ["critical"]
        continue = true
        [[route]]
        receivers = ["ops"]
        services = ["shop/*"]
        [[route]]
        receivers = []
        kinds = ["flapping"]
        "#,
    );
    let routes = |arguments: &[&str]| {
        let mut command = vipwatch();
        command.args(["receivers", "routes"]).args(arguments).arg("--config").arg(home.path());
        command.output().unwrap()
    };
    let rows = |arguments: &[&str]| {
        let output = routes(&[arguments, &["--json"]].concat());
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let row = |row: &Value| {
            let keys =
                ["kind", "subject", "severity", "opened_after", "over_after"].map(|key| word(row, key));
            format!("{}: {} by {}", keys.join(", "), row["receivers"], row["routes"])
        };
        rows.iter().map(row).collect::<Vec<String>>()
    };
    let unreachable = "unreachable, shop/front@192.0.2.201, critical, 3 of 5 rounds and 1m30s, 2 rounds";
    assert_eq!(
        rows(&["--kind", "unreachable"]),
        [
            format!(r#"{unreachable}: ["night","ops"] by [1,2]"#),
            r#"unreachable, gateway, critical, 3 of 5 rounds and 1m30s, 2 rounds: ["night"] by [1]"#
                .to_owned(),
        ]
    );
    assert_eq!(
        rows(&[
            "--kind",
            "node_down",
            "--kind",
            "policy_drift",
            "--kind",
            "dns_drift",
            "--service",
            "shop/*"
        ]),
        [
            r#"dns_drift, shop/front@192.0.2.201, warning, never: turned off, : ["ops"] by [2]"#,
            r#"node_down, shop/front@node-1, critical, 5 rounds, 2 rounds: ["night","ops"] by [1,2]"#,
            r#"policy_drift, shop/front, warning, 5 rounds, 2 rounds: ["ops"] by [2]"#,
            r#"node_down, shop/front@node-2, critical, 5 rounds, 2 rounds: ["night","ops"] by [1,2]"#,
        ]
    );
    assert_eq!(
        rows(&["--probe", "gateway", "--kind", "degraded", "--kind", "flapping"]),
        [
            r#"degraded, gateway, warning, 2 rounds, 2 rounds: ["ops","night"] by []"#,
            r#"flapping, gateway, warning, 30% changes in 21 rounds, less than 20%: [] by [3]"#,
        ]
    );
    let table = String::from_utf8(routes(&["--probe", "gateway"]).stdout).unwrap();
    assert!(table.contains("nobody (route #3)") && table.contains("no route takes it"), "{table}");
    let none = routes(&["--kind", "certificate_expiring"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}

#[test]
fn a_maintenance_window_holds_back_what_its_end_then_tells() {
    let cluster = Cluster::start();
    let ops = Receiver::start();
    let listen = free_address();
    let until = |to: &str| {
        let window =
            "[[maintenance]]\nname = \"upgrade\"\nservices = [\"default/*\"]\nfrom = 2020-03-01T22:00:00Z\n";
        cluster.config(listen, 200, &format!("{}{window}to = {to}\n", receiver("ops", ops.address)))
    };
    let home = Home::new(&until("2999-03-01T22:00:00Z"));
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    page.wait_for("what is held back", PATIENCE, |overview| {
        let mut alerts = overview.alerts.iter().filter(|alert| alert.kind == "source_translated");
        alerts.any(|alert| alert.held.as_ref().is_some_and(|held| held.why == "maintenance window upgrade"))
    });

    let end = DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::milliseconds(1_500);
    home.configure(&until(&end.to_rfc3339()));
    let (opened, _) = ops.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    let told = DateTime::<Utc>::from(SystemTime::now());
    assert!(opened.alert.opened_at < end - TimeDelta::seconds(1) && told >= end, "{told} is before {end}");
    agent.kill();
}
