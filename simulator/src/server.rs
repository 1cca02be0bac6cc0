//! Starting and stopping: one port, a thread for the server, its workers, and the notification sender.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::content::Spool;
use crate::control::{self, Control, check_rule};
use crate::notify::{self, QUEUE};
use crate::seed::Seed;
use crate::shared::Shared;
use crate::world::World;
use crate::{connection, exchange, seed};

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; a free port on 127.0.0.1 by default.
    pub listen: SocketAddr,
    /// Threads that answer; 1.
    pub workers: usize,
    /// Where uploads above 1 MiB are spooled; the system's directory for temporary files by default.
    pub spool_directory: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), workers: 1, spool_directory: std::env::temp_dir() }
    }
}

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The seed cannot be used; the message names every problem.
    #[error(transparent)]
    Seed(#[from] seed::Error),
    /// A fault rule in the seed names nothing that exists.
    #[error("fault in seed: {0}")]
    Fault(control::Error),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The directory for uploads cannot be made.
    #[error("cannot create a spool directory in {path}")]
    Spool {
        /// Where it should have been.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The client that sends notifications cannot be built.
    #[error("cannot build the HTTP client for notifications")]
    Client(#[from] reqwest::Error),
    /// The server thread ended before it was ready.
    #[error("the server thread did not start")]
    Thread(#[source] std::io::Error),
}

/// A running simulator. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Simulator {
    base_url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    server: ServerHandle,
    ended: Option<oneshot::Receiver<()>>,
}

/// Starts a simulator; returns once it answers.
///
/// # Errors
/// See [`Error`]; nothing is left running.
pub fn start(seed: &Seed, options: Options) -> Result<Simulator, Error> {
    let listen_error = |source| Error::Listen { address: options.listen, source };
    let listener = std::net::TcpListener::bind(options.listen).map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    let clock = Clock::default();
    let world = World::build(seed, clock.now_ms())?;
    for rule in &seed.faults {
        check_rule(&world, rule).map_err(Error::Fault)?;
    }
    let spool = Spool::create(&options.spool_directory)
        .map_err(|source| Error::Spool { path: options.spool_directory.clone(), source })?;
    let (notifications, queue) = mpsc::channel(QUEUE);
    let base_url = format!("http://{address}");
    let shared = Arc::new(Shared::new(world, clock, spool, base_url.clone(), CancellationToken::new(), notifications));
    let client = notification_client()?;
    let (ready, started) = std::sync::mpsc::channel();
    let (end, ended) = oneshot::channel();
    let (server_shared, workers) = (shared.clone(), options.workers.max(1));
    let serve = move || {
        let system = actix_web::rt::System::new();
        system.block_on(async move {
            let server = match bind(server_shared.clone(), listener, workers) {
                Ok(server) => server,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(server.handle()));
            actix_web::rt::spawn(notify::run(server_shared, client, queue));
            if let Err(error) = server.await {
                tracing::error!(error = %error, "the simulator's server ended with an error");
            }
        });
        let _ = end.send(());
    };
    thread::Builder::new().name("simulator".to_owned()).spawn(serve).map_err(Error::Thread)?;
    let server = match started.recv() {
        Ok(Ok(server)) => server,
        Ok(Err(source)) => return Err(Error::Listen { address, source }),
        Err(gone) => return Err(Error::Thread(std::io::Error::other(gone))),
    };
    tracing::info!(server.address = %address, "simulator is listening");
    Ok(Simulator { base_url, address, shared, server, ended: Some(ended) })
}

fn bind(
    shared: Arc<Shared>,
    listener: std::net::TcpListener,
    workers: usize,
) -> std::io::Result<actix_web::dev::Server> {
    let shared = web::Data::from(shared);
    let server =
        HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(exchange::handle)))
            .workers(workers)
            .disable_signals()
            // Uploads and slow downloads may take as long as they like.
            .client_request_timeout(Duration::ZERO)
            .keep_alive(Duration::from_secs(75))
            .on_connect(connection::remember)
            .listen(listener)?;
    Ok(server.run())
}

fn notification_client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails when somebody installed a provider before, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .build()
}

impl Simulator {
    /// Address without a trailing slash, such as `http://127.0.0.1:9100`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The socket it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The addresses for `accounts.*.endpoints` by name: `accounts`, `api`, `workdrive`, `download`, `upload`, `cliq`.
    #[must_use]
    pub fn endpoints(&self) -> BTreeMap<&'static str, String> {
        self.addresses(&["accounts", "api", "workdrive", "download", "upload", "cliq"])
    }

    /// The addresses of other services by name: `google` for the token endpoint, the metadata server and the keys,
    /// `ingest` for the analysis service, `receiver` for receivers of notifications, each under a name of its own.
    #[must_use]
    pub fn services(&self) -> BTreeMap<&'static str, String> {
        self.addresses(&["google", "ingest", "receiver"])
    }

    fn addresses(&self, names: &[&'static str]) -> BTreeMap<&'static str, String> {
        names.iter().map(|name| (*name, format!("{}/{name}", self.base_url))).collect()
    }

    /// The in-process control handle.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(self.shared.clone())
    }

    /// Stops at once: open connections are closed, notifications that wait are lost, uploaded files removed.
    ///
    /// # Cancellation
    /// The simulator stops all the same; only the waiting is cut.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        self.server.stop(false).await;
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
        // Worker threads end a moment later and still hold on to the shared state.
        self.shared.spool.remove();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        // The command is sent right away; only its completion would have to be awaited.
        drop(self.server.stop(false));
    }
}
