//! One place where the binary runs: a folder of its own, a simulator, a port.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use simulator::control::{State, StateQuery};
use simulator::{Control, Seed, Simulator};
use tempfile::TempDir;

use crate::database::{Database, Store};
use crate::http::{Answer, get};
use crate::log::Log;
use crate::wait::{until, until_true};
use crate::{Process, Ran, Settings, binary};

/// The vault's key where the database is on a server.
const KEY: &str = "a2V5IGZvciB0ZXN0cyBhbmQgZm9yIG5vdGhpbmcgZWw=";

/// Ports that no system gives to outgoing connections, which would take them between the choice and the start of a process.
/// Those from 15,000 on are for `tests/services`.
const BELOW_OUTGOING: std::ops::Range<u16> = 10_000..15_000;

/// A folder with settings and a database, and the simulator they point at. Kept when the test fails.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    database: Database,
    binary: PathBuf,
    listen: SocketAddr,
    simulator: Simulator,
    environment: Vec<(String, String)>,
}

impl Site {
    /// A site on SQLite whose simulator starts from `seed`, with the settings of [`Settings::of`].
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        Self::on(Store::Sqlite, seed)
    }

    /// As [`Site::new`], on either database.
    #[must_use]
    pub fn on(store: Store, seed: &Seed) -> Self {
        Self::with_database(seed, |folder| Database::new(store, folder))
    }

    /// As [`Site::new`], with the database that `make` gives for the site's folder.
    ///
    /// # Panics
    /// When something cannot be made.
    #[must_use]
    pub fn with_database(seed: &Seed, make: impl FnOnce(&Path) -> Database) -> Self {
        let folder = tempfile::Builder::new().prefix("gateledger-").tempdir().expect("a temporary folder can be made");
        let options = simulator::Options { spool_directory: folder.path().to_owned(), ..simulator::Options::default() };
        let simulator = simulator::start(seed, options).expect("the simulator starts");
        let listen = free_address();
        let database = make(folder.path());
        // By the environment, so that tests may write whatever they like into the file.
        let environment = database.url().map_or_else(Vec::new, |url| {
            vec![("GATELEDGER__STORE__URL".to_owned(), url.to_owned()), ("GATELEDGER_KEY".to_owned(), KEY.to_owned())]
        });
        let site = Site { folder, database, binary: binary::path(), listen, simulator, environment };
        site.configure(&site.settings());
        site
    }

    /// The usual settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::of(&self.simulator, self.listen)
    }

    /// Writes `gateledger.toml`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn configure(&self, settings: &Settings) {
        std::fs::write(self.file("gateledger.toml"), settings.text()).expect("the settings can be written");
    }

    /// A variable for every process started from now on; there are no others but `PATH`
    /// and, on a server, the two that name the database and the key.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The folder everything is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The simulator.
    #[must_use]
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// The simulator's control.
    #[must_use]
    pub fn control(&self) -> Control {
        self.simulator.control()
    }

    /// What the providers hold.
    #[must_use]
    pub fn state(&self) -> State {
        self.control().state(&StateQuery::default())
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The log of this site; the database must be there.
    #[must_use]
    pub fn log(&self) -> Log {
        Log::open(&self.database)
    }

    /// Starts the command in the background; its outputs are appended to `stdout.txt` and `stderr.txt`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Process {
        self.start_under(&[], arguments)
    }

    /// As [`Site::start`], with the binary and its arguments as the last arguments of another program that becomes it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_under(&self, wrapper: &[&str], arguments: &[&str]) -> Process {
        let stderr = self.file("stderr.txt");
        let child = self
            .command(wrapper, arguments)
            .stdout(Stdio::from(appending(&self.file("stdout.txt"))))
            .stderr(Stdio::from(appending(&stderr)))
            .spawn()
            .expect("the binary starts");
        Process::new(child, stderr)
    }

    /// Starts one of several processes, with variables of its own; it writes to `stdout-NAME.txt` and `stderr-NAME.txt`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_named(&self, name: &str, variables: &[(&str, String)], arguments: &[&str]) -> Process {
        let stderr = self.file(&format!("stderr-{name}.txt"));
        let child = self
            .command(&[], arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::from(appending(&self.file(&format!("stdout-{name}.txt")))))
            .stderr(Stdio::from(appending(&stderr)))
            .spawn()
            .expect("the binary starts");
        Process::new(child, stderr)
    }

    /// Starts `serve` and waits until it is ready.
    #[must_use]
    pub fn serve(&self) -> Process {
        self.until_ready(self.start(&["serve"]))
    }

    /// Waits until a started `serve` is ready.
    #[must_use]
    pub fn until_ready(&self, mut process: Process) -> Process {
        until_true("serve is ready", 20, || {
            assert!(process.is_running(), "serve ended at once:\n{}", process.stderr());
            self.get("/ready").is_some_and(|answer| answer.status == 200)
        });
        process
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it takes longer than two minutes.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut child = self
            .command(&[], arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            let stdout = scope.spawn(move || text(out.take()));
            let stderr = scope.spawn(move || text(err.take()));
            let status =
                until(&format!("{arguments:?} ends"), 120, || child.try_wait().expect("a child can be waited for"));
            Ran {
                code: status.code(),
                stdout: stdout.join().unwrap_or_default(),
                stderr: stderr.join().unwrap_or_default(),
            }
        })
    }

    /// Asks the gateway; `None` when nobody answers.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Answer> {
        get(self.listen, path).ok()
    }

    fn command(&self, wrapper: &[&str], arguments: &[&str]) -> Command {
        let mut command = match wrapper {
            [] => Command::new(&self.binary),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(&self.binary);
                command
            }
        };
        command.args(arguments).current_dir(self.folder()).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").envs(self.environment.iter().cloned());
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what the failed test left is in {}", self.folder.path().display());
        }
    }
}

/// An address on this machine that nobody listens on.
#[must_use]
pub fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(BELOW_OUTGOING)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn appending(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("outputs can be written")
}

fn text(pipe: Option<impl std::io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
