//! An HTTP client that sends exactly the bytes a test wants, whether they are HTTP or not.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a test waits for an answer before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request on a connection of its own.
pub(super) async fn send(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = head(method, path, headers);
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    exchange(to, &[request.as_bytes(), body].concat()).await
}

pub(super) async fn get(to: SocketAddr, path: &str) -> Answer {
    send(to, "GET", path, &[], b"").await
}

pub(super) async fn post(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    send(to, "POST", path, headers, body).await
}

/// The start of a request without the empty line that ends its headers.
pub(super) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

/// Sends bytes and reads the answer to them.
pub(super) async fn exchange(to: SocketAddr, bytes: &[u8]) -> Answer {
    let (mut receive, mut send) = TcpStream::connect(to).await.unwrap().into_split();
    // A server that answers early may stop reading, so both ways run at once.
    let sending = async {
        let _ = send.write_all(bytes).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = read(&mut receive) => answer,
        () = sending => unreachable!("sending never ends"),
    }
}

/// Reads one answer.
pub(super) async fn read(from: &mut (impl AsyncReadExt + Unpin)) -> Answer {
    tokio::time::timeout(PATIENCE, read_answer(from)).await.expect("an answer in time")
}

async fn read_answer(from: &mut (impl AsyncReadExt + Unpin)) -> Answer {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let mut answer = Answer { status, head, body: bytes.split_off(end + 4) };
            let length: usize = answer.header("content-length").unwrap_or("0").parse().unwrap();
            while answer.body.len() < length {
                assert!(from.read_buf(&mut answer.body).await.unwrap() > 0, "the answer ended early");
            }
            return answer;
        }
        assert!(from.read_buf(&mut bytes).await.unwrap() > 0, "no answer, only {bytes:?}");
    }
}
