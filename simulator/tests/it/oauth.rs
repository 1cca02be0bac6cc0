//! Tokens, their limits and their error dialects.

use reqwest::{Method, StatusCode};
use serde_json::json;
use simulator::control::{GrantChange, GrantRenewal};
use simulator::seed::constants::*;

use crate::fixture::{Fixture, json_of, small_demo};

#[tokio::test]
async fn refresh_gives_an_access_token_and_keeps_the_refresh_token() {
    let fixture = Fixture::demo().await;
    let answer = fixture.refresh_b().await;
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3600);
    assert!(answer.get("refresh_token").is_none());
    assert_eq!(answer["api_domain"], format!("{}/api", fixture.simulator.base_url()));
}

#[tokio::test]
async fn token_errors_come_with_status_200() {
    let fixture = Fixture::demo().await;
    let bad_code = fixture.refresh(ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET, "1000.nope").await;
    assert_eq!(bad_code, json!({"error": "invalid_code"}));
    let bad_client = fixture.refresh("1000.NOBODY", ORG_A_CLIENT_SECRET, ORG_A_REFRESH_TOKEN).await;
    assert_eq!(bad_client, json!({"error": "invalid_client"}));
    let bad_secret = fixture.refresh(ORG_A_CLIENT_ID, "wrong", ORG_A_REFRESH_TOKEN).await;
    assert_eq!(bad_secret, json!({"error": "invalid_client_secret"}));
}

#[tokio::test]
async fn eleventh_refresh_in_ten_minutes_is_refused_until_the_window_ends() {
    let fixture = Fixture::demo().await;
    for _ in 0..9 {
        assert!(fixture.refresh_a().await.get("access_token").is_some());
    }
    let refused = fixture.refresh_a().await;
    assert_eq!(refused["error"], "Access Denied");
    assert_eq!(refused["status"], "failure");
    assert_eq!(fixture.misdeed("refreshed_while_throttled"), 0);
    assert_eq!(fixture.refresh_a().await["error"], "Access Denied");
    assert_eq!(fixture.misdeed("refreshed_while_throttled"), 1);
    assert!(fixture.refresh_b().await.get("access_token").is_some(), "limits belong to one refresh token");
    fixture.control.advance(std::time::Duration::from_secs(601));
    assert!(fixture.refresh_a().await.get("access_token").is_some());
    assert_eq!(fixture.misdeed("refreshed_while_valid_token_fresh"), 13);
    assert_eq!(fixture.control.counts().token_requests["org-a"]["throttled"], 2);
}

#[tokio::test]
async fn expired_token_is_refused_in_each_products_dialect() {
    let fixture = Fixture::demo().await;
    fixture.control.advance(std::time::Duration::from_secs(3601));
    let crm = fixture.coql("select id from Contacts limit 1").await;
    assert_eq!(crm.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(crm).await["code"], "INVALID_TOKEN");
    let workdrive = fixture.a(Method::GET, "/workdrive/api/v1/users/me").send().await.unwrap();
    assert_eq!(workdrive.status(), StatusCode::UNAUTHORIZED);
    assert!(workdrive.headers()["www-authenticate"].to_str().unwrap().contains("expired_token"));
}

#[tokio::test]
async fn unknown_token_on_workdrive_is_f7003_without_the_expiry_header() {
    let fixture = Fixture::demo().await;
    let answer = fixture.with_token(Method::GET, "/workdrive/api/v1/users/me", "1000.no.no").send().await.unwrap();
    assert!(answer.headers().get("www-authenticate").is_none());
    assert_eq!(json_of(answer).await["errors"][0]["id"], "F7003");
}

#[tokio::test]
async fn bearer_works_for_workdrive_and_not_for_crm() {
    let fixture = Fixture::demo().await;
    let with_bearer = |path: &str| fixture.client.get(fixture.url(path)).bearer_auth(&fixture.token_a);
    assert_eq!(with_bearer("/workdrive/api/v1/users/me").send().await.unwrap().status(), StatusCode::OK);
    let crm = with_bearer("/api/crm/v8/users?type=CurrentUser").send().await.unwrap();
    assert_eq!(json_of(crm).await["code"], "AUTHENTICATION_FAILURE");
}

