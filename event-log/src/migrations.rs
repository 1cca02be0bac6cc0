//! The migrations in the binary, and whether a database has them.

use std::borrow::Cow;
use std::path::Path;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqliteConnection};

use crate::Error;

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(($version, $name, include_str!(concat!("../../migrations/sqlite/", $version, "_", $name, ".sql")))),*]
    };
}

/// Version, name and text of every migration, oldest first. A test compares the list with the folder.
const SQLITE: &[(&str, &str, &str)] = migrations![
    "20261121000000" "create_events",
    "20261121000100" "create_sightings",
    "20261121000200" "create_checkpoints",
    "20261121000300" "create_leases",
    "20261121000400" "create_effects",
    "20261121000500" "create_accounts",
    "20261121000600" "create_gateway",
    "20261121000700" "create_read_models",
    "20261121000800" "create_transfer_runs",
];

fn migrator() -> Migrator {
    let migrations = SQLITE
        .iter()
        .map(|(version, name, sql)| {
            let version = version.parse().expect("a migration's version is a number");
            Migration::new(version, Cow::Borrowed(*name), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect::<Vec<_>>();
    Migrator::with_migrations(migrations)
}

/// Brings the database, which lacks `missing` migrations, up to this program.
///
/// Several processes may try at the same time: who finds a migration done by another goes on after it.
///
/// # Errors
/// [`Error::NewerDatabase`] when it is ahead of this program, [`Error::Corrupt`] when an applied migration differs.
pub(crate) async fn run(connection: &mut SqliteConnection, path: &Path, mut missing: usize) -> Result<(), Error> {
    while let Err(source) = migrator().run_direct(None, connection, false).await {
        let still_missing = self::missing(connection, path).await?;
        if still_missing >= missing {
            return Err(classify(path, source));
        }
        missing = still_missing;
    }
    Ok(())
}

/// How many migrations the database lacks.
///
/// # Errors
/// As [`run`]; nothing is changed.
pub(crate) async fn missing(connection: &mut SqliteConnection, path: &Path) -> Result<usize, Error> {
    let migrator = migrator();
    let table: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await
        .map_err(|source| Error::opening(path, source))?;
    if table == 0 {
        return Ok(migrator.iter().count());
    }
    let applied =
        connection.list_applied_migrations("_sqlx_migrations").await.map_err(|source| classify(path, source))?;
    let known = |version| migrator.iter().any(|migration| migration.version == version);
    if let Some(newer) = applied.iter().find(|migration| !known(migration.version)) {
        return Err(Error::NewerDatabase { path: path.to_owned(), version: newer.version });
    }
    Ok(migrator.iter().filter(|migration| !applied.iter().any(|one| one.version == migration.version)).count())
}

fn classify(path: &Path, source: MigrateError) -> Error {
    match source {
        MigrateError::VersionMissing(version) => Error::NewerDatabase { path: path.to_owned(), version },
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => Error::opening(path, source),
        other => Error::Corrupt { path: path.to_owned(), reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_in_the_binary_and_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the migrations folder is there")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let listed: Vec<String> = SQLITE.iter().map(|(version, name, _)| format!("{version}_{name}.sql")).collect();
        assert_eq!(files, listed);
    }
}
