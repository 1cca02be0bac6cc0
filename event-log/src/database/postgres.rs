//! A PostgreSQL server: connections, migrations, roles, and what other processes append.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Access, Settings};
use crate::{Error, GlobalPosition, migrations};

/// Where commits with events are announced, with the last position.
pub(crate) const CHANNEL: &str = "gateledger_events";

/// A table that is there as long as a copy of another store is not whole.
pub(crate) const UNFINISHED_COPY: &str = "unfinished_copy";

/// Older servers are out of support, <https://www.postgresql.org/support/versioning/> (read 2026-11).
const OLDEST_VERSION: u32 = 140_000;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that was used so recently is not asked whether it is alive.
const TRUSTED: Duration = Duration::from_millis(500);
/// Clocks that differ by less are taken for the same.
const APART: TimeDelta = TimeDelta::milliseconds(500);
/// Pause before a lost listener tries again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// An open server.
#[derive(Debug)]
pub(super) struct PostgresServer {
    pub(super) name: String,
    options: PgConnectOptions,
    pub(super) readers: PgPool,
    /// How far the server's clock is ahead of ours, in microseconds; see [`PostgresServer::ahead`].
    ahead: AtomicI64,
}

/// Whom to give what the program needs at run time.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The role that the program logs in as.
    pub role: String,
}

/// Whether the address is one of PostgreSQL.
pub(super) fn is_address(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

impl PostgresServer {
    /// Connects, checks the server, and migrates the database where that was asked for.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Open`], [`Error::NewerDatabase`], [`Error::Behind`], [`Error::UnfinishedCopy`].
    pub(super) async fn open(settings: &Settings) -> Result<Self, Error> {
        let options = options(&settings.url)?;
        let name = name_of(&options);
        let mut first = connect(&options, &name).await?;
        check_server(&mut first, &name).await?;
        refuse_unfinished_copy(&mut first, &name).await?;
        let missing = migrations::missing_on_postgres(&mut first, &name).await?;
        match (missing, settings.access) {
            (0, _) => {}
            (missing, Access::CreateAndMigrate) => {
                migrations::run_on_postgres(&mut first, &name, missing).await?;
            }
            (missing, _) => return Err(Error::Behind { database: name, missing }),
        }
        let _ = first.close().await;
        let readers = PgPoolOptions::new()
            .max_connections(settings.readers)
            .min_connections(0)
            .idle_timeout(Duration::from_secs(600))
            .acquire_timeout(CONNECT)
            // Asking a connection first whether it is alive would double every read: only those that were idle are asked.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for >= TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.clone().options([("default_transaction_read_only", "on")]));
        Ok(PostgresServer { name, options, readers, ahead: AtomicI64::new(0) })
    }

    /// A connection whose transactions the server ends if this process stops in the middle of one: every writer waits
    /// for its lock.
    pub(super) async fn connect_writer(&self) -> Result<PgConnection, Error> {
        let options = self.options.clone().options([
            ("idle_in_transaction_session_timeout", "15000"),
            // As below: what is looked up here, in however many rows, is looked up by key.
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
        ]);
        let mut connection = connect(&options, &self.name).await?;
        // A copy looks for connections after it has set its mark: so either of the two sees the other.
        refuse_unfinished_copy(&mut connection, &self.name).await?;
        // Whatever else the server waits for at a commit, it waits for its own disk.
        sqlx::query(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        )
        .execute(&mut connection)
        .await?;
        self.compare_clocks(&mut connection).await?;
        Ok(connection)
    }

    /// How far the server's clock is ahead of this machine's. Leases of several machines end by one clock, the server's.
    pub(super) fn ahead(&self) -> TimeDelta {
        TimeDelta::microseconds(self.ahead.load(Ordering::Relaxed))
    }

    #[expect(clippy::disallowed_methods, reason = "the machine's own clock is what is compared")]
    async fn compare_clocks(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let before = Utc::now();
        let theirs: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(connection).await?;
        let after = Utc::now();
        let ahead = theirs - (before + (after - before) / 2);
        let is_apart = ahead.abs() > APART.max(after - before);
        if is_apart {
            tracing::warn!(
                ahead_ms = ahead.num_milliseconds(),
                "the clock of the database differs from this machine's; times in the log are the database's"
            );
        }
        let counted = if is_apart { ahead.num_microseconds().unwrap_or(0) } else { 0 };
        self.ahead.store(counted, Ordering::Relaxed);
        Ok(())
    }

    /// Raises `head` to what other processes announce, until `stop`. A lost connection is made anew; whoever follows
    /// the log looks by itself now and then, so nothing is missed meanwhile.
    pub(super) async fn follow_others(&self, head: watch::Sender<GlobalPosition>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let listening = self.listen(&head);
            if let Some(Err(error)) = stop.run_until_cancelled(listening).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "announcements of appends cannot be heard");
            }
            stop.run_until_cancelled(tokio::time::sleep(LISTEN_AGAIN)).await;
        }
    }

    async fn listen(&self, head: &watch::Sender<GlobalPosition>) -> Result<(), sqlx::Error> {
        let one = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT);
        let pool = one.connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // `None`: the connection was lost and is there again.
            let Some(announced) = listener.try_recv().await? else { continue };
            if let Ok(position) = announced.payload().parse() {
                raise(head, GlobalPosition(position));
            }
        }
    }

    /// Gives a role what the program needs: events are added and read, never changed; read models are its own, because
    /// a rebuild puts new tables in their place.
    pub(super) async fn grant(&self, grant: &Grant) -> Result<(), Error> {
        let mut connection = connect(&self.options, &self.name).await?;
        let (owner, is_member): (String, bool) =
            sqlx::query_as("SELECT current_user::text, pg_has_role(current_user, $1, 'MEMBER')")
                .bind(&grant.role)
                .fetch_one(&mut connection)
                .await?;
        if !is_member {
            return Err(Error::NotAMember { owner, role: grant.role.clone() });
        }
        let role = quoted(&grant.role);
        let (schema, tables) = tables(&mut connection).await?;
        let mut statements = vec![format!("GRANT USAGE, CREATE ON SCHEMA {} TO {role}", quoted(&schema))];
        for table in tables {
            let quoted_table = quoted(&table);
            statements.push(match table.as_str() {
                "events" => format!("GRANT SELECT, INSERT ON {quoted_table} TO {role}"),
                "_sqlx_migrations" => format!("GRANT SELECT ON {quoted_table} TO {role}"),
                name if name.starts_with("rm_") => format!("ALTER TABLE {quoted_table} OWNER TO {role}"),
                _ => format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {quoted_table} TO {role}"),
            });
        }
        statements.push(format!("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {role}", quoted(&schema)));
        let text = format!("BEGIN; {}; COMMIT", statements.join("; "));
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await?;
        let _ = connection.close().await;
        Ok(())
    }
}

