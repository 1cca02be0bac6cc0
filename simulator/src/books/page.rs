//! Pages of a list: numbered, 200 rows at most, and they shift when rows come and go (zoho.md section 4.3).

use serde_json::{Value, json};

use super::dialect::bad_value;
use crate::answer::Answer;
use crate::context::Context;

/// Most rows of a page.
const MOST: usize = 200;

/// Which page of a list in which order.
pub(super) struct Page {
    number: usize,
    per_page: usize,
    sort_column: String,
    ascending: bool,
}

impl Page {
    /// Reads `page`, `per_page`, `sort_column` and `sort_order`.
    pub(super) fn read(context: &mut Context<'_>, columns: &[&str], default: &str) -> Result<Self, Answer> {
        let query = &context.call.query;
        let sort_column = query.get("sort_column").unwrap_or(default).to_owned();
        if !columns.contains(&sort_column.as_str()) {
            return Err(bad_value("sort_column"));
        }
        let ascending = match query.get("sort_order") {
            None | Some("A") => true,
            Some("D") => false,
            Some(_) => return Err(bad_value("sort_order")),
        };
        let number = query.number("page", 1).filter(|page| *page >= 1).ok_or_else(|| bad_value("page"))?;
        let asked = query.number("per_page", MOST).filter(|rows| *rows >= 1).ok_or_else(|| bad_value("per_page"))?;
        if asked > MOST {
            context.misdeed("per_page_too_large", || format!("per_page={asked}, the most is {MOST}"));
        }
        Ok(Self { number, per_page: asked.min(MOST), sort_column, ascending })
    }

    pub(super) fn sort_column(&self) -> &str {
        &self.sort_column
    }

    /// Puts rows into the order asked for; `key` gives what the sort column compares.
    pub(super) fn sort<T, K: Ord>(&self, rows: &mut [T], key: impl Fn(&T) -> K) {
        rows.sort_by(|left, right| {
            let ordering = key(left).cmp(&key(right));
            if self.ascending { ordering } else { ordering.reverse() }
        });
    }

    /// The rows of this page, and what the answer says about it.
    pub(super) fn cut<'a, T>(&self, rows: &'a [T], report_name: &str) -> (&'a [T], Value) {
        let start = self.number.saturating_sub(1).saturating_mul(self.per_page).min(rows.len());
        let end = start.saturating_add(self.per_page).min(rows.len());
        let page_context = json!({
            "page": self.number, "per_page": self.per_page, "has_more_page": end < rows.len(),
            "report_name": report_name, "sort_column": self.sort_column,
            "sort_order": if self.ascending { "A" } else { "D" },
        });
        (&rows[start..end], page_context)
    }
}
