//! Downloads: streamed, in ranges, or by a redirect to a signed address (zoho.md section 3.6).

use std::sync::Arc;

use super::dialect::{error, require, unauthorized_access};
use super::limits;
use super::range::{Wanted, wanted};
use crate::answer::Answer;
use crate::call::Call;
use crate::clock::Millis;
use crate::content::Content;
use crate::context::Context;
use crate::drive::Node;
use crate::knobs::RedirectDownloads;
use crate::world::{SignedDownload, World};

/// How long a signed address works.
const SIGNED_MS: Millis = 300_000;

/// A download with a token, on the download host or on the WorkDrive base.
pub(crate) fn download(context: &mut Context<'_>, id: &str, on_base: bool) -> Answer {
    if let Err(answer) = require(context, &["WorkDrive.files.READ", "ZohoFiles.files.READ"]) {
        return answer;
    }
    let Some(node) = context.organization().drive.live(id) else { return limits::unknown_id(context, id) };
    let Some(content) = node.content().cloned() else {
        return error(400, "F900", "Folder cannot be downloaded");
    };
    let item = node.id.clone();
    let redirected = match context.world.knobs.workdrive.redirect_downloads {
        RedirectDownloads::Never => false,
        RedirectDownloads::WorkdriveBase => on_base,
        RedirectDownloads::Always => true,
    };
    match redirected {
        true => redirect(context, item),
        false => serve(context.call, &content, context.world.knobs.workdrive.range_answers_200),
    }
}

/// To the same server under another host name, which must not be shown the token.
fn redirect(context: &mut Context<'_>, item: Arc<str>) -> Answer {
    let token = context.world.random.opaque_id();
    let expires_ms = context.now + SIGNED_MS;
    context.world.signed.retain(|_, signed| signed.expires_ms > context.now);
    context
        .world
        .signed
        .insert(token.clone(), SignedDownload { organization: context.caller.organization, item, expires_ms });
    Answer::redirect(&format!("{}/signed/{token}", other_host(context.base)))
}

/// `localhost` for an address, an address for `localhost`.
fn other_host(base: &str) -> String {
    if base.contains("//localhost") {
        base.replacen("localhost", "127.0.0.1", 1)
    } else {
        base.replacen("127.0.0.1", "localhost", 1)
    }
}

/// A download by signed address: no token is needed, and none must come.
pub(crate) fn signed(world: &mut World, call: &Call, token: &str, now: Millis) -> Answer {
    if call.header("authorization").is_some() {
        world.journal.misdeed("authorization_sent_to_redirect_host", || call.path().to_owned());
    }
    let found = world.signed.get(token).filter(|signed| signed.expires_ms > now);
    let content = found
        .and_then(|signed| world.organizations[signed.organization].drive.live(&signed.item))
        .and_then(Node::content);
    match content.cloned() {
        Some(content) => serve(call, &content, world.knobs.workdrive.range_answers_200),
        None => unauthorized_access(),
    }
}

fn serve(call: &Call, content: &Content, range_answers_200: bool) -> Answer {
    if content.is_discarded() {
        return error(500, "F000", "CONTENT_NOT_KEPT");
    }
    let size = content.size_bytes();
    match wanted(call.header("range"), size) {
        Wanted::Whole => Answer::stream(200, size, Box::pin(content.read(0..size))).header("accept-ranges", "bytes"),
        Wanted::Unsatisfiable => Answer::empty(416).header("content-range", format!("bytes */{size}")),
        Wanted::Part(range) => {
            let status = if range_answers_200 { 200 } else { 206 };
            let described = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            Answer::stream(status, range.end - range.start, Box::pin(content.read(range)))
                .header("content-range", described)
        }
    }
}
