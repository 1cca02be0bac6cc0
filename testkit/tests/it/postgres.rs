//! Databases and clusters.

use sqlx::{Connection as _, Executor as _, PgConnection};
use testkit::postgres::{Cluster, database, database_in};

async fn count(url: &str, query: &'static str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn databases_of_two_tests_do_not_see_each_other() {
    let (one, other) = (database().await, database().await);
    let mut connection = PgConnection::connect(&one.url).await.unwrap();
    connection.execute("CREATE TABLE things (id bigint)").await.unwrap();

    assert_ne!(one.name(), other.name());
    assert_eq!(count(&one.url, "SELECT count(*) FROM pg_tables WHERE tablename = 'things'").await, 1);
    assert_eq!(count(&other.url, "SELECT count(*) FROM pg_tables WHERE tablename = 'things'").await, 0);
}

#[tokio::test]
async fn database_goes_with_its_value_although_somebody_is_connected() {
    let database = database().await;
    let url = database.url.clone();
    let roles = database.roles().await;
    let mut connection = PgConnection::connect(&database.url_as(&roles.owner)).await.unwrap();
    connection.execute("CREATE TABLE things (id bigint)").await.unwrap();

    drop(database);

    assert!(connection.execute("SELECT 1").await.is_err());
    let refused = PgConnection::connect(&url).await.unwrap_err();
    assert!(refused.to_string().contains("does not exist"), "{refused}");
    let gone = PgConnection::connect(&url.replace("gateledger@", &format!("{}@", roles.owner))).await.unwrap_err();
    assert!(gone.to_string().contains("does not exist"), "{gone}");
}

#[tokio::test]
async fn application_role_may_do_only_what_the_owner_grants() {
    let database = database().await;
    let roles = database.roles().await;
    let mut owner = PgConnection::connect(&database.url_as(&roles.owner)).await.unwrap();
    let mut application = PgConnection::connect(&database.url_as(&roles.application)).await.unwrap();
    owner.execute("CREATE TABLE things (id bigint)").await.unwrap();

    let denied = application.execute("SELECT * FROM things").await.unwrap_err();
    assert!(denied.to_string().contains("permission denied"), "{denied}");
    let denied = application.execute("CREATE TABLE others (id bigint)").await.unwrap_err();
    assert!(denied.to_string().contains("permission denied"), "{denied}");

    let grant = format!("GRANT SELECT ON things TO {}", roles.application);
    owner.execute(sqlx::AssertSqlSafe(grant)).await.unwrap();
    application.execute("SELECT * FROM things").await.unwrap();
    let denied = application.execute("DELETE FROM things").await.unwrap_err();
    assert!(denied.to_string().contains("permission denied"), "{denied}");
}

#[tokio::test]
async fn crashed_cluster_keeps_what_was_committed_and_its_address() {
    let cluster = Cluster::start().await;
    let database = database_in(cluster.url()).await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    connection.execute("CREATE TABLE things (id bigint)").await.unwrap();
    connection.execute("INSERT INTO things VALUES (1), (2)").await.unwrap();
    let mut open = PgConnection::connect(&database.url).await.unwrap();
    let mut transaction = open.begin().await.unwrap();
    transaction.execute("INSERT INTO things VALUES (3)").await.unwrap();

    cluster.stop_immediate().await;
    assert!(transaction.commit().await.is_err());
    assert!(PgConnection::connect(&database.url).await.is_err());

    cluster.start_again().await;
    assert_eq!(count(&database.url, "SELECT count(*) FROM things").await, 2);
}

#[tokio::test]
async fn own_cluster_is_durable_and_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let mut connection = PgConnection::connect(cluster.url()).await.unwrap();
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut connection).await.unwrap();
        assert_eq!(value, "on", "{setting}");
    }
    let (url, folder) = (cluster.url().to_owned(), cluster.data_folder());
    assert!(folder.join("server.log").exists());

    drop(cluster);

    assert!(!folder.exists());
    assert!(PgConnection::connect(&url).await.is_err());
}
