//! Uploads: names, collisions, versions, refusals.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::seed::constants::DESTINATION_FOLDER_ID as DEST;

use crate::fixture::{Fixture, json_of};

/// The name, size and hash of a small upload's answer, out of the text that holds JSON.
fn file_info(body: &Value) -> Value {
    serde_json::from_str(body["data"][0]["attributes"]["File INFO"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn small_upload_answers_with_stringified_info() {
    let fixture = Fixture::demo().await;
    let body = json_of(
        fixture
            .small_upload("fox.txt", DEST, b"The quick brown fox jumps over the lazy dog".to_vec())
            .send()
            .await
            .unwrap(),
    )
    .await;
    let info = file_info(&body);
    assert_eq!(info["MD5_CHECKSUM"], "9e107d9d372bb6826bd81d3542a419d6");
    assert_eq!(info["size"], 43);
    assert_eq!(info["AUDIT_INFO"]["resource"]["name"], "fox.txt");
    let id = body["data"][0]["attributes"]["resource_id"].as_str().unwrap();
    let bytes = fixture
        .a(Method::GET, &format!("/workdrive/api/v1/download/{id}"))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(bytes.starts_with(b"The quick"));
}

#[tokio::test]
async fn names_may_be_encoded_once_or_twice() {
    let fixture = Fixture::demo().await;
    let name = "Größe + 日本 #1.txt";
    let once = json_of(fixture.small_upload(name, DEST, vec![1]).send().await.unwrap()).await;
    assert_eq!(file_info(&once)["AUDIT_INFO"]["resource"]["name"], name);
    let encoded =
        percent_encoding::utf8_percent_encode("zwei + 100%.txt", percent_encoding::NON_ALPHANUMERIC).to_string();
    let twice = json_of(fixture.small_upload(&encoded, DEST, vec![1]).send().await.unwrap()).await;
    assert_eq!(file_info(&twice)["AUDIT_INFO"]["resource"]["name"], "zwei + 100%.txt");
}

#[tokio::test]
async fn stream_upload_uses_other_attribute_names_and_spools_large_bodies() {
    let fixture = Fixture::demo().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let body = json_of(fixture.stream_upload("gro%C3%9F.bin", DEST, bytes.clone()).send().await.unwrap()).await;
    let attributes = &body["data"][0]["attributes"];
    assert_eq!(attributes["file_name"], "groß.bin");
    let info: Value = serde_json::from_str(attributes["file_info"].as_str().unwrap()).unwrap();
    assert_eq!(info["size"], 3_000_000);
    let id = attributes["resource_id"].as_str().unwrap();
    let range =
        fixture.a(Method::GET, &format!("/workdrive/api/v1/download/{id}")).header("range", "bytes=1000000-2999999");
    assert_eq!(range.send().await.unwrap().bytes().await.unwrap(), bytes[1_000_000..]);
}

#[tokio::test]
async fn taken_name_is_suffixed_and_the_same_bytes_are_noted() {
    let fixture = Fixture::demo().await;
    fixture.small_upload("plan.pdf", DEST, vec![1; 10]).send().await.unwrap();
    let second = json_of(fixture.small_upload("plan.pdf", DEST, vec![2; 10]).send().await.unwrap()).await;
    let name = second["data"][0]["attributes"]["FileName"].as_str().unwrap();
    assert!(
        name.starts_with("plan ") && name.ends_with(".pdf") && name.len() == "plan DD-MM-YYYY HH:MM:SS:mmm.pdf".len(),
        "{name}"
    );
    assert_eq!(fixture.misdeed("upload_of_same_content_to_same_name"), 0);
    fixture.small_upload("plan.pdf", DEST, vec![1; 10]).send().await.unwrap();
    assert_eq!(fixture.misdeed("upload_of_same_content_to_same_name"), 1);
    fixture.control.set_knobs(json!({"workdrive": {"file_collision": "conflict"}})).unwrap();
    assert_eq!(fixture.small_upload("plan.pdf", DEST, vec![3]).send().await.unwrap().status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn override_makes_a_version_and_its_unprefixed_header_is_ignored() {
    let fixture = Fixture::demo().await;
    fixture.stream_upload("v.bin", DEST, vec![1]).send().await.unwrap();
    let ignored = json_of(
        fixture.stream_upload("v.bin", DEST, vec![2]).header("override-name-exist", "true").send().await.unwrap(),
    )
    .await;
    assert_ne!(ignored["data"][0]["attributes"]["file_name"], "v.bin");
    assert_eq!(fixture.misdeed("unprefixed_override_header"), 1);
    let honoured = json_of(
        fixture.stream_upload("v.bin", DEST, vec![3]).header("x-override-name-exist", "true").send().await.unwrap(),
    )
    .await;
    assert_eq!(honoured["data"][0]["attributes"]["file_name"], "v.bin");
    let state = fixture.state("org-a");
    let item = state.items.iter().find(|item| item.path == "Shared/Migrated/v.bin").unwrap();
    assert_eq!((item.versions, item.size_bytes), (2, 1));
}

#[tokio::test]
async fn refusals_have_their_own_statuses() {
    let fixture = Fixture::demo().await;
    let status = async || fixture.small_upload("x", DEST, vec![0; 2000]).send().await.unwrap().status().as_u16();
    for (reason, expected) in [("licence", 402), ("organization_storage", 507), ("personal_storage", 509)] {
        fixture.control.set_knobs(json!({"workdrive": {"upload_refusal": reason}})).unwrap();
        assert_eq!(status().await, expected);
    }
    fixture.control.set_knobs(json!({"workdrive": {"upload_refusal": "none", "small_upload_bytes": 1999}})).unwrap();
    assert_eq!(status().await, 413);
    let elsewhere = fixture.small_upload("x", "nowhere", vec![0]).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::UNAUTHORIZED);
    let form = reqwest::multipart::Form::new().text("other", "x");
    let without = fixture
        .a(Method::POST, "/workdrive/api/v1/upload")
        .query(&[("filename", "x"), ("parent_id", DEST)])
        .multipart(form);
    assert_eq!(without.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn full_width_letters_may_vanish_from_names() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"workdrive": {"strip_full_width": true}})).unwrap();
    let body = json_of(fixture.small_upload("ＡＢ12.txt", DEST, vec![1]).send().await.unwrap()).await;
    assert_eq!(body["data"][0]["attributes"]["FileName"], "12.txt");
}

#[tokio::test]
async fn discarded_uploads_keep_size_and_hash() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"workdrive": {"keep_uploads": false}})).unwrap();
    fixture.stream_upload("big.bin", DEST, vec![7; 5_000_000]).send().await.unwrap();
    let state = fixture.state("org-a");
    let item = state.items.iter().find(|item| item.name == "big.bin").unwrap();
    assert_eq!(item.size_bytes, 5_000_000);
    assert!(item.md5.is_some());
}
