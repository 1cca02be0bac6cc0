//! Uploads: small ones as a multipart form, large ones as a raw stream (zoho.md sections 3.7 and 3.8).

mod commit;
mod form;
mod stream;

use actix_web::web;

use super::dialect;
use crate::answer::Answer;
use crate::call::Call;
use crate::content::Content;
use crate::context::Context;
use crate::oauth;
use crate::route::Route;
use crate::shared::Shared;

/// Where an upload should go.
#[derive(Debug)]
struct Target {
    parent: String,
    name: String,
    override_existing: bool,
}

/// Bytes that arrived with their place, or the answer that refuses them.
type Received = Result<(Target, Content), Answer>;

/// Takes an upload and commits it; none when the connection broke before the end.
pub(crate) async fn receive(
    shared: &Shared,
    call: &Call,
    route: &Route,
    token: Option<&str>,
    payload: web::Payload,
    cut_after: Option<u64>,
) -> Option<Answer> {
    let mut source = stream::Source::new(payload, cut_after);
    if let Err(answer) = permitted(shared, call, route, token) {
        source.drain().await?;
        return Some(answer);
    }
    let received = match route {
        Route::UploadStream => stream::receive(shared, call, &mut source).await?,
        _ => form::receive(shared, call, source).await?,
    };
    let form = match route {
        Route::UploadStream => commit::Form::Stream,
        _ => commit::Form::Small,
    };
    let committed = received.and_then(|(target, content)| {
        locked(shared, call, token, |context| commit::commit(context, &target, content, form))
    });
    Some(committed.unwrap_or_else(|refusal| refusal))
}

/// Token, scopes and limits, before any byte is kept.
fn permitted(shared: &Shared, call: &Call, route: &Route, token: Option<&str>) -> Result<(), Answer> {
    let scopes: &[&str] = match route {
        Route::UploadStream => &["WorkDrive.files.CREATE", "ZohoFiles.files.CREATE"],
        _ => &["WorkDrive.files.CREATE"],
    };
    locked(shared, call, token, |context| {
        dialect::require(context, scopes)?;
        super::limits::check(context, route)
    })
}

fn locked<T>(
    shared: &Shared,
    call: &Call,
    token: Option<&str>,
    act: impl FnOnce(&mut Context<'_>) -> Result<T, Answer>,
) -> Result<T, Answer> {
    let now = shared.clock.now_ms();
    let mut world = shared.world();
    let caller = oauth::caller(&world, token, now).map_err(dialect::bad_token)?;
    act(&mut Context { world: &mut world, caller: &caller, call, body: &[], base: &shared.base, now })
}
