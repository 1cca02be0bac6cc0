//! The way of every buffered call: token, lanes, request, judgement, and what may be repeated.
//!
//! Repeated here: a call whose token was refused, once, with a new token (the refusal says that nothing was done); and
//! reads that found no usable answer, up to three attempts. Everything else is the caller's decision.

use std::time::Duration;

use chrono::TimeDelta;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request, RequestBuilder};
use secrecy::ExposeSecret;
use tracing::Instrument;
use url::Url;

use crate::budget::Lane;
use crate::error::{Error, OBTAIN_TOKEN, ThrottleScope, Throttled};
use crate::http::answer::{Answer, no_answer};
use crate::http::measure::Measured;
use crate::zoho::Client;
use crate::zoho::refusal::{self, Refusal};
use crate::zoho::token::AccessToken;

/// Attempts of a read, the first included.
const READ_ATTEMPTS: u32 = 3;

/// Pause before the second attempt of a read; doubled for the third, and spread by half around that.
const READ_PAUSE: Duration = Duration::from_millis(250);

/// Whose dialect an answer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Books,
    Cliq,
    Crm,
    WorkDrive,
}

/// Whether a call changes anything at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// What is fixed about a kind of call.
#[derive(Debug)]
pub(crate) struct Operation {
    /// For errors, spans and metrics: a closed set.
    pub(crate) name: &'static str,
    pub(crate) product: Product,
    pub(crate) effect: Effect,
    /// Scopes that allow it, for people.
    pub(crate) scope_hint: &'static str,
    /// What kind of thing its subject is.
    pub(crate) what: &'static str,
}

/// One call about to be made.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static Operation,
    /// The id of the thing it is about, for "not found".
    pub(crate) subject: &'a str,
    /// Limits to respect: the narrowest first, the broadest last.
    pub(crate) lanes: Vec<Lane>,
}

