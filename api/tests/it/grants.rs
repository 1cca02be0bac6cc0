//! A person connects an account through the browser, and others look after it.

use api::Role;
use event_log::{Direction, Filter, GlobalPosition};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use simulator::seed::constants::{ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET};
use simulator::{DemoOptions, Options, Seed, Simulator};
use testkit::store::Backend;

use crate::server::{SECRET, Server, start_with};

testkit::on_both_databases! {
    #[actix_web::test]
    a_person_goes_to_the_provider_and_comes_back_with_a_grant,
    only_a_super_admin_of_the_organization_may_connect,
    who_comes_back_without_a_state_of_ours_is_told_so_and_nothing_happens,
    a_person_returns_to_where_they_wanted_to_go,
    what_cannot_be_connected_is_said,
    a_grant_is_refreshed_and_taken_back,
}

const PUBLIC: &str = "https://gateway.example.com/ledger";

async fn town(on: Backend, http: &str) -> (Simulator, Server) {
    let seed = Seed::demo_with(&DemoOptions { large_file_bytes: 1024, ..DemoOptions::default() });
    let simulator = simulator::start(&seed, Options::default()).unwrap();
    let mut settings = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n{http}[auth]\nsecret = '{SECRET}'\n\
         [accounts.partner]\nprovider = \"generic\"\norganization = \"acme\"\n\
         webhook = {{ verify = \"hmac\", secret = \"s\", header = \"X-Signature\" }}\n\
         [transfers.contacts]\ncrm = \"org-a\"\nsource = \"org-a\"\ndestination = \"org-a\"\nmodule = \"Contacts\"\n\
         checkbox_field = \"Transfer_Complete\"\nfolder_field = \"Source_Folder_Name\"\n\
         source_team_folder_id = \"team-a\"\ndestination_folder_id = \"dest-root\"\n"
    );
    for (name, organization) in [("org-a", "acme"), ("spare", "acme"), ("theirs", "umbrella")] {
        settings += &format!(
            "[accounts.{name}]\nprovider = \"zoho\"\norganization = \"{organization}\"\n\
             client_id = \"{ORG_A_CLIENT_ID}\"\nclient_secret = \"{ORG_A_CLIENT_SECRET}\"\n[accounts.{name}.endpoints]\n"
        );
        for host in ["accounts", "api", "workdrive", "download", "upload", "cliq"] {
            settings += &format!("{host} = \"{}\"\n", simulator.endpoints()[host]);
        }
    }
    (simulator, start_with(on, &settings).await)
}

fn public() -> String {
    format!("public_url = \"{PUBLIC}\"\n")
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Asks the server as a browser does, with a token where there is one.
async fn open(server: &Server, path: &str, token: Option<&str>) -> reqwest::Response {
    let request = browser().get(format!("http://{}{path}", server.address));
    token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth).send().await.unwrap()
}

fn location(answer: &reqwest::Response) -> Url {
    answer.headers()["location"].to_str().unwrap().parse().unwrap()
}

/// The way over the provider's page, to the path and query that lead back to us.
async fn way_back(page: Url) -> String {
    let back = location(&browser().get(page).send().await.unwrap());
    assert!(back.as_str().starts_with(&format!("{PUBLIC}/oauth/zoho/callback?")), "{back}");
    format!("/oauth/zoho/callback?{}", back.query().unwrap())
}

async fn events(server: &Server) -> Vec<(String, Value)> {
    let filter = Filter { event_types: vec!["account.*".to_owned()], ..Filter::default() };
    let events = server.log.list(&filter, GlobalPosition(0), Direction::Forward, 50).await.unwrap();
    let read = |event: event_log::RecordedEvent| {
        (event.event_type.as_str().to_owned(), serde_json::from_str(&event.metadata).unwrap())
    };
    events.into_iter().map(read).collect()
}

