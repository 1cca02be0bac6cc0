//! A provider on loopback: an accounts server that knows grants, a CRM and a WorkDrive that know access tokens.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// Every access token begins like this, so that a leak is found.
pub(crate) const PLANTED_ACCESS: &str = "planted-access-";

/// One provider with its requests counted.
pub(crate) struct Provider {
    pub(crate) base: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    grants: BTreeSet<String>,
    access_tokens: BTreeSet<String>,
    token_requests: Vec<String>,
    /// Token requests that get no answer.
    unanswered: usize,
    calls: Vec<Instant>,
}

impl Provider {
    /// A provider that knows these refresh tokens.
    pub(crate) async fn start(grants: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let grants = grants.iter().map(|grant| (*grant).to_owned()).collect();
        let state = Arc::new(Mutex::new(State { grants, ..State::default() }));
        let shared = state.clone();
        #[expect(clippy::disallowed_methods, reason = "a test server that ends with its test")]
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, shared.clone()));
            }
        });
        Self { base, state, task }
    }

    /// A person authorises again, with another refresh token.
    pub(crate) fn grant(&self, refresh_token: &str) {
        self.state.lock().unwrap().grants.insert(refresh_token.to_owned());
    }

    /// The refresh token and all access tokens stop working.
    pub(crate) fn revoke(&self, refresh_token: &str) {
        let mut state = self.state.lock().unwrap();
        state.grants.remove(refresh_token);
        state.access_tokens.clear();
    }

    /// Refresh tokens that were tried, in order.
    pub(crate) fn token_requests(&self) -> Vec<String> {
        self.state.lock().unwrap().token_requests.clone()
    }

    /// So many of the next token requests get no answer.
    pub(crate) fn leave_unanswered(&self, token_requests: usize) {
        self.state.lock().unwrap().unanswered = token_requests;
    }

    /// When calls other than for tokens came, in order.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.state.lock().unwrap().calls.clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut buffer).await {
        let Some((status, answer)) = answer(&mut state.lock().unwrap(), &head, &body) else {
            return std::future::pending().await;
        };
        let text = if answer.is_null() { String::new() } else { answer.to_string() };
        let length = text.len();
        let reply = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {length}\r\n\r\n{text}");
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(state: &mut State, head: &str, body: &[u8]) -> Option<(u16, Value)> {
    let target = head.split(' ').nth(1).unwrap();
    let url = Url::parse("http://provider").unwrap().join(target).unwrap();
    if url.path() == "/accounts/oauth/v2/token" {
        return token(state, body);
    }
    state.calls.push(Instant::now());
    let presented = head.lines().find_map(|line| line.split_once("Zoho-oauthtoken ")).map(|(_, token)| token.trim());
    let known = presented.is_some_and(|token| state.access_tokens.contains(token));
    let folder = |id: &str, is_folder: bool| json!({"id": id, "attributes": {"name": id, "is_folder": is_folder}});
    Some(match url.path() {
        path if path.starts_with("/api/") && !known => (401, json!({"code": "INVALID_TOKEN", "status": "error"})),
        _ if !known => (401, json!({"errors": [{"id": "F7003", "title": "Invalid token"}]})),
        "/api/crm/v8/users" => (200, json!({"users": [{"id": "1"}]})),
        "/api/crm/v8/coql" if !String::from_utf8_lossy(body).contains("Ghost") => (204, Value::Null),
        "/api/crm/v8/coql" => {
            let details = json!({"column_name": "Ghost", "reason": "column given seems to be invalid"});
            (400, json!({"code": "INVALID_QUERY", "details": details, "message": "invalid query", "status": "error"}))
        }
        "/workdrive/api/v1/users/me" => (200, json!({"data": {"id": "u1", "attributes": {"edition": "TEAM"}}})),
        "/workdrive/api/v1/users/u1/teams" => (200, json!({"data": [{"id": "t1"}]})),
        "/workdrive/api/v1/teams/t1/teamfolders" => (200, json!({"data": [{"id": "team-folder"}]})),
        "/workdrive/api/v1/teams/t1/records" | "/workdrive/api/v1/files/team-folder/files" => {
            (200, json!({"data": []}))
        }
        "/workdrive/api/v1/files/destination" => (200, json!({"data": folder("destination", true)})),
        "/workdrive/api/v1/files/some-file" => (200, json!({"data": folder("some-file", false)})),
        _ => (401, json!({"errors": [{"id": "R008", "title": "Unauthorized access"}]})),
    })
}

fn token(state: &mut State, body: &[u8]) -> Option<(u16, Value)> {
    let refresh_token = url::form_urlencoded::parse(body).find(|(name, _)| name == "refresh_token").unwrap().1;
    state.token_requests.push(refresh_token.to_string());
    if state.unanswered > 0 {
        state.unanswered -= 1;
        return None;
    }
    if !state.grants.contains(refresh_token.as_ref()) {
        return Some((200, json!({"error": "invalid_code"})));
    }
    let access_token = format!("{PLANTED_ACCESS}{}", state.token_requests.len());
    state.access_tokens.insert(access_token.clone());
    Some((200, json!({"access_token": access_token, "expires_in": 3600, "api_domain": "https://www.zohoapis.com"})))
}

/// Head and body of the next request.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = loop {
        match buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(stream, buffer).await?,
        }
    };
    let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
    let length =
        head.to_lowercase().lines().find_map(|line| Some(line.strip_prefix("content-length:")?.trim().to_owned()));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Some((head, buffer.drain(..length).collect()))
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    stream.read_buf(buffer).await.ok().filter(|read| *read > 0).map(drop)
}
