use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use providers::error::{Error, Outcome};
use providers::zoho::workdrive::{Upload, Uploaded};
use providers::zoho::{Client, Settings};
use serde_json::json;
use uuid::Uuid;

use crate::account::{
    client, client_with, granted, outlast_the_stall_limit, quick_timeouts, settings, store, token_reply,
};
use crate::server::{Reply, Request, Server};

const SMALL: &str = "/workdrive/api/v1/upload";
const STREAM: &str = "/upload/workdrive-api/v1/stream/upload";
const LARGE_BYTES: usize = 10 * 1024 * 1024;
const MD5_HEX: &str = "9e107d9d372bb6826bd81d3542a419d6";

fn body(chunks: &[&'static [u8]]) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter(chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect::<Vec<_>>())
}

fn large_body() -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let chunk = Bytes::from(vec![5; 256 * 1024]);
    stream::iter((0..LARGE_BYTES / chunk.len()).map(move |_| Ok(chunk.clone())))
}

fn upload(name: &str, size: usize) -> Upload {
    Upload::new("p", name, size as u64).with_upload_id(Uuid::nil())
}

fn small_stored(name: &str, size: usize) -> Reply {
    let info = json!({"RESOURCE_ID": "n9", "MD5_CHECKSUM": MD5_HEX, "size": size, "OPERATION": "UPLOAD",
        "AUDIT_INFO": {"resource": {"name": name, "created_time": 1_768_471_500_000_i64}}});
    let attributes = json!({"Permalink": "https://workdrive.zoho.com/file/n9", "parent_id": "p", "resource_id": "n9",
        "FileName": "other.pdf", "File INFO": info.to_string()});
    Reply::json(200, &json!({"data": [{"type": "files", "attributes": attributes}]}))
}

fn stream_stored(name: &str, size: usize) -> Reply {
    let info = json!({"MD5_CHECKSUM": MD5_HEX, "size": size}).to_string();
    let attributes = json!({"parent_id": "p", "file_name": name, "resource_id": "n10", "file_info": info});
    Reply::json(200, &json!({"data": [{"attributes": attributes}], "status": "success"}))
}

fn expected(id: &str, name: &str, size: usize) -> Uploaded {
    let mut md5 = [0; 16];
    hex::decode_to_slice(MD5_HEX, &mut md5).unwrap();
    Uploaded { id: id.to_owned(), name: name.to_owned(), size: Some(size as u64), md5: Some(md5) }
}

fn impatient(server: &Server) -> Client {
    client_with(Settings { timeouts: quick_timeouts(), ..settings(&server.url) }, store())
}

#[tokio::test]
async fn a_small_file_goes_as_a_form_of_known_length() {
    let server = Server::start(granted(|_| small_stored("plän 1+1.pdf", 10))).await;
    let uploaded =
        client(&server.url).workdrive().upload(&upload("plän 1+1.pdf", 10), body(&[b"01234", b"56789"])).await;
    assert_eq!(uploaded.unwrap(), expected("n9", "plän 1+1.pdf", 10));
    let request = &server.requests(SMALL)[0];
    assert_eq!(request.query("filename").as_deref(), Some("pl%C3%A4n%201%2B1.pdf"), "encoded twice on the wire");
    assert_eq!(request.query("parent_id").as_deref(), Some("p"));
    assert_eq!(request.query("override-name-exist").as_deref(), Some("false"));
    assert!(request.header("content-type").unwrap().starts_with("multipart/form-data; boundary="));
    assert_eq!(request.header("content-length").unwrap(), request.body.len().to_string());
    let form = request.text();
    assert!(form.contains("name=\"content\"") && form.contains("\r\n\r\n0123456789\r\n--"), "{form}");
}

