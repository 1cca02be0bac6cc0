//! Which tokens count.

use std::time::{Duration, Instant};

use api::Role;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::{Value, json};
use testkit::store::Backend;

use crate::key_server::{KeyServer, Signer, hmac_token, unsigned};
use crate::server::{ACCOUNTS, SECRET, Server, start, start_time, start_with};

const PATH: &str = "/api/v1/accounts";

fn claims() -> Value {
    json!({
        "sub": "ada", "role": "viewer", "organization": "acme", "exp": start_time().timestamp() + 600,
        "iss": "https://login.example", "aud": ["gateledger", "else"],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

async fn outcome(server: &Server, token: &str) -> (u16, String) {
    let answer = server.get(token, PATH).await;
    (answer.status, answer.code().to_owned())
}

async fn with_keys(keys: &KeyServer, also: &str) -> Server {
    let settings = format!(
        "[auth]\njwks_url = 'http://{}/keys'\nissuer = 'https://login.example'\naudience = 'gateledger'\n{also}\n{ACCOUNTS}",
        keys.address
    );
    start_with(Backend::Sqlite, &settings).await
}

#[actix_web::test]
async fn a_token_counts_until_its_time_is_over() {
    let server = start(Backend::Sqlite).await;
    let token = server.token(Role::Viewer, Some("acme"));
    assert_eq!(outcome(&server, &token).await.0, 200);
    server.clock.advance(TimeDelta::seconds(3600 + 59));
    assert_eq!(outcome(&server, &token).await.0, 200, "the leeway is 60 seconds");
    server.clock.advance(TimeDelta::seconds(1));
    let answer = server.get(&token, PATH).await;
    assert_eq!((answer.status, answer.code()), (401, "token_expired"));
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer realm=\"gateledger\", error=\"invalid_token\""), "{challenge}");
    server.stop().await;
}

#[actix_web::test]
async fn forged_and_broken_tokens_do_not_count() {
    let server = start(Backend::Sqlite).await;
    let good = with("aud", Value::Null);
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let key = SECRET.as_bytes();
    assert_eq!(outcome(&server, &hmac_token(&header, &good, key)).await.0, 200);
    let none = unsigned(&json!({"alg": "none"}), &good);
    let right = hmac_token(&header, &good, key);
    let (message, signature) = right.rsplit_once('.').unwrap();
    let raised = unsigned(&header, &with("role", "super_admin".into()));
    for (what, token) in [
        ("alg none", format!("{none}.")),
        ("alg none with a signature", format!("{none}.{signature}")),
        ("another key", hmac_token(&header, &good, b"another secret of thirty-two bytes")),
        ("other claims", format!("{raised}.{signature}")),
        ("no signature", format!("{message}.")),
        ("alg HS512", hmac_token(&json!({"alg": "HS512"}), &good, key)),
        ("alg RS256 without keys", hmac_token(&json!({"alg": "RS256"}), &good, key)),
        ("extensions", hmac_token(&json!({"alg": "HS256", "crit": ["b64"], "b64": false}), &good, key)),
        ("for somebody else", hmac_token(&header, &claims(), key)),
        ("claims that are a list", hmac_token(&header, &json!([1]), key)),
        ("no expiry", hmac_token(&header, &json!({"sub": "ada", "role": "viewer", "organization": "acme"}), key)),
        ("nonsense", "a.b.c".to_owned()),
        ("one part", "abc".to_owned()),
        ("four parts", format!("{right}.x")),
    ] {
        assert_eq!(outcome(&server, &token).await, (401, "token_invalid".to_owned()), "{what}");
    }
    let no_role = hmac_token(&header, &json!({"sub": "a", "exp": claims()["exp"], "organization": "acme"}), key);
    assert_eq!(outcome(&server, &no_role).await, (403, "role_insufficient".to_owned()));
    let no_organization = server.token(Role::Admin, None);
    assert_eq!(outcome(&server, &no_organization).await, (403, "organization_missing".to_owned()));
    server.stop().await;
}

#[actix_web::test]
async fn keys_of_both_types_count_with_their_own_algorithm_alone() {
    let keys = KeyServer::start();
    let (rsa, ed25519) = (Signer::rsa(), Signer::ed25519());
    // A key of a kind that nobody here knows does not hide the others.
    let strange = json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "new", "pub": "AA"});
    keys.publish(vec![strange, rsa.public("r"), ed25519.public("e")]);
    let server = with_keys(&keys, &format!("secret = '{SECRET}'")).await;
    let rs = |kid: &str| json!({"alg": "RS256", "kid": kid});
    let ed = |kid: &str| json!({"alg": "EdDSA", "kid": kid});
    for (what, token, expected) in [
        ("RS256", rsa.token(&rs("r"), &claims()), 200),
        ("EdDSA", ed25519.token(&ed("e"), &claims()), 200),
        ("the only one of its type", ed25519.token(&json!({"alg": "EdDSA"}), &claims()), 200),
        ("the other's name", ed25519.token(&ed("r"), &claims()), 401),
        ("the other's algorithm", rsa.token(&ed("e"), &claims()), 401),
        ("another issuer", rsa.token(&rs("r"), &with("iss", "https://else".into())), 401),
        ("no issuer", rsa.token(&rs("r"), &with("iss", Value::Null)), 401),
        ("another audience", rsa.token(&rs("r"), &with("aud", "else".into())), 401),
        ("no audience", rsa.token(&rs("r"), &with("aud", Value::Null)), 401),
        ("expired", rsa.token(&rs("r"), &with("exp", 1_000.into())), 401),
        ("not yet", rsa.token(&rs("r"), &with("nbf", (start_time().timestamp() + 61).into())), 401),
    ] {
        assert_eq!(outcome(&server, &token).await.0, expected, "{what}");
    }
    // The public key as a secret: the oldest trick (CVE-2015-9235).
    let modulus = rsa.public("r")["n"].as_str().unwrap().to_owned();
    for secret in [modulus.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(&modulus).unwrap()] {
        let token = hmac_token(&json!({"alg": "HS256", "kid": "r"}), &claims(), &secret);
        assert_eq!(outcome(&server, &token).await.0, 401, "HS256 with the public key");
    }
    assert_eq!(outcome(&server, &server.token(Role::Viewer, Some("acme"))).await.0, 200, "the local secret counts too");
    server.stop().await;
    keys.stop().await;
}

