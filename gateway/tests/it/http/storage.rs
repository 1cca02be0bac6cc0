//! What happens when the database cannot take more.

use std::path::Path;
use std::process::Command;

use futures::future::join_all;
use testkit::wait::until_true;
use tokio::sync::oneshot;

use super::client::{Answer, get, post};
use super::gateway::{Gateway, start, start_over};
use super::{SETTINGS, sign};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[actix_web::test]
    a_full_queue_is_answered_at_once_and_loses_nothing_that_was_taken,
}

async fn deliver(gateway: &Gateway, body: &[u8]) -> Answer {
    let signature = sign::hex("partner-secret", body);
    post(gateway.address, "/webhooks/partner", &[("X-Hub-Signature-256", &signature)], body).await
}

async fn a_full_queue_is_answered_at_once_and_loses_nothing_that_was_taken(on: Backend) {
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nworkers = 2\nqueue_limit = 4\n";
    let gateway = start(on, &format!("{http}{SETTINGS}")).await;
    let (release, released) = oneshot::channel::<()>();
    let (began, begun) = oneshot::channel();
    let log = gateway.log.clone();
    let held = log.write(move |_| {
        Box::pin(async move {
            let _ = began.send(());
            let _ = released.await;
            Ok::<_, event_log::Error>(())
        })
    });
    let deliveries = async {
        begun.await.unwrap();
        let all = join_all((0..20).map(|_| deliver(&gateway, b"{}")));
        let release = async {
            // The queue holds four; the other sixteen are answered while the writer stands still.
            let overloaded = r#"webhooks_received_total{outcome="failed",cause="overloaded"} 16"#;
            until_true("sixteen are answered", async || {
                get(gateway.address, "/metrics").await.text().contains(overloaded)
            })
            .await;
            release.send(()).unwrap();
        };
        tokio::join!(all, release).0
    };
    let (written, answers) = tokio::join!(held, deliveries);
    written.unwrap();
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.json()["code"], "overloaded");
    }
    assert_eq!(accepted, 4);
    assert_eq!(gateway.events().await.len(), accepted);
    assert_eq!(deliver(&gateway, b"{}").await.status, 202);
    gateway.stop().await;
}

/// A small file system of its own; unmounted at the end.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(SmallDisk { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

#[actix_web::test]
async fn a_full_disk_is_answered_503_and_recording_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("6m") else {
        eprintln!(
            "\n*** NOT TESTED: a full disk. This process may not mount a small file system; run it as root. ***\n"
        );
        return;
    };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    let gateway = start_over(&format!("sqlite:{}", disk.path().join("events.db").display()), SETTINGS).await;
    let body = vec![b'1'; 60_000];
    let mut accepted = 0;
    let full = loop {
        let answer = deliver(&gateway, &body).await;
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 200, "the disk never fills");
    };
    assert_eq!((full.status, full.json()["code"].as_str()), (503, Some("storage_full")), "{}", full.text());
    assert_eq!(full.header("retry-after"), Some("30"));
    assert!(accepted > 0);
    for answer in join_all((0..10).map(|_| deliver(&gateway, &body))).await {
        assert_eq!(answer.status, 503);
    }
    assert_eq!(gateway.events().await.len(), accepted);
    let ready = get(gateway.address, "/ready").await;
    assert_eq!((ready.status, ready.json()["reason"].as_str()), (503, Some("storage_full")));

    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(deliver(&gateway, &body).await.status, 202);
    assert_eq!(get(gateway.address, "/ready").await.status, 200);
    let events = gateway.events().await;
    assert_eq!(events.len(), accepted + 1);
    assert!(events.iter().all(|event| event.payload.as_deref() == Some(&body[..])));
    gateway.log.database().check_integrity().await.unwrap();
    gateway.stop().await;
}
