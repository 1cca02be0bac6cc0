//! The migrations in the binary, and whether a database has them.

use std::borrow::Cow;

use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, SqlSafeStr, SqliteConnection};

use crate::Error;

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        /// Version, name and text of every migration, oldest first. A test compares the lists with the folders.
        const SQLITE: &[(&str, &str, &str)] =
            &[$(($version, $name, include_str!(concat!("../../migrations/sqlite/", $version, "_", $name, ".sql")))),*];
        /// The same versions, for PostgreSQL.
        const POSTGRES: &[(&str, &str, &str)] =
            &[$(($version, $name, include_str!(concat!("../../migrations/postgres/", $version, "_", $name, ".sql")))),*];
    };
}

migrations![
    "20261121000000" "create_events",
    "20261121000100" "create_sightings",
    "20261121000200" "create_checkpoints",
    "20261121000300" "create_leases",
    "20261121000400" "create_effects",
    "20261121000500" "create_accounts",
    "20261121000600" "create_gateway",
    "20261121000700" "create_read_models",
    "20261121000800" "create_transfer_runs",
    "20261122000000" "add_dead_letter_origins",
    "20261122000100" "add_effect_claims",
    "20261122000200" "queue_effects_by_source",
    "20261123000000" "create_channel_mappings",
    "20261123000100" "create_sync_jobs",
    "20261123000110" "create_chat_cursors",
    "20261123000200" "index_events_by_organization",
    "20261123000210" "index_dead_letters",
    "20261123000220" "order_events_of_stories",
    "20261123000300" "create_ingest",
    "20261123000310" "add_effect_sequences",
    "20261123000400" "create_grants",
    "20261123000500" "create_books",
    "20261123000510" "create_erp_read_models",
    "20261123000520" "add_wanted_full",
    "20261124000100" "create_notify_endpoints",
    "20261124000110" "index_effects_by_story",
    "20261124000200" "add_decided_role",
    "20261124000210" "add_role_decisions",
    "20261124000300" "add_announced_contacts",
    "20261124000400" "add_left_out",
    "20261124000410" "add_wanted_at",
    "20261124000420" "add_told_at",
    "20261124000430" "add_walk_job",
    "20261124000440" "add_held_watermark",
    "20261124000450" "add_since_of_chats",
    "20261124000460" "add_since_of_lines",
    "20261124000470" "add_away_since",
];

fn migrator(list: &[(&'static str, &'static str, &'static str)]) -> Migrator {
    let migrations = list
        .iter()
        .map(|(version, name, sql)| {
            let version = version.parse().expect("a migration's version is a number");
            Migration::new(version, Cow::Borrowed(*name), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect::<Vec<_>>();
    Migrator::with_migrations(migrations)
}

macro_rules! on_backend {
    ($run:ident, $missing:ident, $list:ident, $connection:ty, $table:literal) => {
        /// Brings the database, which lacks `missing` migrations, up to this program.
        ///
        /// Several processes may try at the same time: who finds a migration done by another goes on after it.
        ///
        /// # Errors
        /// [`Error::NewerDatabase`] when it is ahead of this program, [`Error::Corrupt`] when an applied migration
        /// differs.
        pub(crate) async fn $run(
            connection: &mut $connection,
            database: &str,
            mut missing: usize,
        ) -> Result<(), Error> {
            while let Err(source) = migrator($list).run_direct(None, connection, false).await {
                let still_missing = $missing(connection, database).await?;
                if still_missing >= missing {
                    return Err(classify(database, source));
                }
                missing = still_missing;
            }
            Ok(())
        }

        /// How many migrations the database lacks. Nothing is changed.
        ///
        /// # Errors
        /// [`Error::NewerDatabase`] when it is ahead of this program.
        pub(crate) async fn $missing(connection: &mut $connection, database: &str) -> Result<usize, Error> {
            let exists: bool = sqlx::query_scalar($table)
                .fetch_one(&mut *connection)
                .await
                .map_err(|source| Error::opening(database, source))?;
            if !exists {
                return Ok($list.len());
            }
            let applied = connection
                .list_applied_migrations("_sqlx_migrations")
                .await
                .map_err(|source| classify(database, source))?;
            count_missing(&migrator($list), &applied, database)
        }
    };
}

on_backend!(
    run_on_sqlite,
    missing_on_sqlite,
    SQLITE,
    SqliteConnection,
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')"
);
on_backend!(
    run_on_postgres,
    missing_on_postgres,
    POSTGRES,
    PgConnection,
    "SELECT to_regclass('_sqlx_migrations') IS NOT NULL"
);

fn count_missing(migrator: &Migrator, applied: &[AppliedMigration], database: &str) -> Result<usize, Error> {
    let known = |version| migrator.iter().any(|migration| migration.version == version);
    if let Some(newer) = applied.iter().find(|migration| !known(migration.version)) {
        return Err(Error::NewerDatabase { database: database.to_owned(), version: newer.version });
    }
    Ok(migrator.iter().filter(|migration| !applied.iter().any(|one| one.version == migration.version)).count())
}

fn classify(database: &str, source: MigrateError) -> Error {
    let database = database.to_owned();
    match source {
        MigrateError::VersionMissing(version) => Error::NewerDatabase { database, version },
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => Error::opening(&database, source),
        other => Error::Corrupt { database, reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_in_the_binary_and_in_order() {
        for (folder, list) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let folder = format!("{}/../migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .expect("the migrations folder is there")
                .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
                .collect();
            files.sort();
            let listed: Vec<String> = list.iter().map(|(version, name, _)| format!("{version}_{name}.sql")).collect();
            assert_eq!(files, listed);
        }
    }
}
