//! Data on standard output: JSON for programs, columns for people.

use std::io::{self, Write};

use serde::Serialize;

/// How data is shown.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON or columns.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Output { json }
    }

    /// Whether programs read it.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.json
    }

    /// One document.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn document(self, value: &impl Serialize, for_people: impl FnOnce() -> String) -> io::Result<()> {
        let text = if self.json { serde_json::to_string(value)? } else { for_people() };
        line(&text)
    }

    /// A list: one JSON array, or aligned columns.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn list<T: Serialize>(
        self,
        rows: &[T],
        header: &[&str],
        columns: impl Fn(&T) -> Vec<String>,
    ) -> io::Result<()> {
        if self.json {
            return line(&serde_json::to_string(rows)?);
        }
        if rows.is_empty() {
            eprintln!("nothing found");
            return Ok(());
        }
        line(&table(header, &rows.iter().map(columns).collect::<Vec<_>>()))
    }

    /// One of an endless sequence.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn item(self, value: &impl Serialize, for_people: impl FnOnce() -> String) -> io::Result<()> {
        self.document(value, for_people)
    }
}

/// Writes a line. A reader that went away (`| head`) ends the program quietly, as is the custom.
fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other,
    }
}

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head: Vec<String> = header.iter().map(|name| name.to_uppercase()).collect();
    std::iter::once(&head).chain(rows).map(|row| aligned(row, &widths)).collect::<Vec<_>>().join("\n")
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count()))))
        .collect();
    cells.join("  ").trim_end().to_owned()
}

/// A count of bytes as people read it.
#[must_use]
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_have_no_trailing_space() {
        let rows = [vec!["a".to_owned(), "long cell".to_owned()], vec!["ünf".to_owned(), "b".to_owned()]];
        assert_eq!(table(&["x", "name"], &rows), "X    NAME\na    long cell\nünf  b");
    }
}
