//! A way to the provider that damages content once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Forwards to `upstream`, and changes the first `marker` on its way there into something else of the same length.
/// Ends when the tasks are dropped.
pub(crate) async fn damaging(upstream: SocketAddr, marker: &'static str) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let is_done = is_done.clone();
            connections.spawn(async move {
                let Ok(server) = TcpStream::connect(upstream).await else { return };
                let (client_read, mut client_write) = client.into_split();
                let (mut server_read, server_write) = server.into_split();
                let back = tokio::io::copy(&mut server_read, &mut client_write);
                let _ = tokio::join!(forward(client_read, server_write, marker.as_bytes(), &is_done), back);
            });
        }
    });
    (address, tasks)
}

async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    marker: &[u8],
    is_done: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let found = buffer[..length].windows(marker.len()).position(|window| window == marker);
        if let Some(at) = found.filter(|_| !is_done.swap(true, Ordering::Relaxed)) {
            buffer[at] ^= 1;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
