//! Answers to requests that were not served: problem details (RFC 9457) with a stable code and the request's id.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use uuid::Uuid;

/// Names one request in the answer, in the log and in the store of rejected requests.
pub(crate) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// One kind of refusal; its code never changes meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: &'static str,
    /// When the sender may try again, where trying again helps.
    pub(crate) retry_after_seconds: Option<u32>,
}

impl Problem {
    /// One answer for everything that is not there, so that it tells nothing about what is.
    pub(crate) const NOT_FOUND: Problem =
        Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address");
    /// The address exists, the method does not.
    pub(crate) const METHOD_NOT_ALLOWED: Problem =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take this method");
    /// The cause is in the log under the request's id.
    pub(crate) const INTERNAL: Problem =
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed; nothing was recorded");

    pub(crate) const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Problem { status, code, detail, retry_after_seconds: None }
    }

    pub(crate) const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The answer to the request `request_id`.
    pub(crate) fn answer(&self, request_id: Uuid) -> HttpResponse {
        let body = serde_json::json!({
            "type": format!("urn:gateledger:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or(self.code),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
        });
        let mut answer = HttpResponse::build(self.status);
        answer.content_type("application/problem+json");
        answer.insert_header((REQUEST_ID_HEADER, request_id.to_string()));
        if let Some(seconds) = self.retry_after_seconds {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        match self.status {
            // RFC 9110, sections 15.5.2 and 15.5.6: these two answers must say what would be accepted.
            StatusCode::UNAUTHORIZED => answer.insert_header((header::WWW_AUTHENTICATE, "Webhook-Signature")),
            StatusCode::METHOD_NOT_ALLOWED => answer.insert_header((header::ALLOW, "POST")),
            _ => &mut answer,
        };
        answer.body(body.to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn an_answer_has_the_members_of_problem_details() {
        let answer = Problem::NOT_FOUND.answer(Uuid::nil());
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers().get("content-type").unwrap(), "application/problem+json");
        let body: serde_json::Value = serde_json::from_slice(&to_bytes(answer.into_body()).await.unwrap()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:gateledger:problem:not_found",
                "title": "Not Found",
                "status": 404,
                "code": "not_found",
                "detail": "there is nothing at this address",
                "request_id": Uuid::nil(),
            })
        );
    }
}
