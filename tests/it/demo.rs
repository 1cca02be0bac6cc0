//! The demo as a newcomer runs it: one command, one JSON object, the truth.

use std::process::Command;

use serde_json::Value;
use tests::{Database, Store, binary};

on_both! {
    demo_verifies_both_organisations_and_prints_one_json_object,
}

fn demo_verifies_both_organisations_and_prints_one_json_object(store: Store) {
    let folder = tempfile::tempdir().unwrap();
    // The demo makes a database of its own beside this one.
    let server = Database::new(store, folder.path());
    let output = Command::new(binary::path())
        .args(["demo", "--headless", "--json", "--large-file-bytes", "12000000", "--timeout-seconds", "150"])
        .args(server.url().iter().flat_map(|url| ["--store", url]))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"));
    assert_eq!(output.status.code(), Some(0), "{report}\n{stderr}");
    assert_eq!(report["verified"], true);
    // Two wishes come to nothing: a folder that does not exist, and one that is empty.
    assert_eq!(report["transfers"]["requested"], 10);
    assert_eq!(report["transfers"]["completed"], 8);
    assert_eq!(report["transfers"]["failed"], 2);
    assert_eq!(report["crm"]["updated"], 8);
    assert_eq!(report["files"]["failed"], 0);
    assert_eq!(report["effects"]["repeated"], 0);
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64).unwrap();
    assert!(number("/effects/unknown_settled") >= 6, "every swallowed answer is settled: {report}");
    assert!(number("/webhooks/duplicate") >= 1, "notifications are sent twice: {report}");
    assert_eq!(number("/polls/found_missed"), 2, "two changes were never announced: {report}");
    let webhooks = number("/webhooks/accepted") + number("/webhooks/duplicate") + number("/webhooks/rejected");
    assert_eq!(number("/webhooks/received"), webhooks);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "the demo leaves nothing behind");
}
