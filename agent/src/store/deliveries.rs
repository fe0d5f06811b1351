//! The rows of the outbox.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, Transaction, params};
use vipwatch_model::{
    alert::Event,
    delivery::{Delivery, DeliveryKey, DeliveryState},
    lane,
};

use super::{
    Refill, Replayed,
    restore::{from_json, readable, time, word},
    rows::json,
};

/// The answer to a record that asks something.
pub(super) enum Answer {
    /// To a [`Refill`].
    Waiting(lane::Stock),
    /// To a [`super::Retry`].
    PutBack(Replayed),
}

/// New deliveries. What a lane has said of one meanwhile (they are told even while the database is away) is newer.
pub(super) fn enqueue(transaction: &Transaction<'_>, deliveries: &[Delivery]) -> rusqlite::Result<()> {
    for delivery in deliveries {
        let fresh = lane::Row {
            delivery: delivery.clone(),
            state: DeliveryState::Pending,
            error: None,
            at: delivery.created_at,
        };
        insert(transaction, &fresh, "DO NOTHING")?;
    }
    Ok(())
}

/// What a lane has decided.
pub(super) fn decide(transaction: &Transaction<'_>, decision: &lane::Decision) -> rusqlite::Result<()> {
    for row in &decision.rows {
        if row.delivery.event == Event::Digest && row.state == DeliveryState::Delivered {
            deliver_members(transaction, &row.delivery, row.at)?;
        }
        update(transaction, row)?;
    }
    Ok(())
}

/// What `digest` sums up is delivered with it. The lane need not hold all of that.
fn deliver_members(
    transaction: &Transaction<'_>,
    digest: &Delivery,
    at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    // It tells of all their alerts: they are found by these without a look at all that waits.
    let mut update = transaction.prepare_cached(
        "UPDATE delivery SET state = 'delivered', done_at = ?1
         WHERE +state = 'pending' AND digest = ?2 AND +receiver = ?3 AND id IN
             (SELECT delivery FROM delivery_of_alert WHERE alert IN (SELECT value FROM json_each(?4)))",
    )?;
    let DeliveryKey { notification, receiver } = &digest.key;
    update.execute(params![at.timestamp_millis(), notification, receiver, json(&digest.alerts)?])?;
    Ok(())
}

/// A delivery as it is from now on. It is inserted where its own row is not there (yet).
pub(super) fn update(transaction: &Transaction<'_>, row: &lane::Row) -> rusqlite::Result<()> {
    const UPDATE: &str = "DO UPDATE SET
         severity = excluded.severity, alerts = excluded.alerts, document = excluded.document,
         state = excluded.state, attempts = excluded.attempts,
         next_at = excluded.next_at, done_at = excluded.done_at, digest = excluded.digest,
         last_error = iif(excluded.state = 'delivered', excluded.last_error, coalesce(excluded.last_error, last_error))";
    insert(transaction, row, UPDATE)
}

fn insert(transaction: &Transaction<'_>, row: &lane::Row, on_conflict: &str) -> rusqlite::Result<()> {
    let delivery = &row.delivery;
    let done_at = (row.state != DeliveryState::Pending).then_some(row.at);
    transaction
        .prepare_cached(&format!(
            "INSERT INTO delivery (notification, receiver, event, severity, alerts, document, created_at,
                                   state, attempts, next_at, last_error, done_at, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (notification, receiver) {on_conflict}"
        ))?
        .execute(params![
            delivery.key.notification,
            delivery.key.receiver,
            delivery.event.as_str(),
            delivery.severity.as_str(),
            json(&delivery.alerts)?,
            delivery.document,
            delivery.created_at.timestamp_millis(),
            row.state.as_str(),
            delivery.attempts,
            delivery.next_at.timestamp_millis(),
            row.error,
            done_at.map(|at| at.timestamp_millis()),
            delivery.digest,
        ])?;
    Ok(())
}

/// Gives up what waits for receivers other than `configured`.
pub(super) fn strand(
    transaction: &Transaction<'_>,
    configured: &[String],
    at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    // What a digest sums up is given up one by one, so that it can be put back like that.
    let stranded = transaction.execute(
        "UPDATE delivery SET state = iif(event = 'digest', 'superseded', 'dead'), digest = NULL, done_at = ?1,
             last_error = 'there is no such receiver in the configuration any more'
         WHERE state = 'pending' AND receiver NOT IN (SELECT value FROM json_each(?2))",
        params![at.timestamp_millis(), json(&configured)?],
    )?;
    if stranded > 0 {
        tracing::error!(
            deliveries = stranded,
            "gave up deliveries to receivers that are no longer configured"
        );
    }
    Ok(())
}

