//! Addresses and servers that cannot be used are named, without the password.

use event_log::{Access, Database, Error, Settings};

async fn refusal(url: &str) -> Error {
    Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap_err()
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused_without_the_password() {
    for url in
        ["postgres://", "postgres://u:hunter2@", "postgres://u:hunter2@host:port/db", "postgresql://u:hunter2@h/"]
    {
        let refused = refusal(url).await;
        assert!(matches!(refused, Error::BadUrl(_)), "{url}: {refused}");
        assert!(!format!("{refused:?} {refused}").contains("hunter2"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_the_password() {
    let refused = refusal("postgres://u:hunter2@127.0.0.1:1/db").await;
    let Error::Open { database, .. } = &refused else { panic!("{refused}") };
    assert_eq!(database, "postgres://u@127.0.0.1:1/db");
    assert!(!format!("{refused:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let database = testkit::postgres::database().await;
    let missing = database.url.replace(database.name(), "no_such_database");
    let refused = refusal(&missing).await;
    let cause = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
    assert!(matches!(refused, Error::Open { .. }) && cause.contains("does not exist"), "{refused}: {cause}");
}
