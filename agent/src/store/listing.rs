//! The deliveries that operators ask for, read beside the writer.

use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, ToSql, params_from_iter};
use vipwatch_model::{
    alert::{Event, Severity},
    delivery::DeliveryState,
};

use super::{
    StoreError, open,
    restore::{from_json, readable, time, word},
};

/// Which deliveries to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that have come so far.
    pub state: Option<DeliveryState>,
    /// Only those to this receiver.
    pub receiver: Option<String>,
    /// Only those that tell of an alert whose id begins like this.
    pub alert: Option<String>,
    /// The most that are listed, the newest first.
    pub limit: usize,
}

/// A delivery as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number, by which it can be put back.
    pub id: i64,
    /// The notification's idempotency key.
    pub notification: String,
    /// To whom.
    pub receiver: String,
    /// What it tells.
    pub event: Event,
    /// The worst of its alerts.
    pub severity: Severity,
    /// The ids of its alerts.
    pub alerts: Vec<String>,
    /// The leading alert in one line.
    pub title: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// How far it has come.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// When it is attempted next, if it waits.
    pub next_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub done_at: Option<DateTime<Utc>>,
    /// The digest that tells it.
    pub digest: Option<String>,
}

/// Lists deliveries, through a connection of its own.
pub(super) fn list(path: &Path, filter: &Filter) -> Result<Vec<Listed>, StoreError> {
    let connection = open::for_reading(path)?;
    read(&connection, filter).map_err(|source| open::explain(path, source))
}

