//! An HTTP server that keeps the bodies of notifications and answers as told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// Answers the first requests with the given statuses and the rest with 200.
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?conn=7", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let statuses = Arc::new(Mutex::new(statuses.iter().rev().copied().collect::<Vec<_>>()));
        let kept = bodies.clone();
        let tasks = TaskTracker::new();
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, statuses) = (kept.clone(), statuses.clone());
                connections.spawn(async move { serve(stream, &kept, &statuses).await });
            }
        });
        Self { url, bodies }
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Value> {
        let waiting = async {
            while self.bodies().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("notifications within ten seconds");
        self.bodies()
    }
}

async fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Value>>, statuses: &Mutex<Vec<u16>>) {
    let mut buffer = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let Ok(count) = stream.read(&mut chunk).await else { return };
        if count == 0 {
            return;
        }
        buffer.extend_from_slice(&chunk[..count]);
        let Some(body) = whole_body(&buffer) else { continue };
        kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        buffer.clear();
        let status = statuses.lock().unwrap().pop().unwrap_or(200);
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn whole_body(buffer: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(buffer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())?;
    (body.len() >= length).then(|| body.as_bytes().to_vec())
}
