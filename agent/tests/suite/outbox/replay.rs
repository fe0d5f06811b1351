//! What was given up can be attempted again.

use std::{net::TcpListener, sync::mpsc, time::Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::{
    alert::{AlertKind, Event},
    notification::Notification,
};

use super::{PATIENCE, moody, watch_one_vip};
use crate::{
    agent::{Home, Page, Receiver, Running, free_address},
    cluster::{Cluster, ECHO, receiver},
    operator::{ask, assert_failed, told},
};

const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const TAKEN: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

#[test]
fn what_was_given_up_is_listed_and_attempted_again() {
    let cluster = Cluster::start();
    let (strict, _refused) =
        moody(vec!["HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"]);
    let good = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free_address();
    let config = |address| cluster.config(listen, 100, &receiver("ops", address));
    let home = Home::new(&config(strict));
    let (agent, mut page) = cluster.watched_by(&home, listen);
    assert_eq!(told(&ask(&home, &["deliveries"])), "There is no such delivery.\n");
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let is_open = |overview: &vipwatch_web::api::Overview| {
        overview.alerts.iter().any(|alert| alert.kind == "source_translated")
    };
    page.wait_for("what was given up", PATIENCE, |overview| {
        is_open(overview) && overview.receivers[0].dead > 0 && overview.receivers[0].pending == 0
    });

    let table = told(&ask(&home, &["deliveries", "--state", "dead", "--receiver", "ops"]));
    assert!(table.contains("given up after one attempt: HTTP 401") && table.contains("source"), "{table}");
    let list = |more: &[&str]| -> Vec<Value> {
        let listed = told(&ask(&home, &[&["deliveries", "--json"], more].concat()));
        serde_json::from_str(&listed).unwrap()
    };
    let dead = list(&["--state", "dead"]);
    assert!(list(&["--state", "delivered"]).is_empty() && list(&["--receiver", "nobody"]).is_empty());
    let of_one = list(&["--alert", dead[0]["alerts"][0].as_str().unwrap(), "--limit", "1"]);
    assert_eq!(of_one[0]["id"], dead[0]["id"]);

    let good = Receiver::on(good);
    home.configure(&config(good.address));
    let id = dead.last().unwrap()["id"].as_str().unwrap();
    assert_failed(&ask(&home, &["deliveries", "retry", "4711"]), 1, "none of these was given up");
    assert_failed(&ask(&home, &["deliveries", "retry", "x"]), 1, "ids are numbers");
    assert_failed(&ask(&home, &["deliveries", "retry"]), 2, "--all-dead");
    // The strict one may have it once more, until the file has been read.
    loop {
        let again = ask(&home, &["deliveries", "retry", id]);
        if again.status.code() == Some(0) {
            assert_eq!(told(&again), "One delivery is attempted again.\n");
        } else if list(&["--state", "delivered"]).len() == 1 {
            break;
        }
    }
    if dead.len() > 1 {
        let all = told(&ask(&home, &["deliveries", "retry", "--all-dead", "--receiver", "ops"]));
        assert!(all.contains("attempted again"), "{all}");
    }
    let (opened, _) = good.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    let shown = Page::open(listen).wait_for("nothing given up", PATIENCE, |overview| {
        overview.receivers[0].dead == 0 && overview.receivers[0].pending == 0
    });
    assert_eq!(shown.receivers[0].delivered, dead.len() as u64);
    assert!(shown.alerts.iter().any(|alert| alert.id == opened.alert.id));
    assert_eq!(told(&ask(&home, &["deliveries", "retry", "--all-dead"])), "Nothing was given up.\n");
    agent.kill();
}

/// What the receiver is told next.
fn next(heard: &mpsc::Receiver<(Instant, String)>) -> Notification {
    let (_, request) = heard.recv_timeout(PATIENCE).unwrap();
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// What came of attempting all dead letters again.
fn retry_all(home: &Home) -> Value {
    serde_json::from_str(&told(&ask(home, &["deliveries", "retry", "--all-dead", "--json"]))).unwrap()
}

#[test]
fn an_opening_whose_end_was_told_meanwhile_is_left_out() {
    let cluster = Cluster::start();
    let (ops, heard) = moody(vec![MISSING, TAKEN]);
    let (home, agent, mut page) = watch_one_vip(&cluster, ops);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let opened = next(&heard);
    page.wait_for("what was given up", PATIENCE, |overview| overview.receivers[0].dead == 1);
    cluster.apply(Change::HealAll);
    let resolved = next(&heard);
    assert_eq!((resolved.event, &resolved.alert.id), (Event::Resolved, &opened.alert.id));
    let resolution = resolved.resolution.unwrap();
    assert!(resolution.superseded && resolution.reason.contains("may not have been told"), "{resolution:?}");
    page.wait_for("its end, which was taken", PATIENCE, |overview| overview.receivers[0].delivered == 1);

    assert_eq!(retry_all(&home), json!({ "deliveries": 0, "superseded": 1, "refused": [] }));
    let shown = page.wait_for("nothing given up", PATIENCE, |overview| overview.receivers[0].dead == 0);
    assert_eq!((shown.receivers[0].superseded, shown.receivers[0].pending), (1, 0));
    let left_out = told(&ask(&home, &["deliveries", "--state", "superseded"]));
    assert!(left_out.contains("left out, need not be told any more"), "{left_out}");

    // Whatever it hears next is something else.
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let another = next(&heard);
    assert_eq!(another.event, Event::Opened);
    assert_ne!(another.alert.id, opened.alert.id);
    agent.kill();
}

#[test]
fn an_opening_and_its_end_that_were_both_given_up_are_told_as_the_end() {
    let cluster = Cluster::start();
    let (ops, heard) = moody(vec![MISSING, MISSING, TAKEN]);
    let (home, agent, mut page) = watch_one_vip(&cluster, ops);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let opened = next(&heard);
    cluster.apply(Change::HealAll);
    assert_eq!(next(&heard).event, Event::Resolved);
    page.wait_for("what was given up", PATIENCE, |overview| overview.receivers[0].dead == 2);

    assert_eq!(retry_all(&home), json!({ "deliveries": 2, "superseded": 0, "refused": [] }));
    let end = next(&heard);
    assert_eq!((end.event, &end.alert.id), (Event::Resolved, &opened.alert.id));
    let resolution = end.resolution.unwrap();
    assert!(resolution.superseded && resolution.reason.contains("may not have been told"), "{resolution:?}");
    let shown = page.wait_for("an end of the queue", PATIENCE, |overview| {
        overview.receivers[0].delivered == 1 && overview.receivers[0].pending == 0
    });
    assert_eq!((shown.receivers[0].dead, shown.receivers[0].superseded), (0, 1));
    agent.kill();
}

#[test]
fn what_was_given_up_for_receivers_that_are_gone_is_refused_until_they_are_back() {
    let listen = free_address();
    let agent = format!("[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\n");
    let good = Receiver::start();
    let with_ops = format!("{agent}{}", receiver("ops", good.address));
    let home = Home::new(&with_ops);
    let running = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("a database", PATIENCE, |overview| overview.agent.store.ok);
    running.kill();
    let database = Connection::open(home.database()).unwrap();
    let insert = |id: u32, receiver: &str, event: &str, state: &str, digest: Option<&str>| {
        let mut notification = crate::told::opened();
        notification.idempotency_key = format!("key-{id}");
        notification.alert.id = format!("alert-{id}");
        let document = serde_json::to_string(&notification).unwrap();
        database
            .execute(
                "INSERT INTO delivery (id, notification, receiver, event, severity, alerts, document, created_at,
                                       state, next_at, done_at, digest)
                 VALUES (?1, ?2, ?3, ?4, 'critical', json_array(?5), ?6, 1, ?7, 1, iif(?7 = 'dead', unixepoch() * 1000, NULL), ?8)",
                (id, format!("key-{id}"), receiver, event, format!("alert-{id}"), document, state, digest),
            )
            .unwrap();
    };
    insert(1, "gone", "opened", "dead", None);
    insert(2, "ops", "opened", "dead", None);
    // A digest that was on its way when its receiver was taken out.
    insert(3, "gone", "opened", "pending", Some("key-4"));
    insert(4, "gone", "digest", "pending", None);
    drop(database);

    let running = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("what was given up", PATIENCE, |overview| overview.receivers[0].dead == 1);
    let retry = |more: &[&str]| ask(&home, &[&["deliveries", "retry"], more].concat());
    let gone = "to \"gone\": no such receiver is configured";
    assert_failed(&retry(&["1", "3"]), 1, &format!("refused 1, 3 {gone}"));
    assert_failed(&retry(&["--receiver", "gone", "--all-dead"]), 1, &format!("refused 2 {gone}"));
    assert_failed(&retry(&["--receiver", "nobody", "--all-dead"]), 1, "there is no receiver \"nobody\"");
    assert_eq!(
        told(&retry(&["1", "2"])),
        "One delivery is attempted again.\nRefused what was given up for gone, which is not in the configuration: 1.\n"
    );
    assert_eq!(good.all_within(PATIENCE / 20).len(), 1);

    home.configure(&format!("{with_ops}{}", receiver("gone", good.address)));
    page.wait_for("the receiver", PATIENCE, |overview| overview.receivers.len() == 2);
    assert_eq!(told(&retry(&["--all-dead"])), "2 deliveries are attempted again.\n");
    page.wait_for("an end of the queue", PATIENCE, |overview| {
        overview.receivers.iter().all(|receiver| receiver.pending == 0 && receiver.dead == 0)
            && overview.receivers.iter().any(|receiver| receiver.delivered == 2)
    });
    let told: Vec<_> = good.all_within(PATIENCE / 20).into_iter().map(|told| told.idempotency_key).collect();
    assert_eq!(told, ["key-1", "key-3"], "the digest is told one by one");
    running.kill();
}
