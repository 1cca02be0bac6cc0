//! One of several processes of the consumers: with a runtime, a log and accounts of its own.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use consumers::ingest::receivers::Receivers;
use consumers::notify::senders::Senders;
use consumers::{Consumer, Context, Settings, Timing, Work};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stage::{Site, open};

/// How long another process waits before it takes over: short, so that tests are.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// A process on the database of a stage. Dropping it is a kill.
#[derive(Debug)]
pub(crate) struct Process {
    runtime: Option<Runtime>,
    running: Option<JoinHandle<()>>,
    stop: CancellationToken,
    /// Its name in leases.
    pub(crate) name: String,
}

impl Process {
    pub(crate) fn start(site: Site) -> Self {
        Process::start_some(site, &Consumer::ALL)
    }

    pub(crate) fn start_some(site: Site, consumers: &[Consumer]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stop = CancellationToken::new();
        let (stopping, (tell, told)) = (stop.clone(), mpsc::channel());
        let work = Work { alone: false, consumers: consumers.iter().copied().collect::<BTreeSet<_>>(), carrier: None };
        let running = runtime.spawn(async move {
            let (log, accounts) = open(&site.url, &site.config, site.clock.clone()).await;
            let clock = site.clock;
            let timing = Timing { settle_after: Duration::from_millis(200), lease: LEASE };
            let (settings, receivers) =
                (Settings::of(&site.config).unwrap(), Receivers::open(&site.config, &clock).unwrap());
            let senders = Senders::open(&site.config, &clock).unwrap();
            let context = Context::new(log, accounts.clone(), receivers, senders, settings, timing);
            tell.send(context.leased_by.clone()).unwrap();
            let abort = CancellationToken::new();
            let consuming = consumers::run_some(context, work, stopping.clone(), abort);
            let (consumed, ()) = tokio::join!(consuming, accounts.run_consent_probe(stopping));
            consumed.unwrap();
        });
        let name = told.recv_timeout(Duration::from_secs(30)).expect("the process starts");
        Process { runtime: Some(runtime), running: Some(running), stop, name }
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            tokio::time::timeout(Duration::from_secs(30), running)
                .await
                .expect("it stops when it is asked to")
                .unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
