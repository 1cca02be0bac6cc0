//! Load on one address: keep-alive connections that send signed deliveries one after the other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const SECRET: &str = "bench-secret";
pub(crate) const SIGNATURE_HEADER: &str = "x-signature";
pub(crate) const DELIVERY_HEADER: &str = "x-delivery";

/// What a load achieved.
#[derive(Debug)]
pub(crate) struct Achieved {
    /// Answers per second.
    pub(crate) per_second: f64,
    /// Half of the answers came within this.
    pub(crate) p50: Duration,
    /// 99 of 100 answers came within this.
    pub(crate) p99: Duration,
}

/// Sends deliveries of `body_bytes` over `connections` for `duration`; every answer must be 202.
pub(crate) fn run(
    address: SocketAddr,
    connections: usize,
    body_bytes: usize,
    duration: Duration,
) -> anyhow::Result<Achieved> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let body = body(body_bytes);
        let signature =
            hex::encode(Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?.chain_update(&body).finalize().into_bytes());
        let begun = Instant::now();
        let until = begun + duration;
        let tasks: Vec<_> = (0..connections)
            .map(|number| connection(address, number, body.clone(), signature.clone(), until))
            .collect();
        let mut all = Histogram::<u64>::new(3)?;
        for result in futures::future::join_all(tasks).await {
            all.add(result?)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let quantile = |at| Duration::from_micros(all.value_at_quantile(at));
        Ok(Achieved { per_second: all.len() as f64 / seconds, p50: quantile(0.5), p99: quantile(0.99) })
    })
}

fn body(bytes: usize) -> Vec<u8> {
    let frame = r#"{"event":"bench","filler":""}"#.len();
    format!(r#"{{"event":"bench","filler":"{}"}}"#, "x".repeat(bytes.saturating_sub(frame))).into_bytes()
}

async fn connection(
    address: SocketAddr,
    number: usize,
    body: Vec<u8>,
    signature: String,
    until: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = Histogram::<u64>::new(3)?;
    let mut stream = TcpStream::connect(address).await.context("connecting")?;
    stream.set_nodelay(true)?;
    let run = uuid::Uuid::now_v7().simple().to_string();
    let mut request = Vec::with_capacity(body.len() + 512);
    let mut answer = vec![0; 4096];
    let mut count = 0_u64;
    while Instant::now() < until {
        count += 1;
        request.clear();
        let head = format!(
            "POST /webhooks/partner HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             {SIGNATURE_HEADER}: {signature}\r\n{DELIVERY_HEADER}: {run}-{number}-{count}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(&body);
        let sent = Instant::now();
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut answer).await?;
        latencies.record(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX))?;
    }
    Ok(latencies)
}

/// Reads one answer to its end; only 202 is success.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            bail!("the connection was closed");
        }
        filled += read;
        let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end])?;
        if !head.starts_with("HTTP/1.1 202") {
            bail!("unexpected answer: {}", head.lines().next().unwrap_or_default());
        }
        let length: usize = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        if filled >= end + 4 + length {
            return Ok(());
        }
    }
}
