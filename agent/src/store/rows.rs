//! The statements: how records become rows.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Transaction, params};
use vipwatch_model::{
    alert::Alert,
    flow::{Flow, Outcome},
    notification::Resolution,
    probe::Probe,
};

use super::{
    Effects, Record, RoundRecord,
    deliveries::{self, Answer},
    replay,
};

/// The ids of the probes that were written through this connection, by name, and the target that each was written with.
pub(super) type ProbeIds = HashMap<String, (i64, String)>;

/// Writes all of `records` in one transaction; gives the answers to those that ask something, in their order.
pub(super) fn write(
    connection: &mut Connection,
    ids: &mut ProbeIds,
    records: &[Record],
) -> rusqlite::Result<Vec<Answer>> {
    // What an alert depends on must survive a power cut; history may lose its last moments.
    let precious = records.iter().any(Record::is_precious);
    connection.pragma_update(None, "synchronous", if precious { "FULL" } else { "NORMAL" })?;
    let transaction = connection.transaction()?;
    let mut fresh = ProbeIds::new();
    let mut answers = Vec::new();
    for record in records {
        match record {
            Record::Round(round) => write_round(&transaction, ids, &mut fresh, round)?,
            Record::Effects(effects) => write_effects(&transaction, effects)?,
            Record::Decided(decided) => deliveries::decide(&transaction, &decided.decision)?,
            Record::Stranded { configured, at } => deliveries::strand(&transaction, configured, *at)?,
            Record::Refill(refill) => answers.push(deliveries::waiting(&transaction, refill)?),
            Record::Retry(retry) => answers.push(Answer::PutBack(replay::put_back(&transaction, retry)?)),
            Record::IsWritten(_) => {}
        }
    }
    transaction.commit()?;
    ids.extend(fresh);
    Ok(answers)
}

/// The most rows of a table that are deleted at a time.
const AT_A_TIME: usize = 2_000;

/// Deletes what is older than `before`, a bounded amount at a time; tells whether more is left.
pub(super) fn prune(connection: &mut Connection, before: DateTime<Utc>) -> rusqlite::Result<bool> {
    let transaction = connection.transaction()?;
    let delete = |statement: String| transaction.execute(&statement, [before.timestamp_millis()]);
    delete(format!("DELETE FROM flow WHERE round IN ({})", oldest("round", "at")))?;
    let mut more = false;
    for (table, time) in PRUNED {
        more |= delete(format!("DELETE FROM {table} WHERE id IN ({})", oldest(table, time)))? == AT_A_TIME;
    }
    transaction.commit()?;
    Ok(more)
}

/// Which tables lose their old rows, and by which time. What is still to be delivered, and what is open, has no end yet,
/// however old it is.
const PRUNED: [(&str, &str); 4] =
    [("round", "at"), ("transition", "at"), ("delivery", "done_at"), ("alert", "resolved_at")];

/// Asks for the oldest rows of a table before a time.
fn oldest(table: &str, time: &str) -> String {
    format!("SELECT id FROM {table} WHERE {time} < ?1 ORDER BY {time} LIMIT {AT_A_TIME}")
}

fn write_round(
    transaction: &Transaction<'_>,
    ids: &ProbeIds,
    fresh: &mut ProbeIds,
    round: &RoundRecord,
) -> rusqlite::Result<()> {
    let probe = probe_id(transaction, ids, fresh, &round.planned.probe)?;
    let at = round.at.timestamp_millis();
    let verdict = &round.verdict;
    transaction
        .prepare_cached(
            "INSERT INTO round (probe, at, finding, state, answered, flows, latency, endpoints, weight)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            probe,
            at,
            verdict.finding.as_str(),
            verdict.state.as_str(),
            verdict.answered,
            verdict.flows,
            round.latency_us,
            verdict.local_endpoints,
            verdict.weight,
        ])?;
    let id = transaction.last_insert_rowid();
    for (nth, flow) in round.flows().iter().enumerate() {
        write_flow(transaction, id, nth, flow)?;
    }
    if let Some(failure) = round.failed_poll() {
        write_flow(transaction, id, 0, &Flow::failed(None, failure.kind, failure.detail.as_str()))?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO probe_state (probe, at, machine, verdict) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (probe) DO UPDATE SET at = excluded.at, machine = excluded.machine, verdict = excluded.verdict",
        )?
        .execute(params![probe, at, json(&round.machine)?, json(verdict)?])?;
    if let Some(transition) = &round.transition {
        transaction
            .prepare_cached(
                "INSERT INTO transition (probe, at, from_state, to_state, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                probe,
                transition.at.timestamp_millis(),
                transition.from.as_str(),
                transition.to.as_str(),
                verdict.reason,
            ])?;
    }
    write_effects(transaction, &round.effects)
}

