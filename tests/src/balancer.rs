//! One address for several gateways, as a load balancer in front of them: requests go to them in turn.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Longest wait for a gateway that has accepted the connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Forwards one request for each connection until it is dropped. A gateway that refuses the connection is passed over; one that
/// ends in the middle costs the sender its answer.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    forwarded: Arc<Vec<AtomicUsize>>,
    is_over: Arc<AtomicBool>,
}

impl Balancer {
    /// Begins to forward to these gateways.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(gateways: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let forwarded: Arc<Vec<_>> = Arc::new(gateways.iter().map(|_| AtomicUsize::new(0)).collect());
        let is_over = Arc::new(AtomicBool::new(false));
        let (counts, over) = (forwarded.clone(), is_over.clone());
        std::thread::spawn(move || {
            for (turn, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (gateways, counts) = (gateways.clone(), counts.clone());
                std::thread::spawn(move || stream.and_then(|stream| forward(stream, &gateways, turn, &counts)));
            }
        });
        Balancer { address, forwarded, is_over }
    }

    /// Where senders send to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that each gateway has answered.
    #[must_use]
    pub fn forwarded(&self) -> Vec<usize> {
        self.forwarded.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn forward(mut sender: TcpStream, gateways: &[SocketAddr], turn: usize, counts: &[AtomicUsize]) -> Result<()> {
    let request = whole_request(&mut sender)?;
    for at in (0..gateways.len()).map(|step| (turn + step) % gateways.len()) {
        let Ok(mut gateway) = TcpStream::connect(gateways[at]) else { continue };
        gateway.set_read_timeout(Some(PATIENCE))?;
        gateway.write_all(&request)?;
        let mut answer = Vec::new();
        gateway.read_to_end(&mut answer)?;
        counts[at].fetch_add(1, Ordering::Relaxed);
        return sender.write_all(&answer);
    }
    sender.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Reads a request with `Content-Length`, and asks in it for an answer that ends with the connection.
fn whole_request(sender: &mut TcpStream) -> Result<Vec<u8>> {
    const HEAD_END: &[u8] = b"\r\n\r\n";
    sender.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16_384];
    loop {
        if let Some(end) = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END) {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= end + HEAD_END.len() + length {
                bytes.splice(end..end, b"\r\nConnection: close".iter().copied());
                return Ok(bytes);
            }
        }
        let read = sender.read(&mut piece)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..read]);
    }
}
