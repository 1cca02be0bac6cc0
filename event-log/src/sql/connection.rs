//! Connections and pools of either database.

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// One connection.
#[derive(Debug)]
pub struct Connection(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(SqliteConnection),
    SqlitePooled(PoolConnection<Sqlite>),
    Postgres(PgConnection),
    PostgresPooled(PoolConnection<Postgres>),
}

/// The driver's connection.
pub(crate) enum Driver<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// Several connections, shared. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Pool {
    /// To a SQLite file.
    Sqlite(SqlitePool),
    /// To a PostgreSQL server.
    Postgres(PgPool),
}

/// Where a statement runs.
#[derive(Debug)]
pub enum Target<'t> {
    /// On this connection.
    Connection(&'t mut Connection),
    /// On any connection of the pool.
    Pool(&'t Pool),
}

impl Connection {
    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Kind::Sqlite(_) | Kind::SqlitePooled(_) => Dialect::Sqlite,
            Kind::Postgres(_) | Kind::PostgresPooled(_) => Dialect::Postgres,
        }
    }

    pub(crate) fn driver(&mut self) -> Driver<'_> {
        match &mut self.0 {
            Kind::Sqlite(connection) => Driver::Sqlite(connection),
            Kind::SqlitePooled(connection) => Driver::Sqlite(connection),
            Kind::Postgres(connection) => Driver::Postgres(connection),
            Kind::PostgresPooled(connection) => Driver::Postgres(connection),
        }
    }

    /// Closes it in order.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        use sqlx::Connection as _;
        match self.0 {
            Kind::Sqlite(connection) => connection.close().await,
            Kind::Postgres(connection) => connection.close().await,
            Kind::SqlitePooled(_) | Kind::PostgresPooled(_) => Ok(()),
        }
    }
}

impl From<SqliteConnection> for Connection {
    fn from(connection: SqliteConnection) -> Self {
        Connection(Kind::Sqlite(connection))
    }
}

impl From<PgConnection> for Connection {
    fn from(connection: PgConnection) -> Self {
        Connection(Kind::Postgres(connection))
    }
}

impl Pool {
    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Pool::Sqlite(_) => Dialect::Sqlite,
            Pool::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A connection for as long as it is held.
    ///
    /// # Errors
    /// When none can be had in time.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        Ok(Connection(match self {
            Pool::Sqlite(pool) => Kind::SqlitePooled(pool.acquire().await?),
            Pool::Postgres(pool) => Kind::PostgresPooled(pool.acquire().await?),
        }))
    }

    /// Closes all connections; later calls fail.
    pub async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

impl<'t> From<&'t mut Connection> for Target<'t> {
    fn from(connection: &'t mut Connection) -> Self {
        Target::Connection(connection)
    }
}

impl<'t> From<&'t Pool> for Target<'t> {
    fn from(pool: &'t Pool) -> Self {
        Target::Pool(pool)
    }
}

/// Calls the driver of whatever the target is.
macro_rules! on_driver {
    ($target:expr, sqlite($sqlite:ident) => $on_sqlite:expr, postgres($postgres:ident) => $on_postgres:expr) => {
        match $target {
            $crate::sql::connection::Target::Connection(connection) => match connection.driver() {
                $crate::sql::connection::Driver::Sqlite($sqlite) => $on_sqlite,
                $crate::sql::connection::Driver::Postgres($postgres) => $on_postgres,
            },
            $crate::sql::connection::Target::Pool($crate::sql::connection::Pool::Sqlite($sqlite)) => $on_sqlite,
            $crate::sql::connection::Target::Pool($crate::sql::connection::Pool::Postgres($postgres)) => $on_postgres,
        }
    };
}

pub(crate) use on_driver;

impl Target<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Target::Connection(connection) => connection.dialect(),
            Target::Pool(pool) => pool.dialect(),
        }
    }
}

impl From<SqliteRow> for super::Row {
    fn from(row: SqliteRow) -> Self {
        super::Row::Sqlite(row)
    }
}

impl From<PgRow> for super::Row {
    fn from(row: PgRow) -> Self {
        super::Row::Postgres(row)
    }
}
