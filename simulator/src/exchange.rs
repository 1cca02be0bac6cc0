//! One request from arrival to answer: route, fault, token, limits, endpoint, journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use crate::answer::Answer;
use crate::books;
use crate::call::{Call, Query};
use crate::clock::Millis;
use crate::context::Context;
use crate::crm::limits::Admission;
use crate::dispatch::{self, dispatch};
use crate::fault::Fault;
use crate::ingest::problem::Problem;
use crate::journal::Observed;
use crate::oauth::{self, token_of};
use crate::route::{Product, Route};
use crate::shared::Shared;
use crate::workdrive::upload;
use crate::{connection, control, google, ingest, receiver};

/// Largest body that is not a file, in bytes.
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// What is left of a request at its end.
enum Ending {
    Answer(Answer),
    Cut,
}

/// A place among the calls in flight, given back when dropped.
#[expect(dead_code, reason = "held for what dropping it does")]
enum Place<'a> {
    Crm(Admission<'a>),
    Books(books::limits::Admission<'a>),
    Unlimited,
}

/// The one handler of the server.
pub(crate) async fn handle(request: HttpRequest, payload: web::Payload, shared: web::Data<Shared>) -> HttpResponse {
    let call = Call::new(&request);
    if call.segments.first().is_some_and(|first| first == "control") {
        return control::http::handle(&shared, &call, payload).await;
    }
    let started = Instant::now();
    let at = shared.clock.now_ms();
    let route = Route::resolve(&call);
    let mut exchange = Exchange { shared: &shared, call: &call, route: &route, organization: None, fault: None };
    let ending = exchange.run(payload).await;
    let (organization, fault) = (exchange.organization, exchange.fault);
    let status = match &ending {
        Ending::Answer(answer) => answer.status,
        Ending::Cut => 0,
    };
    let observed = Observed {
        at,
        route: route.name(),
        organization: None,
        method: method_name(&call),
        path: call.path().into(),
        status,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        fault: fault.as_ref().map(Fault::kind),
    };
    shared.remember(observed, organization);
    match ending {
        Ending::Answer(answer) => answer.into_response(),
        Ending::Cut => {
            connection::cut(&request);
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn method_name(call: &Call) -> &'static str {
    match call.method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "OTHER",
    }
}

impl Shared {
    fn remember(&self, mut observed: Observed, organization: Option<usize>) {
        let mut world = self.world();
        observed.organization = organization.map(|index| world.organizations[index].name.clone());
        let keep = world.knobs.journal.entries;
        world.journal.record(observed, keep);
    }
}

struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    call: &'a Call,
    route: &'a Route,
    organization: Option<usize>,
    fault: Option<Fault>,
}

impl Exchange<'_> {
    async fn run(&mut self, mut payload: web::Payload) -> Ending {
        let body = match self.collect(&mut payload).await {
            Ok(body) => body,
            Err(ending) => return ending,
        };
        let form = self.form(&body);
        let bearer_too = matches!(self.route.product(), Product::WorkDrive | Product::Cliq(_));
        let token = token_of(self.call, bearer_too);
        self.fault = self.meet(&form, token.as_deref());
        if let Some(ending) = self.before(token.as_deref()).await {
            return self.drained(ending, payload).await;
        }
        match self.answer(&body, &form, token.as_deref(), payload).await {
            Some(answer) => {
                if let Some(Fault::HangAfter {}) = self.fault {
                    self.shared.stop.cancelled().await;
                    return Ending::Cut;
                }
                let answer = dispatch::in_dialect(&self.shared.world(), self.route, self.call, answer);
                self.after(answer)
            }
            None => Ending::Cut,
        }
    }

    /// The whole body of a call that is not an upload.
    async fn collect(&self, payload: &mut web::Payload) -> Result<Bytes, Ending> {
        if self.route.is_upload() {
            return Ok(Bytes::new());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Ending::Cut)?;
            if body.len() + chunk.len() > BODY_BYTES {
                return Err(self.overflow(payload).await);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The receiver of batches says that a body is too large, the others break off.
    async fn overflow(&self, payload: &mut web::Payload) -> Ending {
        if self.route.product() != Product::Ingest {
            return Ending::Cut;
        }
        while let Some(Ok(_)) = payload.next().await {}
        Ending::Answer(Problem::TooLarge.answer())
    }

    /// Query and form parameters of the token endpoints; nothing for other products.
    fn form(&self, body: &[u8]) -> Query {
        if !matches!(self.route.product(), Product::Oauth | Product::Google) {
            return Query::default();
        }
        let text = String::from_utf8_lossy(body);
        self.call.query.clone().followed_by(Query::parse(&text))
    }

    /// Notes what is odd about the request itself and takes the fault that wants it.
    fn meet(&mut self, form: &Query, token: Option<&str>) -> Option<Fault> {
        let mut world = self.shared.world();
        self.organization = match self.route {
            Route::SignedDownload { token } => world.signed.get(token).map(|signed| signed.organization),
            _ => oauth::organization_of(&world, token).or_else(|| dispatch::organization_of_client(&world, form)),
        };
        if self.call.raw_query().contains(['[', ']']) && self.route.product() == Product::WorkDrive {
            world.journal.misdeed("unencoded_brackets", || self.call.path().to_owned());
        }
        let has_header = self.call.header("authorization").is_some();
        if has_header && token.is_none() && matches!(self.route.product(), Product::Cliq(_)) {
            world.journal.misdeed("wrong_authorization_scheme", || self.call.path().to_owned());
        }
        if let Route::Unknown { .. } = self.route {
            world.journal.misdeed("unknown_endpoint", || format!("{} {}", self.call.method, self.call.path()));
        }
        let organization = self.organization.map(|index| world.organizations[index].name.clone());
        world.faults.take(self.route.name(), organization.as_deref())
    }

    /// Faults that end a call before anything is done.
    async fn before(&self, token: Option<&str>) -> Option<Ending> {
        let product = self.route.product();
        match self.fault.as_ref()? {
            Fault::Hang {} => {
                self.shared.stop.cancelled().await;
                Some(Ending::Cut)
            }
            Fault::CutBefore {} => Some(Ending::Cut),
            Fault::Delay { ms } => {
                actix_web::rt::time::sleep(Duration::from_millis(*ms)).await;
                None
            }
            Fault::ExpiredToken {} => {
                let now = self.shared.clock.now_ms();
                oauth::expire(&mut self.shared.world(), token?, now);
                None
            }
            Fault::Throttle { retry_after_seconds } => {
                let answer = dispatch::throttled(&self.shared.world(), self.route, *retry_after_seconds);
                if let (Some(seconds), Some(organization)) = (*retry_after_seconds, self.organization) {
                    self.enforce(seconds, organization);
                }
                Some(Ending::Answer(answer))
            }
            Fault::Status { code, html_body } => Some(Ending::Answer(dispatch::failed(product, *code, *html_body))),
            _ => None,
        }
    }

    /// A throttle with a time is kept up by WorkDrive for the resource and by Books for the organisation.
    fn enforce(&self, seconds: u32, organization: usize) {
        let now = self.shared.clock.now_ms();
        let organization = &mut self.shared.world().organizations[organization];
        match self.route.product() {
            Product::WorkDrive => {
                organization.limits.refuse(self.route.name(), self.route.subject(), seconds, now);
            }
            Product::Books => organization.books.usage.block(seconds, now),
            Product::Cliq(_) => organization.cliq.lock_everybody(self.route.name(), seconds, now),
            _ => {}
        }
    }

    /// Reads what the client still sends, so that it sees the answer and not a broken pipe.
    async fn drained(&self, ending: Ending, mut payload: web::Payload) -> Ending {
        if let (Ending::Answer(_), true) = (&ending, self.route.is_upload()) {
            while let Some(Ok(_)) = payload.next().await {}
        }
        ending
    }

    /// The endpoint's own answer; none when the request broke off.
    async fn answer(&self, body: &[u8], form: &Query, token: Option<&str>, payload: web::Payload) -> Option<Answer> {
        if self.route.product() == Product::Oauth {
            let now = self.shared.clock.now_ms();
            return Some(dispatch::accounts(
                &mut self.shared.world(),
                self.route,
                self.call,
                form,
                &self.shared.base,
                now,
            ));
        }
        if let Route::SignedDownload { token } = self.route {
            return Some(dispatch::signed(self.shared, self.call, token));
        }
        if let Route::Unknown { product, status } = self.route {
            return Some(dispatch::unknown(*product, *status));
        }
        match self.route {
            Route::Google(route) => return Some(google::answer(self.shared, route, self.call, form).await),
            Route::Receiver { name } => return Some(receiver::receive(self.shared, self.call, name, body).await),
            Route::Ingest => return Some(ingest::receive(self.shared, self.call, body).await),
            _ => {}
        }
        let admission = match self.admit(body) {
            Ok(admission) => admission,
            Err(answer) => return Some(answer),
        };
        self.latency().await;
        let answer = if self.route.is_upload() {
            let cut_after = match &self.fault {
                Some(Fault::CutMidBody { after_bytes }) => Some(*after_bytes),
                _ => None,
            };
            upload::receive(self.shared, self.call, self.route, token, payload, cut_after).await
        } else {
            Some(self.locked(body, token))
        };
        drop(admission);
        answer
    }

    /// Takes a place among the calls in flight, where the product limits them.
    fn admit(&self, body: &[u8]) -> Result<Place<'_>, Answer> {
        match (self.route.product(), self.organization) {
            (Product::Crm, Some(organization)) => {
                Admission::take(self.shared, organization, self.route, body).map(Place::Crm)
            }
            (Product::Books, Some(organization)) => {
                books::limits::Admission::take(self.shared, organization).map(Place::Books)
            }
            _ => Ok(Place::Unlimited),
        }
    }

    async fn latency(&self) {
        let latency_ms = {
            let world = self.shared.world();
            match self.route.product() {
                Product::Crm => world.knobs.crm.latency_ms,
                Product::Books => world.knobs.books.latency_ms,
                Product::Cliq(_) => world.knobs.cliq.latency_ms,
                _ => world.knobs.workdrive.latency_ms,
            }
        };
        if latency_ms > 0 {
            actix_web::rt::time::sleep(Duration::from_millis(latency_ms)).await;
        }
    }

    fn locked(&self, body: &[u8], token: Option<&str>) -> Answer {
        let now: Millis = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let caller = match oauth::caller(&world, token, now) {
            Ok(caller) => caller,
            Err(bad) => return dispatch::bad_token(self.route.product(), bad),
        };
        let base = self.shared.base.as_str();
        let mut context = Context { world: &mut world, caller: &caller, call: self.call, body, base, now };
        let answer = dispatch(&mut context, self.route);
        self.shared.send_notifications(&mut world);
        answer
    }

    /// Faults that change what the client gets of a finished answer.
    fn after(&self, answer: Answer) -> Ending {
        match &self.fault {
            Some(Fault::CutAfter {}) => Ending::Cut,
            Some(Fault::StatusAfter { code }) => Ending::Answer(dispatch::failed(self.route.product(), *code, false)),
            Some(Fault::TruncatedJson {}) => Ending::Answer(answer.truncated()),
            Some(Fault::CutMidBody { after_bytes }) => Ending::Answer(answer.cut_after(*after_bytes)),
            Some(Fault::SlowDrip { bytes_per_second }) => Ending::Answer(answer.dripping(*bytes_per_second)),
            Some(Fault::ShortBody { bytes }) => Ending::Answer(answer.shortened(*bytes)),
            _ => Ending::Answer(answer),
        }
    }
}
