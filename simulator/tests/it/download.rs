//! Downloads: ranges, redirects, broken and slow bodies.

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::json;
use simulator::{Fault, FaultRule};

use crate::fixture::Fixture;

const VIDEO: &str = "Customers/Video Archive/interview.mp4";

#[tokio::test]
async fn both_addresses_give_the_same_bytes() {
    let fixture = Fixture::demo().await;
    let state = fixture.state("org-b");
    let video = state.items.iter().find(|item| item.path == VIDEO).unwrap();
    for base in ["/download/v1/workdrive/download", "/workdrive/api/v1/download", "/api/workdrive/api/v1/download"] {
        let answer = fixture.b(Method::GET, &format!("{base}/{}", video.id)).send().await.unwrap();
        assert_eq!(answer.content_length(), Some(video.size_bytes));
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(Some(md5_of(&bytes)), video.md5);
    }
}

fn md5_of(bytes: &[u8]) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(bytes))
}

#[tokio::test]
async fn range_is_206_or_by_knob_200_with_content_range() {
    let fixture = Fixture::demo().await;
    let id = fixture.id_of("org-b", VIDEO);
    let path = format!("/download/v1/workdrive/download/{id}");
    let whole = fixture.b(Method::GET, &path).send().await.unwrap().bytes().await.unwrap();
    let part = fixture.b(Method::GET, &path).header("range", "bytes=262140-262160").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], format!("bytes 262140-262160/{}", whole.len()));
    assert_eq!(part.bytes().await.unwrap(), whole.slice(262_140..262_161));
    fixture.control.set_knobs(json!({"workdrive": {"range_answers_200": true}})).unwrap();
    let part = fixture.b(Method::GET, &path).header("range", "bytes=5-9").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::OK);
    assert_eq!(part.bytes().await.unwrap(), whole.slice(5..10));
    let beyond = fixture.b(Method::GET, &path).header("range", "bytes=999999999-").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn empty_file_is_an_empty_body() {
    let fixture = Fixture::demo().await;
    let id = fixture.id_of("org-b", "Customers/Acme Trading/empty.txt");
    let answer = fixture.b(Method::GET, &format!("/download/v1/workdrive/download/{id}")).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(0));
    assert!(answer.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn redirect_goes_to_another_host_name_that_notes_a_leaked_token() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"workdrive": {"redirect_downloads": "workdrive_base"}})).unwrap();
    let id = fixture.id_of("org-b", "Customers/Acme Trading/notes");
    let direct = fixture.b(Method::GET, &format!("/download/v1/workdrive/download/{id}")).send().await.unwrap();
    assert_eq!(direct.status(), StatusCode::OK);
    let answer = fixture.b(Method::GET, &format!("/workdrive/api/v1/download/{id}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    let target = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(target.starts_with("http://localhost:"));
    let clean = fixture.client.get(&target).send().await.unwrap();
    assert_eq!(clean.bytes().await.unwrap().len(), 900);
    assert_eq!(fixture.misdeed("authorization_sent_to_redirect_host"), 0);
    fixture.client.get(&target).header("authorization", "Zoho-oauthtoken x").send().await.unwrap();
    assert_eq!(fixture.misdeed("authorization_sent_to_redirect_host"), 1);
}

#[tokio::test]
async fn cut_download_breaks_off_after_the_promised_bytes() {
    let fixture = Fixture::demo().await;
    let id = fixture.id_of("org-b", VIDEO);
    fixture
        .control
        .add_fault(FaultRule::once("workdrive.download", Fault::CutMidBody { after_bytes: 700_000 }))
        .unwrap();
    let answer = fixture.b(Method::GET, &format!("/download/v1/workdrive/download/{id}")).send().await.unwrap();
    let mut stream = answer.bytes_stream();
    let mut received = 0;
    let broke = loop {
        match stream.next().await {
            Some(Ok(chunk)) => received += chunk.len(),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broke);
    assert_eq!(received, 700_000);
}

#[tokio::test]
async fn short_body_agrees_with_its_length_and_slow_drip_takes_its_time() {
    let fixture = Fixture::demo().await;
    let id = fixture.id_of("org-b", "Customers/Acme Trading/notes");
    let get = async || fixture.b(Method::GET, &format!("/download/v1/workdrive/download/{id}")).send().await.unwrap();
    fixture.control.add_fault(FaultRule::once("workdrive.download", Fault::ShortBody { bytes: 100 })).unwrap();
    assert_eq!(get().await.bytes().await.unwrap().len(), 100);
    fixture
        .control
        .add_fault(FaultRule::once("workdrive.download", Fault::SlowDrip { bytes_per_second: 3000 }))
        .unwrap();
    let started = std::time::Instant::now();
    assert_eq!(get().await.bytes().await.unwrap().len(), 900);
    assert!(started.elapsed().as_millis() >= 280, "{:?}", started.elapsed());
}

#[tokio::test]
async fn folder_cannot_be_downloaded() {
    let fixture = Fixture::demo().await;
    let answer = fixture.b(Method::GET, "/download/v1/workdrive/download/team-b").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}
