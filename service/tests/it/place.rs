//! A working directory with the files and variables of one test.

use std::fs;
use std::path::{Path, PathBuf};

use service::config::{Config, ConfigError, LoadOptions};
use tempfile::TempDir;

pub(crate) struct Place {
    dir: TempDir,
    options: LoadOptions,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = LoadOptions {
            file: None,
            environment: std::collections::BTreeMap::new(),
            dotenv: None,
            working_dir: dir.path().to_owned(),
        };
        Self { dir, options }
    }

    /// A place with this `gateledger.toml`.
    pub(crate) fn with_file(text: &str) -> Self {
        Self::new().file("gateledger.toml", text)
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.options.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Names the configuration file, as `--config` does.
    pub(crate) fn demanding(mut self, file: &str) -> Self {
        self.options.file = Some(PathBuf::from(file));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.options.clone())
    }

    pub(crate) fn for_transfer(&self) -> Result<Config, ConfigError> {
        Config::for_transfer(self.options.clone())
    }

    /// The message of a configuration that must be refused.
    pub(crate) fn refusal(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}
