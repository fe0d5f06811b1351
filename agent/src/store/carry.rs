//! What waits to be delivered goes along when another file takes the database's place.
//!
//! SQLite goes on reading a file that was deleted or moved away, so what waits in it is copied to a file of its own beside the
//! database's path, however much that is. Whichever database is opened there next takes that in. It is done in two steps, since the two
//! databases would share one write-ahead log by its name.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, params};

/// All of a delivery but its number, which is given anew.
const COLUMNS: &str =
    "notification, receiver, event, severity, alerts, document, created_at, state, attempts,
                       next_at, last_error, done_at, digest";

/// Copies what waits in `old`, which stood at `path`, to the file beside it. Gives how much that is.
pub(super) fn set_aside(old: &Connection, path: &Path) -> rusqlite::Result<usize> {
    attached(old, path, || {
        let transaction = old.unchecked_transaction()?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS carried.delivery AS SELECT * FROM main.delivery WHERE false",
        )?;
        let waits = transaction.execute(
            &format!(
                "INSERT INTO carried.delivery ({COLUMNS})
                 SELECT {COLUMNS} FROM main.delivery WHERE state = 'pending' ORDER BY id"
            ),
            [],
        )?;
        transaction.commit()?;
        Ok(waits)
    })
}

/// Takes in what was set aside at `path`, if anything was. What is known already stays as it is.
pub(super) fn take_in(connection: &Connection, path: &Path) -> rusqlite::Result<usize> {
    let carried = beside(path);
    if !carried.exists() {
        return Ok(0);
    }
    let taken = attached(connection, path, || {
        let transaction = connection.unchecked_transaction()?;
        // There is none where the agent was killed while it was written.
        let whole = transaction.table_exists(Some("carried"), "delivery")?;
        let taken = if whole {
            transaction.execute(
                &format!(
                    "INSERT INTO main.delivery ({COLUMNS})
                     SELECT {COLUMNS} FROM carried.delivery WHERE true ORDER BY rowid ON CONFLICT DO NOTHING"
                ),
                [],
            )?
        } else {
            0
        };
        transaction.commit()?;
        Ok(taken)
    })?;
    if let Err(error) = std::fs::remove_file(&carried) {
        tracing::warn!(path = %carried.display(), %error, "failed to remove a file that is needed no more");
    }
    Ok(taken)
}

/// Does `work` while what is set aside at `path` is there as the schema `carried`.
fn attached<T>(
    connection: &Connection,
    path: &Path,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let carried = beside(path);
    connection.execute("ATTACH ?1 AS carried", params![carried.to_string_lossy()])?;
    let done = work();
    connection.execute("DETACH carried", [])?;
    done
}

/// `vipwatch.db` becomes `vipwatch.db-carried`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-carried");
    name.into()
}