#[tokio::test]
async fn a_large_file_goes_as_a_stream_with_prefixed_headers() {
    let server = Server::start(granted(|_| stream_stored("big ü.zip", LARGE_BYTES))).await;
    let uploaded = client(&server.url).workdrive().upload(&upload("big ü.zip", LARGE_BYTES), large_body()).await;
    assert_eq!(uploaded.unwrap(), expected("n10", "big ü.zip", LARGE_BYTES));
    let request = &server.requests(STREAM)[0];
    assert_eq!(request.body.len(), LARGE_BYTES);
    for (name, value) in [
        ("x-filename", "big%20%C3%BC.zip"),
        ("x-parent_id", "p"),
        ("x-override-name-exist", "false"),
        ("x-streammode", "1"),
        ("upload-id", "00000000-0000-0000-0000-000000000000"),
        ("content-type", "application/octet-stream"),
        ("content-length", "10485760"),
        ("authorization", "Zoho-oauthtoken at1"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.header("transfer-encoding"), None);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let server = Server::start(granted(|_| small_stored("empty", 0))).await;
    let uploaded = client(&server.url).workdrive().upload(&upload("empty", 0), body(&[])).await.unwrap();
    assert_eq!(uploaded.size, Some(0));
}

#[tokio::test]
async fn the_name_in_the_answer_counts_and_is_asked_for_where_it_is_missing() {
    let server = Server::start(granted(|request: &Request| match request.method.as_str() {
        "POST" => Reply::json(200, &json!({"data": [{"attributes": {"resource_id": "n9"}}]})),
        _ => Reply::json(200, &json!({"data": {"id": "n9", "attributes": {"name": "renamed", "is_folder": false}}})),
    }))
    .await;
    let uploaded = client(&server.url).workdrive().upload(&upload("a", 1), body(&[b"x"])).await.unwrap();
    assert_eq!((uploaded.name.as_str(), uploaded.size, uploaded.md5), ("renamed", None, None));
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_never_sent_twice() {
    for (size, path) in [(10, SMALL), (LARGE_BYTES, STREAM)] {
        for failure in [Reply::Cut, Reply::Hang, Reply::text(500, ""), Reply::text(200, r#"{"data":["#)] {
            let reply = failure.clone();
            let server = Server::start(granted(move |_| reply.clone())).await;
            let client = impatient(&server);
            let error = match size {
                10 => client.workdrive().upload(&upload("a", 10), body(&[b"0123456789"])).await,
                _ => client.workdrive().upload(&upload("a", LARGE_BYTES), large_body()).await,
            }
            .unwrap_err();
            assert_eq!((error.outcome(), error.is_retryable()), (Outcome::Unknown, true), "{failure:?}: {error}");
            assert_eq!(server.count(path), 1, "{failure:?}");
        }
    }
}

#[tokio::test]
async fn refusals_are_known_not_to_have_stored_anything() {
    for (status, body_text, code) in [
        (409, "", "name_taken"),
        (413, "", "rejected"),
        (402, "", "licence"),
        (507, "", "storage_full"),
        (509, "", "storage_full"),
        (500, r#"{"errors":[{"id":"F000","title":"LESS_THAN_MIN_OCCURANCE"}]}"#, "rejected"),
        (401, r#"{"errors":[{"id":"R008","title":"Unauthorized access"}]}"#, "not_found"),
        (429, r#"{"errors":[{"id":"F7008"}]}"#, "throttled"),
    ] {
        let server = Server::start(granted(move |_| Reply::text(status, body_text))).await;
        let error = client(&server.url).workdrive().upload(&upload("taken.pdf", 1), body(&[b"x"])).await.unwrap_err();
        assert_eq!((error.code(), error.outcome()), (code, Outcome::NotDone), "{status}: {error}");
        if let Error::NameTaken { name } = &error {
            assert_eq!(name, "taken.pdf");
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_for_the_next_attempt() {
    let refreshes = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.path().ends_with("/oauth/v2/token") {
            let number = refreshes.fetch_add(1, Ordering::SeqCst) + 1;
            return token_reply(request, &format!("at{number}")).unwrap();
        }
        match request.header("authorization") {
            Some("Zoho-oauthtoken at2") => small_stored("a", 1),
            _ => Reply::text(401, "").with("WWW-Authenticate: Bearer error=\"expired_token\""),
        }
    })
    .await;
    let client = client(&server.url);
    let error = client.workdrive().upload(&upload("a", 1), body(&[b"x"])).await.unwrap_err();
    assert!(matches!(error, Error::TokenExpired { .. }), "{error}");
    assert_eq!((error.outcome(), error.is_retryable()), (Outcome::NotDone, true));
    client.workdrive().upload(&upload("a", 1), body(&[b"x"])).await.unwrap();
    assert_eq!((server.count("/oauth/v2/token"), server.count(SMALL)), (2, 2));
}

#[tokio::test]
async fn content_that_fails_or_has_another_length_is_never_completed() {
    let server = Server::start(granted(|_| small_stored("a", 10))).await;
    let client = client(&server.url);
    let broken = || Err(io::Error::other("the source broke"));
    let cases: [(Vec<io::Result<Bytes>>, &str); 4] = [
        (vec![Ok("01234".into()), broken()], "the source broke"),
        (vec![Ok("0123456789".into()), broken()], "the source broke"),
        (vec![Ok("01234".into())], "less content than announced"),
        (vec![Ok("0123456789".into()), Ok("x".into())], "more content than announced"),
    ];
    for (chunks, reason) in cases {
        let error = client.workdrive().upload(&upload("a", 10), stream::iter(chunks)).await.unwrap_err();
        let Error::Body { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.to_string(), reason);
        assert!(error.is_retryable());
    }
    assert_eq!(server.count(SMALL), 0, "the server never saw a complete request");
}

#[tokio::test]
async fn content_that_fails_before_its_first_byte_was_not_stored() {
    let server = Server::start(granted(|_| small_stored("a", 10))).await;
    let failing = stream::iter([Err(io::Error::other("gone"))]);
    let error = client(&server.url).workdrive().upload(&upload("a", 10), failing).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotDone, "{error}");
}

#[tokio::test]
async fn a_slow_source_is_not_mistaken_for_a_stalled_provider() {
    let server = Server::start(granted(|_| small_stored("a", 2))).await;
    let slow = stream::iter([0, 1]).then(|_| async {
        outlast_the_stall_limit().await;
        Ok(Bytes::from_static(b"x"))
    });
    impatient(&server).workdrive().upload(&upload("a", 2), slow).await.unwrap();
}
