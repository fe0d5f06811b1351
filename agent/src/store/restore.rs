//! What a database remembers: what a restarted agent goes on from.

use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row};
use vipwatch_model::{
    alert::Alert,
    dispatch::{Group, Silence, Telling},
    state::{Machine, State},
    verdict::Verdict,
};

use vipwatch_web::api::{HISTORY_TICKS, RECENT_TRANSITIONS};

use super::{StoreError, open};

/// One probe as it was.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The probe's name.
    pub probe: String,
    /// What it was pointed at.
    pub target: String,
    /// Its state machine, in the middle of whatever it was counting.
    pub machine: Machine,
    /// Its last verdict, and when it was given.
    pub last: (DateTime<Utc>, Verdict),
    /// Its last rounds, oldest first: when, what state that round alone said, latency in microseconds.
    pub history: Vec<(DateTime<Utc>, State, Option<u32>)>,
}

/// A change of state as it was stored.
#[derive(Debug, Clone)]
pub struct PastTransition {
    /// When.
    pub at: DateTime<Utc>,
    /// The probe's name.
    pub probe: String,
    /// Its service.
    pub service: Option<String>,
    /// Its node.
    pub node: Option<String>,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub reason: String,
}

/// Deliveries of one receiver that are over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The receiver's name.
    pub receiver: String,
    /// Deliveries that it has.
    pub delivered: u64,
    /// Deliveries that were given up.
    pub dead: u32,
    /// Openings that were left out, because they were over before they could be delivered.
    pub superseded: u64,
}

/// An alert as it was.
#[derive(Debug, Clone)]
pub struct StoredAlert {
    /// The alert.
    pub alert: Alert,
    /// How far telling of it has come; nothing was written about that up to version 1 of the schema.
    pub telling: Option<Telling>,
    /// Whether it is open; otherwise its end is still to be told.
    pub is_open: bool,
}

/// Everything that is remembered.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The probes.
    pub probes: Vec<Remembered>,
    /// Alerts that are open, and those whose end is still to be told, oldest first.
    pub alerts: Vec<StoredAlert>,
    /// Groups of alerts that were told lately.
    pub groups: Vec<(String, Group)>,
    /// Silences that are not over.
    pub silences: Vec<Silence>,
    /// The newest changes of state, newest first.
    pub transitions: Vec<PastTransition>,
    /// The count of deliveries that are over.
    pub tallies: Vec<Tally>,
}

/// Reads everything through a connection of its own.
pub(super) fn restore(path: &Path) -> Result<Restored, StoreError> {
    let connection = open::for_reading(path)?;
    read(&connection).map_err(|source| open::explain(path, source))
}

fn read(connection: &Connection) -> rusqlite::Result<Restored> {
    let mut restored = Restored::default();
    let mut history = connection.prepare(
        "SELECT at, state, latency FROM round WHERE probe = ?1 ORDER BY at DESC, id DESC LIMIT ?2",
    )?;
    let mut probes = connection.prepare(
        "SELECT p.id, p.name, s.at, s.machine, s.verdict, p.target FROM probe_state s JOIN probe p ON p.id = s.probe",
    )?;
    let mut rows = probes.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let ticks = history
            .query_map((id, HISTORY_TICKS as i64), |row| Ok((time(row, 0)?, word(row, 1)?, row.get(2)?)))?;
        let mut ticks = readable(ticks)?;
        ticks.reverse();
        let remembered = || {
            Ok(Remembered {
                probe: row.get(1)?,
                target: row.get(5)?,
                machine: from_json(row, 3)?,
                last: (time(row, 2)?, from_json(row, 4)?),
                history: ticks,
            })
        };
        restored.probes.extend(readable([remembered()])?);
    }
    let mut alerts = connection.prepare(
        "SELECT story, telling, resolved_at IS NULL FROM alert
         WHERE resolved_at IS NULL OR (telling IS NOT NULL AND json_extract(telling, '$.end') IS NOT NULL)
         ORDER BY opened_at",
    )?;
    let alert = |row: &Row<'_>| {
        let telling: Option<String> = row.get(1)?;
        let telling = telling.map(|_| from_json(row, 1)).transpose()?;
        Ok(StoredAlert { alert: from_json(row, 0)?, telling, is_open: row.get(2)? })
    };
    restored.alerts = readable(alerts.query_map([], alert)?)?;
    let mut groups = connection.prepare("SELECT name, state FROM alert_group")?;
    restored.groups = readable(groups.query_map([], |row| Ok((row.get(0)?, from_json(row, 1)?)))?)?;
    let mut silences = connection.prepare("SELECT silence FROM silence")?;
    restored.silences = readable(silences.query_map([], |row| from_json(row, 0))?)?;
    let mut transitions = connection.prepare(
        "SELECT t.at, p.name, p.service, p.node, t.from_state, t.to_state, t.reason
         FROM transition t JOIN probe p ON p.id = t.probe ORDER BY t.at DESC, t.id DESC LIMIT ?1",
    )?;
    let transition = |row: &Row<'_>| {
        Ok(PastTransition {
            at: time(row, 0)?,
            probe: row.get(1)?,
            service: row.get(2)?,
            node: row.get(3)?,
            from: word(row, 4)?,
            to: word(row, 5)?,
            reason: row.get(6)?,
        })
    };
    restored.transitions = readable(transitions.query_map([RECENT_TRANSITIONS as i64], transition)?)?;
    let mut tallies = connection.prepare(
        "SELECT receiver, sum(state = 'delivered' AND digest IS NULL), sum(state = 'dead'),
                sum(state = 'superseded' AND event = 'opened') FROM delivery WHERE state <> 'pending' GROUP BY receiver",
    )?;
    let tally = |row: &Row<'_>| {
        Ok(Tally {
            receiver: row.get(0)?,
            delivered: row.get::<_, i64>(1)?.try_into().unwrap_or(0),
            dead: row.get::<_, i64>(2)?.try_into().unwrap_or(0),
            superseded: row.get::<_, i64>(3)?.try_into().unwrap_or(0),
        })
    };
    restored.tallies = readable(tallies.query_map([], tally)?)?;
    Ok(restored)
}

/// Leaves out what another version has written in a way that this one does not understand: one row must
/// not make the rest unusable. Faults of the database itself stay faults.
pub(super) fn readable<T>(rows: impl IntoIterator<Item = rusqlite::Result<T>>) -> rusqlite::Result<Vec<T>> {
    let mut kept = Vec::new();
    for row in rows {
        match row {
            Ok(value) => kept.push(value),
            Err(
                error @ (rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)),
            ) => tracing::warn!(%error, "left out a row that cannot be understood"),
            Err(error) => return Err(error),
        }
    }
    Ok(kept)
}

pub(super) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<DateTime<Utc>> {
    let millis: i64 = row.get(index)?;
    DateTime::from_timestamp_millis(millis).ok_or(rusqlite::Error::IntegralValueOutOfRange(index, millis))
}

pub(super) fn word<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let word: String = row.get(index)?;
    word.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into())
    })
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into())
    })
}
