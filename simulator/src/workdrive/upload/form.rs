//! The small upload: a multipart form with one part named `content`.

use actix_multipart::Multipart;
use futures::StreamExt;

use super::stream::{Source, spool_failed};
use super::{Received, Target};
use crate::call::{Call, Query};
use crate::content::{Content, Writer};
use crate::shared::Shared;
use crate::workdrive::{dialect, naming};

/// Longest value of a form parameter in bytes; names and ids are far shorter.
const PARAMETER_BYTES: usize = 16 * 1024;

/// `POST /upload`: parameters in the query or in the form. None when the connection broke.
pub(super) async fn receive(shared: &Shared, call: &Call, source: Source) -> Option<Received> {
    let broken = source.broken();
    let (keep, most_bytes) = {
        let world = shared.world();
        (world.knobs.workdrive.keep_uploads, world.knobs.workdrive.small_upload_bytes)
    };
    let mut form = Form { writer: Some(shared.spool.writer(keep)), ..Form::default() };
    let read = form.read(Multipart::new(call.request().headers(), source), most_bytes).await;
    if broken.get() {
        return None;
    }
    Some(read.and_then(|()| form.finish(call)))
}

#[derive(Default)]
struct Form {
    parameters: Query,
    writer: Option<Writer>,
    content: Option<Content>,
    too_large: bool,
}

impl Form {
    /// Reads all parts to the end, also those that will be refused.
    async fn read(&mut self, mut multipart: Multipart, most_bytes: u64) -> Result<(), crate::answer::Answer> {
        let malformed = || dialect::error(400, "F000", "INVALID_MULTIPART");
        while let Some(field) = multipart.next().await {
            let mut field = field.map_err(|_| malformed())?;
            let name = field.name().unwrap_or_default().to_owned();
            let mut writer = if name == "content" { self.writer.take() } else { None };
            let mut value = Vec::new();
            while let Some(chunk) = field.next().await {
                let chunk = chunk.map_err(|_| malformed())?;
                match &mut writer {
                    Some(writer) if writer.size_bytes() + chunk.len() as u64 > most_bytes => self.too_large = true,
                    Some(writer) => writer.write(&chunk).map_err(|error| spool_failed(&error))?,
                    None if value.len() + chunk.len() <= PARAMETER_BYTES => value.extend_from_slice(&chunk),
                    None => {}
                }
            }
            match writer {
                Some(writer) => self.content = Some(writer.finish()),
                None => self.parameters.push(name, String::from_utf8_lossy(&value).into_owned()),
            }
        }
        Ok(())
    }

    fn finish(self, call: &Call) -> Received {
        if self.too_large {
            return Err(dialect::error(413, "F000", "FILE_SIZE_EXCEEDED"));
        }
        let Some(content) = self.content else {
            return Err(dialect::error(400, "F000", "CONTENT_PART_MISSING"));
        };
        let parameters = call.query.clone().followed_by(self.parameters);
        let (Some(name), Some(parent)) = (parameters.get("filename"), parameters.get("parent_id")) else {
            return Err(dialect::error(400, "F000", "LESS_THAN_MIN_OCCURANCE"));
        };
        let target = Target {
            parent: parent.to_owned(),
            name: naming::decoded(name),
            override_existing: parameters.get("override-name-exist") == Some("true"),
        };
        Ok((target, content))
    }
}
