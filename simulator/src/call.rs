//! A request as the simulated products see it: method, decoded path, query, headers.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web;
use percent_encoding::percent_decode_str;

/// One request without its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Percent-decoded parts of the path.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    request: HttpRequest,
}

impl Call {
    pub(crate) fn new(request: &HttpRequest) -> Self {
        let segments = request
            .path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        Self {
            method: request.method().clone(),
            segments,
            query: Query::parse(request.query_string()),
            request: request.clone(),
        }
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    pub(crate) fn path(&self) -> &str {
        self.request.path()
    }

    pub(crate) fn raw_query(&self) -> &str {
        self.request.query_string()
    }

    pub(crate) fn request(&self) -> &HttpRequest {
        &self.request
    }
}

/// Names and values of a query or of a form body, in order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
        Self(pairs.map(web::Query::into_inner).unwrap_or_default())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A whole number, or `default` when the name is absent; none when it is not a number.
    pub(crate) fn number(&self, name: &str, default: usize) -> Option<usize> {
        self.get(name).map_or(Some(default), |text| text.parse().ok())
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// These pairs followed by the other ones.
    pub(crate) fn followed_by(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }
}