fn read(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Listed>> {
    let (query, given) = query(filter);
    let mut select = connection.prepare(&query)?;
    readable(select.query_map(params_from_iter(given), listed)?)
}

/// The statement and its parameters. Only what is given stands in it, so that SQLite can take the index for that.
fn query(filter: &Filter) -> (String, Vec<Box<dyn ToSql>>) {
    let mut fits = Vec::new();
    let mut given: Vec<Box<dyn ToSql>> = Vec::new();
    if let Some(alert) = &filter.alert {
        fits.push("id IN (SELECT delivery FROM delivery_of_alert WHERE alert >= ? AND alert < ?)");
        given.push(Box::new(alert.clone()));
        given.push(Box::new(format!("{alert}{}", char::MAX)));
    }
    if let Some(receiver) = &filter.receiver {
        // An alert has so few deliveries that they are looked at one by one: no index is to be taken instead.
        fits.push(if filter.alert.is_some() { "+receiver = ?" } else { "receiver = ?" });
        given.push(Box::new(receiver.clone()));
    }
    if let Some(state) = filter.state {
        fits.push(if filter.alert.is_some() { "+state = ?" } else { "state = ?" });
        given.push(Box::new(state.as_str()));
    }
    let fits = if fits.is_empty() { "TRUE".to_owned() } else { fits.join(" AND ") };
    given.push(Box::new(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
    let query = format!(
        "SELECT id, notification, receiver, event, severity, alerts,
                iif(json_valid(document), coalesce(json_extract(document, '$.alert.title'), ''), ''),
                created_at, state, attempts, last_error, iif(state = 'pending', next_at, NULL), done_at, digest
         FROM delivery WHERE {fits} ORDER BY id DESC LIMIT ?"
    );
    (query, given)
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let time_if_any = |index| row.get::<_, Option<i64>>(index)?.map(|_| time(row, index)).transpose();
    Ok(Listed {
        id: row.get(0)?,
        notification: row.get(1)?,
        receiver: row.get(2)?,
        event: word(row, 3)?,
        severity: word(row, 4)?,
        alerts: from_json(row, 5)?,
        title: row.get(6)?,
        created_at: time(row, 7)?,
        state: word(row, 8)?,
        attempts: row.get(9)?,
        last_error: row.get(10)?,
        next_at: time_if_any(11)?,
        done_at: time_if_any(12)?,
        digest: row.get(13)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters() -> Vec<Filter> {
        let mut filters = Vec::new();
        for state in [None, Some(DeliveryState::Dead)] {
            for receiver in [None, Some("ops".to_owned())] {
                for alert in [None, Some("a".to_owned())] {
                    filters.push(Filter { state, receiver: receiver.clone(), alert, limit: 100 });
                }
            }
        }
        filters
    }

    #[test]
    fn no_filter_has_the_whole_table_looked_at() {
        let home = tempfile::tempdir().unwrap();
        let connection = open::for_writing(&home.path().join("vipwatch.db")).unwrap();
        for filter in filters() {
            let (query, given) = query(&filter);
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let plan: Vec<String> = explain
                .query_map(params_from_iter(given), |row| row.get("detail"))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let expected = match (&filter.alert, &filter.receiver, filter.state) {
                (None, None, None) => "SCAN delivery",
                (None, None, Some(_)) => "SEARCH delivery USING INDEX delivery_in_state (state=?)",
                (None, Some(_), None) => "SEARCH delivery USING INDEX delivery_of_receiver (receiver=?)",
                (None, Some(_), Some(_)) => {
                    "SEARCH delivery USING INDEX delivery_by_state (state=? AND receiver=?)"
                }
                (Some(_), ..) => "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
            };
            assert_eq!(plan[0], expected, "{filter:?}: {plan:#?}");
            let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!sorts, "{filter:?}: {plan:#?}");
            let of_alert = "SEARCH delivery_of_alert USING PRIMARY KEY (alert>? AND alert<?)";
            assert_eq!(plan.iter().any(|step| step == of_alert), filter.alert.is_some(), "{plan:#?}");
        }
    }

    #[test]
    fn filters_leave_out_what_does_not_fit_all_of_them() {
        let home = tempfile::tempdir().unwrap();
        let connection = open::for_writing(&home.path().join("vipwatch.db")).unwrap();
        connection
            .execute_batch(
                r#"INSERT INTO delivery (id, notification, receiver, event, severity, alerts, document, created_at,
                                         state, next_at)
                   VALUES (1, '1', 'ops', 'opened', 'info', '["a"]', '{}', 1, 'dead', 1),
                          (2, '2', 'ops', 'opened', 'info', '["a","b"]', '{}', 1, 'delivered', 1),
                          (3, '3', 'ops', 'opened', 'info', '["b"]', '{}', 1, 'dead', 1),
                          (4, '4', 'boss', 'opened', 'info', '["a"]', '{}', 1, 'dead', 1),
                          (5, '5', 'boss', 'opened', 'info', '["c","c"]', '{}', 1, 'dead', 1),
                          (6, '6', 'boss', 'opened', 'info', '["a"]', '{}', 1, 'dead', 1);
                   UPDATE delivery SET alerts = '["b"]' WHERE id = 2;
                   DELETE FROM delivery WHERE id = 6"#,
            )
            .unwrap();
        let ids = |filter: &Filter| {
            let listed = read(&connection, filter).unwrap();
            listed.into_iter().map(|listed| listed.id).collect::<Vec<_>>()
        };
        let listed: Vec<_> = filters().iter().map(ids).collect();
        let expected: [&[i64]; 8] =
            [&[5, 4, 3, 2, 1], &[4, 1], &[3, 2, 1], &[1], &[5, 4, 3, 1], &[4, 1], &[3, 1], &[1]];
        assert_eq!(listed, expected);
        assert_eq!(ids(&Filter { limit: 2, ..Filter::default() }), [5, 4]);
        connection
            .execute_batch(r#"UPDATE delivery SET alerts = '["01a20779"]' WHERE id = 3; UPDATE delivery SET alerts = '["01a2077a"]' WHERE id = 4"#)
            .unwrap();
        let of = |alert: &str| ids(&Filter { alert: Some(alert.to_owned()), limit: 9, ..Filter::default() });
        assert_eq!((of("01a2077"), of("01a20779"), of("01a2078")), (vec![4, 3], vec![3], vec![]));
        let left: i64 =
            connection.query_row("SELECT count(*) FROM delivery_of_alert", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 5, "what is gone is not told of any more");
    }
}
