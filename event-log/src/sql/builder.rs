//! Statements put together piece by piece.

use std::fmt::Write as _;

use super::query::Query;
use super::value::{Bind, Value};

/// A statement in the making. Texts that are pushed must not come from outside; values are bound.
#[derive(Debug, Default)]
pub struct Builder<'q> {
    text: String,
    values: Vec<Value<'q>>,
}

/// Pushes values with something between them.
#[derive(Debug)]
pub struct Separated<'b, 'q> {
    builder: &'b mut Builder<'q>,
    separator: &'static str,
    is_first: bool,
}

/// The columns of one row of a multi-row insert.
pub type Tuple<'b, 'q> = Separated<'b, 'q>;

impl<'q> Builder<'q> {
    /// Begins with `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Builder { text: text.into(), values: Vec::new() }
    }

    /// Adds text.
    pub fn push(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.text.push_str(text.as_ref());
        self
    }

    /// Adds a parameter.
    pub fn push_bind(&mut self, value: impl Bind<'q>) -> &mut Self {
        self.values.push(value.value());
        let _ = write!(self.text, "${}", self.values.len());
        self
    }

    /// Adds things with `separator` between them.
    pub fn separated(&mut self, separator: &'static str) -> Separated<'_, 'q> {
        Separated { builder: self, separator, is_first: true }
    }

    /// Adds `VALUES (…), (…)`, a row for each item.
    pub fn push_values<T>(&mut self, items: impl IntoIterator<Item = T>, mut row: impl FnMut(Tuple<'_, 'q>, T)) {
        self.push("VALUES ");
        for (at, item) in items.into_iter().enumerate() {
            self.push(if at == 0 { "(" } else { ", (" });
            row(self.separated(", "), item);
            self.push(")");
        }
    }

    /// The statement.
    pub fn build(self) -> Query<'q> {
        Query::with_values(self.text, self.values)
    }
}

impl<'q> Separated<'_, 'q> {
    /// Adds text.
    pub fn push(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.separate();
        self.builder.push(text);
        self
    }

    /// Adds a parameter.
    pub fn push_bind(&mut self, value: impl Bind<'q>) -> &mut Self {
        self.separate();
        self.builder.push_bind(value);
        self
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.builder.push(self.separator);
        }
    }
}