#[tokio::test]
async fn missing_scope_is_a_reason_phrase_on_workdrive_and_a_code_on_crm() {
    let mut seed = small_demo();
    seed.organizations[0].clients[0].scopes = vec!["ZohoCRM.modules.ALL".to_owned(), "WorkDrive.files.READ".to_owned()];
    let fixture = Fixture::start(seed).await;
    let crm = fixture.coql("select id from Contacts limit 1").await;
    assert_eq!(crm.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(crm).await["code"], "OAUTH_SCOPE_MISMATCH");
    assert_eq!(raw_status_line(&fixture, "/workdrive/api/v1/download/any").await, "HTTP/1.1 401 INVALID_OAUTHSCOPE");
}

async fn raw_status_line(fixture: &Fixture, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(fixture.simulator.address()).await.unwrap();
    let token = &fixture.token_a;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Zoho-oauthtoken {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn revoked_grant_needs_consent_and_works_again_after_it() {
    let fixture = Fixture::demo().await;
    fixture.control.revoke_grants("org-a", &GrantChange::default()).unwrap();
    assert_eq!(fixture.refresh_a().await, json!({"error": "invalid_code"}));
    assert_eq!(fixture.coql("select id from Contacts limit 1").await.status(), StatusCode::UNAUTHORIZED);
    assert!(fixture.refresh_b().await.get("access_token").is_some());
    fixture.control.renew_grants("org-a", &GrantRenewal::default()).unwrap();
    assert!(fixture.refresh_a().await.get("access_token").is_some());
}

#[tokio::test]
async fn revocation_by_the_client_ends_the_grant() {
    let fixture = Fixture::demo().await;
    let url = fixture.url(&format!("/accounts/oauth/v2/token/revoke?token={ORG_A_REFRESH_TOKEN}"));
    let answer = json_of(fixture.client.post(url).send().await.unwrap()).await;
    assert_eq!(answer, json!({"status": "success"}));
    assert_eq!(fixture.refresh_a().await, json!({"error": "invalid_code"}));
}

#[tokio::test]
async fn consent_gives_a_code_that_works_once() {
    let fixture = Fixture::demo().await;
    let query = [
        ("response_type", "code"),
        ("client_id", ORG_B_CLIENT_ID),
        ("redirect_uri", "http://127.0.0.1:1/callback"),
        ("scope", "WorkDrive.files.READ,WorkDrive.team.READ"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("state", "a b"),
    ];
    let answer = fixture.client.get(fixture.url("/accounts/oauth/v2/auth")).query(&query).send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(
        location.contains("state=a%20b")
            && location.contains("location=eu")
            && location.contains("accounts-server=http")
    );
    let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", ORG_B_CLIENT_ID),
        ("client_secret", ORG_B_CLIENT_SECRET),
        ("redirect_uri", "http://127.0.0.1:1/callback"),
        ("code", code.as_str()),
    ];
    let exchange = || async {
        json_of(fixture.client.post(fixture.url("/accounts/oauth/v2/token")).form(&form).send().await.unwrap()).await
    };
    let tokens = exchange().await;
    assert!(tokens["refresh_token"].is_string() && tokens["access_token"].is_string());
    assert_eq!(exchange().await, json!({"error": "invalid_code"}));
}

#[tokio::test]
async fn thirty_first_access_token_kills_the_oldest() {
    let fixture = Fixture::demo().await;
    fixture.control.set_knobs(json!({"oauth": {"tokens_per_window": 100}})).unwrap();
    for _ in 0..30 {
        fixture.refresh_a().await;
    }
    assert_eq!(fixture.coql("select id from Contacts limit 1").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn server_info_lists_the_locations() {
    let fixture = Fixture::demo().await;
    let answer = json_of(fixture.client.get(fixture.url("/accounts/oauth/serverinfo")).send().await.unwrap()).await;
    assert_eq!(answer["locations"]["eu"], fixture.url("/accounts"));
}
