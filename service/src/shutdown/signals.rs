//! The operating system's requests to end, one message each.

use std::io;

use tokio::sync::mpsc;

/// Two places: a signal beyond the second changes nothing.
const PLACES: usize = 2;

#[cfg(unix)]
pub(super) fn listen() -> io::Result<mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (send, receive) = mpsc::channel(PLACES);
    #[expect(clippy::disallowed_methods, reason = "it must outlive every tracked task, and ends with its receiver")]
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = send.closed() => return,
            }
            if send.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receive)
}

#[cfg(not(unix))]
pub(super) fn listen() -> io::Result<mpsc::Receiver<()>> {
    let (send, receive) = mpsc::channel(PLACES);
    #[expect(clippy::disallowed_methods, reason = "it must outlive every tracked task, and ends with its receiver")]
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && send.send(()).await.is_ok() {} });
    Ok(receive)
}