#[actix_web::test]
async fn unknown_keys_are_asked_for_at_most_every_thirty_seconds() {
    let keys = KeyServer::start();
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    keys.publish(vec![old.public("old")]);
    let server = with_keys(&keys, "").await;
    let of = |signer: &Signer, kid: &str| signer.token(&json!({"alg": "EdDSA", "kid": kid}), &claims());
    assert_eq!(outcome(&server, &of(&old, "old")).await.0, 200);
    keys.publish(vec![old.public("old"), new.public("new")]);
    for _ in 0..20 {
        assert_eq!(outcome(&server, &of(&new, "new")).await.0, 401);
    }
    assert_eq!(keys.asked(), 1);
    server.clock.advance(TimeDelta::seconds(30));
    assert_eq!(outcome(&server, &of(&new, "new")).await.0, 200);
    for _ in 0..20 {
        assert_eq!(outcome(&server, &of(&new, "made up")).await.0, 401);
    }
    assert_eq!(keys.asked(), 2);
    server.stop().await;
    keys.stop().await;
}

#[actix_web::test]
async fn a_key_server_that_is_silent_holds_nobody_up_for_long() {
    let keys = KeyServer::start();
    let signer = Signer::ed25519();
    keys.publish(vec![signer.public("e")]);
    keys.fall_silent();
    let server = with_keys(&keys, &format!("secret = '{SECRET}'")).await;
    let token = signer.token(&json!({"alg": "EdDSA", "kid": "e"}), &claims());
    let began = Instant::now();
    let answer = server.get(&token, PATH).await;
    assert_eq!((answer.status, answer.code()), (503, "keys_unavailable"));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(outcome(&server, &server.token(Role::Viewer, Some("acme"))).await.0, 200, "others are served meanwhile");
    server.stop().await;
    keys.stop().await;
}

#[actix_web::test]
async fn keys_that_cannot_be_looked_at_again_are_believed_for_a_day() {
    let keys = KeyServer::start();
    let signer = Signer::ed25519();
    keys.publish(vec![signer.public("e")]);
    let server = with_keys(&keys, "").await;
    let expires_late = with("exp", (start_time().timestamp() + 1_000_000).into());
    let token = signer.token(&json!({"alg": "EdDSA", "kid": "e"}), &expires_late);
    assert_eq!(outcome(&server, &token).await.0, 200);
    keys.fall_silent();
    server.clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(outcome(&server, &token).await.0, 200);
    server.clock.advance(TimeDelta::seconds(1));
    assert_eq!(outcome(&server, &token).await, (503, "keys_unavailable".to_owned()));
    server.stop().await;
    keys.stop().await;
}

#[test]
fn a_secret_that_is_too_short_is_refused_at_the_start_with_the_remedy() {
    let error = api::token::Error::ShortSecret { bytes: 12 };
    assert_eq!(
        error.to_string(),
        "auth.secret holds 12 bytes and needs at least 32; make one with `openssl rand -base64 32`"
    );
}
