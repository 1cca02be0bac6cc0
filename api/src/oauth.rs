//! `/oauth/zoho/start` and `/oauth/zoho/callback`: a person's browser on its way to the provider and back.
//!
//! Who starts needs a token with the role `super_admin`. Who comes back has none: the state proves that they were sent,
//! once and within ten minutes. The pages hold no secrets, and the address with the code goes to nobody else: no
//! referrer, no store, nothing loaded.

use accounts::{Arrival, Callback, ConnectError, Product};
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use service::config::Config;
use url::{Url, form_urlencoded};

use crate::problem::{InputError, Place, Problem, REQUEST_ID};
use crate::v1::grants;
use crate::{Api, Role, pipeline};

mod page;

pub use page::page;

/// Where the provider sends people back to.
pub const CALLBACK_PATH: &str = "/oauth/zoho/callback";
const START_PATH: &str = "/oauth/zoho/start";

/// The address that must be registered at the provider: below `http.public_url`; without it at the address that is
/// listened on, where only this machine reaches it. `None` when neither says where that is.
#[must_use]
pub fn callback_address(config: &Config) -> Option<Url> {
    let mut base = match &config.http.public_url {
        Some(url) => url.clone(),
        None if config.http.listen.ip().is_loopback() && config.http.listen.port() != 0 => {
            Url::parse(&format!("http://{}", config.http.listen)).ok()?
        }
        None => return None,
    };
    let path = format!("{}{CALLBACK_PATH}", base.path().trim_end_matches('/'));
    base.set_path(&path);
    base.set_query(None);
    base.set_fragment(None);
    Some(base)
}

/// Adds both addresses.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.service(web::resource(START_PATH).route(web::get().to(start)).default_service(web::to(only_get)));
    app.service(web::resource(CALLBACK_PATH).route(web::get().to(callback)).default_service(web::to(only_get)));
}

async fn only_get(request: HttpRequest) -> HttpResponse {
    pipeline::method_not_allowed(&request, "GET")
}

async fn start(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let request_id = pipeline::request_id(&request);
    let asked = async {
        let caller = pipeline::authenticate(&api, &request, request_id, Role::SuperAdmin).await?;
        let asked = Asked::of(request.query_string())?;
        grants::page_of_provider(&api, &caller, &asked.account, &asked.products, asked.return_to.as_deref()).await
    };
    match asked.await {
        Ok(url) => HttpResponse::Found()
            .insert_header((header::LOCATION, url))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((REQUEST_ID, request_id.to_string()))
            .finish(),
        Err(problem) => {
            if let Some(error) = problem.cause().filter(|_| problem.status().is_server_error()) {
                tracing::error!(%request_id, http.route = START_PATH, error, "a person could not be sent to the provider");
            }
            problem.answer(request_id)
        }
    }
}

async fn callback(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let request_id = pipeline::request_id(&request);
    // On a task of its own: a browser that goes away must not lose the grant.
    let (accounts, callback) = (api.accounts().clone(), Callback::of_query(request.query_string()));
    let taken = actix_web::rt::spawn(async move { accounts.finish_connect(callback).await }).await;
    let Ok(arrival) = taken else {
        return Problem::internal("the task that takes a person back ended early").answer(request_id);
    };
    let mut answer = match &arrival.return_to {
        Some(path) => HttpResponse::SeeOther().insert_header((header::LOCATION, onward(path, &arrival))).finish(),
        None => HttpResponse::build(status(&arrival))
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, page::POLICY))
            .body(page(&arrival)),
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    if let Ok(request_id) = header::HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, request_id);
    }
    answer
}

fn status(arrival: &Arrival) -> StatusCode {
    match &arrival.outcome {
        Ok(_) => StatusCode::OK,
        Err(ConnectError::Log(_)) => StatusCode::SERVICE_UNAVAILABLE,
        Err(ConnectError::Vault(_) | ConnectError::NoRandom) => StatusCode::INTERNAL_SERVER_ERROR,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// The path that the person wanted to go to, with the account and what came of it.
fn onward(path: &str, arrival: &Arrival) -> String {
    let outcome = arrival.outcome.as_ref().map_or_else(|error| error.code(), |_| "connected");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(arrival.account.iter().map(|account| ("account", account.as_str())));
    query.append_pair("outcome", outcome);
    format!("{path}{}{}", if path.contains('?') { '&' } else { '?' }, query.finish())
}

/// What a browser asks with.
#[derive(Debug, Default)]
struct Asked {
    account: String,
    return_to: Option<String>,
    products: Vec<Product>,
}

impl Asked {
    fn of(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "account" => asked.account = value.into_owned(),
                "return_to" => asked.return_to = Some(value.into_owned()),
                "products" => {
                    let read: Result<Vec<Product>, _> = value.split(',').map(str::parse).collect();
                    asked.products = read.map_err(|error| misfit("products", error.to_string()))?;
                }
                other => return Err(misfit(other, "is no parameter here".to_owned())),
            }
        }
        if asked.account.is_empty() {
            return Err(misfit("account", "is missing".to_owned()));
        }
        Ok(asked)
    }
}

fn misfit(field: &str, problem: String) -> Problem {
    let remedy = "ask with ?account=NAME, and perhaps return_to=/PATH and products=crm,workdrive,books,cliq".to_owned();
    Problem::invalid(vec![InputError { place: Place::Query, field: field.to_owned(), problem, remedy }])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn arrival(outcome: Result<accounts::Connected, ConnectError>) -> Arrival {
        Arrival { account: Some("org-a".to_owned()), return_to: None, outcome }
    }

    #[test]
    fn the_way_on_tells_what_came_of_it() {
        let refused = arrival(Err(ConnectError::Denied { code: "access_denied".to_owned() }));
        assert_eq!(onward("/accounts", &refused), "/accounts?account=org-a&outcome=access_denied");
        assert_eq!(onward("/a?b=c", &refused), "/a?b=c&account=org-a&outcome=access_denied");
    }

    #[test]
    fn a_browser_must_name_the_account() {
        let asked = Asked::of("account=org-a&return_to=%2Faccounts&products=books,cliq").unwrap();
        assert_eq!((asked.account.as_str(), asked.return_to.as_deref()), ("org-a", Some("/accounts")));
        assert_eq!(asked.products, [Product::Books, Product::Cliq]);
        for bad in ["", "account=", "account=a&products=mail", "account=a&token=x"] {
            assert_eq!(Asked::of(bad).unwrap_err().refusal(), &crate::problem::INVALID_REQUEST, "{bad}");
        }
    }
}
