//! A fresh database for one test.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::services;

/// A database that nobody else uses, dropped with this value, whoever is still connected to it.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its address, as superuser.
    pub url: String,
    name: String,
    /// Address of the database from which it is made and dropped.
    admin_url: String,
}

/// Roles of one test's database, for tests of ownership and grants. Neither is a superuser, and passwords are not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Owns the database and its schema `public`: the one that migrates.
    pub owner: String,
    /// May connect, and nothing else until the owner grants it: the one that services use.
    pub application: String,
}

/// Makes a fresh, empty database in the shared cluster.
///
/// # Panics
/// Without `GATELEDGER_TEST_POSTGRES`, with the remedy; and when the cluster does not answer.
pub async fn database() -> TestDatabase {
    database_in(&services::variable("GATELEDGER_TEST_POSTGRES")).await
}

/// The same in another cluster, for instance a [`Cluster`](super::Cluster) of the test's own.
///
/// # Panics
/// When the cluster does not answer.
pub async fn database_in(cluster_url: &str) -> TestDatabase {
    let name = format!("test_{}", Uuid::new_v4().simple());
    run(cluster_url, &[format!("CREATE DATABASE {name}")]).await.unwrap_or_else(|error| {
        panic!("no database can be made in {cluster_url}: {error}; {}", services::REMEDY);
    });
    let mut url = parse(cluster_url);
    url.set_path(&name);
    TestDatabase { url: url.into(), name, admin_url: cluster_url.to_owned() }
}

impl TestDatabase {
    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address for another role, which needs no password.
    pub fn url_as(&self, role: &str) -> String {
        let mut url = parse(&self.url);
        let role = utf8_percent_encode(role, NON_ALPHANUMERIC).to_string();
        url.set_username(&role).expect("an address with a host takes a user name");
        url.into()
    }

    /// Makes the two roles of a careful installation and gives the database to the owner. Call it once, while the database is
    /// empty. The roles go with the database.
    ///
    /// # Panics
    /// When the cluster does not answer, or when it is called twice.
    pub async fn roles(&self) -> Roles {
        let roles = self.role_names();
        let Roles { owner, application } = &roles;
        let name = &self.name;
        run(
            &self.url,
            &[
                format!("CREATE ROLE {owner} LOGIN NOSUPERUSER"),
                format!("CREATE ROLE {application} LOGIN NOSUPERUSER"),
                format!("ALTER DATABASE {name} OWNER TO {owner}"),
                format!("ALTER SCHEMA public OWNER TO {owner}"),
                format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"),
                "REVOKE ALL ON SCHEMA public FROM PUBLIC".to_owned(),
                format!("GRANT CONNECT ON DATABASE {name} TO {application}"),
                format!("GRANT USAGE ON SCHEMA public TO {application}"),
            ],
        )
        .await
        .expect("the roles of a fresh database can be made once");
        roles
    }

    fn role_names(&self) -> Roles {
        Roles { owner: format!("{}_owner", self.name), application: format!("{}_application", self.name) }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Best effort: what remains goes with the cluster. A thread and a runtime of its own, since a test's runtime may be
        // the one that is dropping this.
        let Roles { owner, application } = self.role_names();
        let admin_url = self.admin_url.clone();
        let statements = [
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
            format!("DROP ROLE IF EXISTS {owner}"),
            format!("DROP ROLE IF EXISTS {application}"),
        ];
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(run(&admin_url, &statements)))
        });
        let _ = dropping.join();
    }
}

/// Runs statements one by one, each in a transaction of its own.
async fn run(url: &str, statements: &[String]) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    for statement in statements {
        // Names are made here of letters, digits and underscores.
        connection.execute(AssertSqlSafe(statement.clone())).await?;
    }
    connection.close().await
}

fn parse(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{url} is not an address: {error}"))
}
