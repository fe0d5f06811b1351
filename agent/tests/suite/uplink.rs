//! The agent's own uplink, in network namespaces: cut here or further away, while what is probed is well; and the opposite.

use std::process::Command;

use vipwatch_lab::{
    cluster::Announcement,
    namespaces::{CLIENT, Link, NAT, NamespaceLab, inside},
};
use vipwatch_model::{
    alert::{AlertKind, Event},
    notification::Notification,
};
use vipwatch_web::api::{Overview, State};

use crate::{
    agent::{Home, Receiver, state, vip},
    behind_nat::{Behind, both},
    namespaces::{ECHO, INTERVAL, Outside, PATIENCE, VIP, config, node},
};

/// An echo server in the cluster's network, which is no part of the cluster.
const CONTROL: &str = "http://192.0.2.30:8080/";

fn targets(targets: &[&str]) -> String {
    format!("[connectivity]\ntargets = {targets:?}\nevery = \"2s\"\ntimeout = \"500ms\"\n")
}

fn watching(asked: &[&str]) -> Outside {
    let sections = targets(asked);
    Outside::configured(|receiver| {
        let config = config(receiver, "vipwatch.db") + &sections;
        config.replace("[cluster]\n", "[cluster]\nkube_proxy_health_port = 10256\nping_nodes = true\n")
    })
}

fn nothing_is_down(overview: &Overview) -> bool {
    overview.summary.down == 0 && overview.summary.degraded == 0 && overview.summary.translated == 0
}

/// The only two notifications that there are: the agent was blind, and sees again.
#[track_caller]
fn once_blind(receiver: &Receiver, heal: impl FnOnce()) -> (Notification, Notification) {
    let (opened, others) = receiver.next_of(AlertKind::VantageBlind, Event::Opened, PATIENCE);
    assert!(others.is_empty(), "{others:#?}");
    let others = receiver.all_within(5 * INTERVAL);
    assert!(others.is_empty(), "{others:#?}");
    heal();
    let (resolved, others) = receiver.next_of(AlertKind::VantageBlind, Event::Resolved, PATIENCE);
    assert!(others.is_empty(), "{others:#?}");
    let others = receiver.all_within(5 * INTERVAL);
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(resolved.alert.id, opened.alert.id);
    (opened, resolved)
}

/// What is opened while the agent is blind would not be told; there has to be nothing that could be.
#[track_caller]
fn never_another_alert(home: &Home, overview: &Overview) {
    let fell = overview.transitions.iter().find(|change| change.to == State::Down);
    assert_eq!(fell, None, "nothing was ever taken for down");
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let mut rows = database.prepare("SELECT kind FROM alert").unwrap();
    let kinds: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(kinds, ["vantage_blind"]);
}

#[test]
fn a_cut_link_is_one_alert_and_one_summary() {
    if !inside("uplink::a_cut_link_is_one_alert_and_one_summary") {
        return;
    }
    let mut outside = watching(&["192.0.2.1", CONTROL]);
    let seeing = outside.until("both targets' answers", |overview| {
        let targets = &overview.agent.connectivity.targets;
        targets.len() == 2 && targets.iter().all(|target| target.latency_ms.is_some())
    });
    assert!(!seeing.agent.connectivity.blind);
    outside.lab.set_link(CLIENT, Link::Down).unwrap();
    let (opened, resolved) = once_blind(&outside.receiver, || {
        outside.lab.set_link(CLIENT, Link::Up).unwrap();
    });
    assert_eq!(opened.alert.title, "the agent cannot see");
    assert!(opened.alert.reason.starts_with("No link of this host has carrier"), "{}", opened.alert.reason);
    let resolved = resolved.resolution.unwrap();
    let summary = resolved.reason;
    // The VIP, and of each of three nodes its health check node port, its kube-proxy and a ping.
    assert!(summary.contains("it could not; 10 probes had rounds that count as unknown"), "{summary}");
    let again = outside.until("everything is seen again", |overview| {
        overview.at > resolved.at
            && state(overview, VIP) == State::Up
            && state(overview, &node(1)) == State::Up
    });
    assert!(nothing_is_down(&again) && !again.agent.connectivity.blind, "{again:#?}");
    never_another_alert(&outside.home, &again);
}

#[test]
fn a_router_that_drops_everything_is_one_alert_and_one_summary() {
    if !inside("uplink::a_router_that_drops_everything_is_one_alert_and_one_summary") {
        return;
    }
    let mut behind = Behind::configured(&targets(&[CONTROL, "tcp://[2001:db8::30]:8080"]));
    nft(
        &behind.lab,
        "table inet cut { chain forward { type filter hook forward priority 0; policy drop; }; }",
    );
    let (opened, resolved) = once_blind(&behind.receiver, || nft(&behind.lab, "delete table inet cut"));
    let reason = &opened.alert.reason;
    assert!(
        reason.starts_with("None of the 2 connectivity targets answers: http://192.0.2.30:8080/ ("),
        "{reason}"
    );
    let resolved = resolved.resolution.unwrap();
    let summary = resolved.reason;
    assert!(summary.contains("5 probes had rounds that count as unknown"), "{summary}");
    let again = behind
        .until("both VIPs preserved", |overview| overview.at > resolved.at && both(State::Up)(overview));
    assert!(nothing_is_down(&again));
    never_another_alert(&behind.home, &again);
}

#[test]
fn a_vip_that_dies_while_one_of_two_targets_answers_is_down() {
    if !inside("uplink::a_vip_that_dies_while_one_of_two_targets_answers_is_down") {
        return;
    }
    let mut outside = watching(&["192.0.2.77", CONTROL]);
    outside.until("one target's answer", |overview| {
        let [dead, control] = &overview.agent.connectivity.targets[..] else { return false };
        dead.error.is_some() && control.latency_ms.is_some()
    });
    outside.lab.set_announcement(ECHO, Announcement::Withheld).unwrap();
    let (opened, others) = outside.receiver.next_of(AlertKind::Unreachable, Event::Opened, PATIENCE);
    assert_eq!(opened.alert.target, "192.0.2.201:80");
    let others = [others, outside.receiver.all_within(3 * INTERVAL)].concat();
    assert!(others.is_empty(), "{others:#?}");
    let shown = outside.until("the VIP is down", |overview| state(overview, VIP) == State::Down);
    assert_eq!(vip(&shown, VIP).last.as_ref().unwrap().finding, "unreachable");
    assert!(!shown.agent.connectivity.blind);
}

fn nft(lab: &NamespaceLab, command: &str) {
    let run = || Command::new("nft").arg(command).status().unwrap();
    assert!(lab.within(NAT, run).unwrap().success(), "{command}");
}
