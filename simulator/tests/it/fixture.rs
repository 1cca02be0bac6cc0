//! A running simulator, a client, and tokens for both organisations.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use simulator::control::{OrganizationState, StateQuery};
use simulator::seed::constants::*;
use simulator::{Control, DemoOptions, Options, Seed, Simulator};

pub(crate) struct Fixture {
    pub(crate) simulator: Simulator,
    pub(crate) control: Control,
    pub(crate) client: reqwest::Client,
    pub(crate) token_a: String,
    pub(crate) token_b: String,
}

pub(crate) fn small_demo() -> Seed {
    Seed::demo_with(&DemoOptions { large_file_bytes: 3 * 1024 * 1024 + 17, ..DemoOptions::default() })
}

impl Fixture {
    pub(crate) async fn demo() -> Self {
        Self::start(small_demo()).await
    }

    pub(crate) async fn start(seed: Seed) -> Self {
        let simulator = simulator::start(&seed, Options::default()).unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let control = simulator.control();
        let mut fixture = Self { simulator, control, client, token_a: String::new(), token_b: String::new() };
        fixture.token_a = fixture.refresh_a().await["access_token"].as_str().unwrap().to_owned();
        fixture.token_b = fixture.refresh_b().await["access_token"].as_str().unwrap().to_owned();
        fixture
    }

    pub(crate) async fn refresh_a(&self) -> Value {
        self.refresh(ORG_A_CLIENT_ID, ORG_A_CLIENT_SECRET, ORG_A_REFRESH_TOKEN).await
    }

    pub(crate) async fn refresh_b(&self) -> Value {
        self.refresh(ORG_B_CLIENT_ID, ORG_B_CLIENT_SECRET, ORG_B_REFRESH_TOKEN).await
    }

    pub(crate) async fn refresh(&self, id: &str, secret: &str, token: &str) -> Value {
        let form =
            [("grant_type", "refresh_token"), ("client_id", id), ("client_secret", secret), ("refresh_token", token)];
        let response = self.client.post(self.url("/accounts/oauth/v2/token")).form(&form).send().await.unwrap();
        response.json().await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.base_url())
    }

    /// A call of organisation A.
    pub(crate) fn a(&self, method: Method, path: &str) -> RequestBuilder {
        self.with_token(method, path, &self.token_a)
    }

    /// A call of organisation B.
    pub(crate) fn b(&self, method: Method, path: &str) -> RequestBuilder {
        self.with_token(method, path, &self.token_b)
    }

    pub(crate) fn with_token(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).header("authorization", format!("Zoho-oauthtoken {token}"))
    }

    pub(crate) async fn coql(&self, query: &str) -> Response {
        self.a(Method::POST, "/api/crm/v8/coql").json(&json!({"select_query": query})).send().await.unwrap()
    }

    pub(crate) async fn update(&self, id: &str, fields: Value) -> Response {
        let mut record = fields;
        record["id"] = id.into();
        self.a(Method::PUT, "/api/crm/v8/Contacts")
            .json(&json!({"data": [record], "trigger": []}))
            .send()
            .await
            .unwrap()
    }

    /// One page of a folder by cursor.
    pub(crate) async fn list_b(&self, folder: &str) -> Response {
        let path = format!("/workdrive/api/v1/files/{folder}/files?page%5Bnext%5D=0&page%5Blimit%5D=1000");
        self.b(Method::GET, &path).send().await.unwrap()
    }

    pub(crate) fn state(&self, organization: &str) -> OrganizationState {
        let query = StateQuery { organization: Some(organization.to_owned()), md5: true };
        self.control.state(&query).organizations.remove(0)
    }

    /// Id of an item by its path.
    pub(crate) fn id_of(&self, organization: &str, path: &str) -> String {
        let state = self.state(organization);
        let item = state.items.iter().find(|item| item.path == path && !item.trashed);
        item.unwrap_or_else(|| panic!("no {path}")).id.clone()
    }

    pub(crate) fn misdeed(&self, kind: &str) -> u64 {
        self.control.counts().misdeed(kind)
    }

    /// A stream upload into a folder of organisation A.
    pub(crate) fn stream_upload(&self, name: &str, parent: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.a(Method::POST, "/upload/workdrive-api/v1/stream/upload")
            .header("x-filename", name)
            .header("x-parent_id", parent)
            .header("x-streammode", "1")
            .header("upload-id", "7d3c0f62-6a57-4e0c-9c55-2ac7a4a6a0c1")
            .header("content-type", "application/octet-stream")
            .body(body)
    }

    /// A small upload into a folder of organisation A, its name encoded once as a query value.
    pub(crate) fn small_upload(&self, name: &str, parent: &str, bytes: Vec<u8>) -> RequestBuilder {
        let form = reqwest::multipart::Form::new()
            .part("content", reqwest::multipart::Part::bytes(bytes).file_name("content"));
        self.a(Method::POST, "/workdrive/api/v1/upload")
            .query(&[("filename", name), ("parent_id", parent), ("override-name-exist", "false")])
            .multipart(form)
    }
}

/// First record of the demonstration.
pub(crate) const RECORD: &str = "520000000000100001";

pub(crate) async fn json_of(response: Response) -> Value {
    response.json().await.unwrap()
}
