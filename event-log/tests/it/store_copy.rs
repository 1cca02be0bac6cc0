//! A store moved from SQLite to PostgreSQL: whole, once, from wherever it stopped.

mod moving;
mod refusing;
mod stopping;

use event_log::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use event_log::store_copy::{Error, Progress, Report, State, StoreCopy};
use event_log::{Append, NewEvent};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, RECEIVED, event, stream, with_payload};

/// A SQLite store and a PostgreSQL database.
struct Move {
    from: Fixture,
    to: Fixture,
}

impl Move {
    /// With one event with a payload of each of these lengths, in three streams.
    async fn of(payloads: &[usize]) -> Self {
        let (from, to) = (Fixture::sqlite().await, Fixture::postgres().await);
        let log = from.log().await;
        for (number, length) in payloads.iter().enumerate() {
            let bytes: Vec<u8> = (0..*length).map(|at| (at * 7 + number) as u8).collect();
            let appended = with_payload(event(), bytes);
            log.append(Append::new(stream(&(number % 3).to_string()), vec![appended])).await.unwrap();
        }
        log.close().await;
        Move { from, to }
    }

    fn copy(&self) -> StoreCopy {
        StoreCopy {
            from: self.from.url.clone(),
            to: self.to.url.clone(),
            progress: watch::channel(Progress::default()).0,
        }
    }

    async fn run(&self) -> Result<Report, Error> {
        self.copy().run(&CancellationToken::new()).await
    }

    async fn verify(&self) -> Result<Report, Error> {
        self.copy().verify(&CancellationToken::new()).await
    }

    async fn run_to_the_end(&self) -> Report {
        let report = self.run().await.unwrap();
        assert_eq!(report.state, State::Complete, "{report:#?}");
        report
    }

    /// Changes the file behind the program's back.
    async fn change_file(&self, statements: &str) {
        let mut connection = SqliteConnection::connect(&self.from.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Changes the database behind the program's back.
    async fn change_database(&self, statements: &str) {
        let mut connection = PgConnection::connect(&self.to.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// One text of the database.
    async fn text(&self, query: &str) -> String {
        let mut connection = PgConnection::connect(&self.to.url).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await.unwrap()
    }
}

/// What a webhook would have brought.
fn delivery(data: &serde_json::Value) -> NewEvent {
    NewEvent::new(RECEIVED, "webhook", data)
}

/// The refusal, in words.
fn refusal(outcome: Result<Report, Error>) -> String {
    match outcome {
        Ok(report) => panic!("it was not refused: {report:#?}"),
        Err(error) => error.to_string(),
    }
}
