//! A way to a PostgreSQL server that passes everything on, and loses the answer to one commit.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

pub(crate) struct LossyWay {
    /// The database, by this way.
    pub(crate) url: String,
    meant: Arc<Mutex<Option<&'static str>>>,
    _passing: JoinSet<()>,
}

impl LossyWay {
    pub(crate) async fn to(database: &str) -> Self {
        let mut url = Url::parse(database).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        url.set_host(Some(&address.ip().to_string())).unwrap();
        url.set_port(Some(address.port())).unwrap();
        let meant: Arc<Mutex<Option<&'static str>>> = Arc::default();
        let sought = meant.clone();
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                open.spawn(pass(client, server, sought.clone()));
            }
        });
        LossyWay { url: url.to_string(), meant, _passing: passing }
    }

    /// Loses the answer to the commit of a transaction with such a statement, once.
    pub(crate) fn lose_commit_of(&self, statement: &'static str) {
        *self.meant.lock().unwrap() = Some(statement);
    }
}

/// Passes on in both directions, until either ends or an answer is lost.
async fn pass(mut client: TcpStream, mut server: TcpStream, meant: Arc<Mutex<Option<&'static str>>>) {
    let (mut said, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let (mut is_meant, mut is_lost) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut said) => {
                let Ok(length @ 1..) = read else { return };
                is_meant = is_meant || meant.lock().unwrap().take_if(|text| has(&said[..length], text)).is_some();
                is_lost = is_meant && has(&said[..length], "COMMIT");
                if server.write_all(&said[..length]).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if is_lost || client.write_all(&answered[..length]).await.is_err() { return }
            }
        }
    }
}

fn has(said: &[u8], text: &str) -> bool {
    said.windows(text.len()).any(|word| word == text.as_bytes())
}
