//! What is deleted, and how it is found.

use super::*;
use crate::store::open;

#[test]
fn old_rows_are_found_by_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let connection = open::for_writing(&dir.path().join("empty.db")).unwrap();
    for (table, time) in PRUNED {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", oldest(table, time))).unwrap();
        let steps = plan.query_map([0], |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(matches!(&steps[..], [only] if only.starts_with("SEARCH")), "{table}: {steps:?}");
    }
}

#[test]
fn so_many_alerts_and_transitions_are_deleted_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = open::for_writing(&dir.path().join("full.db")).unwrap();
    connection
        .execute_batch(&format!(
            "INSERT INTO probe VALUES (1, 'gateway', NULL, NULL, '192.0.2.1');
             WITH RECURSIVE nth (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM nth WHERE n < {AT_A_TIME})
             INSERT INTO alert (id, kind, subject, opened_at, resolved_at, story)
             SELECT n, 'unreachable', 'gateway', n, CASE WHEN n > 0 THEN n END, '{{}}' FROM nth
             UNION ALL SELECT 'late', 'unreachable', 'gateway', 5000, 5001, '{{}}';
             INSERT INTO transition SELECT opened_at, 1, opened_at, 'up', 'down', '' FROM alert"
        ))
        .unwrap();
    let before = DateTime::from_timestamp_millis(5_000).unwrap();
    let mut deleted = |more: bool| {
        assert_eq!(prune(&mut connection, before), Ok(more));
        let left = "SELECT (SELECT count(*) FROM alert), (SELECT count(*) FROM transition)";
        connection.query_row(left, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap()
    };
    // One alert is open, one ended later; of the transitions one is younger, and one is too many.
    assert_eq!(deleted(true), (2, 2));
    assert_eq!(deleted(false), (2, 1));
}
