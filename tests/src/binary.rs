//! Where the binary under test is, and what the environment says about the run.

use std::path::PathBuf;

/// The binary `gateledger` of the same build as the running test.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("tests are built two folders deep");
    let binary = folder.join("gateledger");
    assert!(binary.is_file(), "{} is not there: run tests/run, or `cargo build --bin gateledger`", binary.display());
    binary
}

/// `GATELEDGER_TEST_KILLS`: kills in the crash runs, 100 by default.
#[must_use]
pub fn kills() -> u32 {
    number("GATELEDGER_TEST_KILLS").and_then(|kills| u32::try_from(kills).ok()).unwrap_or(100)
}

/// `GATELEDGER_TEST_SEED`: seed of the crash runs, by time by default. Printed, so that a run can be looked at again.
#[must_use]
pub fn seed() -> u64 {
    number("GATELEDGER_TEST_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        now.as_secs()
    })
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the tests' own switches are no settings of the product")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is not a number")))
}
