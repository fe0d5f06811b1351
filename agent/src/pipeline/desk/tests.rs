//! When something is told, by a clock that is set.

use std::path::Path;

use vipwatch_model::{
    alert::{AlertKey, Severity},
    dispatch::Matcher,
    state::Machine,
    verdict::Responder,
};

use super::*;
use crate::config;

const CONFIG: &str = r#"
[agent]
vantage = "test"
[alerts]
group_wait = "30s"
[[receiver]]
name = "ops"
kind = "webhook"
url = "https://alerts.example.net/ops"
[[maintenance]]
name = "patch-night"
cron = "0 2 * * *"
duration = "2h"
"#;

fn plan() -> Plan {
    planned(CONFIG)
}

fn planned(source: &str) -> Plan {
    let config = config::parse(source, Path::new("probes.toml"), &|_| None);
    Plan::new(&config.unwrap_or_else(|faults| panic!("{}", faults.render(false))))
}

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-07-01T{time}Z").parse().unwrap()
}

/// What is delivered by a desk that has waited until `now`.
fn tend(desk: &mut Desk, plan: &Plan, now: DateTime<Utc>) -> usize {
    assert_eq!(desk.wait(now), Some(Duration::ZERO));
    assert!(desk.is_due(now));
    let mut effects = Effects::default();
    desk.tend(plan, &mut effects, now);
    effects.deliveries.len()
}

#[test]
fn a_clock_that_is_set_back_opens_and_ends_maintenance_windows() {
    let plan = plan();
    for (before, was_open, after, open, until) in [
        ("04:30:00", false, "02:30:00", true, "04:00:00"),
        ("02:30:00", true, "01:15:00", false, "02:00:00"),
        ("02:30:00", true, "02:29:59", true, "04:00:00"),
    ] {
        let mut desk = Desk::default();
        desk.replanned(at(before));
        tend(&mut desk, &plan, at(before));
        assert_eq!(!desk.windows.is_empty(), was_open, "{before}");
        tend(&mut desk, &plan, at(after));
        assert_eq!(!desk.windows.is_empty(), open, "{before} to {after}");
        assert_eq!(desk.wait(at(after)), (at(until) - at(after)).to_std().ok(), "{before} to {after}");
    }
}

#[test]
fn what_waits_for_company_does_not_wait_for_the_clock_to_come_round_again() {
    let (plan, mut desk, now) = (plan(), Desk::default(), at("12:00:00"));
    desk.replanned(now);
    let key = AlertKey::of_vantage(AlertKind::EgressChanged, "192.0.2.201");
    let alert = Alert::of_vantage("a".into(), key, Severity::Info, now, now);
    desk.dispatcher.opened(&alert, Circumstances::default());
    assert_eq!(tend(&mut desk, &plan, now), 0);
    assert_eq!(desk.wait(now), Some(Duration::from_secs(30)));
    let now = at("11:00:10");
    assert_eq!(tend(&mut desk, &plan, now), 0);
    assert_eq!(desk.wait(now), Some(Duration::from_secs(30)));
    assert_eq!(tend(&mut desk, &plan, now + TimeDelta::seconds(30)), 1);
}

