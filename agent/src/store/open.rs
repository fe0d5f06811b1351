//! Opening the database: pragmas, migrations, and what its errors mean.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use include_dir::{Dir, include_dir};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::StoreError;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");

/// The migrations in order: the file `NNNN_name.sql` brings the schema to version NNNN.
static STEPS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut files: Vec<_> = MIGRATIONS.files().collect();
    files.sort_by_key(|file| file.path());
    files.iter().filter_map(|file| file.contents_utf8()).collect()
});

/// The version of the newest migration. A test counts the files.
pub const SCHEMA_VERSION: i64 = 3;

/// Opens the database for writing, creating and migrating it where needed.
pub(super) fn for_writing(path: &Path) -> Result<Connection, StoreError> {
    let explain = |source| explain(path, source);
    let mut connection = Connection::open(path).map_err(explain)?;
    connection.busy_timeout(Duration::from_secs(2)).map_err(explain)?;
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(explain)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found });
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(explain)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(explain)?;
    connection.pragma_update(None, "foreign_keys", "ON").map_err(explain)?;
    connection.set_prepared_statement_cache_capacity(32);
    migrate(&mut connection, found).map_err(explain)?;
    Ok(connection)
}

/// Opens the database for reading beside the writer.
pub(super) fn for_reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| explain(path, source))?;
    connection.busy_timeout(Duration::from_secs(2)).map_err(|source| explain(path, source))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    if found != SCHEMA_VERSION {
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

/// Says what an error of SQLite means for the operator.
pub(super) fn explain(path: &Path, source: rusqlite::Error) -> StoreError {
    let path: PathBuf = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged { path, source },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::ReadOnly { path, source }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full { path, source },
        _ => StoreError::Other { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_version_is_the_number_of_migrations() {
        let names: Vec<_> = MIGRATIONS.files().map(|file| file.path().display().to_string()).collect();
        assert_eq!(i64::try_from(STEPS.len()).unwrap(), SCHEMA_VERSION, "{names:?}");
        for (i, file) in names.iter().enumerate() {
            assert!(file.starts_with(&format!("{:04}_", i + 1)), "{file} is out of order");
        }
    }

    #[test]
    fn deliveries_of_the_first_version_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("first.db");
        let first = Connection::open(&path).unwrap();
        first.execute_batch(STEPS[0]).unwrap();
        first
            .execute_batch(
                r#"INSERT INTO alert VALUES ('a', 'unreachable', 'vip', 1000, NULL, '{}');
                   INSERT INTO outbox VALUES
                     (1, 'b', 'ops', 'opened', '{"alert":{"severity":"critical"}}', 1000, 'delivered', 1, 1000, NULL, 2000),
                     (2, 'a', 'ops', 'opened', '{"alert":{"severity":"info"}}', 3000, 'pending', 4, 9000, 'HTTP 500', NULL),
                     (3, 'a', 'boss', 'opened', 'no JSON', 3000, 'dead', 1, 3000, 'HTTP 400', 4000),
                     (4, 'b', 'ops', 'resolved', '{}', 5000, 'pending', 0, 5000, NULL, NULL);
                   PRAGMA user_version = 1"#,
            )
            .unwrap();
        drop(first);

        let connection = for_writing(&path).unwrap();
        let mut rows = connection
            .prepare(
                "SELECT concat_ws(' ', id, notification, receiver, event, severity, alerts, document, created_at,
                                  state, attempts, next_at, last_error, done_at, digest) FROM delivery ORDER BY id",
            )
            .unwrap();
        let rows: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(
            rows,
            [
                r#"1 b-opened ops opened critical ["b"] {"alert":{"severity":"critical"}} 1000 delivered 1 1000 2000"#,
                r#"2 a-opened ops opened info ["a"] {"alert":{"severity":"info"}} 3000 pending 4 9000 HTTP 500"#,
                r#"3 a-opened boss opened warning ["a"] no JSON 3000 dead 1 3000 HTTP 400 4000"#,
                r#"4 b-resolved ops resolved warning ["b"] {} 5000 pending 0 5000"#,
            ]
        );
        let mut of_alert =
            connection.prepare("SELECT delivery FROM delivery_of_alert WHERE alert = 'a'").unwrap();
        let of_alert: Vec<i64> =
            of_alert.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(of_alert, [2, 3]);
        let old = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'outbox%'";
        assert_eq!(connection.query_row(old, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        let open =
            "SELECT id FROM alert WHERE resolved_at IS NULL AND telling IS NULL AND resolution IS NULL";
        assert_eq!(connection.query_row(open, [], |row| row.get::<_, String>(0)).unwrap(), "a");
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("newer.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        drop(connection);
        let before = std::fs::read(&path).unwrap();
        let error = for_writing(&path).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found, .. } if found == SCHEMA_VERSION + 1));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_of_another_kind_is_named_as_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not-a.db");
        std::fs::write(&path, "this is no database, and long enough not to be taken for an empty one")
            .unwrap();
        let error = for_writing(&path).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("move it away"));
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = for_writing(&dir.path().join("missing/vipwatch.db")).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    }
}
