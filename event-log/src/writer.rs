//! The one writer of a process: collects concurrent appends and units of work into group commits.
//!
//! SQLite allows one writer at a time and a durable commit costs a disk flush, so everybody who writes hands a job to
//! one task. It takes what is waiting, runs it in one transaction and answers every waiter after the commit. A job that
//! fails is rolled back alone; a commit that fails fails them all, and nothing of the group is recorded.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use crate::append::{self, Append, Appended};
use crate::{Database, Error, GlobalPosition, checkpoint, read};

/// The clock as an argument: gives the current time.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Jobs taken into one transaction at most: keeps one commit, and so the wait of its members, in the milliseconds.
const LARGEST_GROUP: usize = 256;

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
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("path", &self.database.path()).finish_non_exhaustive()
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
        let connection = database.connect_writer().await?;
        let start = read::last_position(database.readers()).await?;
        let (jobs, waiting) = mpsc::channel(queue.max(1));
        let (head_sender, head) = watch::channel(start);
        let writer = Writer { database: database.clone(), connection, now: now.clone(), head: head_sender };
        #[expect(clippy::disallowed_methods, reason = "ends by itself when the last Log is dropped, after finishing its queue")]
        tokio::spawn(writer.run(waiting));
        Ok(Log { database, jobs, head, now })
    }

    /// The database under the log.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The current time by the log's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        truncate((self.now)())
    }

    /// The last position this process knows of; changes wake whoever watches.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<GlobalPosition> {
        self.head.clone()
    }

    /// Appends and waits until it is durable. Waits for a place in the queue.
    ///
    /// # Errors
    /// [`Error::WrongExpectedVersion`], [`Error::StorageFull`], [`Error::Closed`], [`Error::Database`].
    ///
    /// # Cancellation
    /// Dropping the future after it was first polled does not take the append back.
    pub async fn append(&self, append: Append) -> Result<Appended, Error> {
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
    /// ```ignore
    /// log.write(|unit| Box::pin(async move {
    ///     unit.append(append).await?;
    ///     unit.save_checkpoint("projector", position).await
    /// })).await?;
    /// ```
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
}

/// One unit of work inside a group commit: rows and events that become durable together.
pub struct UnitOfWork<'c> {
    connection: &'c mut SqliteConnection,
    now: DateTime<Utc>,
}

impl UnitOfWork<'_> {
    /// The transaction's connection, for the caller's own tables.
    pub fn connection(&mut self) -> &mut SqliteConnection {
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
        let mut results = append::append_all(self.connection, self.now, &[append]).await?;
        results.pop().unwrap_or(Err(Error::Closed))
    }

    /// Appends to several streams; the first refusal is returned.
    ///
    /// # Errors
    /// As [`UnitOfWork::append`].
    pub async fn append_all(&mut self, appends: &[Append]) -> Result<Vec<Appended>, Error> {
        append::append_all(self.connection, self.now, appends).await?.into_iter().collect()
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
    connection: SqliteConnection,
    now: Now,
    head: watch::Sender<GlobalPosition>,
}

/// Who waits for what, once the group has run.
enum Waiter {
    Append(oneshot::Sender<Result<Appended, Error>>, Result<Appended, Error>),
    Unit(Answer, Result<(), Error>),
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(LARGEST_GROUP);
        while waiting.recv_many(&mut jobs, LARGEST_GROUP).await > 0 {
            let started = Instant::now();
            let size = jobs.len();
            let mut waiters = Vec::with_capacity(size);
            let committed = self.commit(std::mem::take(&mut jobs), &mut waiters).await;
            metrics::histogram!("log_group_size").record(size as f64);
            metrics::histogram!("log_commit_duration_seconds").record(started.elapsed().as_secs_f64());
            if let Err(error) = &committed {
                metrics::counter!("log_commit_failures_total").increment(1);
                self.recover(error).await;
            }
            answer(waiters, &committed.map(|_| ()));
        }
    }

    /// Runs the jobs and commits; `waiters` holds one entry per job, whatever happens.
    async fn commit(&mut self, jobs: Vec<Job>, waiters: &mut Vec<Waiter>) -> Result<(), Error> {
        let now = truncate((self.now)());
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await;
        if let Err(source) = begun {
            for job in jobs {
                waiters.push(match job {
                    Job::Append { answer, .. } => Waiter::Append(answer, Err(Error::Closed)),
                    Job::Unit { answer, .. } => Waiter::Unit(answer, Ok(())),
                });
            }
            return Err(source.into());
        }
        let mut failure = None;
        let mut group = Vec::new();
        for job in jobs {
            match job {
                Job::Append { append, answer } => group.push((append, answer)),
                Job::Unit { work, answer } => {
                    self.append_group(now, std::mem::take(&mut group), waiters, &mut failure).await;
                    let done = match failure {
                        None => self.run_unit(now, work).await,
                        Some(_) => Ok(Ok(())),
                    };
                    match done {
                        Ok(done) => waiters.push(Waiter::Unit(answer, done)),
                        Err(error) => {
                            waiters.push(Waiter::Unit(answer, Err(error.clone())));
                            failure = Some(error);
                        }
                    }
                }
            }
        }
        self.append_group(now, group, waiters, &mut failure).await;
        if let Some(error) = failure {
            return Err(error);
        }
        let position = read::last_position_in(&mut self.connection).await?;
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        self.head.send_if_modified(|head| std::mem::replace(head, position) != position);
        Ok(())
    }

    async fn append_group(
        &mut self,
        now: DateTime<Utc>,
        group: Vec<(Append, oneshot::Sender<Result<Appended, Error>>)>,
        waiters: &mut Vec<Waiter>,
        failure: &mut Option<Error>,
    ) {
        if group.is_empty() {
            return;
        }
        let (appends, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let results = match failure {
            None => append::append_all(&mut self.connection, now, &appends).await,
            Some(error) => Err(error.clone()),
        };
        match results {
            Ok(results) => {
                waiters.extend(answers.into_iter().zip(results).map(|(answer, result)| Waiter::Append(answer, result)));
            }
            Err(error) => {
                waiters.extend(answers.into_iter().map(|answer| Waiter::Append(answer, Err(error.clone()))));
                *failure = Some(error);
            }
        }
    }

    /// `Err` breaks the whole group (the savepoint itself failed), `Ok(Err)` only this unit.
    async fn run_unit(&mut self, now: DateTime<Utc>, work: Work) -> Result<Result<(), Error>, Error> {
        sqlx::query("SAVEPOINT unit").execute(&mut self.connection).await?;
        let mut unit = UnitOfWork { connection: &mut self.connection, now };
        let done = AssertUnwindSafe(work(&mut unit)).catch_unwind().await;
        if let Ok(Ok(())) = done {
            sqlx::query("RELEASE unit").execute(&mut self.connection).await?;
            return Ok(Ok(()));
        }
        // When the disk is full SQLite may have rolled back the whole transaction: then this fails, and so does the group.
        sqlx::query("ROLLBACK TO unit").execute(&mut self.connection).await?;
        sqlx::query("RELEASE unit").execute(&mut self.connection).await?;
        Ok(match done {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Panicked),
        })
    }

    async fn recover(&mut self, error: &Error) {
        tracing::error!(error = %error, "the log could not commit; nothing of the group was recorded");
        let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
        let alive = tokio::time::timeout(Duration::from_secs(5), self.connection.ping()).await;
        if matches!(alive, Ok(Ok(()))) {
            return;
        }
        match self.database.connect_writer().await {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::error!(error = %error, "the log could not open its database again"),
        }
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
