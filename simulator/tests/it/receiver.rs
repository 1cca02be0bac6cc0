//! An HTTP server that keeps notifications as they came and answers as told.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use testkit::wait::until_true;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// One notification, byte for byte.
#[derive(Clone)]
pub(crate) struct Received {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Answers the first requests with the given statuses and the rest with 200.
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?conn=7", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let statuses = Arc::new(Mutex::new(statuses.iter().rev().copied().collect::<Vec<_>>()));
        let kept = received.clone();
        let tasks = TaskTracker::new();
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, statuses) = (kept.clone(), statuses.clone());
                connections.spawn(async move { serve(stream, &kept, &statuses).await });
            }
        });
        Self { url, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.received().iter().map(|received| serde_json::from_slice(&received.body).unwrap()).collect()
    }

    /// Waits until so many requests came; their bodies.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Value> {
        self.wait_for_received(count).await;
        self.bodies()
    }

    /// Waits until so many requests came.
    pub(crate) async fn wait_for_received(&self, count: usize) -> Vec<Received> {
        until_true("notifications come", async || self.received.lock().unwrap().len() >= count).await;
        self.received()
    }
}

async fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Received>>, statuses: &Mutex<Vec<u16>>) {
    let mut buffer = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let Ok(count) = stream.read(&mut chunk).await else { return };
        if count == 0 {
            return;
        }
        buffer.extend_from_slice(&chunk[..count]);
        let Some(received) = whole_request(&buffer) else { continue };
        kept.lock().unwrap().push(received);
        buffer.clear();
        let status = statuses.lock().unwrap().pop().unwrap_or(200);
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn whole_request(buffer: &[u8]) -> Option<Received> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let received =
        Received { head: String::from_utf8_lossy(&buffer[..end]).into_owned(), body: buffer[end + 4..].to_vec() };
    let length: usize = received.header("content-length")?.parse().ok()?;
    (received.body.len() >= length).then_some(received)
}
