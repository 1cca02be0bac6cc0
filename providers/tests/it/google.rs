use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use providers::clock::Clock;
use providers::error::Error;
use providers::google::{IdTokens, KeyError, ServiceAccountKey, Settings, Source};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use crate::server::{Reply, Server};

/// Made for these tests and used nowhere else.
const PRIVATE_KEY: &str = include_str!("service_account_key.pem");
const AUDIENCE: &str = "https://analysis-xyz.a.run.app";
const NOW: i64 = 1_768_471_500;

pub(crate) fn key_file(token_uri: &Url, private_key: &str) -> Value {
    json!({"type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": private_key,
        "client_email": "gateway@p.iam.gserviceaccount.com", "token_uri": token_uri.as_str()})
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// A token as Google would sign it, for all that its receiver here reads.
pub(crate) fn id_token(audience: &str, expires_at: i64, mark: usize) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"aud": audience, "exp": expires_at, "iss": "https://accounts.google.com"});
    format!("{}.{}.{}", encode(json!({"alg": "RS256"})), encode(claims), URL_SAFE_NO_PAD.encode(format!("sig{mark}")))
}

struct Time(Arc<AtomicI64>);

impl Time {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOW)))
    }

    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::new(move || DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds.load(Ordering::SeqCst)))
    }
}

fn tokens(source: Source, time: &Time) -> IdTokens {
    let settings =
        Settings { source, audience: AUDIENCE.to_owned(), timeout: Duration::from_millis(500), clock: time.clock() };
    IdTokens::new(settings, providers::http::client().unwrap())
}

fn by_key(server: &Server) -> Source {
    let file = key_file(&server.url.join("/token").unwrap(), PRIVATE_KEY).to_string();
    Source::Key(Box::new(ServiceAccountKey::parse(&file.into()).unwrap()))
}

#[tokio::test]
async fn a_request_is_signed_by_the_account_and_names_its_audience() {
    let server = Server::start(|_| Reply::json(200, &json!({"id_token": id_token(AUDIENCE, NOW + 3600, 1)}))).await;
    let token = tokens(by_key(&server), &Time::new()).token().await.unwrap();
    assert_eq!(token.expose_secret(), id_token(AUDIENCE, NOW + 3600, 1));
    let request = &server.requests("/token")[0];
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (signed, signature) = form[1].1.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    assert_eq!(part(header), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    assert_eq!(
        part(claims),
        json!({"iss": "gateway@p.iam.gserviceaccount.com", "aud": server.url.join("/token").unwrap().as_str(),
            "target_audience": AUDIENCE, "iat": NOW, "exp": NOW + 3600})
    );
    let der: String = PRIVATE_KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(der).unwrap();
    let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
}

#[tokio::test]
async fn a_token_is_kept_until_five_minutes_before_its_end() {
    let asked = AtomicUsize::new(0);
    let time = Time::new();
    let now = Arc::clone(&time.0);
    let server = Server::start(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        Reply::json(200, &json!({"id_token": id_token(AUDIENCE, now.load(Ordering::SeqCst) + 3600, number)}))
    })
    .await;
    let tokens = tokens(by_key(&server), &time);
    assert!(join_all((0..50).map(|_| tokens.token())).await.iter().all(Result::is_ok));
    assert_eq!(server.count("/token"), 1);
    time.0.store(NOW + 3299, Ordering::SeqCst);
    tokens.token().await.unwrap();
    assert_eq!(server.count("/token"), 1);
    time.0.store(NOW + 3300, Ordering::SeqCst);
    let renewed = tokens.token().await.unwrap();
    assert_eq!(server.count("/token"), 2);
    join_all((0..50).map(|_| tokens.replace(&renewed))).await;
    assert_eq!(server.count("/token"), 3);
}

#[tokio::test]
async fn a_machine_vouches_for_itself() {
    let server = Server::start(|_| Reply::text(200, &format!("{}\n", id_token(AUDIENCE, NOW + 3600, 1)))).await;
    let token = tokens(Source::Machine(server.url.clone()), &Time::new()).token().await.unwrap();
    assert_eq!(token.expose_secret(), id_token(AUDIENCE, NOW + 3600, 1));
    let request = &server.requests("/computeMetadata/v1/instance/service-accounts/default/identity")[0];
    assert_eq!(request.query("audience").as_deref(), Some(AUDIENCE));
    assert_eq!(request.header("metadata-flavor"), Some("Google"));
}

#[tokio::test]
async fn a_refusal_says_whether_waiting_helps() {
    for (reply, code) in [
        (
            Reply::json(400, &json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."})),
            "bad_client",
        ),
        (Reply::json(401, &json!({"error": "invalid_client"})), "bad_client"),
        (Reply::text(403, "<html>"), "bad_client"),
        (Reply::json(400, &json!({"error": "internal_failure"})), "unavailable"),
        (Reply::text(503, ""), "unavailable"),
        (Reply::text(429, "").with("Retry-After: 20"), "throttled"),
        (Reply::json(200, &json!({"access_token": "ya29"})), "unreadable"),
        (Reply::json(200, &json!({"id_token": "a.b.c"})), "unreadable"),
        (Reply::json(200, &json!({"id_token": id_token("https://else.example", NOW + 3600, 1)})), "unreadable"),
        (Reply::json(200, &json!({"id_token": id_token(AUDIENCE, NOW, 1)})), "unreadable"),
        (Reply::Hang, "unavailable"),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = tokens(by_key(&server), &Time::new()).token().await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        if let Error::Throttled(throttled) = error {
            assert_eq!(throttled.until.timestamp(), NOW + 20);
        }
    }
}

#[tokio::test]
async fn a_key_is_read_with_escaped_line_breaks_and_never_shown() {
    let uri = Url::parse("https://oauth2.googleapis.com/token").unwrap();
    let escaped = key_file(&uri, &PRIVATE_KEY.replace('\n', "\\n")).to_string();
    let key = ServiceAccountKey::parse(&escaped.into()).unwrap();
    let shown = format!("{key:?}");
    assert!(shown.contains("gateway@p.iam") && !shown.contains("PRIVATE") && !shown.contains("MII"), "{shown}");
}

#[test]
fn a_file_that_is_no_key_is_named_as_such() {
    let uri = Url::parse("https://oauth2.googleapis.com/token").unwrap();
    let parse = |file: &Value| ServiceAccountKey::parse(&file.to_string().into()).unwrap_err();
    assert_eq!(parse(&json!({})), KeyError::NotAKeyFile);
    assert_eq!(parse(&key_file(&uri, "nonsense")), KeyError::BadPrivateKey);
    let mut person = key_file(&uri, PRIVATE_KEY);
    person["type"] = json!("authorized_user");
    assert_eq!(parse(&person), KeyError::OtherType);
}
