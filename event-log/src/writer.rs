//! The one writer of a process: collects concurrent appends and units of work into group commits.
//!
//! There is one writer at a time, over all processes, and a durable commit costs a disk flush. So everybody who writes
//! hands a job to one task. It takes what is waiting, runs it in one transaction and answers every waiter after the
//! commit. A job that fails is rolled back alone; a commit that fails fails them all, and nothing of the group is
//! recorded.
//!
//! The transaction takes the database's one write lock before anything else: SQLite's own, or an advisory lock on
//! PostgreSQL. Positions are given out under it, so their order is the order of commits; and a unit of work may read,
//! decide and write without another writer in between.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::append::{self, Append, Appended};
use crate::database::{WriteBack, raise, transaction};
use crate::sql::{self, Connection};
use crate::{Database, Error, GlobalPosition, checkpoint, read};

/// The clock as an argument: gives the current time.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Jobs taken into one transaction at most: keeps one commit, and so the wait of its members, in the milliseconds.
const LARGEST_GROUP: usize = 256;

/// How long a connection may take to show that it still works after a failure.
const ALIVE: Duration = Duration::from_secs(5);

type Work = Box<dyn for<'a, 'c> FnOnce(&'a mut UnitOfWork<'c>) -> Running<'a> + Send>;
type Running<'a> = Pin<Box<dyn Future<Output = Result<(), ()>> + Send + 'a>>;
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

enum Job {
    Append { append: Append, answer: oneshot::Sender<Result<Appended, Error>> },
    Unit { work: Work, answer: Answer },
}

/// The log of one database, open for reading and writing. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    database: Database,
    jobs: mpsc::Sender<Job>,
    head: watch::Receiver<GlobalPosition>,
    now: Now,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("database", &self.database.name()).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log and starts its writer, which ends when the last clone is dropped.
    ///
    /// `queue` bounds the jobs that wait: beyond it [`Log::offer`] answers [`Error::Overloaded`] and the other calls wait.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open(database: Database, queue: usize, now: Now) -> Result<Self, Error> {
        let start = read::last_position(database.readers()).await?;
        let (jobs, waiting) = mpsc::channel(queue.max(1));
        let (head_sender, head) = watch::channel(start);
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        let (stopping, ended) = (stop.clone(), stopped.clone().drop_guard());
        let log = Log { database: database.clone(), jobs, head, now: now.clone(), stop, stopped };
        if !database.is_writable() {
            return Ok(log);
        }
        let connection = database.connect_writer().await?;
        let write_back = database.start_write_back().await?;
        let following = CancellationToken::new();
        let others = database.clone();
        let writer = Writer { database, connection, write_back, now, head: head_sender.clone() };
        #[allow(
            clippy::disallowed_methods,
            reason = "ends by itself when the last Log is dropped, after finishing its queue"
        )]
        tokio::spawn(async move {
            let followed = following.clone();
            let write = async {
                writer.run(waiting, stopping).await;
                drop(ended);
                following.cancel();
            };
            tokio::join!(write, others.follow_others(head_sender, followed));
        });
        Ok(log)
    }

    /// The database under the log.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The current time by the log's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        truncate((self.now)() + self.database.ahead())
    }

    /// The last position this process knows of; changes wake whoever watches.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<GlobalPosition> {
        self.head.clone()
    }

    /// Closes the log for writing: what was handed in is finished, later calls get [`Error::Closed`]. Reading goes on.
    ///
    /// Returns when everything is committed and stands in the database file. All clones are closed.
    ///
    /// # Cancellation
    /// Dropping the future does not keep the log open.
    pub async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }

    /// Appends and waits until it is durable. Waits for a place in the queue.
    ///
    /// # Errors
    /// [`Error::WrongExpectedVersion`], [`Error::StorageFull`], [`Error::Closed`], [`Error::Database`].
    ///
    /// # Cancellation
    /// Dropping the future after it was first polled does not take the append back.
    pub async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.check_writable()?;
        let (answer, outcome) = oneshot::channel();
        self.jobs.send(Job::Append { append, answer }).await.map_err(|_| Error::Closed)?;
        outcome.await.unwrap_or(Err(Error::Closed))
    }

    /// Like [`Log::append`], but refuses at once when the queue is full.
    ///
    /// # Errors
    /// Those of [`Log::append`] and [`Error::Overloaded`].
    ///
    /// # Cancellation
    /// As [`Log::append`].
    pub async fn offer(&self, append: Append) -> Result<Appended, Error> {
        self.check_writable()?;
        let (answer, outcome) = oneshot::channel();
        self.jobs.try_send(Job::Append { append, answer }).map_err(|full| match full {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })?;
        outcome.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs a unit of work, all or nothing, and waits until it is durable.
    ///
    /// The work shares its transaction with others that are waiting, so it must not wait for anything but its own
    /// statements. If it returns an error, only its own changes are rolled back.
    ///
    /// # Errors
    /// What the work returned, or why its commit failed.
    ///
    /// # Cancellation
    /// Dropping the future after it was first polled does not take the work back.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'a, 'c> FnOnce(&'a mut UnitOfWork<'c>) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>
            + Send
            + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.check_writable().map_err(E::from)?;
        let (answer, outcome) = oneshot::channel::<Result<T, E>>();
        let (keep, kept) = oneshot::channel::<Result<T, E>>();
        let work: Work = Box::new(move |unit| {
            let running = work(unit);
            Box::pin(async move {
                let result = running.await;
                let failed = result.is_err();
                let _ = keep.send(result);
                if failed { Err(()) } else { Ok(()) }
            })
        });
        let answer: Answer = Box::new(move |committed| {
            let mut kept = kept;
            let result = match (committed, kept.try_recv()) {
                (_, Ok(Err(refused))) => Err(refused),
                (Ok(()), Ok(Ok(value))) => Ok(value),
                (Err(error), _) => Err(E::from(error)),
                (Ok(()), Err(_)) => Err(E::from(Error::Panicked)),
            };
            let _ = answer.send(result);
        });
        self.jobs.send(Job::Unit { work, answer }).await.map_err(|_| E::from(Error::Closed))?;
        outcome.await.unwrap_or_else(|_| Err(E::from(Error::Closed)))
    }

    fn check_writable(&self) -> Result<(), Error> {
        match self.database.is_writable() {
            true => Ok(()),
            false => Err(Error::ReadOnly { database: self.database.name() }),
        }
    }
}

