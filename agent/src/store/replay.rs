//! Dead letters that somebody wants to be delivered after all.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Transaction, params};
use vipwatch_model::{
    alert::Event,
    delivery::DeliveryState,
    lane::{self, Rest},
};

use super::{
    Retry, deliveries,
    restore::{from_json, readable, word},
    rows::json,
};

/// What came of a [`Retry`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// What became of dead letters, by receiver.
    pub by_receiver: BTreeMap<String, Replay>,
    /// Dead letters that were refused, because their receivers are not configured: their numbers, by receiver.
    pub refused: BTreeMap<String, Vec<i64>>,
}

/// What became of the dead letters of one receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replay {
    /// So many wait again.
    pub put_back: usize,
    /// So many are left out: the receiver knows that it is over.
    pub superseded: usize,
    /// So many of these are openings.
    pub openings: usize,
}

impl Replayed {
    /// How many wait again.
    #[must_use]
    pub fn put_back(&self) -> usize {
        self.by_receiver.values().map(|replay| replay.put_back).sum()
    }

    /// How many are left out.
    #[must_use]
    pub fn superseded(&self) -> usize {
        self.by_receiver.values().map(|replay| replay.superseded).sum()
    }
}

/// A dead letter without its document: of these there may be many.
struct Dead {
    id: i64,
    receiver: String,
    event: Event,
    alerts: Vec<String>,
}

/// Alerts that receivers were told to be over, by receiver.
type Over = HashMap<String, HashSet<String>>;

/// Lets dead letters wait again, as far as there is still something to tell.
pub(super) fn put_back(transaction: &Transaction<'_>, retry: &Retry) -> rusqlite::Result<Replayed> {
    let mut replayed = Replayed::default();
    let (dead, gone): (Vec<_>, Vec<_>) =
        dead(transaction, retry)?.into_iter().partition(|dead| retry.configured.contains(&dead.receiver));
    for Dead { id, receiver, .. } in gone {
        replayed.refused.entry(receiver).or_default().push(id);
    }
    let over = over(transaction, &dead)?;
    let at = retry.at.timestamp_millis();
    let mut put_back = transaction.prepare_cached(
        "UPDATE delivery SET state = 'pending', done_at = NULL, next_at = ?2 WHERE id = ?1",
    )?;
    let mut leave_out =
        transaction.prepare_cached("UPDATE delivery SET state = 'superseded', done_at = ?2 WHERE id = ?1")?;
    for Dead { id, receiver, event, alerts } in dead {
        let is_over = |alert: &str| over.get(&receiver).is_some_and(|over| over.contains(alert));
        let rest = lane::rest(event, &alerts, is_over);
        match rest {
            Rest::Nothing => leave_out.execute(params![id, at])?,
            Rest::All | Rest::Part => put_back.execute(params![id, at])?,
        };
        if rest == Rest::Part {
            let mut delivery = deliveries::with_id(transaction, id)?;
            delivery.leave_out(is_over);
            let row = lane::Row { delivery, state: DeliveryState::Pending, error: None, at: retry.at };
            deliveries::update(transaction, &row)?;
        }
        let replay = replayed.by_receiver.entry(receiver).or_default();
        if rest == Rest::Nothing {
            replay.superseded += 1;
            replay.openings += usize::from(event == Event::Opened);
        } else {
            replay.put_back += 1;
        }
    }
    Ok(replayed)
}

fn dead(transaction: &Transaction<'_>, retry: &Retry) -> rusqlite::Result<Vec<Dead>> {
    let mut select = transaction.prepare_cached(
        "SELECT id, receiver, event, alerts FROM delivery
         WHERE state = 'dead' AND (?1 IS NULL OR receiver = ?1)
           AND (?2 OR id IN (SELECT value FROM json_each(?3))) ORDER BY id",
    )?;
    let given = params![retry.receiver, retry.ids.is_empty(), json(&retry.ids)?];
    let dead = |row: &rusqlite::Row<'_>| {
        Ok(Dead { id: row.get(0)?, receiver: row.get(1)?, event: word(row, 2)?, alerts: from_json(row, 3)? })
    };
    readable(select.query_map(given, dead)?)
}

/// Of which alerts of `dead` the receiver was told that they are over.
fn over(transaction: &Transaction<'_>, dead: &[Dead]) -> rusqlite::Result<Over> {
    let receivers: HashSet<_> = dead.iter().map(|dead| dead.receiver.as_str()).collect();
    let alerts: HashSet<_> = dead.iter().flat_map(|dead| &dead.alerts).collect();
    let mut select = transaction.prepare_cached(
        "SELECT receiver, alert FROM delivery_of_alert JOIN delivery ON id = delivery
         WHERE alert IN (SELECT value FROM json_each(?2)) AND receiver IN (SELECT value FROM json_each(?1))
           AND event = 'resolved' AND +state = 'delivered'",
    )?;
    let mut ends = select.query(params![json(&receivers)?, json(&alerts)?])?;
    let mut over = Over::new();
    while let Some(end) = ends.next()? {
        over.entry(end.get(0)?).or_default().insert(end.get(1)?);
    }
    Ok(over)
}
