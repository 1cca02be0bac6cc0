//! How a single value is read: typed from the file, as text from a variable.

use std::net::SocketAddr;
use std::str::FromStr;

use super::origin::Origin;

/// A value and where it stood.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// A value before its meaning is known.
#[derive(Clone)]
pub(super) enum Raw {
    /// From the file, with the type it has there.
    Typed(toml::Value),
    /// From a variable, where everything is text.
    Text(String),
}

/// Why a value does not fit its key. Never contains the value.
pub(super) enum Misfit {
    /// It has another type than the key.
    Type,
    /// It has the right type and breaks a rule; the text completes "the key ...".
    Rule(String),
}

impl Raw {
    /// The type as people call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Typed(toml::Value::String(_)) => "a text",
            Self::Typed(toml::Value::Integer(_)) => "a whole number",
            Self::Typed(toml::Value::Float(_)) => "a number",
            Self::Typed(toml::Value::Boolean(_)) => "true or false",
            Self::Typed(toml::Value::Datetime(_)) => "a date",
            Self::Typed(toml::Value::Array(_)) => "a list",
            Self::Typed(toml::Value::Table(_)) => "a section",
        }
    }

    /// The text of a value that is one.
    pub(super) fn text(&self) -> Result<&str, Misfit> {
        match self {
            Self::Text(text) | Self::Typed(toml::Value::String(text)) => Ok(text),
            Self::Typed(_) => Err(Misfit::Type),
        }
    }

    /// The value in words, whatever its type.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Text(text) | Self::Typed(toml::Value::String(text)) => text.clone(),
            Self::Typed(value) => value.to_string(),
        }
    }

    /// The members of a list: a TOML list, one text, or in a variable a TOML list or texts with commas between.
    pub(super) fn texts(&self) -> Result<Vec<String>, Misfit> {
        let members = match self {
            Self::Typed(toml::Value::Array(members)) => members.clone(),
            Self::Typed(toml::Value::String(one)) => return Ok(vec![one.clone()]),
            Self::Typed(_) => return Err(Misfit::Type),
            Self::Text(text) if text.trim_start().starts_with('[') => match toml::Value::from_str(text) {
                Ok(toml::Value::Array(members)) => members,
                _ => return Err(Misfit::Type),
            },
            Self::Text(text) => return Ok(text.split(',').map(|one| one.trim().to_owned()).collect()),
        };
        members
            .into_iter()
            .map(|member| match member {
                toml::Value::String(text) => Ok(text),
                _ => Err(Misfit::Type),
            })
            .collect()
    }
}

/// A type that values can have.
pub(super) trait Setting: Sized {
    /// What a value must be, completing "expected".
    const EXPECTED: &'static str;

    /// Reads the value.
    fn read(raw: &Raw) -> Result<Self, Misfit>;
}

impl Setting for String {
    const EXPECTED: &'static str = "a text in quotes";

    fn read(raw: &Raw) -> Result<Self, Misfit> {
        let text = raw.text()?;
        if text.trim().is_empty() {
            return Err(Misfit::Rule("is empty".to_owned()));
        }
        Ok(text.to_owned())
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(raw: &Raw) -> Result<Self, Misfit> {
        match raw {
            Raw::Typed(toml::Value::Boolean(value)) => Ok(*value),
            Raw::Text(text) => text.trim().to_ascii_lowercase().parse().map_err(|_| Misfit::Type),
            Raw::Typed(_) => Err(Misfit::Type),
        }
    }
}

impl Setting for u64 {
    const EXPECTED: &'static str = "a whole number";

    fn read(raw: &Raw) -> Result<Self, Misfit> {
        let number = match raw {
            Raw::Typed(toml::Value::Integer(number)) => *number,
            Raw::Text(text) => text.trim().replace('_', "").parse().map_err(|_| Misfit::Type)?,
            Raw::Typed(_) => return Err(Misfit::Type),
        };
        Self::try_from(number).map_err(|_| Misfit::Rule("must not be negative".to_owned()))
    }
}

impl Setting for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(raw: &Raw) -> Result<Self, Misfit> {
        let number = match raw {
            Raw::Typed(toml::Value::Float(number)) => *number,
            #[expect(clippy::cast_precision_loss, reason = "rates are small numbers")]
            Raw::Typed(toml::Value::Integer(number)) => *number as Self,
            Raw::Text(text) => text.trim().parse().map_err(|_| Misfit::Type)?,
            Raw::Typed(_) => return Err(Misfit::Type),
        };
        if number.is_finite() { Ok(number) } else { Err(Misfit::Rule("must be finite".to_owned())) }
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an address and port such as \"127.0.0.1:8080\"";

    fn read(raw: &Raw) -> Result<Self, Misfit> {
        raw.text()?.trim().parse().map_err(|_| {
            Misfit::Rule(
                "is no address and port; write for instance 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080".to_owned(),
            )
        })
    }
}

impl Setting for url::Url {
    const EXPECTED: &'static str = "an http or https address";

    fn read(raw: &Raw) -> Result<Self, Misfit> {
        let text = raw.text()?.trim();
        let refused = |why: &str| Misfit::Rule(why.to_owned());
        let url = Self::parse(text).map_err(|error| refused(&format!("is no address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(refused("must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("must not carry a user name or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("must end with its path, without `?` or `#`"));
        }
        Ok(url)
    }
}

impl Setting for chrono_tz::Tz {
    const EXPECTED: &'static str = "a time zone such as \"Europe/Berlin\"";

    fn read(raw: &Raw) -> Result<Self, Misfit> {
        super::timezone::timezone(raw.text()?.trim()).map_err(|error| Misfit::Rule(error.to_string()))
    }
}
