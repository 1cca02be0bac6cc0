//! Why a store was not copied, and what helps.

/// Why a store was not copied, and what helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One side cannot be opened, or is not what this program can work with.
    #[error(transparent)]
    Log(#[from] crate::Error),
    /// The database holds something that no copy has put there.
    #[error(
        "{target} already holds {found}, and it is not a copy of this store; use an empty database, or `--verify-only` to \
         see how they differ"
    )]
    NotEmpty {
        /// The database.
        target: String,
        /// Tables with their numbers of rows.
        found: String,
    },
    /// The database holds the beginning of a copy, but of another log.
    #[error(
        "{target} holds an unfinished copy of another store ({copied_from}): the event at position {position} is not the \
         same; go on with that one, or use an empty database"
    )]
    AnotherSource {
        /// The database.
        target: String,
        /// The file, as the command that began has named it.
        copied_from: String,
        /// Where the logs are known to differ.
        position: i64,
    },
    /// Somebody works on the database.
    #[error("{target} is in use: {by}; stop it first")]
    InUse {
        /// The database.
        target: String,
        /// By whom.
        by: String,
    },
    /// The role of the address may not do what is needed.
    #[error("the role of {target} may not fill {tables}; use the address of the role that owns the tables")]
    NotAllowed {
        /// The database.
        target: String,
        /// Names of tables.
        tables: String,
    },
    /// The tables do not fit together: damage, or a bug in a migration.
    #[error("table {table}: {reason}")]
    Misfit {
        /// The table.
        table: String,
        /// What does not fit.
        reason: String,
    },
    /// A value in the file is not what its column should hold.
    #[error("table {table}, {key}: {reason}")]
    Unreadable {
        /// The table.
        table: String,
        /// The row.
        key: String,
        /// The column and what is wrong with it.
        reason: String,
    },
    /// The database does not take a row.
    #[error("table {table}: {reason}")]
    Refused {
        /// The table.
        table: String,
        /// What the server said, and where.
        reason: String,
        /// The whole answer.
        source: sqlx::Error,
    },
    /// A command changed the file meanwhile.
    #[error("{from} was changed while it was copied; run the same command again when nothing works on it")]
    SourceChanged {
        /// The file.
        from: String,
    },
    /// A database call failed for another reason.
    #[error("database call failed; run the same command again to go on")]
    Database(#[from] sqlx::Error),
}

impl Error {
    /// Names the table and the row at which a COPY stopped.
    pub(super) fn refused(table: &str, source: sqlx::Error) -> Self {
        let answer = source.as_database_error().and_then(|error| {
            let error = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
            let place = error.r#where().and_then(|place| place.lines().next_back()).unwrap_or_default();
            Some(format!("{} ({place})", error.message()))
        });
        match answer {
            Some(reason) => Error::Refused { table: table.to_owned(), reason, source },
            None => Error::Database(source),
        }
    }
}
