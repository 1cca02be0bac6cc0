//! `accounts connect`: a person gives a grant, without a public address of this program.

use std::io::IsTerminal as _;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use accounts::{Accounts, Arrival, Callback, ConnectRequest, MissingScope};
use anyhow::Context as _;
use catalogue::actor::Actor;
use serde::Serialize;
use service::clock::{Clock as _, SystemClock};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::accounts_arguments::Connect;
use crate::output::Output;

/// Longest head of a request that is read.
const HEAD_BYTES: u64 = 16 * 1024;
/// How long a browser may take to send one.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize)]
struct Report {
    account: String,
    connected: bool,
    granted: Option<Vec<String>>,
    missing: Vec<MissingScope>,
    replaced: bool,
}

/// `accounts connect`; returns whether everything that is needed was granted.
pub async fn connect(accounts: &Accounts, actor: &Actor, arguments: &Connect, output: Output) -> anyhow::Result<bool> {
    let listener = if arguments.manual { None } else { Some(listen(arguments.port).await?) };
    let port = match &listener {
        Some(listener) => listener.local_addr()?.port(),
        None => arguments.port,
    };
    let redirect_uri = Url::parse(&format!("http://127.0.0.1:{port}{}", api::oauth::CALLBACK_PATH))?;
    let request = ConnectRequest {
        account: &arguments.name,
        redirect_uri: &redirect_uri,
        return_to: None,
        also: &arguments.products,
    };
    let sent = accounts.begin_connect(actor, request).await?;
    eprintln!("asking for {}", sent.scopes.join(", "));
    eprintln!("the provider must know this address of ours: {redirect_uri}");
    eprintln!("open within ten minutes: {}", sent.url);
    let patience = (sent.expires_at - SystemClock.now()).to_std().unwrap_or_default();
    let arrival = match listener {
        Some(listener) => {
            if !arguments.no_browser {
                open_browser(&sent.url);
            }
            let wait = wait_for_person(&listener, accounts);
            tokio::time::timeout(patience, wait).await.context("nobody came back within ten minutes")??
        }
        None => accounts.finish_connect(pasted().await?).await,
    };
    report(arrival, output)
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.with_context(|| format!("listening on 127.0.0.1:{port}; choose another with --port, or use --manual"))
}

/// Opens a browser where somebody sits in front of one; what fails here is done by hand.
fn open_browser(url: &Url) {
    let opener = match std::env::consts::OS {
        "macos" => "open",
        "linux" => "xdg-open",
        _ => return,
    };
    if std::io::stderr().is_terminal() {
        let quiet = std::process::Command::new(opener)
            .arg(url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if quiet.is_err() {
            eprintln!("no browser could be opened; open the address by hand");
        }
    }
}

/// Answers requests until one brings a person back; others, such as for an icon, are told that there is nothing.
async fn wait_for_person(listener: &TcpListener, accounts: &Accounts) -> anyhow::Result<Arrival> {
    loop {
        let (mut stream, _) = listener.accept().await.context("waiting for the browser")?;
        let Ok(Some(target)) = tokio::time::timeout(HEAD_PATIENCE, target(&mut stream)).await else { continue };
        let Some(query) = target.strip_prefix(api::oauth::CALLBACK_PATH) else {
            answer(&mut stream, "404 Not Found", "There is nothing here.\n").await;
            continue;
        };
        let arrival = accounts.finish_connect(Callback::of_query(query.trim_start_matches('?'))).await;
        let status = if arrival.outcome.is_ok() { "200 OK" } else { "400 Bad Request" };
        answer(&mut stream, status, &api::oauth::page(&arrival)).await;
        // Somebody else's request does not end the wait for the person.
        if arrival.account.is_some() {
            return Ok(arrival);
        }
    }
}

/// What a request asks for; `None` when it is none.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream.take(HEAD_BYTES)).lines();
    let first = lines.next_line().await.ok()??;
    while !lines.next_line().await.ok()??.is_empty() {}
    let mut words = first.split(' ');
    (words.next() == Some("GET")).then(|| words.next().map(str::to_owned))?
}

/// What cannot be sent is no failure: the person sees it at the command line.
async fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\ncontent-security-policy: default-src 'none'\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// The address that the browser was sent back to, or what follows `?` in it.
async fn pasted() -> anyhow::Result<Callback> {
    eprintln!("paste the address that the browser was sent back to, also if the page could not be shown:");
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = read.await?.context("reading standard input")?;
    let text = line.trim();
    anyhow::ensure!(!text.is_empty(), "nothing was pasted");
    let query = text.split_once('?').map_or(text, |(_, query)| query);
    Ok(Callback::of_query(query.split('#').next().unwrap_or_default()))
}

fn report(arrival: Arrival, output: Output) -> anyhow::Result<bool> {
    let connected = match arrival.outcome {
        Ok(connected) => connected,
        Err(error) => {
            let remedy = error.remedy();
            return Err(anyhow::Error::new(error).context(format!("not connected; {remedy}")));
        }
    };
    let complete = connected.missing.iter().all(|missing| missing.optional);
    let report = Report {
        account: connected.account,
        connected: true,
        granted: connected.granted,
        missing: connected.missing,
        replaced: connected.replaced,
    };
    output.document(&report, || {
        let mut lines = vec![format!("{} is connected", report.account)];
        lines.extend(report.missing.iter().map(|one| format!("  missing {}: {}", one.scope, one.breaks)));
        lines.join("\n")
    })?;
    Ok(complete)
}
