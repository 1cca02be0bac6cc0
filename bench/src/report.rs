//! What was measured, where, and against what.

use serde::Serialize;

/// One number.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    what: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<(f64, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<String>,
}

/// All numbers of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: String,
    commit: String,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let model = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| {
                text.lines()
                    .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()))
            })
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let commit = std::process::Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .output()
            .map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Report { machine: format!("{cores} cores, {model}"), commit, lines: Vec::new() }
    }

    /// Adds the median of some values with their spread.
    pub(crate) fn add(&mut self, what: impl Into<String>, values: &[f64], unit: &'static str, goal: Option<&str>) {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let Some(&value) = values.get(values.len() / 2) else { return };
        let spread = (values.len() > 1).then(|| (values[0], values[values.len() - 1]));
        let line = Line { what: what.into(), value, unit, spread, goal: goal.map(str::to_owned) };
        eprintln!("{}", line.text());
        self.lines.push(line);
    }

    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!("{} at {}\n", self.machine, self.commit);
        for line in &self.lines {
            println!("{}", line.text());
        }
        Ok(())
    }
}

impl Line {
    fn text(&self) -> String {
        let spread =
            self.spread.map_or(String::new(), |(low, high)| format!("  ({} to {})", number(low), number(high)));
        let goal = self.goal.as_ref().map_or(String::new(), |goal| format!("  goal {goal}"));
        format!("{:<64} {:>10} {}{spread}{goal}", self.what, number(self.value), self.unit)
    }
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
