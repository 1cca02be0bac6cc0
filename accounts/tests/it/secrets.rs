//! Secrets are planted, and looked for wherever they must not be.

use std::io::Write;
use std::sync::{Arc, Mutex};

use event_log::{Database, sql};
use tracing_subscriber::fmt::MakeWriter;

use crate::office::{Office, PLANTED_SECRET, TRANSFER};
use crate::provider::{PLANTED_ACCESS, Provider};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[tokio::test]
    secrets_show_in_no_log_line_error_debug_text_report_or_database,
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Collected {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn find_none(what: &str, bytes: &[u8], key: &str) {
    for planted in [PLANTED_ACCESS, PLANTED_SECRET, "planted-grant-org-a", key] {
        let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
        assert!(!found, "{planted:?} in {what}: {}", String::from_utf8_lossy(bytes));
    }
}

async fn secrets_show_in_no_log_line_error_debug_text_report_or_database(on: Backend) {
    let collected = Collected::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(collected.clone()).finish();
    let _collecting = tracing::subscriber::set_default(subscriber);

    let provider = Provider::start(&["planted-grant-org-a"]).await;
    let office = Office::new(on, &provider, TRANSFER).await;
    let process = office.start().await;
    process.call("org-a").await.unwrap();
    let report = process.accounts.test("org-a").await.unwrap();
    let mut texts = vec![format!("{:?} {report:?}", process.accounts), serde_json::to_string(&report).unwrap()];

    provider.revoke("planted-grant-org-a");
    let refused = process.call("org-a").await.unwrap_err();
    texts.push(format!("{refused} {refused:?} {:?}", process.accounts.states()));
    let report = process.accounts.test("org-a").await.unwrap();
    texts.push(format!("{report:?}"));
    provider.grant("planted-grant-org-a");
    office.pass(10);
    process.call("org-a").await.unwrap();
    assert_eq!(process.events().await.len(), 2);

    let key = std::fs::read_to_string(office.path("gateledger.key")).unwrap();
    for text in texts {
        find_none("a text", text.as_bytes(), key.trim());
    }
    let logged = collected.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&logged).contains("consent"), "the log was collected");
    find_none("the log", &logged, key.trim());
    for (place, bytes) in stored(process.log.database()).await {
        find_none(&place, &bytes, key.trim());
    }
}

/// Everything in the database: the files of SQLite, the rows of PostgreSQL's tables.
async fn stored(database: &Database) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    if let Some(file) = database.file() {
        for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
        return found;
    }
    let mut connection = database.readers().acquire().await.unwrap();
    // Bytes as far as they are text look like text.
    sql::run(&mut connection, "SET bytea_output = 'escape'").await.unwrap();
    let tables = sql::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'");
    for table in tables.fetch_all::<String>(&mut connection).await.unwrap() {
        let rows =
            sql::query_scalar_composed(format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} AS t"));
        let rows: String = rows.fetch_one(&mut connection).await.unwrap();
        found.push((table, rows.into_bytes()));
    }
    assert!(
        found.iter().any(|(table, rows)| table == "oauth_tokens" && !rows.is_empty()),
        "there is something to look at"
    );
    found
}
