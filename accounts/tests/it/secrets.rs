//! Secrets are planted, and looked for wherever they must not be.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::office::{Office, PLANTED_SECRET, TRANSFER};
use crate::provider::{PLANTED_ACCESS, Provider};

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

#[tokio::test]
async fn secrets_show_in_no_log_line_error_debug_text_report_or_database_file() {
    let collected = Collected::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(collected.clone()).finish();
    let _collecting = tracing::subscriber::set_default(subscriber);

    let provider = Provider::start(&["planted-grant-org-a"]).await;
    let office = Office::new(&provider, TRANSFER);
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
    for entry in std::fs::read_dir(office.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("gateledger.db") {
            find_none(&path.display().to_string(), &std::fs::read(&path).unwrap(), key.trim());
        }
    }
}
