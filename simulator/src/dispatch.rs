//! From a route to the endpoint that answers it, and the answers all endpoints of a product share.

use actix_web::http::Method;
use serde_json::json;

use crate::answer::Answer;
use crate::books::{self, dialect as books_dialect};
use crate::call::{Call, Query};
use crate::cliq;
use crate::cliq::dialect::{self as cliq_dialect, Version};
use crate::clock::Millis;
use crate::context::Context;
use crate::crm::{self, dialect as crm_dialect};
use crate::google;
use crate::ingest::problem::Problem;
use crate::oauth::{self, BadToken};
use crate::receiver;
use crate::route::{Product, Route};
use crate::shared::Shared;
use crate::workdrive::{self, dialect as workdrive_dialect};
use crate::world::World;

/// The organisation whose client asks for a token.
pub(crate) fn organization_of_client(world: &World, form: &Query) -> Option<usize> {
    let id = form.get("client_id")?;
    world.organizations.iter().position(|each| each.clients.iter().any(|client| &*client.id == id))
}

/// Endpoints of the accounts server.
pub(crate) fn accounts(world: &mut World, route: &Route, call: &Call, form: &Query, base: &str, now: Millis) -> Answer {
    match route {
        Route::Token => oauth::token(world, call, form, base, now),
        Route::Revoke => oauth::revoke(world, form),
        Route::Authorize => oauth::authorize(world, call, base, now),
        Route::Consent { id } => oauth::decide(world, id, form, base, now),
        Route::ServerInfo => oauth::server_info(world, base),
        _ => unknown(Product::Oauth, 404),
    }
}

/// A download by signed address, without a token.
pub(crate) fn signed(shared: &Shared, call: &Call, token: &str) -> Answer {
    let now = shared.clock.now_ms();
    workdrive::download::signed(&mut shared.world(), call, token, now)
}

/// Endpoints that need a valid token and no streamed body.
pub(crate) fn dispatch(context: &mut Context<'_>, route: &Route) -> Answer {
    match route.product() {
        Product::Crm => crm::limits::charged(context, route, |context| crm(context, route)),
        Product::Books => match route {
            Route::Books(route) => books::answer(context, route),
            _ => unknown(Product::Books, 404),
        },
        Product::Cliq(version) => match route {
            Route::Cliq(route) => cliq::answer(context, route),
            _ => unknown(Product::Cliq(version), 404),
        },
        _ => match workdrive::limits::check(context, route) {
            Ok(()) => workdrive(context, route),
            Err(answer) => answer,
        },
    }
}

fn crm(context: &mut Context<'_>, route: &Route) -> Answer {
    match route {
        Route::List { module } => crm::list::list(context, module),
        Route::Record { module, id } => crm::fetch::record(context, module, id),
        Route::Deleted { module } => crm::fetch::deleted(context, module),
        Route::Count { module } => crm::fetch::count(context, module),
        Route::SearchRecords { module } => crm::search::search(context, module),
        Route::Coql => crm::coql::query(context),
        Route::Update { module, id } => crm::update::update(context, module, id.as_deref()),
        Route::Users => crm::users::users(context),
        Route::WatchCreate => crm::watch::create(context),
        Route::WatchReplace => crm::watch::replace(context),
        Route::WatchUpdate => crm::watch::update(context),
        Route::WatchDelete => crm::watch::delete(context),
        Route::WatchList => crm::watch::list(context),
        _ => unknown(Product::Crm, 404),
    }
}

fn workdrive(context: &mut Context<'_>, route: &Route) -> Answer {
    match route {
        Route::Me => workdrive::people::me(context),
        Route::Teams { user } => workdrive::people::teams(context, user),
        Route::CurrentUser { team } => workdrive::people::current_user(context, team),
        Route::TeamFolders { team } => workdrive::people::team_folders(context, team),
        Route::PrivateSpace { member } => workdrive::people::private_space(context, member),
        Route::ListFolder { folder } => workdrive::listing::list(context, folder),
        Route::Item { id } => workdrive::item::info(context, id),
        Route::CreateFolder => workdrive::change::create_folder(context),
        Route::Rename { id } => workdrive::change::rename(context, id),
        Route::Change => workdrive::change::change(context),
        Route::SearchItems { team } => workdrive::search::search(context, team),
        Route::Download { id, on_base } => workdrive::download::download(context, id, *on_base),
        _ => unknown(Product::WorkDrive, 404),
    }
}

