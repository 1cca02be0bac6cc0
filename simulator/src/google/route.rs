//! Endpoints of Google and their names.

use actix_web::http::Method;

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Token,
    Certificates,
    Identity,
    Email,
}

impl Route {
    pub(crate) fn resolve(method: &Method, rest: &[&str]) -> Option<Self> {
        match (method.as_str(), rest) {
            ("POST", ["token"]) => Some(Self::Token),
            ("GET", ["oauth2", "v3", "certs"]) => Some(Self::Certificates),
            ("GET", ["computeMetadata", "v1", "instance", "service-accounts", account, what])
                if *account == "default" || *account == super::DEFAULT_ACCOUNT =>
            {
                match *what {
                    "identity" => Some(Self::Identity),
                    "email" => Some(Self::Email),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "google.token",
            Self::Certificates => "google.certs",
            Self::Identity => "google.identity",
            Self::Email => "google.email",
        }
    }
}
