//! A database of the demo's own on somebody's PostgreSQL server: nothing that is there is touched.

use anyhow::Context as _;
use event_log::sqlx::postgres::{PgConnectOptions, PgConnection};
use event_log::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _};
use url::Url;

/// A database that goes when the demo is over.
#[derive(Debug)]
pub struct OwnDatabase {
    server: Url,
    name: String,
    url: Url,
}

impl OwnDatabase {
    /// Creates it beside the database that `server` names.
    ///
    /// # Errors
    /// When the address is none, or the role may not create databases.
    pub async fn create(server: &str) -> anyhow::Result<Self> {
        // The parser's message may quote the address, and with it a password.
        let server = Url::parse(server).ok().filter(|url| url.scheme().starts_with("postgres"));
        let server = server.context("--store must look like postgres://user:password@host:5432/database")?;
        let name = format!("gateledger_demo_{}", uuid::Uuid::now_v7().simple());
        let mut url = server.clone();
        url.set_path(&name);
        let database = OwnDatabase { server, name, url };
        let created = format!("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", database.name);
        database.run(created).await.context("creating a database for the demo; its role needs CREATEDB")?;
        Ok(database)
    }

    /// Its address.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Removes it.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn remove(self) -> anyhow::Result<()> {
        let removed = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.run(removed).await.with_context(|| format!("removing the database {}", self.name))
    }

    async fn run(&self, statement: String) -> anyhow::Result<()> {
        let options: PgConnectOptions = self.server.as_str().parse().ok().context("--store cannot be read")?;
        let mut connection: PgConnection = options.connect().await.context("connecting to --store")?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }
}