async fn a_person_goes_to_the_provider_and_comes_back_with_a_grant(on: Backend) {
    let (_simulator, server) = town(on, &public()).await;
    let token = server.token(Role::SuperAdmin, Some("acme"));
    let sent = open(&server, "/oauth/zoho/start?account=org-a", Some(&token)).await;
    assert_eq!((sent.status().as_u16(), &sent.headers()["cache-control"]), (302, &"no-store".parse().unwrap()));
    let path = way_back(location(&sent)).await;
    let page = open(&server, &path, None).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert_eq!(
        (&page.headers()["referrer-policy"], &page.headers()["cache-control"]),
        (&"no-referrer".parse().unwrap(), &"no-store".parse().unwrap())
    );
    let text = page.text().await.unwrap();
    assert!(text.contains("The account org-a is connected") && !text.contains("1000."), "{text}");

    let viewer = server.token(Role::Viewer, Some("acme"));
    let grant = server.get(&viewer, "/api/v1/accounts/org-a").await.body["grant"].clone();
    assert_eq!(
        (&grant["origin"], &grant["granted_by"], &grant["scopes_missing"]),
        (&json!("person"), &json!("ada"), &json!([]))
    );
    let told = events(&server).await;
    assert_eq!(told[0].0, "account.connected");
    let actor = &told[0].1["actor"];
    assert_eq!((&actor["subject"], &actor["address"]), (&json!("ada"), &json!("127.0.0.1")));
    assert_eq!(actor["request_id"], sent.headers()["x-request-id"].to_str().unwrap());

    let again = open(&server, &path, None).await;
    assert_eq!(again.status(), 400);
    assert!(again.text().await.unwrap().contains("used up"));
    server.stop().await;
}

async fn only_a_super_admin_of_the_organization_may_connect(on: Backend) {
    let (_simulator, server) = town(on, &public()).await;
    let start = "/oauth/zoho/start?account=org-a";
    assert_eq!(open(&server, start, None).await.status(), 401);
    let admin = server.token(Role::Admin, Some("acme"));
    let refused = open(&server, start, Some(&admin)).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.json::<Value>().await.unwrap()["needed_role"], "super_admin");
    let foreign = server.token(Role::SuperAdmin, Some("umbrella"));
    assert_eq!(open(&server, start, Some(&foreign)).await.status(), 404);
    let body = Some(json!({}));
    let refused = server.send(Method::POST, "/api/v1/accounts/org-a/connect", Some(&foreign), body).await;
    assert_eq!((refused.status, refused.code()), (404, "not_found"));
    for path in ["/oauth/zoho/start", "/oauth/zoho/start?account=org-a&products=mail"] {
        let token = server.token(Role::SuperAdmin, None);
        assert_eq!(open(&server, path, Some(&token)).await.status(), 400, "{path}");
    }
    server.stop().await;
}

async fn who_comes_back_without_a_state_of_ours_is_told_so_and_nothing_happens(on: Backend) {
    let (simulator, server) = town(on, &public()).await;
    for query in ["", "?code=1000.a&state=x", "?error=access_denied", "?state=%ff&state=2&code=%00"] {
        let page = open(&server, &format!("/oauth/zoho/callback{query}"), None).await;
        assert_eq!(page.status(), 400, "{query}");
        assert!(page.text().await.unwrap().contains("start again"), "{query}");
    }
    assert_eq!(simulator.control().journal(0).len(), 0);
    let posted = browser().post(format!("http://{}/oauth/zoho/callback", server.address)).send().await.unwrap();
    assert_eq!((posted.status().as_u16(), &posted.headers()["allow"]), (405, &"GET".parse().unwrap()));
    server.stop().await;
}

