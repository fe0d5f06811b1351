//! A receiver that was dead for a month: what waits for it stays in the database, not in memory.

use std::time::Instant;

use rusqlite::Connection;

use super::PATIENCE;
use crate::{
    agent::{Home, Page, Receiver, Running, free_address},
    cluster::receiver,
    told,
};

const WAITING: i64 = 20_000;
/// What they may cost in memory; the documents alone are more than ten times that.
const MOST_KIB: u64 = 32 * 1024;

/// The memory that the agent has, in KiB.
fn resident(agent: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// So many deliveries of alerts of their own wait for `late`, each with a document of this size at least.
pub(super) fn fill(home: &Home, waiting: i64, bytes: usize) {
    let mut notification = told::opened();
    notification.alert.reason = "x".repeat(bytes);
    let document = serde_json::to_string(&notification).unwrap();
    let database = Connection::open(home.database()).unwrap();
    database
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO delivery (notification, receiver, event, severity, alerts, document, created_at, next_at)
             SELECT format('%05d', i), 'late', 'opened', 'warning', json_array(format('%05d', i)),
                    json_set(?2, '$.idempotency_key', format('%05d', i), '$.alert.id', format('%05d', i)), 1, 1 FROM n",
            (waiting, document),
        )
        .unwrap();
}

#[test]
fn what_waits_for_a_dead_receiver_waits_on_disk_and_comes_in_order() {
    let listen = free_address();
    let config = |address| {
        format!("[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\n{}", receiver("late", address))
    };
    let home = Home::new(&config(free_address()));
    let agent = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("a start with nothing that waits", PATIENCE, |overview| overview.receivers[0].pending == 0);
    let before = resident(&agent);
    agent.kill();

    fill(&home, WAITING, 16 * 1024);

    let began = Instant::now();
    let agent = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("all that waits", PATIENCE, |overview| {
        i64::from(overview.receivers[0].pending) == WAITING && overview.receivers[0].last_error.is_some()
    });
    let after = resident(&agent);
    println!(
        "{WAITING} that wait: {before} KiB before, {after} KiB with them, shown after {:?}",
        began.elapsed()
    );
    assert!(after < before + MOST_KIB, "{after} KiB, {before} KiB without them");

    let late = Receiver::start();
    home.configure(&config(late.address));
    page.wait_for("that some thousands got through", PATIENCE, |overview| {
        i64::from(overview.receivers[0].pending) < WAITING - 2_000
    });
    agent.kill();
    let mut told = late.all_within(std::time::Duration::from_millis(100)).into_iter();
    let first = told.next().unwrap().idempotency_key;
    let in_order = told.try_fold(first, |last, next| {
        if next.idempotency_key > last { Ok(next.idempotency_key) } else { Err((last, next.idempotency_key)) }
    });
    assert!(in_order.is_ok(), "{in_order:?}");
}
