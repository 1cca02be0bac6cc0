//! The HTTP server: what it binds, how it protects itself, how it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use event_log::Log;
use futures::future::BoxFuture;
use service::config::{Config, SecretError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::problem::Problem;
use crate::readiness::{self, Readiness};
use crate::receiver::receivers;
use crate::rejected;
use crate::signature::InvalidSettings;
use crate::status::{self, Status};
use crate::webhook::{self, Webhooks};

/// Connections the operating system holds for us until we accept them.
const BACKLOG: u32 = 1024;
/// Time for a client to take its answer and close, and for us to read on after an early answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why HTTP could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another program has the address, or this machine does not. A person must choose another one.
    #[error("cannot listen on {address} (setting http.listen)")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A secret that webhooks are verified with cannot be had.
    #[error("accounts.{account}.webhook")]
    Secret {
        /// The account.
        account: String,
        /// Which, and where it was looked for.
        source: SecretError,
    },
    /// Webhooks of an account cannot be verified with its settings.
    #[error("accounts.{account}.webhook")]
    Webhook {
        /// The account.
        account: String,
        /// What is wrong.
        source: Box<InvalidSettings>,
    },
    /// The server failed while it ran.
    #[error("the http server failed")]
    Serve(#[source] std::io::Error),
}

/// What the process says about itself in `/status`.
#[derive(Clone, Default)]
pub struct About {
    /// Version of the program.
    pub version: String,
    /// The roles that run in this process.
    pub roles: Vec<String>,
    /// No webhooks are accepted here: the process is another role that only tells how it is.
    pub operator_only: bool,
    /// What carries events to consumers, if anything does.
    pub carrier: Option<Carrier>,
}

/// What carries events to consumers beside the log.
#[derive(Clone)]
pub struct Carrier {
    /// The subscriptions that it carries events to; how far they are is its to tell.
    pub subscriptions: Vec<String>,
    /// Asks it how it is, as JSON for `/status`.
    pub look: Arc<dyn Fn() -> BoxFuture<'static, serde_json::Value> + Send + Sync>,
}

/// Renders all metrics of the process in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Adds what else is served at the same address.
pub type MoreRoutes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// A server that is bound to its address.
pub struct Http {
    address: SocketAddr,
    server: Server,
    rejected: rejected::Writer,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Serves HTTP until `stop` is cancelled and the requests under way are answered, or the grace period is over.
///
/// # Errors
/// As [`Http::bind`] and [`Http::run`].
///
/// # Cancellation
/// As [`Http::run`].
pub async fn run_http(
    config: &Config,
    log: Log,
    about: About,
    metrics: RenderMetrics,
    stop: CancellationToken,
) -> Result<(), Error> {
    let http = Http::bind(config, log, about, metrics, stop)?;
    tracing::info!(address = %http.address(), "the gateway accepts webhooks");
    http.run().await
}

impl Http {
    /// Binds `http.listen` and prepares everything; requests wait until [`Http::run`].
    ///
    /// Metrics are looked up here, so their recorder must be installed before.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::Secret`], [`Error::Webhook`].
    pub fn bind(
        config: &Config,
        log: Log,
        about: About,
        metrics: RenderMetrics,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        Self::bind_with(config, log, about, metrics, Arc::new(|_| {}), stop)
    }

    /// As [`Http::bind`], with further addresses; those of the gateway come first.
    ///
    /// # Errors
    /// As [`Http::bind`].
    pub fn bind_with(
        config: &Config,
        log: Log,
        about: About,
        metrics: RenderMetrics,
        more: MoreRoutes,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let (rejected, rejected_writer) = rejected::open(log.clone(), config.webhooks.rejected_keep);
        let receivers =
            if about.operator_only { Default::default() } else { receivers(config, log.database().readers())? };
        let readiness = Arc::new(Readiness::new(log.clone(), stop.clone()));
        let body_timeout = config.http.client_request_timeout;
        let webhooks = Webhooks::new(log.clone(), receivers, body_timeout, rejected, readiness.clone());
        let receiving = webhooks.accounts().map(str::to_owned).collect();
        let webhooks = Data::new(webhooks);
        let readiness = Data::from(readiness);
        let status = Data::new(Status::new(log, about, receiving));
        let metrics = Data::new(metrics);

        let app = move || {
            App::new()
                .app_data(webhooks.clone())
                .app_data(readiness.clone())
                .app_data(status.clone())
                .app_data(metrics.clone())
                .configure(routes)
                .configure(|app| more(app))
                .default_service(web::to(not_found))
        };
        let address = config.http.listen;
        let server = HttpServer::new(app)
            .workers(config.http.workers)
            .max_connections(config.http.max_connections.div_ceil(config.http.workers))
            .backlog(BACKLOG)
            .keep_alive(config.http.keep_alive)
            .client_request_timeout(config.http.client_request_timeout)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .shutdown_signal(stop.cancelled_owned())
            .shutdown_timeout(config.service.shutdown_grace.as_secs())
            .bind(address)
            .map_err(|source| Error::Bind { address, source })?;
        let address = server.addrs().first().copied().unwrap_or(address);
        Ok(Http { address, server: server.run(), rejected: rejected_writer })
    }

    /// Where it listens; the real port where the setting says 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the `stop` of [`Http::bind`] is cancelled: then no more connections are accepted, and requests under
    /// way are answered within the grace period.
    ///
    /// # Errors
    /// [`Error::Serve`].
    ///
    /// # Cancellation
    /// Connections are cut; deliveries under way may be recorded without an answer.
    pub async fn run(self) -> Result<(), Error> {
        let served = CancellationToken::new();
        let end = served.clone();
        let serve = async move {
            let result = self.server.await;
            served.cancel();
            result
        };
        let (result, ()) = tokio::join!(serve, self.rejected.run(end));
        result.map_err(Error::Serve)
    }
}

fn routes(app: &mut web::ServiceConfig) {
    // The account is taken from the rest of the address: a pattern would be matched as a regular expression, which costs
    // more than the verification.
    app.service(web::scope("/webhooks").default_service(web::to(webhook::receive)))
        .route("/health", web::get().to(readiness::health))
        .route("/ready", web::get().to(readiness::ready))
        .route("/status", web::get().to(status::status))
        .route("/metrics", web::get().to(render_metrics));
}

async fn render_metrics(metrics: Data<RenderMetrics>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics())
}

async fn not_found() -> HttpResponse {
    Problem::NOT_FOUND.answer(Uuid::now_v7())
}
