//! Getting the bytes of a file.
//!
//! The download host answers with the bytes or with a redirect to a signed address elsewhere. Redirects are followed here,
//! and the access token never leaves the host it was meant for.

use std::ops::Range;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use tracing::Instrument;
use url::Url;

use crate::error::{Error, Outcome};
use crate::http::answer::{Answer, no_answer};
use crate::http::{self, Content};
use crate::zoho::call::{Call, Operation, authorization};
use crate::zoho::token::AccessToken;
use crate::zoho::workdrive::{WorkDrive, read};

const DOWNLOAD: Operation = read("workdrive.download", "WorkDrive.files.READ, ZohoFiles.files.READ", "file");

/// Most redirects in a row.
const REDIRECTS: u32 = 5;

/// The bytes of a file, or of a part of it, on their way.
#[derive(Debug)]
pub struct Download {
    /// Bytes to come, where the provider announced it. It may announce too few: see [`Download::expecting`].
    pub length: Option<u64>,
    /// Whether this is the asked-for range. `false` after asking for a range means: the file from its beginning.
    pub partial: bool,
    /// The bytes. It fails when they trickle, and when fewer or more come than announced.
    pub stream: Content,
}

impl Download {
    /// Demands the length that a listing told, or what is left of it for a range. A download may end early and look
    /// complete, so use this wherever the item has a size.
    ///
    /// # Errors
    /// [`Error::Incomplete`] at once when another length is announced; otherwise it comes from the stream.
    pub fn expecting(mut self, bytes: u64) -> Result<Self, Error> {
        if let Some(announced) = self.length.filter(|announced| *announced != bytes) {
            let (expected_bytes, received_bytes) = (bytes, announced);
            return Err(Error::Incomplete { operation: DOWNLOAD.name, expected_bytes, received_bytes });
        }
        self.length = Some(bytes);
        self.stream.expect(bytes);
        Ok(self)
    }
}

impl WorkDrive<'_> {
    /// Opens a file for reading, from its beginning or for a range of bytes.
    ///
    /// Opening is attempted up to three times; reading is not: after an error in the stream, ask for the rest.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the file is gone, [`Error::Rejected`] when the range lies beyond its end or the item has
    /// no content, [`Error::MissingScope`] when the grant lacks the files scope, and those of every call.
    pub async fn download(&self, id: &str, range: Option<Range<u64>>) -> Result<Download, Error> {
        Self::check_id("file", id)?;
        if range.as_ref().is_some_and(Range::is_empty) {
            return Err(Error::refused_input("empty_range", "range", "nothing to read"));
        }
        let settings = &self.client.inner.settings;
        let call = Call { operation: &DOWNLOAD, subject: id, lanes: vec![settings.limits.workdrive_download()] };
        let start = http::extend(&settings.endpoints.download, &["v1", "workdrive", "download", id]);
        let (call, start, range) = (&call, &start, range.as_ref());
        let open = |token: AccessToken| async move {
            let response = self.follow(call, start.clone(), range, &token).await?;
            open(response, range, settings.timeouts.stall)
        };
        self.client.settle(call, open).instrument(self.client.span(&DOWNLOAD)).await
    }

    /// The successful response at the end of the redirects.
    async fn follow(
        &self,
        call: &Call<'_>,
        mut url: Url,
        range: Option<&Range<u64>>,
        token: &AccessToken,
    ) -> Result<Response, Error> {
        let mut is_ours = true;
        for _ in 0..=REDIRECTS {
            let mut request = self
                .client
                .inner
                .http
                .request(Method::GET, url.clone())
                .header(ACCEPT, "*/*")
                .header(ACCEPT_ENCODING, "identity");
            if let Some(range) = range {
                request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
            }
            if is_ours {
                request = request.header(AUTHORIZATION, authorization(token)?);
            }
            let response = self.head(request).await?;
            if !response.status().is_redirection() {
                return self.judge(call, response, is_ours).await;
            }
            let next = target(&url, response.headers())?;
            is_ours = is_ours && http::same_origin(&url, &next);
            url = next;
        }
        Err(Error::unreadable(DOWNLOAD.name, "too many redirects"))
    }

    /// Status and headers, within the time of a call.
    async fn head(&self, request: reqwest::RequestBuilder) -> Result<Response, Error> {
        match tokio::time::timeout(self.client.inner.settings.timeouts.call, request.send()).await {
            Ok(response) => response.map_err(|error| no_answer(DOWNLOAD.name, error)),
            Err(elapsed) => Err(unavailable(None, Some(elapsed.into()))),
        }
    }

    async fn judge(&self, call: &Call<'_>, response: Response, is_ours: bool) -> Result<Response, Error> {
        let status = response.status();
        if status.is_success() {
            tracing::Span::current().record("http.response.status_code", status.as_u16());
            return Ok(response);
        }
        if !is_ours && matches!(status.as_u16(), 400 | 401 | 403 | 404 | 410) {
            // A signed address that has run out; a new one comes with the next attempt.
            return Err(unavailable(Some(status), None));
        }
        let answer = Answer::read(DOWNLOAD.name, response, self.client.inner.settings.timeouts.call).await?;
        match self.client.accept(call, answer).await {
            Ok(_) => Err(Error::unreadable(DOWNLOAD.name, "neither content nor a refusal")),
            Err(error) => Err(error),
        }
    }
}

