//! A small HTTP/1.1 server whose answers are a function of the request, and which remembers every request.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    /// Head lines as sent, without the first.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The decoded value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let url = Url::parse(&format!("http://x{}", self.target)).unwrap();
        url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status line without the version, extra head lines, body. The length is added.
    Answer { status: String, head: Vec<String>, body: Vec<u8> },
    /// Exactly these bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// The connection is closed without an answer.
    Cut,
    /// These bytes, and nothing after them ever.
    Stall(Vec<u8>),
    /// No answer ever.
    Hang,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Answer { status: format!("{status} Whatever"), head: Vec::new(), body: body.as_bytes().to_vec() }
    }

    pub(crate) fn bytes(status: u16, body: &[u8]) -> Self {
        Self::Answer { status: format!("{status} Whatever"), head: Vec::new(), body: body.to_vec() }
    }

    pub(crate) fn with(self, line: &str) -> Self {
        match self {
            Self::Answer { status, mut head, body } => {
                head.push(line.to_owned());
                Self::Answer { status, head, body }
            }
            other => other,
        }
    }
}

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

pub(crate) struct Server {
    pub(crate) url: Url,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, journal): (Script, _) = (Arc::new(script), Arc::clone(&requests));
        #[expect(clippy::disallowed_methods, reason = "a test server that ends with its test")]
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&script), Arc::clone(&journal)));
            }
        });
        Self { url, requests, task }
    }

    /// Requests so far whose path ends like this.
    pub(crate) fn requests(&self, path_end: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.path().ends_with(path_end)).cloned().collect()
    }

    pub(crate) fn count(&self, path_end: &str) -> usize {
        self.requests(path_end).len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, script: Script, journal: Arc<Mutex<Vec<Request>>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        journal.lock().unwrap().push(request.clone());
        let done = match script(&request) {
            Reply::Answer { status, head, body } => {
                let extra: String = head.iter().map(|line| format!("{line}\r\n")).collect();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{extra}\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err()
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                true
            }
            Reply::Cut => true,
            Reply::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending().await
            }
            Reply::Hang => std::future::pending().await,
        };
        if done {
            break;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if !more(stream, buffer).await {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let (first, head) = text.split_once("\r\n").unwrap_or((&text, ""));
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, target, head: head.to_owned(), body: Vec::new() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    buffer.drain(..end + 4);
    while buffer.len() < length {
        if !more(stream, buffer).await {
            return None;
        }
    }
    request.body = buffer.drain(..length).collect();
    Some(request)
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(buffer).await, Ok(read) if read > 0)
}
