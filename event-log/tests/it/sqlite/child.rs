//! This test binary started again as another process, to do one thing to a database until it ends or is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use event_log::{Append, Error, EventId, Log};
use uuid::Uuid;

use crate::fixture::{append, event, open, stream, with_payload};

const TASK: &str = "EVENT_LOG_TEST_TASK";
const URL: &str = "EVENT_LOG_TEST_URL";

/// Another process at work.
pub(crate) struct Process {
    child: Child,
    output: Receiver<String>,
}

impl Process {
    /// `holder`, `appender <count>` or `crasher`.
    pub(crate) fn start(task: &str, url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["sqlite::child::a_task_of_another_process", "--exact", "--nocapture"])
            .envs([(TASK, task), (URL, url)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = lines(child.stdout.take().unwrap());
        Process { child, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the task printed after `word`, without it; none at the end.
    pub(crate) fn line(&mut self, word: &str) -> Option<String> {
        loop {
            let line = match self.output.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("the task printed nothing for a minute"),
            };
            // The first line follows what the test harness prints.
            if let Some((_, rest)) = line.split_once(word) {
                return Some(rest.trim().to_owned());
            }
        }
    }

    /// SIGKILL: no destructor runs, no lock is given back, nothing is flushed.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn succeeds(mut self) {
        while self.line("\n").is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is printed, line by line; a last line that is not whole is left out.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') && sender.send(line).is_ok() {
            line = String::new();
        }
    });
    lines
}

/// Does nothing unless started by [`Process::start`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_of_another_process() {
    let Ok(task) = std::env::var(TASK) else { return };
    let log = open(&std::env::var(URL).unwrap(), std::sync::Arc::new(chrono::Utc::now)).await;
    match task.split_once(' ') {
        None if task == "holder" => hold_roles(&log).await,
        None if task == "crasher" => append_until_killed(&log).await,
        Some(("appender", count)) => append_some(&log, count.parse().unwrap()).await,
        _ => panic!("unknown task {task:?}"),
    }
}

async fn hold_roles(log: &Log) {
    let _lock = log.database().lock_roles().unwrap();
    println!("locked");
    std::future::pending::<()>().await;
}

async fn append_some(log: &Log, count: usize) {
    for _ in 0..count {
        log.append(append("shared", event())).await.unwrap();
    }
    log.close().await;
}

/// Appends in all ways at once, and prints `acknowledged <story> <events>` for what was answered as durable. What it
/// prints before each story and in the middle of a unit only tells how far it is.
///
/// All events of one story are handed in together, so the log must hold all or none of them.
async fn append_until_killed(log: &Log) {
    println!("ready");
    let workers = (0..12).map(|worker: usize| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let story = Uuid::now_v7();
                let count = 1 + (worker + number) % 3;
                println!("begun");
                if worker.is_multiple_of(3) {
                    unit(&log, worker, story, count).await.unwrap();
                } else {
                    log.append(Append::new(stream(&format!("{}", worker % 4)), told(story, count))).await.unwrap();
                }
                println!("acknowledged {story} {count}");
            }
        })
    });
    futures::future::join_all(workers).await;
}

/// Events in two streams, and a checkpoint at the last of them.
async fn unit(log: &Log, worker: usize, story: Uuid, count: usize) -> Result<(), Error> {
    log.write(move |unit| {
        Box::pin(async move {
            for event in told(story, count) {
                let stream = stream(&format!("{}", event.id.0.as_u128() % 4));
                let appended = unit.append(Append::new(stream, vec![event])).await?;
                unit.save_checkpoint(&format!("worker {worker}"), appended.outcomes[0].position()).await?;
                println!("in the middle");
            }
            Ok(())
        })
    })
    .await
}

fn told(story: Uuid, count: usize) -> Vec<event_log::NewEvent> {
    let told = |number: usize| {
        let id = EventId::derived(&[&story.to_string(), &number.to_string()]);
        with_payload(event().with_id(id).in_story(story, None), vec![number as u8; 700 * number])
    };
    (1..=count).map(told).collect()
}
