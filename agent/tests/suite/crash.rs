//! SIGKILL at any moment: no alert is lost, none is told anew, and counting goes on where it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event};
use vipwatch_web::api::State;

use crate::{
    agent::{Home, Page, Receiver, Running, free_address, state},
    cluster::{Cluster, ECHO, receiver},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn killed_at_random_moments_every_alert_is_told_and_none_twice_as_new() {
    let cluster = Cluster::start();
    let receiver_ = Receiver::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 100, &receiver("ops", receiver_.address)));
    let policies = [ExternalTrafficPolicy::Cluster, ExternalTrafficPolicy::Local];
    let mut rounds = 0;
    for i in 0..24u64 {
        let agent = Running::start(&home);
        // Long enough to get going, short enough to be killed in the middle of a count.
        thread::sleep(Duration::from_millis(120 + (i * 73) % 410));
        cluster.apply(Change::policy(ECHO, policies[usize::try_from(i).unwrap() % 2]));
        thread::sleep(Duration::from_millis((i * 131) % 470));
        agent.kill();
        rounds += 1;
    }
    cluster.apply(Change::HealAll);
    let agent = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("everything is healthy", PATIENCE, |overview| {
        overview.alerts.is_empty() && state(overview, &cluster.vip_probe()) == State::Up
    });
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let told = || {
        let left = "SELECT (SELECT count(*) FROM delivery WHERE state = 'pending')
                         + (SELECT count(*) FROM alert WHERE resolved_at IS NULL)";
        database.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap() == 0
    };
    let give_up = Instant::now() + PATIENCE;
    while !told() {
        assert!(Instant::now() < give_up, "something is still to be told");
        thread::sleep(Duration::from_millis(20));
    }
    agent.kill();

    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");

    // Every alert in the database was told as opened and as resolved; nothing else was told.
    let mut told: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut last: BTreeMap<(AlertKind, String), (String, Event)> = BTreeMap::new();
    for notification in receiver_.all_within(Duration::from_millis(200)) {
        let alert = &notification.alert;
        told.entry(alert.id.clone()).or_default().insert(notification.event.as_str());
        let key = (alert.key.kind, alert.key.subject.clone());
        if let Some((id, event)) = last.get(&key)
            && *id != alert.id
        {
            assert_eq!(*event, Event::Resolved, "{key:?}: {} was told as new while {id} was open", alert.id);
        }
        last.insert(key, (alert.id.clone(), notification.event));
    }
    let mut rows = database.prepare("SELECT id, resolved_at IS NOT NULL FROM alert").unwrap();
    let rows: Vec<(String, bool)> =
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().flatten().collect();
    assert!(!rows.is_empty(), "in {rounds} runs nothing was ever found: the test shows nothing");
    let both = BTreeSet::from(["opened", "resolved"]);
    for (id, resolved) in &rows {
        assert!(resolved, "{id} is still open");
        assert_eq!(told.remove(id), Some(both.clone()), "{id}");
    }
    assert!(told.is_empty(), "told, but not written down: {told:?}");
    println!("{rounds} kills, {} alerts, each told and resolved", rows.len());
}

#[test]
fn a_count_goes_on_after_a_kill() {
    let cluster = Cluster::start();
    let listen = free_address();
    // It takes 1,000 bad rounds: no single run gets there.
    let config = cluster.config(listen, 100, "").replace("alert_after = 2", "alert_after = 1000");
    let home = Home::new(&config);
    let (agent, _) = cluster.watched_by(&home, listen);
    let name = cluster.vip_probe();
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let pending = |overview: &vipwatch_web::api::Overview| {
        let vip = crate::agent::vip(overview, &name);
        vip.pending.as_ref().map_or(0, |pending| pending.rounds)
    };
    let seen = Page::open(listen).wait_for("some bad rounds", PATIENCE, |overview| pending(overview) >= 5);
    agent.kill();
    let agent = Running::start(&home);
    let resumed = Page::open(listen).wait_for("more of them", PATIENCE, |overview| pending(overview) > 0);
    // What was not committed yet (at most one group of 50 ms) may be counted again.
    assert!(pending(&resumed) + 1 >= pending(&seen), "{} after {}", pending(&resumed), pending(&seen));
    agent.kill();
}
