use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use providers::error::Error;
use providers::zoho::workdrive::Download;
use providers::zoho::{Client, Settings};

use crate::account::{client, client_with, granted, outlast_the_stall_limit, quick_timeouts, settings, store};
use crate::server::{Reply, Server};

const CONTENT: &[u8] = b"0123456789";

async fn read(download: Download) -> Result<Vec<u8>, Error> {
    let chunks: Vec<_> = download.stream.try_collect().await?;
    Ok(chunks.concat())
}

fn impatient(server: &Server) -> Client {
    client_with(Settings { timeouts: quick_timeouts(), ..settings(&server.url) }, store())
}

#[tokio::test]
async fn content_arrives_whole() {
    let server = Server::start(granted(|_| Reply::bytes(200, CONTENT))).await;
    let download = client(&server.url).workdrive().download("f1", None).await.unwrap();
    assert_eq!((download.length, download.partial), (Some(10), false));
    assert_eq!(read(download).await.unwrap(), CONTENT);
    let request = &server.requests("/download/v1/workdrive/download/f1")[0];
    assert_eq!(request.header("authorization"), Some("Zoho-oauthtoken at1"));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_redirect_to_another_host_loses_the_token_for_good() {
    let storage = Server::start(|request| match request.path() {
        "/hop" => Reply::text(302, "").with("Location: /signed?key=1"),
        _ => Reply::bytes(200, CONTENT),
    })
    .await;
    let elsewhere = storage.url.join("/hop").unwrap();
    let server = Server::start(granted(move |request| match request.path() {
        "/moved" => Reply::text(307, "").with(&format!("Location: {elsewhere}")),
        _ => Reply::text(302, "").with("Location: /moved"),
    }))
    .await;
    let download = client(&server.url).workdrive().download("f1", Some(2..5)).await.unwrap();
    assert_eq!(read(download).await.unwrap(), CONTENT);
    assert_eq!(server.requests("/moved")[0].header("authorization"), Some("Zoho-oauthtoken at1"));
    for path in ["/hop", "/signed"] {
        let request = &storage.requests(path)[0];
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("range"), Some("bytes=2-4"));
    }
}

#[tokio::test]
async fn a_signed_address_that_ran_out_is_asked_for_anew() {
    let hops = AtomicUsize::new(0);
    let storage = Server::start(move |_| match hops.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::text(403, "<Error><Code>AccessDenied</Code></Error>"),
        _ => Reply::bytes(200, CONTENT),
    })
    .await;
    let elsewhere = storage.url.clone();
    let server = Server::start(granted(move |_| Reply::text(302, "").with(&format!("Location: {elsewhere}")))).await;
    let download = client(&server.url).workdrive().download("f1", None).await.unwrap();
    assert_eq!(read(download).await.unwrap(), CONTENT);
    assert_eq!(server.count("/download/f1"), 2);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let server = Server::start(granted(|_| Reply::text(302, "").with("Location: /again"))).await;
    let error = client(&server.url).workdrive().download("f1", None).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn a_truncated_download_is_noticed() {
    for head in ["content-length: 10\r\n", "content-range: bytes 0-9/10\r\n"] {
        let raw = format!("HTTP/1.1 200 OK\r\n{head}\r\n01234").into_bytes();
        let server = Server::start(granted(move |_| Reply::Raw(raw.clone()))).await;
        let download = client(&server.url).workdrive().download("f1", None).await.unwrap();
        assert_eq!(download.length, Some(10));
        let error = read(download).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn another_length_than_demanded_is_noticed_whether_announced_or_not() {
    let announced = Server::start(granted(|_| Reply::bytes(200, CONTENT))).await;
    let download = client(&announced.url).workdrive().download("f1", None).await.unwrap();
    assert!(matches!(download.expecting(11), Err(Error::Incomplete { received_bytes: 10, .. })));
    let raw = [b"HTTP/1.1 200 OK\r\n\r\n", CONTENT].concat();
    let silent = Server::start(granted(move |_| Reply::Raw(raw.clone()))).await;
    for (demanded, is_whole) in [(10, true), (11, false), (9, false)] {
        let download = client(&silent.url).workdrive().download("f1", None).await.unwrap();
        assert_eq!(download.length, None);
        assert_eq!(read(download.expecting(demanded).unwrap()).await.is_ok(), is_whole, "{demanded}");
    }
}

#[tokio::test]
async fn a_range_is_accepted_under_206_and_under_200() {
    for status in [206, 200] {
        let reply = Reply::bytes(status, &CONTENT[3..]).with("Content-Range: bytes 3-9/10");
        let server = Server::start(granted(move |_| reply.clone())).await;
        let download = client(&server.url).workdrive().download("f1", Some(3..10)).await.unwrap();
        assert_eq!((download.length, download.partial), (Some(7), true));
        assert_eq!(read(download).await.unwrap(), &CONTENT[3..]);
        assert_eq!(server.requests("/f1")[0].header("range"), Some("bytes=3-9"));
    }
}

#[tokio::test]
async fn an_ignored_range_says_so_and_a_wrong_one_is_refused() {
    let server = Server::start(granted(|_| Reply::bytes(200, CONTENT))).await;
    let download = client(&server.url).workdrive().download("f1", Some(3..10)).await.unwrap();
    assert!(!download.partial);
    let server = Server::start(granted(|_| Reply::bytes(206, CONTENT).with("Content-Range: bytes 0-9/10"))).await;
    let error = client(&server.url).workdrive().download("f1", Some(3..10)).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn content_that_stalls_is_given_up() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx".to_vec();
    let server = Server::start(granted(move |_| Reply::Stall(bytes.clone()))).await;
    let download = impatient(&server).workdrive().download("f1", None).await.unwrap();
    let error = tokio::time::timeout(Duration::from_secs(10), read(download)).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_slow_reader_is_not_mistaken_for_a_slow_provider() {
    let body = vec![7; 300_000];
    let copy = body.clone();
    let server = Server::start(granted(move |_| Reply::bytes(200, &copy))).await;
    let mut download = impatient(&server).workdrive().download("f1", None).await.unwrap();
    let mut received = Vec::new();
    while let Some(chunk) = download.stream.try_next().await.unwrap() {
        if received.is_empty() {
            outlast_the_stall_limit().await;
        }
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, body);
}

#[tokio::test]
async fn a_missing_file_is_not_found() {
    let server =
        Server::start(granted(|_| Reply::text(401, r#"{"errors":[{"id":"R008","title":"Unauthorized access"}]}"#)))
            .await;
    let error = client(&server.url).workdrive().download("f1", None).await.unwrap_err();
    assert!(matches!(&error, Error::NotFound { what: "file", id } if id == "f1"), "{error}");
}