async fn a_person_returns_to_where_they_wanted_to_go(on: Backend) {
    let (simulator, server) = town(on, &public()).await;
    simulator.control().set_knobs(json!({"oauth": {"consent": "deny"}})).unwrap();
    let token = server.token(Role::SuperAdmin, Some("acme"));
    let body = Some(json!({"return_to": "/accounts?tab=grants"}));
    let sent = server.send(Method::POST, "/api/v1/accounts/org-a/connect", Some(&token), body).await;
    assert_eq!((sent.status, &sent.body["redirect_uri"]), (200, &json!(format!("{PUBLIC}/oauth/zoho/callback"))));
    let back = way_back(sent.body["url"].as_str().unwrap().parse().unwrap()).await;
    let answer = open(&server, &back, None).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "/accounts?tab=grants&account=org-a&outcome=access_denied");
    assert_eq!(events(&server).await, []);
    server.stop().await;
}

async fn what_cannot_be_connected_is_said(on: Backend) {
    let (_simulator, server) = town(on, &public()).await;
    let token = server.token(Role::SuperAdmin, Some("acme"));
    let ask = async |name: &str, body: Value| {
        let path = format!("/api/v1/accounts/{name}/connect");
        let answer = server.send(Method::POST, &path, Some(&token), Some(body)).await;
        (answer.status, answer.code().to_owned())
    };
    let said = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(ask("partner", json!({})).await, said(409, "nothing_to_connect"));
    assert_eq!(ask("spare", json!({})).await, said(409, "nothing_needed"));
    assert_eq!(ask("spare", json!({"products": ["books"]})).await, said(200, ""));
    assert_eq!(ask("spare", json!({"products": ["mail"]})).await, said(400, "invalid_request"));
    for foreign in ["//evil.example", "https://evil.example", "accounts", "/\\evil.example"] {
        assert_eq!(ask("org-a", json!({"return_to": foreign})).await, said(422, "foreign_return"));
    }
    server.stop().await;
    let (_simulator, server) = town(on, "").await;
    let path = "/api/v1/accounts/org-a/connect";
    let answer = server.send(Method::POST, path, Some(&token), Some(json!({}))).await;
    assert_eq!((answer.status, answer.code()), (409, "public_url_missing"));
    server.stop().await;
}

async fn a_grant_is_refreshed_and_taken_back(on: Backend) {
    let (simulator, server) = town(on, &public()).await;
    let (owner, admin) = (server.token(Role::SuperAdmin, Some("acme")), server.token(Role::Admin, Some("acme")));
    let early = server.post(&admin, "/api/v1/accounts/org-a/refresh").await;
    assert_eq!((early.status, early.code()), (409, "needs_consent"));
    let sent = open(&server, "/oauth/zoho/start?account=org-a", Some(&owner)).await;
    let page = open(&server, &way_back(location(&sent)).await, None).await;
    assert_eq!(page.status(), 200);
    let refreshed = server.post(&admin, "/api/v1/accounts/org-a/refresh").await;
    assert_eq!((refreshed.status, &refreshed.body["account"]), (200, &json!("org-a")));
    let operator = server.token(Role::Operator, Some("acme"));
    assert_eq!(server.post(&operator, "/api/v1/accounts/org-a/disconnect").await.status, 403);
    let gone = server.post(&admin, "/api/v1/accounts/org-a/disconnect").await;
    assert_eq!((gone.status, &gone.body["revoked"]), (200, &json!(1)));
    let account = server.get(&admin, "/api/v1/accounts/org-a").await.body;
    assert_eq!((&account["state"], &account["grant"]["origin"]), (&json!("needs_consent"), &Value::Null));
    assert_eq!(server.post(&admin, "/api/v1/accounts/partner/disconnect").await.code(), "nothing_to_connect");
    let names: Vec<String> = events(&server).await.into_iter().map(|(name, _)| name).collect();
    let expected = ["needs_consent", "connected", "recovered", "refreshed", "disconnected", "needs_consent"];
    assert_eq!(names, expected.map(|name| format!("account.{name}")));
    let revoked = simulator.control().journal(0).into_iter().filter(|entry| entry.route == "oauth.revoke");
    assert_eq!(revoked.count(), 1);
    server.stop().await;
}