/// Where a redirect leads. Leaving HTTPS is refused.
fn target(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let next = location.and_then(|location| from.join(location).ok());
    let next = next.ok_or_else(|| Error::unreadable(DOWNLOAD.name, "a redirect to nowhere"))?;
    let is_safe = next.scheme() == "https" || (next.scheme() == "http" && from.scheme() == "http");
    if is_safe { Ok(next) } else { Err(Error::unreadable(DOWNLOAD.name, "a redirect out of https")) }
}

/// Reads the headers of a successful answer.
fn open(response: Response, range: Option<&Range<u64>>, stall: std::time::Duration) -> Result<Download, Error> {
    let announced = response.content_length();
    let sent = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    // Historically ranges also came with status 200, so the header decides and not the status.
    let (length, partial) = match sent {
        Some(sent) => {
            let sent =
                parse_content_range(sent).ok_or_else(|| Error::unreadable(DOWNLOAD.name, "an odd content-range"))?;
            if sent.start != range.map_or(0, |range| range.start) {
                return Err(Error::unreadable(DOWNLOAD.name, "another range than asked for"));
            }
            let length = sent.end - sent.start;
            if announced.is_some_and(|announced| announced != length) {
                return Err(Error::unreadable(DOWNLOAD.name, "content-range and content-length disagree"));
            }
            (Some(length), range.is_some())
        }
        None if response.status() == StatusCode::PARTIAL_CONTENT => {
            return Err(Error::unreadable(DOWNLOAD.name, "a part without content-range"));
        }
        None => (announced, false),
    };
    let stream = Content::new(DOWNLOAD.name, response, length, stall);
    Ok(Download { length, partial, stream })
}

/// `bytes 0-99/1000` as 0..100.
fn parse_content_range(text: &str) -> Option<Range<u64>> {
    let (bounds, _) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = bounds.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some(first..last.checked_add(1)?)
}

fn unavailable(status: Option<StatusCode>, source: Option<crate::error::BoxError>) -> Error {
    let status = status.map(|status| status.as_u16());
    Error::Unavailable { operation: DOWNLOAD.name, status, outcome: Outcome::Unknown, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_and_nonsense_is_not() {
        assert_eq!(parse_content_range("bytes 0-99/1000"), Some(0..100));
        assert_eq!(parse_content_range("bytes 5-5/*"), Some(5..6));
        for bad in ["bytes */1000", "bytes 9-3/10", "items 0-1/2", "bytes 0-18446744073709551615/1", ""] {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }
}
