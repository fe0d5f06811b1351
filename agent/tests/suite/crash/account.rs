//! Accounts for every alert: what the database says, and what a receiver has.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use vipwatch_model::{
    alert::Event,
    notification::{Notification, Resolution},
};

use super::flaky::Taken;

/// A row of the outbox.
#[derive(Debug)]
struct Row {
    key: String,
    event: String,
    alerts: Vec<String>,
    state: String,
    document: String,
    digest: Option<String>,
}

/// What there was to account for.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) alerts: usize,
    pub(super) deliveries: usize,
    pub(super) superseded: usize,
    pub(super) digests: usize,
    pub(super) repeated: usize,
}

/// Holds what `receiver` has `taken` against the database.
pub(super) fn account(database: &Connection, receiver: &str, taken: &[Taken]) -> Account {
    let rows = rows(database, receiver);
    let alerts = alerts(database);
    let keys: BTreeSet<_> = taken.iter().map(|taken| taken.told.idempotency_key.as_str()).collect();

    // Nothing is told that is not in the database, and one key means one thing.
    let mut documents: BTreeMap<&str, &str> = BTreeMap::new();
    for Taken { told, document } in taken {
        let key = told.idempotency_key.as_str();
        assert!(rows.iter().any(|row| row.key == key), "{receiver}: {key} is not in the database");
        let before = documents.insert(key, document);
        assert!(
            before.is_none_or(|before| before == document),
            "{receiver}: {key} has two meanings:\n{}\n{document}",
            before.unwrap_or_default()
        );
        assert!(told.alerts().all(|alert| alerts.contains(alert)), "{receiver}: {key} tells of nothing");
    }

    // Every delivery has come to an end, and the receiver knows of it.
    for Row { key, event, state, digest, .. } in &rows {
        let is_known =
            keys.contains(key.as_str()) || digest.as_deref().is_some_and(|digest| keys.contains(digest));
        match state.as_str() {
            "delivered" => assert!(is_known, "{receiver}: {key} was not delivered"),
            "superseded" => assert_ne!(event, "resolved", "{receiver}: {key} is an end"),
            state => panic!("{receiver}: {key} is {state}"),
        }
    }

    // Each alert was told opened, or its end says that it was not; then it was told resolved, and nothing after that.
    let superseded = openings_left_out(&rows);
    for alert in &alerts {
        let mut opened = superseded.contains(alert.as_str());
        let mut over = false;
        for Taken { told, .. } in taken {
            for (event, resolution) in events(told, alert) {
                match (event, resolution) {
                    (Event::Resolved, Some(resolution)) => {
                        if resolution.superseded {
                            opened = true;
                        }
                        assert!(opened, "{receiver}: {alert} was told resolved before opened");
                        over = true;
                    }
                    _ => {
                        opened = true;
                        assert!(!over, "{receiver}: {alert} was told as {event} after its end");
                    }
                }
            }
        }
        assert!(opened, "{receiver}: {alert} was never told");
        assert!(over, "{receiver}: the end of {alert} was never told");
    }
    for alert in &superseded {
        let end = taken.iter().flat_map(|taken| events(&taken.told, alert)).find_map(|(_, end)| end);
        assert!(
            end.is_some_and(|end| end.superseded && end.reason.contains("may not have been told")),
            "{receiver}: the end of {alert} does not say that its opening was left out"
        );
    }
    Account {
        alerts: alerts.len(),
        deliveries: rows.len(),
        superseded: superseded.len(),
        digests: rows.iter().filter(|row| row.event == "digest").count(),
        repeated: taken.len() - keys.len(),
    }
}

/// The alerts whose opening was left out.
fn openings_left_out(rows: &[Row]) -> BTreeSet<&str> {
    let left_out = rows.iter().filter(|row| row.event == "opened" && row.state == "superseded");
    left_out.flat_map(|row| &row.alerts).map(String::as_str).collect()
}

/// What `told` tells of `alert`.
fn events<'a>(
    told: &'a Notification,
    alert: &'a str,
) -> impl Iterator<Item = (Event, Option<&'a Resolution>)> {
    let leading = (&told.alert, told.alert_event.unwrap_or(told.event), &told.resolution);
    let also = told.also.iter().map(|also| (&also.alert, also.event, &also.resolution));
    let all = std::iter::once(leading).chain(also);
    all.filter(move |(told, ..)| told.id == alert).map(|(_, event, resolution)| (event, resolution.as_ref()))
}

fn rows(database: &Connection, receiver: &str) -> Vec<Row> {
    let mut rows = database
        .prepare(
            "SELECT notification, event, alerts, state, document, digest FROM delivery WHERE receiver = ?1",
        )
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Row {
            key: row.get(0)?,
            event: row.get(1)?,
            alerts: serde_json::from_str(&row.get::<_, String>(2)?).unwrap(),
            state: row.get(3)?,
            document: row.get(4)?,
            digest: row.get(5)?,
        })
    };
    let rows: Vec<Row> = rows.query_map([receiver], row).unwrap().map(Result::unwrap).collect();
    for row in &rows {
        let told: Notification = serde_json::from_str(&row.document).unwrap();
        assert_eq!((&told.idempotency_key, told.event.as_str()), (&row.key, row.event.as_str()));
    }
    rows
}

fn alerts(database: &Connection) -> BTreeSet<String> {
    let mut alerts = database.prepare("SELECT id, resolved_at IS NOT NULL FROM alert").unwrap();
    let alerts = alerts.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))).unwrap();
    let resolved = alerts.map(Result::unwrap).map(|(id, resolved)| {
        assert!(resolved, "{id} is still open");
        id
    });
    resolved.collect()
}
