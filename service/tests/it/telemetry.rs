//! Logs and metrics of a whole process.

use std::fs;

use service::config::{Format, Log};
use service::telemetry::{self, TerminalMode};

/// One test, because a process starts its telemetry once.
#[test]
fn lines_reach_the_daily_file_without_colours_and_metrics_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("logs");
    let settings = Log { level: "info".to_owned(), format: Format::Text, directory: Some(directory.clone()) };
    let guard = telemetry::start(&settings, TerminalMode { color: true, around: None }).unwrap();
    tracing::info_span!("transfer", record.id = "42").in_scope(|| {
        tracing::info!("the folder was copied");
        tracing::debug!("too small to tell");
    });
    let panicked = std::thread::spawn(|| assert!(std::hint::black_box(false), "two is not one")).join();
    assert!(panicked.is_err());
    metrics::counter!("files_copied_total").increment(3);
    assert!(guard.metrics().render().contains("files_copied_total 3"));
    assert!(matches!(telemetry::start(&settings, TerminalMode::plain()), Err(telemetry::Error::AlreadyStarted)));
    drop(guard);

    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("one file, found {files:?}") };
    let name = file.file_name().unwrap().to_str().unwrap();
    let date = name.strip_prefix("gateledger.").and_then(|rest| rest.strip_suffix(".log")).unwrap();
    assert!(date.parse::<chrono::NaiveDate>().is_ok(), "{name}");
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("record.id=\"42\"") && text.contains("the folder was copied"), "{text}");
    assert!(text.contains("two is not one"), "{text}");
    assert!(!text.contains("too small to tell") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("taken"), "").unwrap();
    let directory = dir.path().join("taken").join("logs");
    let settings = Log { level: "info".to_owned(), format: Format::Json, directory: Some(directory) };
    let error = telemetry::start(&settings, TerminalMode::plain()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write log files in "), "{error}");
}
