//! Lines on stderr, between progress bars where there are some.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use tracing_subscriber::fmt::MakeWriter;

/// Runs the writing of a line while whatever else is drawn on the terminal steps aside, such as
/// `Arc::new(move |write| bars.suspend(|| write()))`.
pub type Around = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// How lines reach the terminal.
#[derive(Clone, Default)]
pub struct TerminalMode {
    /// Whether stderr is a terminal that shows colours.
    pub color: bool,
    /// Called around each line; nothing when `None`.
    pub around: Option<Around>,
}

impl TerminalMode {
    /// Plain lines, as for a file or a service manager.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// The same, with each line written inside `around`.
    #[must_use]
    pub fn around(self, around: Around) -> Self {
        Self { around: Some(around), ..self }
    }
}

impl fmt::Debug for TerminalMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TerminalMode").field("color", &self.color).finish_non_exhaustive()
    }
}

impl<'writer> MakeWriter<'writer> for TerminalMode {
    type Writer = Line<'writer>;

    fn make_writer(&'writer self) -> Line<'writer> {
        Line(self.around.as_ref())
    }
}

/// Writes whole lines: the formatter hands over one line at a time.
pub struct Line<'writer>(Option<&'writer Around>);

impl Write for Line<'_> {
    /// A stderr that is gone is no error, as nobody could be told.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut write = || drop(io::stderr().lock().write_all(line));
        match self.0 {
            Some(around) => around(&mut write),
            None => write(),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn each_line_is_written_inside_the_callback() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let mode = TerminalMode::plain().around(Arc::new(move |write| {
            log.lock().unwrap().push("aside");
            write();
            log.lock().unwrap().push("back");
        }));
        mode.make_writer().write_all(b"a line\n").unwrap();
        assert_eq!(*seen.lock().unwrap(), ["aside", "back"]);
    }
}
