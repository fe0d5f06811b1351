//! What the configuration says of telling, through the whole agent: rules, routes and maintenance windows.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event, Severity};

use crate::{
    agent::{Home, Receiver, free_address},
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
