//! The relay: follows the log in position order and publishes every event to the topic.
//!
//! There is one leader at a time, by a lease. It may publish an event again after a crash; it never skips one, and never
//! publishes two events of a partition in another order than the log's before both were published in that order. A
//! deposed leader that goes on sending for a moment does no harm: what it sends says the same things about the log.
//!
//! While the brokers are away it waits with a bounded number of records in memory; the log keeps the rest.

use std::sync::Arc;
use std::time::Duration;

use event_log::Log;
use rdkafka::error::RDKafkaErrorCode;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::{Error, Settings};

mod in_flight;
mod lead;
mod progress;
mod publisher;
mod session;
mod topic;

pub(crate) use progress::published;

use session::End;

/// Pause after the first failure; doubled by each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause: how late the relay may notice that the brokers are back.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the relay works with.
#[derive(Clone)]
struct Relay {
    log: Log,
    settings: Settings,
    /// Unique for the process.
    holder: String,
    connection: Arc<Connection>,
    /// Largest record that carries its event whole, in bytes. Halved when the brokers find records too large.
    largest_bytes: usize,
}

/// Publishes the log until `stop`; waits while another process does it. `holder` must be unique to this process.
///
/// Outages of brokers and database are waited out. When it is stopped, what is in flight is finished (for a few seconds
/// at most), and the lease is given back.
///
/// # Errors
/// [`Error::Settings`] at once; [`Error::Log`] when the log is closed or damaged.
///
/// # Cancellation
/// Dropping the future is like killing the process: the lease runs out by itself, and the next leader publishes again
/// what was not yet noted as published.
pub async fn run(log: Log, settings: Settings, holder: String, stop: CancellationToken) -> Result<(), Error> {
    settings.check().map_err(Error::Settings)?;
    let largest_bytes = publisher::largest_message_bytes(&settings);
    let connection = Arc::new(Connection::of("relay"));
    let mut relay = Relay { log, settings, holder, connection, largest_bytes };
    let leader = metrics::gauge!("relay_leader");
    let mut pause = FIRST_PAUSE;
    let mut last_failure = String::new();
    leader.set(0.0);
    while let Some(taken) = stop.run_until_cancelled(lead::take(&relay)).await {
        taken?;
        leader.set(1.0);
        metrics::counter!("relay_sessions_total").increment(1);
        let mut has_published = false;
        let ended = session::run(&relay, &stop, || has_published = true).await;
        leader.set(0.0);
        if has_published {
            pause = FIRST_PAUSE;
            last_failure.clear();
        }
        match ended {
            Ok(End::Stopped) => break,
            Ok(End::Deposed) => tracing::info!("the relay's lease is lost or could not be prolonged; waiting for it"),
            Ok(End::Repartitioned { partitions }) => {
                tracing::info!(
                    kafka.topic = relay.settings.topic,
                    partitions,
                    "the topic has another number of partitions"
                );
            }
            Err(Error::Log(error)) if !error.is_retryable() => return Err(Error::Log(error)),
            Err(error) => {
                relay.take_note(&error, &mut last_failure);
                stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
    lead::give_back(&relay).await;
    Ok(())
}

/// Below this a record only refers to its event anyway.
const SMALLEST_LIMIT_BYTES: usize = 4096;

impl Relay {
    /// Says once what went wrong, and learns from it.
    fn take_note(&mut self, error: &Error, last_failure: &mut String) {
        if let Error::RecordRefused { code: RDKafkaErrorCode::MessageSizeTooLarge, .. } = error {
            self.largest_bytes = SMALLEST_LIMIT_BYTES.max(self.largest_bytes / 2);
            tracing::warn!(
                kafka.topic = self.settings.topic,
                limit_bytes = self.largest_bytes,
                "the brokers take smaller records only; consumers read larger events from the log"
            );
            return;
        }
        let message = crate::error::chain(error);
        if *last_failure == message {
            tracing::debug!(error = message, "the relay could not go on; trying again");
            return;
        }
        match error {
            Error::TopicRefused { .. } => tracing::error!(error = message, "the relay cannot publish; trying again"),
            _ => tracing::warn!(error = message, "the relay could not go on; trying again"),
        }
        *last_failure = message;
    }
}