/// A connection for copying a store into the database, which need not have any tables yet; and the database's name.
///
/// # Errors
/// [`Error::BadUrl`], [`Error::Open`].
pub(crate) async fn connect_to_fill(url: &str) -> Result<(PgConnection, String), Error> {
    if !is_address(url) {
        return Err(Error::BadUrl("the target must look like postgres://user:password@host:5432/database".to_owned()));
    }
    let options = options(url)?.application_name("gateledger migrate-store");
    let name = name_of(&options);
    let mut connection = connect(&options, &name).await?;
    check_server(&mut connection, &name).await?;
    Ok((connection, name))
}

/// Raises the head, never lowers it.
pub(crate) fn raise(head: &watch::Sender<GlobalPosition>, position: GlobalPosition) {
    head.send_if_modified(|known| {
        let is_new = position > *known;
        *known = position.max(*known);
        is_new
    });
}

async fn tables(connection: &mut PgConnection) -> Result<(String, Vec<String>), Error> {
    let schema = sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut *connection).await?;
    let tables =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
            .fetch_all(connection)
            .await?;
    Ok((schema, tables))
}

fn options(url: &str) -> Result<PgConnectOptions, Error> {
    // The driver's message may quote the address, which may hold a password.
    let parsed = PgConnectOptions::from_str(url)
        .map_err(|_| Error::BadUrl("it must look like postgres://user:password@host:5432/database".to_owned()))?;
    if parsed.get_database().is_none_or(str::is_empty) {
        return Err(Error::BadUrl("it names no database; use postgres://user:password@host:5432/database".to_owned()));
    }
    Ok(parsed.application_name("gateledger").statement_cache_capacity(256).disable_statement_logging().options([
        ("TimeZone", "UTC"),
        ("client_min_messages", "warning"),
        // Every statement has its index. A plan that was made while a table was empty would read all of it instead, and
        // is kept for as long as nobody analyses the table: a log grows by gigabytes meanwhile.
        ("enable_seqscan", "off"),
        ("jit", "off"),
    ]))
}

fn name_of(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or(options.get_host().to_owned(), |socket| socket.display().to_string());
    format!(
        "postgres://{}@{host}:{}/{}",
        options.get_username(),
        options.get_port(),
        options.get_database().unwrap_or("")
    )
}

async fn connect(options: &PgConnectOptions, name: &str) -> Result<PgConnection, Error> {
    match tokio::time::timeout(CONNECT, options.connect()).await {
        Ok(connected) => connected.map_err(|source| Error::opening(name, source)),
        Err(_) => {
            let source = std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer");
            Err(Error::Open { database: name.to_owned(), source: Arc::new(source) })
        }
    }
}

async fn check_server(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    let unusable = |reason: String| {
        let source = std::io::Error::other(reason);
        Error::Open { database: name.to_owned(), source: Arc::new(source) }
    };
    let version = connection.server_version_num().unwrap_or(OLDEST_VERSION);
    if version < OLDEST_VERSION {
        return Err(unusable(format!("the server is PostgreSQL {}; 14 or newer is needed", version / 10_000)));
    }
    let encoding: String = sqlx::query_scalar("SHOW server_encoding")
        .fetch_one(&mut *connection)
        .await
        .map_err(|source| Error::opening(name, source))?;
    if encoding != "UTF8" {
        return Err(unusable(format!("the database has the encoding {encoding}; create one with UTF8")));
    }
    Ok(())
}

/// What is half there must not be worked on.
async fn refuse_unfinished_copy(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    let is_unfinished: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(UNFINISHED_COPY)
        .fetch_one(connection)
        .await
        .map_err(|source| Error::opening(name, source))?;
    if is_unfinished { Err(Error::UnfinishedCopy { database: name.to_owned() }) } else { Ok(()) }
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
