//! Real signals to a real process: this test binary, started again.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use service::shutdown::{Ended, Service, Shutdown};

/// Says that this process is the one to be signalled, and how it behaves.
const ROLE: &str = "GATELEDGER_TEST_SIGNALLED";

/// Long enough that only a signal can end a process that waits for it.
const GRACE: Duration = Duration::from_secs(600);

/// The signalled process. In an ordinary run it has nothing to do.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test that is a process of its own is told its role by a variable")]
fn signalled_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended = runtime.block_on(async {
        let service = Service::new(Shutdown::listen(GRACE).unwrap());
        let shutdown = service.shutdown().clone();
        service.spawn("work", async move {
            say("ready");
            shutdown.stop().cancelled().await;
            say("stopping");
            if role == "deaf" {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(())
        });
        service.run_until_stopped().await.unwrap()
    });
    std::process::exit(if ended == Ended::Finished { 40 } else { 41 });
}

fn say(word: &str) {
    writeln!(std::io::stdout().lock(), "{word}").unwrap();
}

struct Signalled {
    child: Child,
    words: BufReader<ChildStdout>,
}

impl Signalled {
    fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signals::signalled_process", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let words = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, words };
        process.wait_for("ready");
        process
    }

    fn wait_for(&mut self, word: &str) {
        let said = self.words.by_ref().lines().map_while(Result::ok).any(|line| line.ends_with(word));
        assert!(said, "the process ended before it said {word}");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

#[test]
fn sigterm_lets_work_end() {
    let process = Signalled::start("listens");
    process.signal("-TERM");
    assert_eq!(process.ended().code(), Some(40));
}

#[test]
fn a_second_signal_drops_work_that_does_not_end() {
    let mut process = Signalled::start("deaf");
    process.signal("-INT");
    process.wait_for("stopping");
    process.signal("-TERM");
    assert_eq!(process.ended().code(), Some(41));
}
