//! Google's token endpoint, metadata server and keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Response, StatusCode};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};
use simulator::{DEFAULT_SERVICE_ACCOUNT, Seed};

use crate::fixture::{Fixture, json_of};

/// What a client of a service account does, written from RFC 7523.
pub(crate) struct Signer {
    key_file: Value,
    pair: RsaKeyPair,
}

impl Signer {
    pub(crate) async fn of(fixture: &Fixture) -> Self {
        let answer = fixture.client.get(fixture.url("/control/google/service-account")).send().await.unwrap();
        let key_file = json_of(answer).await;
        let pem = key_file["private_key"].as_str().unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
        Self { pair: RsaKeyPair::from_pkcs8(&der).unwrap(), key_file }
    }

    fn claims(&self, extra: Value) -> Value {
        let now = now_seconds();
        let mut claims = json!({
            "iss": self.key_file["client_email"], "aud": self.key_file["token_uri"], "iat": now, "exp": now + 3600,
        });
        for (name, value) in extra.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn assertion(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_file["private_key_id"]});
        let signed = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn post(&self, fixture: &Fixture, assertion: &str) -> Response {
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let form = [("grant_type", grant), ("assertion", assertion)];
        fixture.client.post(self.key_file["token_uri"].as_str().unwrap()).form(&form).send().await.unwrap()
    }

    async fn exchange(&self, fixture: &Fixture, extra: Value) -> Response {
        self.post(fixture, &self.assertion(&self.claims(extra))).await
    }

    /// An ID token for this audience.
    pub(crate) async fn id_token(&self, fixture: &Fixture, audience: &str) -> String {
        let answer = json_of(self.exchange(fixture, json!({"target_audience": audience})).await).await;
        answer["id_token"].as_str().unwrap_or_else(|| panic!("no ID token: {answer}")).to_owned()
    }
}

fn now_seconds() -> i64 {
    chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp()
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// True when a published key signed the token.
async fn is_signed(fixture: &Fixture, token: &str) -> bool {
    let certs = json_of(fixture.client.get(fixture.url("/google/oauth2/v3/certs")).send().await.unwrap()).await;
    let keys = certs["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == part(token, 0)["kid"]).unwrap();
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let components = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    components.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn service_account_gets_an_id_token_that_the_published_keys_verify() {
    let fixture = Fixture::demo().await;
    let signer = Signer::of(&fixture).await;
    let token = signer.id_token(&fixture, "https://analysis.example.com").await;
    let claims = part(&token, 1);
    assert_eq!(claims["iss"], "https://accounts.google.com");
    assert_eq!(claims["aud"], "https://analysis.example.com");
    assert_eq!(claims["email"], DEFAULT_SERVICE_ACCOUNT);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert!(is_signed(&fixture, &token).await);
    fixture.control.rotate_google_keys().unwrap();
    let newer = signer.id_token(&fixture, "https://analysis.example.com").await;
    assert_ne!(part(&newer, 0)["kid"], part(&token, 0)["kid"]);
    assert!(is_signed(&fixture, &newer).await && is_signed(&fixture, &token).await, "old keys stay published");
}

#[tokio::test]
async fn assertion_is_refused_for_its_signature_time_audience_or_account() {
    let fixture = Fixture::start(Seed::demo()).await;
    let signer = Signer::of(&fixture).await;
    let refused = async |extra: Value| {
        let mut wanted = json!({"target_audience": "https://a.example.com"});
        wanted.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let answer = signer.exchange(&fixture, wanted).await;
        let status = answer.status();
        (status, json_of(answer).await["error_description"].as_str().unwrap().to_owned())
    };
    let now = now_seconds();
    let late = refused(json!({"iat": now - 4200, "exp": now - 600})).await;
    assert!(late.0 == StatusCode::BAD_REQUEST && late.1.starts_with("Invalid JWT: Token must be a short-lived"));
    assert!(refused(json!({"exp": now + 9000})).await.1.contains("short-lived"));
    assert!(refused(json!({"aud": "https://elsewhere.example.com"})).await.1.contains("audience"));
    assert!(refused(json!({"iss": "nobody@example.com"})).await.1.contains("account not found"));
    let scoped = refused(json!({"target_audience": ""})).await;
    assert_eq!(scoped.1, "Invalid OAuth scope or ID token audience provided.");
    let good = signer.assertion(&signer.claims(json!({"target_audience": "https://a.example.com"})));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
    assert_eq!(json_of(signer.post(&fixture, &forged).await).await["error_description"], "Invalid JWT Signature.");
    fixture.control.delete_service_account(DEFAULT_SERVICE_ACCOUNT).unwrap();
    assert!(
        json_of(signer.post(&fixture, &good).await).await["error_description"].as_str().unwrap().contains("not found")
    );
}

#[tokio::test]
async fn five_minutes_of_skew_are_taken_and_more_are_not() {
    let fixture = Fixture::demo().await;
    let signer = Signer::of(&fixture).await;
    let wanted = json!({"target_audience": "https://a.example.com"});
    for (offset, status) in [(290, 200), (-290, 200), (-400, 400), (4000, 400)] {
        fixture.control.set_knobs(json!({"google": {"clock_offset_seconds": offset}})).unwrap();
        assert_eq!(signer.exchange(&fixture, wanted.clone()).await.status().as_u16(), status, "offset {offset}");
    }
}

#[tokio::test]
async fn scope_gives_an_access_token_and_aud_may_be_the_production_address() {
    let fixture = Fixture::demo().await;
    let signer = Signer::of(&fixture).await;
    let extra = json!({"scope": "https://www.googleapis.com/auth/drive.readonly",
        "aud": "https://oauth2.googleapis.com/token"});
    let answer = json_of(signer.exchange(&fixture, extra).await).await;
    assert!(answer["access_token"].as_str().unwrap().starts_with("ya29."));
    assert_eq!(answer["token_type"], "Bearer");
}

#[tokio::test]
async fn metadata_server_wants_its_flavor_and_gives_a_bare_token() {
    let fixture = Fixture::demo().await;
    let path = "/computeMetadata/v1/instance/service-accounts/default/identity";
    let get = |url: String| fixture.client.get(url).query(&[("audience", "https://a.example.com")]);
    let refused = get(fixture.url(path)).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let plain = get(fixture.url(path)).header("Metadata-Flavor", "Google").send().await.unwrap();
    assert_eq!(plain.headers()["metadata-flavor"], "Google");
    let token = plain.text().await.unwrap();
    assert!(part(&token, 1).get("email").is_none() && is_signed(&fixture, &token).await);
    let full = get(fixture.url(&format!("/google{path}"))).query(&[("format", "full")]);
    let token = full.header("Metadata-Flavor", "Google").send().await.unwrap().text().await.unwrap();
    assert_eq!(part(&token, 1)["email"], DEFAULT_SERVICE_ACCOUNT);
}