/// One unit of work inside a group commit: rows and events that become durable together.
pub struct UnitOfWork<'c> {
    connection: &'c mut Connection,
    now: DateTime<Utc>,
    last: &'c mut GlobalPosition,
}

impl UnitOfWork<'_> {
    /// The transaction's connection, for the caller's own tables.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
    }

    /// The time at which the group was begun: the `recorded_at` of its events.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Appends to one stream.
    ///
    /// # Errors
    /// [`Error::WrongExpectedVersion`] and database failures; the caller should return them, which rolls the unit back.
    pub async fn append(&mut self, append: Append) -> Result<Appended, Error> {
        let mut results = append::append_all(self.connection, self.now, self.last, &[append]).await?;
        results.pop().expect("one append has one result")
    }

    /// Appends to several streams; the first refusal is returned.
    ///
    /// # Errors
    /// As [`UnitOfWork::append`].
    pub async fn append_all(&mut self, appends: &[Append]) -> Result<Vec<Appended>, Error> {
        append::append_all(self.connection, self.now, self.last, appends).await?.into_iter().collect()
    }

    /// How far a subscription has finished; 0 where it has not begun.
    ///
    /// # Errors
    /// Database failures.
    pub async fn checkpoint(&mut self, subscription_name: &str) -> Result<GlobalPosition, Error> {
        checkpoint::load_in(self.connection, subscription_name).await
    }

    /// Remembers how far a subscription has finished, together with what this unit writes.
    ///
    /// # Errors
    /// Database failures.
    pub async fn save_checkpoint(&mut self, subscription_name: &str, position: GlobalPosition) -> Result<(), Error> {
        checkpoint::save(self.connection, self.now, subscription_name, position).await
    }
}

struct Writer {
    database: Database,
    connection: Connection,
    write_back: Option<WriteBack>,
    now: Now,
    head: watch::Sender<GlobalPosition>,
}

/// The jobs of one transaction, and who waits for what.
struct Group {
    now: DateTime<Utc>,
    last: GlobalPosition,
    waiters: Vec<Waiter>,
    /// Why the transaction cannot be committed; the jobs after it are not run.
    failure: Option<Error>,
    /// Its only job failed, so there is nothing to commit.
    undone: bool,
}