/// Reads what waits for a receiver: all digests, and the oldest of the others.
pub(super) fn waiting(connection: &Connection, refill: &Refill) -> rusqlite::Result<Answer> {
    let receiver = &refill.lane.receiver;
    const OF: &str = "FROM delivery WHERE state = 'pending' AND receiver = ?1";
    // By an index of their own: by the other one SQLite would look at everything that waits.
    let mut digests = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM delivery INDEXED BY delivery_digest
         WHERE state = 'pending' AND event = 'digest' AND receiver = ?1 ORDER BY id"
    ))?;
    let mut others =
        connection.prepare_cached(&format!("SELECT {COLUMNS} {OF} AND event <> 'digest' ORDER BY id"))?;
    let digests: Vec<_> = digests.query_map([receiver], delivery)?.collect();
    let mut read = digests.len();
    let mut oldest = readable(digests)?;
    let most = oldest.len() + refill.most;
    let mut others = others.query([receiver])?;
    while oldest.len() < most {
        let Some(row) = others.next()? else {
            // Whatever is there beyond these cannot be understood.
            let untold = untold(connection, receiver, &oldest)?;
            return Ok(Answer::Waiting(lane::Stock { oldest, left: 0, untold }));
        };
        read += 1;
        oldest.extend(readable([delivery(row)])?);
    }
    let all: i64 = connection
        .prepare_cached(&format!("SELECT count(*) {OF}"))?
        .query_row([receiver], |row| row.get(0))?;
    let left = usize::try_from(all).unwrap_or(0).saturating_sub(read);
    let untold = untold(connection, receiver, &oldest)?;
    Ok(Answer::Waiting(lane::Stock { oldest, left, untold }))
}

/// The alerts whose opening was given up, of those that are open and those that are told to be over in `oldest`.
fn untold(connection: &Connection, receiver: &str, oldest: &[Delivery]) -> rusqlite::Result<HashSet<String>> {
    let ends = oldest.iter().filter(|delivery| delivery.event == Event::Resolved);
    let over: Vec<_> = ends.flat_map(|end| &end.alerts).collect();
    let mut select = connection.prepare_cached(
        "SELECT alert FROM delivery_of_alert JOIN delivery ON id = delivery
         WHERE alert IN (SELECT id FROM alert WHERE resolved_at IS NULL UNION SELECT value FROM json_each(?1))
           AND +receiver = ?2 AND event = 'opened' AND +state = 'dead'",
    )?;
    select.query_map(params![json(&over)?, receiver], |row| row.get(0))?.collect()
}

/// The delivery with the number `id`.
pub(super) fn with_id(connection: &Connection, id: i64) -> rusqlite::Result<Delivery> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM delivery WHERE id = ?1"))?;
    select.query_row([id], delivery)
}