fn probe_id(
    transaction: &Transaction<'_>,
    ids: &ProbeIds,
    fresh: &mut ProbeIds,
    probe: &Probe,
) -> rusqlite::Result<i64> {
    let (name, target) = (probe.name.as_str(), probe.subject.target());
    // Another target of the same name has to be known as such after a restart.
    if let Some((id, written)) = fresh.get(name).or_else(|| ids.get(name))
        && *written == target
    {
        return Ok(*id);
    }
    let id = transaction
        .prepare_cached(
            "INSERT INTO probe (name, service, node, target) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET service = excluded.service, node = excluded.node, target = excluded.target
             RETURNING id",
        )?
        .query_row(
            params![name, probe.subject.service(), probe.subject.node(), target],
            |row| row.get(0),
        )?;
    fresh.insert(name.to_owned(), (id, target));
    Ok(id)
}

fn write_flow(transaction: &Transaction<'_>, round: i64, nth: usize, flow: &Flow) -> rusqlite::Result<()> {
    let (report, failure, detail) = match &flow.outcome {
        Outcome::Echoed(report) => (Some(report), None, None),
        Outcome::Answered => (None, None, None),
        Outcome::Unreadable(why) => (None, None, Some(why.as_str())),
        Outcome::Failed(failure) => (None, Some(failure.kind.as_str()), Some(failure.detail.as_str())),
    };
    let phases = &flow.phases;
    transaction
        .prepare_cached(
            "INSERT INTO flow (round, nth, local, remote, source, port, node, pod, failure, detail,
                               resolve, connect, tls, first_byte, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            round,
            i64::try_from(nth).unwrap_or(i64::MAX),
            flow.local.map(|address| address.to_string()),
            flow.remote.map(|address| address.to_string()),
            report.map(|report| report.address.to_string()),
            report.and_then(|report| report.port),
            report.and_then(|report| report.node.as_deref()),
            report.and_then(|report| report.pod.as_deref()),
            failure,
            detail,
            phases.resolve_us,
            phases.connect_us,
            phases.tls_us,
            phases.first_byte_us,
            phases.body_us,
        ])?;
    Ok(())
}

/// Writes what stands into a database that has taken another one's place.
pub(super) fn write_again(connection: &mut Connection, standing: &Effects) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    write_effects(&transaction, standing)?;
    transaction.commit()
}

fn write_effects(transaction: &Transaction<'_>, effects: &Effects) -> rusqlite::Result<()> {
    resolve(transaction, &effects.resolved)?;
    for alert in &effects.opened {
        insert_alert(transaction, alert, None)?;
    }
    for (alert, telling) in &effects.tellings {
        transaction
            .prepare_cached("UPDATE alert SET telling = ?2 WHERE id = ?1")?
            .execute(params![alert, json(telling)?])?;
    }
    for (name, group) in &effects.groups {
        match group {
            Some(group) => transaction
                .prepare_cached("INSERT OR REPLACE INTO alert_group (name, state) VALUES (?1, ?2)")?
                .execute(params![name, json(group)?])?,
            None => transaction.prepare_cached("DELETE FROM alert_group WHERE name = ?1")?.execute([name])?,
        };
    }
    for (id, silence) in &effects.silences {
        match silence {
            Some(silence) => transaction
                .prepare_cached("INSERT OR REPLACE INTO silence (id, until, silence) VALUES (?1, ?2, ?3)")?
                .execute(params![id, silence.until.timestamp_millis(), json(silence)?])?,
            None => transaction.prepare_cached("DELETE FROM silence WHERE id = ?1")?.execute([id])?,
        };
    }
    deliveries::enqueue(transaction, &effects.deliveries)
}

/// A row for the alert, if it has none. An older one of its kind and subject that is still open (which can
/// only come from a time when this database was away) ends with it.
fn insert_alert(
    transaction: &Transaction<'_>,
    alert: &Alert,
    resolved: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    if resolved.is_none() {
        transaction
            .prepare_cached(
                "UPDATE alert SET resolved_at = ?1
                 WHERE resolved_at IS NULL AND kind = ?2 AND subject = ?3 AND id <> ?4",
            )?
            .execute(params![
                alert.opened_at.timestamp_millis(),
                alert.key.kind.as_str(),
                alert.key.subject,
                alert.id,
            ])?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO alert (id, kind, subject, opened_at, resolved_at, story) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            alert.id,
            alert.key.kind.as_str(),
            alert.key.subject,
            alert.opened_at.timestamp_millis(),
            resolved.map(|at| at.timestamp_millis()),
            json(alert)?,
        ])?;
    Ok(())
}

fn resolve(transaction: &Transaction<'_>, resolved: &[(Alert, Resolution)]) -> rusqlite::Result<()> {
    for (alert, resolution) in resolved {
        // The row is missing when the database was replaced while the alert was open.
        insert_alert(transaction, alert, Some(resolution.at))?;
        transaction
            .prepare_cached(
                "UPDATE alert SET resolved_at = ?1, resolution = ?3 WHERE resolution IS NULL AND id = ?2",
            )?
            .execute(params![resolution.at.timestamp_millis(), alert.id, json(resolution)?])?;
    }
    Ok(())
}

pub(super) fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
