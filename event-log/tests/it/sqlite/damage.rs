//! Damaged files are refused with a message a person can act on, and never overwritten.

use std::fs;
use std::path::{Path, PathBuf};

use event_log::{Access, Database, Error, Settings};
use tempfile::TempDir;

use crate::fixture::{append, event, everything, open, with_payload};

const ALL: [Access; 3] = [Access::CreateAndMigrate, Access::Existing, Access::ReadOnly];

#[tokio::test]
async fn garbage_in_the_header_is_refused() {
    let database = Damaged::after(|bytes| bytes[..16].copy_from_slice(b"not a database!!")).await;
    database.is_refused(&ALL).await;
}

#[tokio::test]
async fn another_kind_of_file_is_refused() {
    let database = Damaged::after(|bytes| *bytes = b"{\"this\": \"is a settings file\"}\n".repeat(100)).await;
    database.is_refused(&ALL).await;
}

#[tokio::test]
async fn an_overwritten_page_in_the_middle_is_refused() {
    let database = Damaged::after(|bytes| {
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0xa5);
    })
    .await;
    database.is_refused(&ALL).await;
}

#[tokio::test]
async fn a_zeroed_page_in_the_middle_is_refused() {
    let database = Damaged::after(|bytes| {
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0);
    })
    .await;
    database.is_refused(&ALL).await;
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    for part in [2, 3, 10] {
        let database = Damaged::after(|bytes| bytes.truncate(bytes.len() / part)).await;
        database.is_refused(&ALL).await;
    }
}

#[tokio::test]
async fn a_file_cut_inside_its_header_is_refused() {
    let database = Damaged::after(|bytes| bytes.truncate(50)).await;
    database.is_refused(&ALL).await;
}

#[tokio::test]
async fn an_empty_file_is_a_new_database() {
    let database = Damaged::after(Vec::clear).await;
    let refused = Database::open(&Settings::new(database.url(), Access::Existing)).await.unwrap_err();
    assert!(matches!(refused, Error::Behind { .. }), "{refused}");
    let log = open(&database.url(), std::sync::Arc::new(chrono::Utc::now)).await;
    log.append(append("1", event())).await.unwrap();
    assert_eq!(everything(&log).await.len(), 1);
}

#[tokio::test]
async fn an_emptied_file_with_committed_transactions_beside_it_is_refused() {
    let database = Damaged::after(Vec::clear).await;
    fs::write(database.beside("-wal"), [0x37; 4096]).unwrap();
    database.is_refused(&ALL).await;
    assert_eq!(fs::metadata(database.beside("-wal")).unwrap().len(), 4096, "the write-ahead log is still there");
}

#[tokio::test]
async fn damage_that_the_start_does_not_look_for_is_found_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    write_events(&path, 40 * 1024 * 1024 / 65_536).await;
    assert!(fs::metadata(&path).unwrap().len() > 32 * 1024 * 1024, "large files are not read whole at the start");
    let settings = Settings::new(format!("sqlite:{}", path.display()), Access::Existing);
    Database::open(&settings).await.unwrap().check_integrity().await.unwrap();

    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 16 * 4096].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let found = Database::open(&settings).await.unwrap().check_integrity().await.unwrap_err();
    assert!(matches!(found, Error::Corrupt { .. }), "{found}");
}

/// A database with events that something happened to.
struct Damaged {
    _folder: TempDir,
    path: PathBuf,
}

impl Damaged {
    async fn after(damage: impl FnOnce(&mut Vec<u8>)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        write_events(&path, 100).await;
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        Damaged { _folder: folder, path }
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.path.display()))
    }

    /// Opening says so, naming the file and what to do, and leaves the bytes as they are.
    async fn is_refused(&self, accesses: &[Access]) {
        let before = fs::read(&self.path).unwrap();
        for &access in accesses {
            let refused = Database::open(&Settings::new(self.url(), access)).await.expect_err("damage was not noticed");
            assert!(
                matches!(&refused, Error::Corrupt { database, .. } if *database == self.path.display().to_string()),
                "{access:?}: {refused:?}"
            );
            assert!(refused.to_string().contains("restore it from a backup"), "{refused}");
            assert!(!refused.is_retryable());
        }
        assert!(fs::read(&self.path).unwrap() == before, "the damaged file was changed");
    }
}

/// Events of 64 KiB each, all in the main file.
async fn write_events(path: &Path, count: usize) {
    let log = open(&format!("sqlite:{}", path.display()), std::sync::Arc::new(chrono::Utc::now)).await;
    let appends = (0..count).map(|at| log.append(append(&at.to_string(), with_payload(event(), vec![7; 65_536]))));
    for appended in futures::future::join_all(appends).await {
        appended.unwrap();
    }
    log.close().await;
    log.database().readers().close().await;
}
