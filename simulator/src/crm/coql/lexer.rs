//! Cuts a query into words, literals and signs.

use serde_json::json;

use super::Refusal;

/// A token with the place where it starts, counted in characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) column: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word(String),
    /// A quoted text with doubled quotes resolved.
    Text(String),
    Number(String),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `(`, `)`, `,`.
    Sign(&'static str),
}

impl Kind {
    /// The token as it may be shown in an error.
    pub(super) fn near(&self) -> &str {
        match self {
            Self::Word(text) | Self::Text(text) | Self::Number(text) => text,
            Self::Sign(sign) => sign,
        }
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: &[&str] = &["!=", "<=", ">=", "=", "<", ">", "(", ")", ","];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let column = text[..text.len() - rest.len()].chars().count() + 1;
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (kind, length) = if first == '\'' {
            quoted(rest).ok_or_else(|| broken(column, rest))?
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Kind::Sign(sign), sign.len())
        } else if first.is_ascii_digit() || first == '-' {
            let length = span(rest, |letter| letter.is_ascii_digit() || matches!(letter, '-' | '.' | '+'));
            (Kind::Number(rest[..length].to_owned()), length)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = span(rest, |letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.'));
            (Kind::Word(rest[..length].to_owned()), length)
        } else {
            return Err(broken(column, rest));
        };
        if matches!(&kind, Kind::Number(number) if number.parse::<f64>().is_err()) {
            return Err(broken(column, rest));
        }
        tokens.push(Token { kind, column });
        rest = &rest[length..];
    }
}

fn span(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|letter| !belongs(letter)).unwrap_or(rest.len())
}

/// A text in single quotes, where two quotes stand for one.
fn quoted(rest: &str) -> Option<(Kind, usize)> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != '\'' {
            text.push(letter);
        } else if letters.next_if(|(_, next)| *next == '\'').is_some() {
            text.push('\'');
        } else {
            return Some((Kind::Text(text), at + 1));
        }
    }
    None
}

fn broken(column: usize, rest: &str) -> Refusal {
    let near: String = rest.chars().take(20).collect();
    Refusal::syntax(json!({"line": 1, "column": column, "near": near}))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn doubled_quote_is_one_quote() {
        let tokens = tokens("'O''Brien' <= -5").unwrap();
        let kinds: Vec<Kind> = tokens.into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Text("O'Brien".to_owned()), Kind::Sign("<="), Kind::Number("-5".to_owned())]);
    }

    #[test]
    fn open_quote_and_bare_date_are_refused_with_their_place() {
        assert_eq!(tokens("a = 'x").unwrap_err().details["column"], 5);
        assert_eq!(tokens("2026-01-15").unwrap_err().code, "SYNTAX_ERROR");
    }
}
