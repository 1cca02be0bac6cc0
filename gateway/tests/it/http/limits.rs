//! Senders that send too much, too slowly, or not HTTP.

use std::time::{Duration, Instant};

use futures::future::join_all;
use testkit::wait::{soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::client::{self, exchange, get, post};
use super::gateway::{Gateway, start};
use super::{SETTINGS, sign};
use crate::store::{Backend, on_both_databases};

on_both_databases! {
    #[actix_web::test]
    a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not,
    a_body_far_over_the_limit_is_answered_without_being_read,
    kept_bodies_are_cut_to_their_beginning,
    senders_of_endless_headers_are_cut_off_while_others_are_served,
    a_body_that_does_not_arrive_is_given_up,
    a_sender_that_hangs_up_in_the_middle_leaves_no_event,
    headers_that_are_too_large_or_too_many_are_refused,
    the_store_of_rejected_requests_keeps_the_newest_only,
    a_flood_of_rejected_requests_does_not_keep_deliveries_out,
}

const SHORT: &str = "[http]\nlisten = \"127.0.0.1:0\"\nworkers = 1\nclient_request_timeout_seconds = 1\n\
     body_limit_bytes = 2000\n";
const SMALL: &str = "\n[accounts.small]\nprovider = \"generic\"\n[accounts.small.webhook]\nverify = \"hmac\"\n\
     secret = \"s\"\nheader = \"x-signature\"\nbody_limit_bytes = 1024\n";

async fn start_short(on: Backend) -> Gateway {
    start(on, &format!("{SHORT}{SETTINGS}{SMALL}")).await
}

fn chunked(path: &str, headers: &[(&str, &str)], body: &[u8], chunk: usize) -> Vec<u8> {
    let mut request = client::head("POST", path, headers).into_bytes();
    request.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    for part in body.chunks(chunk) {
        request.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        request.extend_from_slice(part);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(on: Backend) {
    let gateway = start_short(on).await;
    for (path, secret, limit) in [("/webhooks/partner", "partner-secret", 2000), ("/webhooks/small", "s", 1024)] {
        for (length, status) in [(limit, 202), (limit + 1, 413)] {
            let body = vec![b'1'; length];
            let prefixed = sign::hex(secret, &body);
            let bare = prefixed.trim_start_matches("sha256=").to_owned();
            let headers = [("X-Hub-Signature-256", prefixed.as_str()), ("x-signature", &bare)];
            assert_eq!(post(gateway.address, path, &headers, &body).await.status, status, "{path} {length}");
            let request = chunked(path, &headers, &body, 100);
            assert_eq!(exchange(gateway.address, &request).await.status, status, "{path} {length} in chunks");
        }
    }
    let rejected = gateway.rejected(4).await;
    assert!(rejected.iter().all(|rejected| rejected.cause == "body_too_large" && rejected.http_status == 413));
    assert_eq!(rejected[3].body_bytes, 2001);
    gateway.stop().await;
}

async fn a_body_far_over_the_limit_is_answered_without_being_read(on: Backend) {
    let gateway = start_short(on).await;
    let body = vec![b'1'; 20 << 20];
    assert_eq!(post(gateway.address, "/webhooks/partner", &[], &body).await.status, 413);
    assert_eq!(exchange(gateway.address, &chunked("/webhooks/partner", &[], &body, 65536)).await.status, 413);
    gateway.stop().await;
}

async fn kept_bodies_are_cut_to_their_beginning(on: Backend) {
    let gateway = start(on, SETTINGS).await;
    let body = vec![b'x'; 100_000];
    assert_eq!(post(gateway.address, "/webhooks/partner", &[], &body).await.status, 401);
    let rejected = gateway.rejected(1).await;
    assert_eq!((rejected[0].body_prefix.len(), rejected[0].body_bytes), (4096, 100_000));
    gateway.stop().await;
}

async fn senders_of_endless_headers_are_cut_off_while_others_are_served(on: Backend) {
    let gateway = start_short(on).await;
    let served = watch::Sender::new(0_u64);
    let slow = (0..50).map(|_| async {
        let mut connection = TcpStream::connect(gateway.address).await.unwrap();
        connection.write_all(b"POST /webhooks/partner HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        let began_at = Instant::now();
        let (mut receive, mut send) = connection.split();
        // One more header for every hundred requests of others: never idle for long, never at the end.
        let mut others = served.subscribe();
        let dripping = async {
            while send.write_all(b"x-more: 1\r\n").await.is_ok() {
                let next = *others.borrow_and_update() + 100;
                others.wait_for(|served| *served >= next).await.unwrap();
            }
            std::future::pending::<()>().await
        };
        let mut answer = Vec::new();
        tokio::select! {
            _ = receive.read_to_end(&mut answer) => {}
            () = dripping => {}
        }
        (String::from_utf8_lossy(&answer).into_owned(), began_at.elapsed())
    });
    let serving = async {
        loop {
            assert_eq!(get(gateway.address, "/health").await.status, 200);
            served.send_modify(|served| *served += 1);
        }
    };
    let answers = tokio::select! {
        answers = soon(join_all(slow)) => answers,
        () = serving => unreachable!("others come until the end"),
    };
    assert!(*served.borrow() >= 10, "others are served");
    for (answer, took) in answers {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    gateway.stop().await;
}

async fn a_body_that_does_not_arrive_is_given_up(on: Backend) {
    let gateway = start_short(on).await;
    let mut connection = TcpStream::connect(gateway.address).await.unwrap();
    let head = client::head("POST", "/webhooks/partner", &[("content-length", "100")]);
    connection.write_all(format!("{head}\r\nonly this").as_bytes()).await.unwrap();
    let answer = client::read(&mut connection).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (408, Some("body_timed_out")));
    let rejected = gateway.rejected(1).await;
    assert_eq!((rejected[0].cause.as_str(), &rejected[0].body_prefix[..]), ("body_timed_out", &b"only this"[..]));
    assert_eq!(rejected[0].body_bytes, 100);
    gateway.stop().await;
}

async fn a_sender_that_hangs_up_in_the_middle_leaves_no_event(on: Backend) {
    let gateway = start_short(on).await;
    for _ in 0..5 {
        let mut connection = TcpStream::connect(gateway.address).await.unwrap();
        let head = client::head("POST", "/webhooks/partner", &[("content-length", "100")]);
        connection.write_all(format!("{head}\r\nonly this").as_bytes()).await.unwrap();
    }
    assert_eq!(get(gateway.address, "/health").await.status, 200);
    assert!(gateway.events().await.is_empty());
    gateway.stop().await;
}

async fn headers_that_are_too_large_or_too_many_are_refused(on: Backend) {
    let gateway = start_short(on).await;
    let large = "v".repeat(200 << 10);
    assert_eq!(post(gateway.address, "/webhooks/partner", &[("x-large", &large)], b"").await.status, 431);
    let many: Vec<(&str, &str)> = (0..200).map(|_| ("x-many", "v")).collect();
    let status = post(gateway.address, "/webhooks/partner", &many, b"").await.status;
    assert!(status == 431 || status == 400, "{status}");
    assert_eq!(exchange(gateway.address, b"this is not http\r\n\r\n").await.status, 400);
    gateway.stop().await;
}

async fn the_store_of_rejected_requests_keeps_the_newest_only(on: Backend) {
    let gateway = start(on, &format!("{SETTINGS}\n[webhooks]\nrejected_keep = 5\n")).await;
    for at in 0..20 {
        let body = format!("{at}");
        assert_eq!(post(gateway.address, "/webhooks/partner", &[], body.as_bytes()).await.status, 401);
        gateway.rejected(1).await;
    }
    let newest = until("the newest is stored", async || {
        let rejected = gateway.rejected(5).await;
        (rejected[0].body_prefix == b"19").then_some(rejected)
    })
    .await;
    let kept: Vec<String> = newest.iter().map(|one| String::from_utf8(one.body_prefix.clone()).unwrap()).collect();
    assert_eq!(kept, ["19", "18", "17", "16", "15"]);
    gateway.stop().await;
}

async fn a_flood_of_rejected_requests_does_not_keep_deliveries_out(on: Backend) {
    let gateway = start(on, &format!("{SETTINGS}\n[webhooks]\nrejected_keep = 100\n")).await;
    let junk = vec![b'x'; 4096];
    let flood = join_all((0..8).map(|_| async {
        for _ in 0..100 {
            assert_eq!(post(gateway.address, "/webhooks/partner", &[], &junk).await.status, 401);
        }
    }));
    let deliveries = async {
        for at in 0..50 {
            let body = format!("{at}");
            let signature = sign::hex("partner-secret", body.as_bytes());
            let headers = [("X-Hub-Signature-256", signature.as_str())];
            assert_eq!(post(gateway.address, "/webhooks/partner", &headers, body.as_bytes()).await.status, 202);
        }
    };
    tokio::join!(flood, deliveries);
    assert_eq!(gateway.events().await.len(), 50);
    assert!(gateway.rejected(1).await.len() <= 100);
    gateway.stop().await;
}
