//! `[http]`: where requests come in, and how many at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;

use super::section::Section;

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Key `listen`: address and port. Default `127.0.0.1:8080`, which only this machine reaches; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Key `public_url`: where providers reach this server, such as `https://gateway.example.com`. Default: none, and then
    /// no registrations are made with providers; polls still find every change.
    pub public_url: Option<Url>,
    /// Key `body_limit_bytes`: largest accepted body, 1 KiB to 64 MiB. Default 1 MiB. Larger ones are answered 413; memory
    /// for `queue_limit` such bodies may be needed. An account's webhook may set its own.
    pub body_limit_bytes: usize,
    /// Key `client_request_timeout_seconds`: time for a client to send its headers, and again its body, 1 to 300.
    /// Default 5. Short cuts off slow senders, long lets idle ones hold connections.
    pub client_request_timeout: Duration,
    /// Key `keep_alive_seconds`: how long an idle connection stays open, 0 to 3600. Default 75.
    pub keep_alive: Duration,
    /// Key `max_connections`: connections at a time, 1 to 100,000. Default 4096; more wait to be accepted.
    pub max_connections: usize,
    /// Key `queue_limit`: deliveries that may wait for the database, 1 to 100,000. Default 1024, some 50 ms of work.
    /// Beyond it the answer is 503 with `Retry-After`; a long queue uses memory and makes every answer late.
    pub queue_limit: usize,
    /// Key `workers`: threads that serve HTTP, 1 to 256. Default: one for each core.
    pub workers: usize,
}

impl Http {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let http = Self {
            listen: section.or("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            public_url: section.optional("public_url"),
            body_limit_bytes: section.count("body_limit_bytes", 1 << 20, BODY_LIMITS),
            client_request_timeout: section.seconds("client_request_timeout_seconds", 5, 1..=300),
            keep_alive: section.seconds("keep_alive_seconds", 75, 0..=3600),
            max_connections: section.count("max_connections", 4096, 1..=100_000),
            queue_limit: section.count("queue_limit", 1024, 1..=100_000),
            workers: section.count("workers", cores, 1..=256),
        };
        section.finish();
        http
    }
}

/// Body limits that make sense for a webhook.
pub(super) const BODY_LIMITS: std::ops::RangeInclusive<u64> = 1024..=64 << 20;