impl Client {
    /// A request to be passed to [`Self::call`].
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.inner.http.request(method, url).timeout(self.inner.settings.timeouts.call)
    }

    /// Makes a call with a buffered body and returns the successful answer (2xx or 304).
    ///
    /// # Errors
    /// Every refusal as a typed error.
    ///
    /// # Cancellation
    /// A dropped write may or may not have happened.
    pub(crate) async fn call(&self, call: Call<'_>, request: RequestBuilder) -> Result<Answer, Error> {
        let request = built(&call, request)?;
        let span = self.span(call.operation);
        let attempt = |token| self.attempt(&call, &request, token);
        self.settle(&call, attempt).instrument(span).await
    }

    pub(crate) fn span(&self, operation: &Operation) -> tracing::Span {
        tracing::info_span!(
            "provider.call",
            provider = "zoho",
            account.id = %self.account(),
            operation = operation.name,
            http.response.status_code = tracing::field::Empty,
            attempt = tracing::field::Empty,
        )
    }

    /// Attempts a call until it succeeds, is refused, or has used up what may be repeated here.
    ///
    /// `attempt` is a plain function that returns a future, because the future of an async closure is not known to be
    /// `Send`, and callers spawn their calls.
    pub(crate) async fn settle<T, A, F>(&self, call: &Call<'_>, attempt: A) -> Result<T, Error>
    where
        A: Fn(AccessToken) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let mut token = self.inner.tokens.current().await?;
        let mut token_replaced = false;
        let mut number = 1;
        loop {
            tracing::Span::current().record("attempt", number);
            self.enter(&call.lanes).await?;
            let measured = Measured::start("zoho", call.operation.name);
            let result = attempt(token.clone()).await;
            measured.end(&result);
            match result {
                Err(error) if !token_replaced && self.may_be_the_token(call.operation.product, &error) => {
                    token = self.inner.tokens.replace(&token).await?;
                    token_replaced = true;
                }
                Err(error) if call.operation.effect == Effect::Read && may_repeat(&error, number) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a read is repeated");
                    tokio::time::sleep(pause(number)).await;
                    number += 1;
                }
                settled => return settled,
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, request: &Request, token: AccessToken) -> Result<Answer, Error> {
        let operation = call.operation.name;
        let mut request =
            request.try_clone().ok_or_else(|| Error::refused_input("invalid_request", "body", "not repeatable"))?;
        request.headers_mut().insert(AUTHORIZATION, authorization(&token)?);
        let response = self.inner.http.execute(request).await.map_err(|error| no_answer(operation, error))?;
        let answer = Answer::read(operation, response, self.inner.settings.timeouts.call).await?;
        self.accept(call, answer).await
    }

    /// Lets a successful answer pass and turns any other into an error; a throttle answer also closes its lane.
    pub(crate) async fn accept(&self, call: &Call<'_>, answer: Answer) -> Result<Answer, Error> {
        tracing::Span::current().record("http.response.status_code", answer.status.as_u16());
        if refusal::is_success(call.operation.product, &answer) {
            self.inner.pace.passed(call.operation.product);
            return Ok(answer);
        }
        match refusal::judge(call, &answer, self.inner.settings.clock.now()) {
            Refusal::Token => Err(Error::TokenExpired { operation: call.operation.name }),
            Refusal::Throttled { code, wait, narrow } => Err(self.close_lane(call, code, wait, narrow).await),
            Refusal::Failed(error) => Err(error),
        }
    }

    /// Waits for a permit in every lane.
    pub(crate) async fn enter(&self, lanes: &[Lane]) -> Result<(), Error> {
        for lane in lanes {
            self.inner.budget.acquire(lane).await?;
        }
        Ok(())
    }

    async fn close_lane(&self, call: &Call<'_>, code: String, wait: Option<TimeDelta>, narrow: bool) -> Error {
        let now = self.inner.settings.clock.now();
        let until = self.inner.pace.until(call.operation.product, now, wait);
        if call.operation.product == Product::Cliq {
            for lane in self.inner.settings.limits.cliq() {
                self.refuse(Some(&lane), until).await;
            }
            return Error::Throttled(Throttled { until, scope: ThrottleScope::User, reason: code });
        }
        let (narrowest, broadest) = (call.lanes.first(), call.lanes.last());
        let folder = narrowest
            .filter(|_| narrow)
            .and_then(|lane| lane.name.strip_prefix("workdrive.folder:"))
            .map(ToOwned::to_owned);
        let everywhere = match &folder {
            Some(folder) => self.inner.pace.refused_listing(folder, now, until),
            None => !narrow,
        };
        self.refuse(narrowest.filter(|_| narrow), until).await;
        self.refuse(broadest.filter(|_| everywhere), until).await;
        let scope = match (call.operation.product, folder) {
            (Product::WorkDrive, Some(folder)) if !everywhere => ThrottleScope::Folder(folder),
            (Product::WorkDrive, _) => ThrottleScope::Token,
            (Product::Cliq, _) => ThrottleScope::User,
            (Product::Books | Product::Crm, _) => ThrottleScope::Organization,
        };
        Error::Throttled(Throttled { until, scope, reason: code })
    }

    /// Whether a new token may help: the provider said so, or it said nothing but 401, or what it said means a bad token
    /// here and a missing right there. The second is believed once only, and the third seldom, so that a missing right
    /// does not use up the refreshes.
    fn may_be_the_token(&self, product: Product, error: &Error) -> bool {
        match error {
            Error::TokenExpired { .. } => true,
            Error::Denied { code, .. } if code == "status_401" => true,
            Error::Denied { code, .. } => {
                refusal::is_doubtful(product, code) && self.inner.pace.may_doubt(self.inner.settings.clock.now())
            }
            _ => false,
        }
    }

    /// The caller learns of the throttle in any case, so a budget that cannot remember it is only warned about.
    async fn refuse(&self, lane: Option<&Lane>, until: chrono::DateTime<chrono::Utc>) {
        let Some(lane) = lane else { return };
        if let Err(error) = self.inner.budget.refuse(lane, until).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                lane = %lane.name,
                "the budget could not remember a refusal"
            );
        }
    }
}

/// The finished request.
pub(crate) fn built(call: &Call<'_>, request: RequestBuilder) -> Result<Request, Error> {
    request.build().map_err(|error| Error::Unavailable {
        operation: call.operation.name,
        status: None,
        outcome: crate::error::Outcome::NotDone,
        source: Some(error.without_url().into()),
    })
}

/// The header that carries the token; marked sensitive so that nothing prints it.
pub(crate) fn authorization(token: &AccessToken) -> Result<HeaderValue, Error> {
    let text = format!("Zoho-oauthtoken {}", token.secret.expose_secret());
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::unreadable(OBTAIN_TOKEN, "the access token does not fit a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The pause after a failed attempt of a read, with jitter.
fn pause(attempt: u32) -> Duration {
    let factor = f64::from(1_u32 << (attempt - 1).min(8));
    READ_PAUSE.mul_f64(factor * rand::random_range(0.5..1.5))
}

/// Whether a failed read gets another attempt.
fn may_repeat(error: &Error, attempt: u32) -> bool {
    attempt < READ_ATTEMPTS && matches!(error, Error::Unavailable { .. })
}