#[test]
fn what_is_open_is_known_to_whom_it_was_told_and_to_whom_it_would_be_told_now() {
    let more = "[[receiver]]\nname = \"am\"\nkind = \"alertmanager\"\nurls = [\"http://192.0.2.93:9093\"]\n";
    let before = planned(&format!("{}{more}", CONFIG.replace("30s", "0s")));
    let after =
        planned(&format!("{}{more}", CONFIG.replace("30s", "0s")).replace("\"am\"", "\"alertmanagers\""));
    let (mut desk, now) = (Desk::default(), at("12:00:00"));
    let key = AlertKey::of_vantage(AlertKind::EgressChanged, "192.0.2.201");
    let alert = Alert::of_vantage("a".into(), key, Severity::Info, now, now);
    desk.dispatcher.opened(&alert, Circumstances::default());
    desk.replanned(now);
    assert!(desk.standing(&before, now).is_empty(), "nobody was told");
    assert_eq!(tend(&mut desk, &before, now), 2);
    desk.replanned(now);
    assert_eq!(tend(&mut desk, &after, now), 0);
    let knows = |desk: &Desk, name: &str| desk.standing(&after, now)[0].is_known_to(name);
    for (name, known) in [("ops", true), ("am", true), ("alertmanagers", true), ("night", false)] {
        assert_eq!(knows(&desk, name), known, "{name}");
    }
    let silence = Silence {
        id: "s".into(),
        matcher: Matcher::default(),
        from: now,
        until: at("13:00:00"),
        asked_from: None,
        by: "kim".into(),
        comment: "move".into(),
    };
    desk.silence(silence, &mut Effects::default());
    assert!(knows(&desk, "am") && !knows(&desk, "alertmanagers"), "nobody hears of it who has not");
}

/// A plan with a service on two nodes that are pinged, all of it up, and answered for by `node-1`.
fn town() -> (Plan, HashMap<ProbeName, Watched>) {
    let plan = planned(
        r#"
        [agent]
        vantage = "test"
        [cluster]
        ping_nodes = true
        node = [{ name = "node-1", addresses = ["192.0.2.11"] }, { name = "node-2", addresses = ["192.0.2.12"] }]
        [[service]]
        name = "shop/front"
        vips = ["192.0.2.201"]
        port = 80
        external_traffic_policy = "Local"
        health_check_node_port = 30001
        echo = { path = "/", format = "auto" }
        [[probe]]
        name = "elsewhere"
        kind = "tcp"
        address = "198.51.100.7:443"
        "#,
    );
    let watched = plan.probes.iter().map(|planned| {
        let mut watched = Watched::new(Arc::clone(planned));
        watched.machine = Machine { state: State::Up, since: Some(at("11:00:00")), ..Machine::default() };
        if planned.probe.subject.service().is_some() {
            let by = Responder { node: Some("node-1".to_owned()), pod: None, flows: 2 };
            watched.distribution.add(&[by], 10);
        }
        (planned.probe.name.clone(), watched)
    });
    let watched = watched.collect();
    (plan, watched)
}

#[test]
fn a_node_and_what_it_takes_along_wait_for_each_other() {
    let now = at("12:00:00");
    // Which of them has begun to fail, which alert is opened, and whether that waits.
    for (failing, kind, opened, waits) in [
        ("ping@node-1", AlertKind::Unreachable, "shop/front@192.0.2.201", true),
        ("elsewhere", AlertKind::NodeDown, "ping@node-1", false),
        ("shop/front@node-1", AlertKind::Unreachable, "shop/front@192.0.2.201", true),
        ("ping@node-2", AlertKind::Unreachable, "shop/front@192.0.2.201", false),
        ("shop/front@192.0.2.201", AlertKind::NodeDown, "ping@node-1", true),
        ("shop/front@node-1", AlertKind::NodeDown, "ping@node-1", true),
        ("shop/front@192.0.2.201", AlertKind::NodeDown, "ping@node-2", false),
        ("shop/front@node-2", AlertKind::NodeDown, "ping@node-1", false),
        ("shop/front@192.0.2.201", AlertKind::Degraded, "ping@node-1", false),
    ] {
        let (plan, mut watched) = town();
        let one = watched.get_mut(&ProbeName::new(failing)).unwrap_or_else(|| panic!("{failing}"));
        let (rules, gap) = (one.planned.probe.rules.clone(), one.planned.gap);
        one.machine.step(State::Down, now, &rules, false);
        let alert = Alert::untold(kind, &watched[&ProbeName::new(opened)].planned.probe);
        let until = circumstances(&alert, &plan, &watched, now).company_until;
        let case = format!("{opened} while {failing}: {until:?}");
        assert_eq!(until.is_some(), waits, "{case}");
        assert!(until.is_none_or(|until| until <= now + TimeDelta::from_std(gap).unwrap() * 2), "{case}");
    }
}