/// What [`delivery`] reads.
const COLUMNS: &str =
    "notification, receiver, event, severity, alerts, document, created_at, attempts, next_at, digest";

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        key: DeliveryKey { notification: row.get(0)?, receiver: row.get(1)? },
        event: word(row, 2)?,
        severity: word(row, 3)?,
        alerts: from_json(row, 4)?,
        document: row.get::<_, String>(5)?.into(),
        created_at: time(row, 6)?,
        attempts: row.get(7)?,
        next_at: time(row, 8)?,
        digest: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use vipwatch_model::alert::Severity;

    use super::{
        super::{LaneId, open},
        *,
    };

    #[test]
    fn what_cannot_be_understood_is_not_left_to_be_read() {
        let home = tempfile::tempdir().unwrap();
        let connection = open::for_writing(&home.path().join("vipwatch.db")).unwrap();
        let insert = |key: &str, event: &str, alerts: &str| {
            connection
                .execute(
                    "INSERT INTO delivery (notification, receiver, event, severity, alerts, document, created_at, next_at)
                     VALUES (?1, 'ops', ?2, 'critical', ?3, '{}', 1, 1)",
                    [key, event, alerts],
                )
                .unwrap();
        };
        let read = |most| {
            let lane = LaneId { receiver: "ops".to_owned(), number: 1 };
            match waiting(&connection, &Refill { lane, most }).unwrap() {
                Answer::Waiting(lane::Stock { oldest, left, .. }) => {
                    let keys = oldest.into_iter().map(|delivery| delivery.key.notification);
                    (keys.collect::<Vec<_>>().join(" "), left)
                }
                Answer::PutBack(_) => unreachable!("nobody asked for that"),
            }
        };
        insert("a", "opened", "[]");
        insert("no-word", "sideways", "[]");
        insert("b", "resolved", "[]");
        insert("digest", "digest", "[]");
        insert("no-digest", "digest", "no JSON");
        assert_eq!(read(1), ("digest a".to_owned(), 2));
        assert_eq!(read(2), ("digest a b".to_owned(), 0));
        assert_eq!(read(3), ("digest a b".to_owned(), 0));
    }

    #[test]
    fn a_digest_delivers_what_it_sums_up_whoever_holds_that() {
        let home = tempfile::tempdir().unwrap();
        let mut connection = open::for_writing(&home.path().join("vipwatch.db")).unwrap();
        let delivery = |key: &str, receiver: &str, event, alerts: &[&str], digest: Option<&str>| Delivery {
            key: DeliveryKey { notification: key.to_owned(), receiver: receiver.to_owned() },
            event,
            severity: Severity::Warning,
            alerts: alerts.iter().map(|&alert| alert.to_owned()).collect(),
            document: "{}".into(),
            created_at: DateTime::UNIX_EPOCH,
            attempts: 0,
            next_at: DateTime::UNIX_EPOCH,
            digest: digest.map(str::to_owned),
        };
        let digest = delivery("d", "ops", Event::Digest, &["a", "b"], None);
        let others = [
            delivery("a-opened", "ops", Event::Opened, &["a"], Some("d")),
            delivery("b-opened", "ops", Event::Opened, &["b"], Some("d")),
            delivery("a-resolved", "ops", Event::Resolved, &["a"], None),
            delivery("a-opened", "boss", Event::Opened, &["a"], Some("d")),
        ];
        let transaction = connection.transaction().unwrap();
        enqueue(&transaction, &[std::slice::from_ref(&digest), &others].concat()).unwrap();
        let row = lane::Row {
            delivery: digest,
            state: DeliveryState::Delivered,
            error: None,
            at: DateTime::UNIX_EPOCH,
        };
        decide(&transaction, &lane::Decision { ticket: 1, rows: vec![row] }).unwrap();
        let mut select = transaction
            .prepare(
                "SELECT notification || ' ' || receiver FROM delivery WHERE state = 'pending' ORDER BY id",
            )
            .unwrap();
        let pending = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let pending: Vec<_> = pending.map(Result::unwrap).collect();
        assert_eq!(pending, ["a-resolved ops", "a-opened boss"]);
    }

    #[test]
    fn openings_that_were_given_up_are_known_until_the_end_is_told() {
        let home = tempfile::tempdir().unwrap();
        let connection = open::for_writing(&home.path().join("vipwatch.db")).unwrap();
        connection
            .execute_batch(
                r#"INSERT INTO alert (id, kind, subject, opened_at, resolved_at, story)
                   VALUES ('open', 'k', 's', 1, NULL, '{}'), ('over', 'k', 's', 1, 2, '{}'), ('past', 'k', 's', 1, 2, '{}'),
                          ('heard', 'k', 'of', 1, NULL, '{}');
                   INSERT INTO delivery (notification, receiver, event, severity, alerts, document, created_at,
                                         state, next_at)
                   VALUES ('1', 'ops', 'opened', 'info', '["open"]', '{}', 1, 'dead', 1),
                          ('2', 'ops', 'opened', 'info', '["over"]', '{}', 1, 'dead', 1),
                          ('3', 'ops', 'opened', 'info', '["past"]', '{}', 1, 'dead', 1),
                          ('4', 'ops', 'opened', 'info', '["heard"]', '{}', 1, 'delivered', 1),
                          ('5', 'boss', 'opened', 'info', '["heard"]', '{}', 1, 'dead', 1),
                          ('6', 'ops', 'resolved', 'info', '["over"]', '{}', 1, 'pending', 1)"#,
            )
            .unwrap();
        let lane = LaneId { receiver: "ops".to_owned(), number: 1 };
        let Answer::Waiting(stock) = waiting(&connection, &Refill { lane, most: 10 }).unwrap() else {
            unreachable!("that was asked for")
        };
        assert_eq!(stock.oldest.len(), 1);
        assert_eq!(stock.untold, HashSet::from(["open".to_owned(), "over".to_owned()]));
    }
}
