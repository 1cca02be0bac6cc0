//! Giving a contact the owner that the ERP wants. An absolute value, so doing it again is harmless; still it is done once.

use catalogue::books::{
    AssignedHow, CONTACT_ASSIGN_DROPPED, CONTACT_ASSIGN_FAILED, CONTACT_ASSIGNED, ContactAssignDropped,
    ContactAssignFailed, ContactAssigned, DropReason,
};
use event_log::Append;
use providers::error::Error as Refusal;
use providers::zoho::books::{Contact, Id, Organization};

use super::fact::{learn, learn_gone};
use super::next::{Next, next};
use super::request::AssignContact;
use super::standing::Standing;
use crate::context::Context;
use crate::ledger::{Effect, Verdict, tell};
use crate::trouble::{Trouble, in_words};

/// Does the effect. The contact is read first: what somebody has done in Books meanwhile is respected, and a lost answer
/// settled.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: AssignContact = effect.request()?;
    let books = context.settings.organizations.get(&effect.account)?;
    let readers = context.log.database().readers();
    // What nobody wants any more costs no call, unless it may have been done.
    if !effect.unknown {
        match Standing::of(readers, &effect.account, &request).await? {
            Standing::Overtaken => return Ok(dropped(effect, &request, DropReason::Overtaken, None)),
            Standing::Withdrawn => return Ok(dropped(effect, &request, DropReason::Withdrawn, None)),
            Standing::Wanted { .. } => {}
        }
    }
    let organization_id = Id::parse(&books.organization_id).map_err(Trouble::Read)?;
    let organization = context.zoho(&effect.account)?.books().organization(organization_id);
    let contact_id = Id::parse(&request.contact_id).map_err(Trouble::Read)?;
    let asked_at = context.now();
    let Some(contact) = organization.contact(&contact_id).await.map_err(Trouble::Read)? else {
        learn_gone(context, effect, books, &request.contact_id, asked_at).await?;
        return Err(gone());
    };
    let standing = Standing::of(readers, &effect.account, &request).await?;
    match next(owner_of(&contact), &request, standing) {
        Next::AsWanted => {
            learn(context, effect, books, &contact, asked_at).await?;
            let how = if effect.unknown { AssignedHow::Settled } else { AssignedHow::Found };
            Ok(assigned(effect, &request, how, None))
        }
        Next::Drop(reason) => {
            learn(context, effect, books, &contact, asked_at).await?;
            Ok(dropped(effect, &request, reason, owner_of(&contact)))
        }
        Next::Write if effect.unknown => Ok(Verdict::NotDone),
        Next::Write => {
            let asked_at = context.now();
            let written = write(&organization, &contact_id, &request).await?;
            // It is written, whatever becomes of the news: a webhook or a poll brings them as well.
            if let Err(error) = learn(context, effect, books, &written, asked_at).await {
                tracing::warn!(error = %in_words(&error), effect.key = effect.key, "a contact was given its owner, and what it looks like now could not be recorded yet");
            }
            Ok(assigned(effect, &request, AssignedHow::Written, owner_of(&contact)))
        }
    }
}

/// Writes the owner, and demands to see it: in the answer, or else by reading the contact once more.
async fn write(organization: &Organization<'_>, contact_id: &Id, request: &AssignContact) -> Result<Contact, Trouble> {
    let owner_id = Id::parse(&request.owner_id).map_err(Trouble::Read)?;
    let is_done = |contact: &Contact| contact.owner_id.as_ref() == Some(&owner_id);
    let answered = organization.update_owner(contact_id, &owner_id).await.map_err(|refusal| match refusal {
        Refusal::NotFound { .. } => gone(),
        refusal => Trouble::Provider(refusal),
    })?;
    if let Some(contact) = answered.filter(is_done) {
        return Ok(contact);
    }
    let read = organization.contact(contact_id).await.map_err(Trouble::Read)?.ok_or_else(gone)?;
    match is_done(&read) {
        true => Ok(read),
        false => {
            let error = "books accepted the owner and shows another one".to_owned();
            Err(Trouble::Wrong { code: "owner_not_taken", error })
        }
    }
}

fn owner_of(contact: &Contact) -> Option<&str> {
    contact.owner_id.as_ref().map(Id::as_str)
}

fn gone() -> Trouble {
    let error = "the contact was deleted in books, or merged into another".to_owned();
    Trouble::Hopeless { code: "contact_gone", error }
}

fn assigned(effect: &Effect, request: &AssignContact, how: AssignedHow, replaced: Option<&str>) -> Verdict {
    let data = ContactAssigned {
        contact_id: request.contact_id.clone(),
        salesperson_id: request.salesperson_id,
        owner_id: request.owner_id.clone(),
        how,
        replaced_owner_id: replaced.map(str::to_owned),
    };
    Verdict::Succeeded {
        result: serde_json::json!({ "how": how }),
        bytes: None,
        events: vec![tell(effect, CONTACT_ASSIGNED, &data)],
        plan: Vec::new(),
    }
}

fn dropped(effect: &Effect, request: &AssignContact, reason: DropReason, books_owner: Option<&str>) -> Verdict {
    let error = match reason {
        DropReason::OwnerChanged => "it was given to another owner in books meanwhile; a person decides the conflict",
        DropReason::Overtaken => "it was given to somebody again, and only the last decision counts",
        DropReason::Withdrawn => "a person decided that the owner in books stays",
    };
    let data = ContactAssignDropped {
        contact_id: request.contact_id.clone(),
        salesperson_id: request.salesperson_id,
        owner_id: request.owner_id.clone(),
        reason,
        books_owner_id: books_owner.map(str::to_owned),
    };
    Verdict::Failed {
        code: reason.as_str().to_owned(),
        error: error.to_owned(),
        events: vec![tell(effect, CONTACT_ASSIGN_DROPPED, &data)],
        dead_letter: false,
    }
}

/// What is told about an owner that is given up.
pub(crate) fn given_up(effect: &Effect, code: &str, error: &str) -> Vec<Append> {
    let Ok(request) = effect.request::<AssignContact>() else { return Vec::new() };
    let data = ContactAssignFailed {
        contact_id: request.contact_id,
        salesperson_id: request.salesperson_id,
        owner_id: request.owner_id,
        code: code.to_owned(),
        error: error.to_owned(),
    };
    vec![tell(effect, CONTACT_ASSIGN_FAILED, &data)]
}