enum Waiter {
    Append(oneshot::Sender<Result<Appended, Error>>, Result<Appended, Error>),
    Unit(Answer, Result<(), Error>),
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>, stop: CancellationToken) {
        let mut jobs = Vec::with_capacity(LARGEST_GROUP);
        loop {
            next_jobs(&mut waiting, &mut jobs, &stop).await;
            if jobs.is_empty() {
                break;
            }
            let size = jobs.len();
            let started = Instant::now();
            let mut group =
                Group { now: self.now(), last: GlobalPosition(0), waiters: Vec::new(), failure: None, undone: false };
            let committed = self.commit(&mut group, jobs.drain(..)).await;
            metrics::histogram!("log_group_size").record(size as f64);
            metrics::histogram!("log_commit_duration_seconds").record(started.elapsed().as_secs_f64());
            if let Err(error) = &committed {
                metrics::counter!("log_commit_failures_total").increment(1);
                self.recover(error).await;
            }
            answer(group.waiters, &committed);
            if let Some(write_back) = &mut self.write_back {
                write_back.after_commit(&mut self.connection).await;
            }
        }
        match self.write_back {
            Some(write_back) => write_back.finish(self.connection).await,
            None => {
                let _ = self.connection.close().await;
            }
        }
    }

    /// Runs the jobs and commits; the group then holds one waiter per job, whatever happens.
    async fn commit(&mut self, group: &mut Group, jobs: impl ExactSizeIterator<Item = Job>) -> Result<(), Error> {
        let is_alone = jobs.len() == 1;
        let mut before = GlobalPosition(0);
        match transaction::begin(&mut self.connection).await {
            Ok(last) => {
                group.now = self.now();
                group.last = last;
                before = last;
            }
            Err(error) => group.failure = Some(error),
        }
        let mut appends = Vec::new();
        let mut answers = Vec::new();
        for job in jobs {
            match job {
                Job::Append { append, answer } => {
                    let payloads = append.events.iter().filter_map(|event| event.payload.as_ref());
                    self.count(payloads.map(Bytes::len).sum());
                    appends.push(append);
                    answers.push(answer);
                }
                Job::Unit { work, answer } => {
                    self.count(0);
                    self.append(group, std::mem::take(&mut appends), std::mem::take(&mut answers)).await;
                    let done = self.run_unit(group, work, is_alone).await;
                    group.waiters.push(Waiter::Unit(answer, done));
                }
            }
        }
        self.append(group, appends, answers).await;
        if let Some(error) = group.failure.take() {
            return Err(error);
        }
        if group.undone {
            return transaction::roll_back(&mut self.connection).await;
        }
        let last = group.last;
        transaction::commit(&mut self.connection, (last != before).then_some(last)).await?;
        raise(&self.head, last);
        Ok(())
    }

    /// Counts what a job writes, for the write-back.
    fn count(&mut self, payload_bytes: usize) {
        if let Some(write_back) = &mut self.write_back {
            write_back.count(payload_bytes);
        }
    }

    async fn append(
        &mut self,
        group: &mut Group,
        appends: Vec<Append>,
        answers: Vec<oneshot::Sender<Result<Appended, Error>>>,
    ) {
        if appends.is_empty() {
            return;
        }
        let results = match &group.failure {
            None => append::append_all(&mut self.connection, group.now, &mut group.last, &appends).await,
            Some(error) => Err(error.clone()),
        };
        match results {
            Ok(results) => {
                group
                    .waiters
                    .extend(answers.into_iter().zip(results).map(|(answer, result)| Waiter::Append(answer, result)));
            }
            Err(error) => {
                group.waiters.extend(answers.into_iter().map(|answer| Waiter::Append(answer, Err(error.clone()))));
                group.failure = Some(error);
            }
        }
    }

    /// Runs one unit, so that its failure is its own: between savepoints, unless it has the transaction to itself.
    async fn run_unit(&mut self, group: &mut Group, work: Work, is_alone: bool) -> Result<(), Error> {
        if group.failure.is_some() {
            return Ok(());
        }
        let before = group.last;
        if !is_alone && let Err(error) = transaction::begin_unit(&mut self.connection).await {
            group.failure = Some(error);
            return Ok(());
        }
        let mut unit = UnitOfWork { connection: &mut self.connection, now: group.now, last: &mut group.last };
        let done = AssertUnwindSafe(async { work(&mut unit).await }).catch_unwind().await;
        let keep = matches!(done, Ok(Ok(())));
        if is_alone {
            group.undone = !keep;
        } else if let Err(error) = transaction::end_unit(&mut self.connection, keep).await {
            group.failure = Some(error);
            return Ok(());
        }
        if !keep {
            group.last = before;
        }
        match done {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Panicked),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        truncate((self.now)() + self.database.ahead())
    }

    async fn recover(&mut self, error: &Error) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the log could not commit a group, or was not told that it did; whoever waits for it tries again or looks"
        );
        let alive = tokio::time::timeout(ALIVE, async {
            // There may be nothing to roll back any more.
            let _ = transaction::roll_back(&mut self.connection).await;
            sql::run(&mut self.connection, "SELECT 1").await
        })
        .await;
        if matches!(alive, Ok(Ok(()))) {
            return;
        }
        match self.database.connect_writer().await {
            Ok(connection) => self.connection = connection,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the log could not open its database again");
            }
        }
    }
}

/// Waits for jobs; none means the end, by the last [`Log`] dropped or by [`Log::close`].
async fn next_jobs(waiting: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>, stop: &CancellationToken) {
    let received = tokio::select! {
        biased;
        () = stop.cancelled() => 0,
        received = waiting.recv_many(jobs, LARGEST_GROUP) => received,
    };
    if received > 0 {
        return;
    }
    // Whoever has a place in the queue but has not been polled since may keep it: nobody waits for them.
    waiting.close();
    while jobs.len() < LARGEST_GROUP
        && let Ok(job) = waiting.try_recv()
    {
        jobs.push(job);
    }
}

fn answer(waiters: Vec<Waiter>, committed: &Result<(), Error>) {
    for waiter in waiters {
        match waiter {
            Waiter::Append(answer, result) => {
                let _ = answer.send(match committed {
                    Ok(()) => result,
                    Err(error) => Err(error.clone()),
                });
            }
            Waiter::Unit(answer, done) => answer(match committed {
                Ok(()) => done,
                Err(error) => Err(error.clone()),
            }),
        }
    }
}

/// PostgreSQL keeps microseconds; so do we, everywhere.
fn truncate(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}
