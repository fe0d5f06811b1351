//! The database in trouble: probing, the page and alerts go on, and what is lost is counted.

use std::time::Duration;

use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event};
use vipwatch_web::api::State;

use crate::{
    agent::{Home, Page, Receiver, Running, free_address, get, state},
    cluster::{Cluster, ECHO, receiver},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_damaged_database_is_named_and_the_agent_goes_on_until_it_is_moved_away() {
    let cluster = Cluster::start();
    let ops = Receiver::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, &receiver("ops", ops.address)));
    let garbage = "no database at all, but long enough to be taken for a damaged one; ".repeat(100);
    std::fs::write(home.database(), &garbage).unwrap();
    let agent = Running::start(&home);
    let name = cluster.vip_probe();
    let mut page = Page::open(listen);
    let shown = page.wait_for("probing without a database", PATIENCE, |overview| {
        state(overview, &name) == State::Up && overview.agent.store.buffered > 0
    });
    let error = shown.agent.store.error.unwrap();
    assert!(error.contains("is damaged") && error.contains("move it away"), "{error}");
    assert_eq!(get(listen, "/readyz").0, "HTTP/1.0 503 Service Unavailable");

    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let (opened, _) = ops.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);

    assert_eq!(
        std::fs::read_to_string(home.database()).unwrap(),
        garbage,
        "the damaged file must be left alone"
    );
    std::fs::rename(home.database(), home.database().with_extension("damaged")).unwrap();
    let healed = page.wait_for("a new database", PATIENCE, |overview| {
        overview.agent.store.ok && overview.agent.store.buffered == 0
    });
    assert_eq!(healed.agent.store.lost, 0);
    agent.kill();

    // What was held in memory is there, and the alert is the same one after a restart.
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let id: String = database
        .query_row(
            "SELECT id FROM alert WHERE kind = 'source_translated' AND resolved_at IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(id, opened.alert.id);
    drop(database);
    let agent = Running::start(&home);
    cluster.apply(Change::HealAll);
    let (resolved, _) = ops.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    agent.kill();
}

#[test]
fn a_database_of_a_newer_vipwatch_is_not_touched() {
    let cluster = Cluster::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, ""));
    let newer = rusqlite::Connection::open(home.database()).unwrap();
    newer.execute_batch("CREATE TABLE future (x); PRAGMA user_version = 4711").unwrap();
    drop(newer);
    let before = std::fs::read(home.database()).unwrap();
    let agent = Running::start(&home);
    let name = cluster.vip_probe();
    let shown = Page::open(listen)
        .wait_for("probing goes on", PATIENCE, |overview| state(overview, &name) == State::Up);
    let error = shown.agent.store.error.unwrap();
    assert!(error.contains("schema version 4711") && error.contains("newer vipwatch"), "{error}");
    agent.kill();
    assert_eq!(std::fs::read(home.database()).unwrap(), before);
}

#[test]
fn an_alert_that_came_to_nothing_while_the_agent_was_away_is_resolved() {
    let cluster = Cluster::start();
    let ops = Receiver::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, &receiver("ops", ops.address)));
    let (agent, _) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let (opened, _) = ops.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    agent.kill();
    cluster.apply(Change::HealAll);
    let agent = Running::start(&home);
    let (resolved, others) = ops.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    // It may have been told once more, if the kill came before the first telling was written down; but
    // never as a new one.
    let translated = others.iter().filter(|other| other.alert.key.kind == AlertKind::SourceTranslated);
    assert!(translated.into_iter().all(|other| other.alert.id == opened.alert.id), "{others:#?}");
    home.wait_until_settled();
    agent.kill();

    // And one whose service is no longer configured as well.
    let agent = Running::start(&home);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let (opened, _) = ops.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    home.configure(&format!(
        "[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\n[alerts]\ngroup_window = \"0s\"\n{}",
        receiver("ops", ops.address)
    ));
    let (resolved, _) = ops.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    assert!(resolved.resolution.unwrap().reason.contains("no longer configured"));
    agent.kill();
}

#[test]
fn old_rows_are_deleted() {
    let cluster = Cluster::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, "").replace("[defaults]", "keep = \"1h\"\n[defaults]"));
    let (agent, _) = cluster.watched_by(&home, listen);
    agent.kill();
    let database = rusqlite::Connection::open(home.database()).unwrap();
    database.execute("UPDATE round SET at = at - 7200000", []).unwrap();
    let newest: i64 = database.query_row("SELECT max(at) FROM round", [], |row| row.get(0)).unwrap();
    drop(database);
    let agent = Running::start(&home);
    Page::open(listen)
        .wait_for("rounds after that", PATIENCE, |overview| overview.agent.scheduler.rounds > 3);
    agent.signal(rustix::process::Signal::TERM);
    assert_eq!(agent.ended(Duration::from_secs(3)), 0);
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let left: i64 =
        database.query_row("SELECT count(*) FROM round WHERE at <= ?1", [newest], |row| row.get(0)).unwrap();
    let orphans: i64 = database
        .query_row("SELECT count(*) FROM flow WHERE round NOT IN (SELECT id FROM round)", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!((left, orphans), (0, 0));
}

#[test]
fn a_database_that_is_moved_away_is_noticed_and_open_alerts_go_along() {
    let cluster = Cluster::start();
    let ops = Receiver::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, &receiver("ops", ops.address)));
    let (agent, _) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let (opened, _) = ops.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", home.database().display());
        std::fs::rename(&path, format!("{path}.away")).unwrap();
    }
    let open_in_the_new_one = || {
        let database = rusqlite::Connection::open_with_flags(
            home.database(),
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
        )
        .ok()?;
        let open = "SELECT id FROM alert WHERE kind = 'source_translated' AND resolved_at IS NULL";
        database.query_row(open, [], |row| row.get::<_, String>(0)).ok()
    };
    let give_up = std::time::Instant::now() + PATIENCE;
    while open_in_the_new_one().as_ref() != Some(&opened.alert.id) {
        assert!(std::time::Instant::now() < give_up, "the new database does not know the alert");
        std::thread::sleep(Duration::from_millis(50));
    }
    agent.kill();
    let agent = Running::start(&home);
    cluster.apply(Change::HealAll);
    let (resolved, others) = ops.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    assert!(others.iter().all(
        |other| other.alert.key.kind != AlertKind::SourceTranslated || other.alert.id == opened.alert.id
    ));
    agent.kill();
}

#[test]
fn a_row_that_cannot_be_read_does_not_hide_the_others() {
    let cluster = Cluster::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, ""));
    let (agent, _) = cluster.watched_by(&home, listen);
    let name = cluster.vip_probe();
    agent.kill();
    let database = rusqlite::Connection::open(home.database()).unwrap();
    database
        .execute_batch(
            "INSERT INTO transition (probe, at, from_state, to_state, reason) VALUES (1, 1, 'sideways', 'up', '');
             INSERT INTO alert (id, kind, subject, opened_at, story) VALUES ('x', 'strange', 'y', 1, 'no JSON');
             UPDATE probe_state SET machine = '{}' WHERE probe = 1;",
        )
        .unwrap();
    drop(database);
    let agent = Running::start(&home);
    let shown = Page::open(listen).wait_for("a start all the same", PATIENCE, |overview| {
        state(overview, &name) == State::Up && overview.agent.store.ok
    });
    assert!(shown.transitions.len() > 1, "{:?}", shown.transitions);
    agent.kill();
}
