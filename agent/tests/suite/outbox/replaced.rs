//! A database that is replaced while somebody is still to be told: what waits goes along.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event};

use super::{PATIENCE, backlog::fill, moody, watch_one_vip};
use crate::{
    agent::{Home, Page, Receiver, Running, free_address},
    cluster::{Cluster, ECHO, receiver},
};

/// The database and what SQLite keeps beside it.
fn files(home: &Home) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| format!("{}{suffix}", home.database().display()).into())
}

/// Waits until the database that stands there now has so many deliveries that wait; gives their keys, in order.
fn wait_for_pending(home: &Home, wanted: usize) -> Vec<String> {
    let pending = || -> Option<Vec<String>> {
        let database = Connection::open_with_flags(home.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        let mut select =
            database.prepare("SELECT notification FROM delivery WHERE state = 'pending' ORDER BY id").ok()?;
        select.query_map([], |row| row.get(0)).ok()?.collect::<Result<_, _>>().ok()
    };
    let give_up = Instant::now() + PATIENCE;
    loop {
        match pending() {
            Some(keys) if keys.len() == wanted => return keys,
            found => assert!(Instant::now() < give_up, "waited in vain: {:?}", found.map(|keys| keys.len())),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// An alert is opened while its receiver asks for time, and the database is deleted; then the agent is killed and started again.
/// `prepare` is done to its home before.
fn an_alert_outlives_its_database(prepare: impl Fn(&Home)) -> Home {
    let cluster = Cluster::start();
    // No further attempt writes down what waits.
    let (busy, _heard) = moody(vec![
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 600\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ]);
    let (home, agent, mut page) = watch_one_vip(&cluster, busy);
    prepare(&home);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    page.wait_for("a failed attempt", PATIENCE, |overview| {
        overview.receivers[0].pending == 1 && overview.receivers[0].last_error.is_some()
    });
    let before = wait_for_pending(&home, 1);
    for file in files(&home) {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(wait_for_pending(&home, 1), before);
    agent.kill();

    let good = Receiver::start();
    let config = std::fs::read_to_string(home.path()).unwrap();
    home.configure(&config.replace(&busy.to_string(), &good.address.to_string()));
    let agent = Running::start(&home);
    let (opened, others) = good.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    assert_eq!((opened.idempotency_key.as_str(), others.len()), (before[0].as_str(), 0));
    cluster.apply(Change::HealAll);
    let (resolved, others) = good.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert_eq!((&resolved.alert.id, others.len()), (&opened.alert.id, 0), "it was told once");
    agent.kill();
    home
}

fn carried(home: &Home) -> PathBuf {
    home.database().with_extension("db-carried")
}

#[test]
fn an_alert_is_told_once_though_its_database_was_deleted() {
    let home = an_alert_outlives_its_database(|_| {});
    assert!(!carried(&home).exists());
}

#[test]
fn what_is_in_memory_goes_along_where_the_database_that_was_cannot_be_read() {
    // Nothing can be set aside where a directory is in the way.
    an_alert_outlives_its_database(|home| std::fs::create_dir(carried(home)).unwrap());
}

#[test]
fn more_than_there_is_in_memory_goes_along_in_order() {
    const WAITING: u32 = 2_000;
    let listen = free_address();
    let config = |address| {
        format!("[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\n{}", receiver("late", address))
    };
    let home = Home::new(&config(free_address()));
    let agent = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("a database", PATIENCE, |overview| overview.agent.store.ok);
    agent.kill();
    fill(&home, WAITING.into(), 64);

    let agent = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("all that waits", PATIENCE, |overview| {
        overview.receivers[0].pending == WAITING && overview.receivers[0].last_error.is_some()
    });
    for file in files(&home) {
        std::fs::rename(&file, format!("{}.away", file.display())).unwrap();
    }
    let keys = wait_for_pending(&home, WAITING as usize);
    assert!(keys.is_sorted());
    let late = Receiver::start();
    home.configure(&config(late.address));
    page.wait_for("an end of the queue", PATIENCE * 3, |overview| overview.receivers[0].pending == 0);
    agent.kill();
    let told: Vec<_> =
        late.all_within(Duration::from_millis(100)).into_iter().map(|told| told.idempotency_key).collect();
    assert_eq!(told, keys);
}
