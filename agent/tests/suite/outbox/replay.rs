//! What was given up can be attempted again.

use std::net::TcpListener;

use serde_json::Value;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event};

use super::{PATIENCE, moody};
use crate::{
    agent::{Home, Page, Receiver, free_address},
    cluster::{Cluster, ECHO, receiver},
    operator::{ask, assert_failed, told},
};

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