/// Gives errors the other of the two shapes that were seen, if a knob says so.
pub(crate) fn in_dialect(world: &World, route: &Route, call: &Call, answer: Answer) -> Answer {
    if answer.status < 400 {
        return answer;
    }
    match route.product() {
        Product::Crm if world.knobs.crm.wrap_get_errors && call.method == Method::GET => {
            answer.reshaped(|error| json!({"data": [error]}))
        }
        Product::WorkDrive if world.knobs.workdrive.single_error_object => {
            answer.reshaped(|errors| json!({"error": errors["errors"][0]}))
        }
        Product::Cliq(Version::V3) if world.knobs.cliq.v3_bare_message => cliq_dialect::bare(answer),
        Product::Books if world.knobs.books.errors_under_200 => books_dialect::under_200(answer),
        Product::Ingest
            if world.knobs.ingest.html_refusals && matches!(answer.status, 401 | 403 | 413 | 429 | 500..) =>
        {
            Answer::html(answer.status, "Error")
        }
        _ => answer,
    }
}

/// Nothing is served here.
pub(crate) fn unknown(product: Product, status: u16) -> Answer {
    match product {
        Product::Oauth => Answer::html(status, "Not Found"),
        Product::Crm => crm_dialect::error(
            status,
            "INVALID_URL_PATTERN",
            json!({}),
            "Please check if the URL trying to access is a correct one",
        ),
        Product::WorkDrive => workdrive_dialect::error(status, "F000", "URL_RULE_NOT_CONFIGURED"),
        Product::Books => books_dialect::unknown(status),
        Product::Google => Answer::html(status, "Not Found"),
        Product::Ingest => Problem::Absent(status).answer(),
        Product::Receiver => receiver::problem(status, "nothing here"),
        Product::Cliq(version) => cliq_dialect::unknown(version, status),
    }
}

/// The token does not open the door (zoho.md section 1.11).
pub(crate) fn bad_token(product: Product, bad: BadToken) -> Answer {
    match product {
        Product::WorkDrive => workdrive_dialect::bad_token(bad),
        Product::Books => books_dialect::bad_token(),
        Product::Cliq(version) => cliq_dialect::bad_token(version, bad),
        _ => crm_dialect::bad_token(bad),
    }
}

/// Too many requests, in the product's words.
pub(crate) fn throttled(world: &World, route: &Route, retry_after_seconds: Option<u32>) -> Answer {
    let answer = match route.product() {
        Product::Oauth => oauth::throttled(world.knobs.oauth.throttle_status),
        Product::Crm => crm_dialect::too_many_requests(route),
        Product::WorkDrive => workdrive_dialect::too_many_requests(),
        // Cliq never says how long; a time given is how long the lock lasts.
        Product::Cliq(version) => return cliq_dialect::too_many_requests(version, &world.knobs.cliq),
        Product::Books => match retry_after_seconds {
            Some(seconds) => return books_dialect::blocked(u64::from(seconds)),
            None => books_dialect::minute_limit(),
        },
        Product::Google => google::throttled(),
        Product::Ingest => Problem::Throttled.answer(),
        Product::Receiver => receiver::problem(429, "come back later"),
    };
    match retry_after_seconds {
        Some(seconds) => answer.header("retry-after", seconds.to_string()),
        None => answer,
    }
}

/// A failure with a chosen status.
pub(crate) fn failed(product: Product, status: u16, html: bool) -> Answer {
    if html {
        return Answer::html(status, "Something went wrong");
    }
    match product {
        Product::Oauth => Answer::json(status, &json!({"error": "general_error"})),
        Product::Crm => crm_dialect::error(status, "INTERNAL_ERROR", json!({}), "Internal Server Error"),
        Product::WorkDrive => workdrive_dialect::error(status, "F000", "INTERNAL_SERVER_ERROR"),
        Product::Books => books_dialect::failed(status),
        Product::Google => google::failed(status),
        Product::Ingest => Problem::Failed(status).answer(),
        Product::Receiver => receiver::problem(status, "something went wrong"),
        Product::Cliq(version) => cliq_dialect::failed(version, status),
    }
}
