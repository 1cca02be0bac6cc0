//! Somebody of the ERP gives a customer to another salesperson; Books is to follow.

use std::collections::BTreeMap;

use catalogue::actor::Actor;
use catalogue::erp::{self, Assignment, SALESPERSON_ASSIGNED, SalespersonAssigned, UserState};
use event_log::{Append, Log};
use service::config::account::Books;
use uuid::Uuid;

use super::customer::{self, Customer, Wish};
use super::resolve::{decide_assignment, next};
use super::story::Story;
use super::user::{self, User};
use crate::{Error, conflict};

/// Gives a customer to another salesperson of the ERP. What it has already changes nothing and makes no event; the owner
/// in Books follows by an effect, and until then it is only wanted.
///
/// # Errors
/// [`Error::UnknownCustomer`], also for those of another organisation; [`Error::Invalid`] for an account that is not in
/// use; [`Error::Log`].
///
/// # Cancellation
/// Once the decision was handed to the log it happens, also when the future is dropped.
pub async fn assign(
    log: &Log,
    actor: &Actor,
    account: &str,
    books: &Books,
    contact_id: &str,
    salesperson_id: Uuid,
) -> Result<Assignment, Error> {
    let (actor, account, books) = (actor.clone(), account.to_owned(), books.clone());
    let contact_id = contact_id.to_owned();
    log.write(move |unit| {
        Box::pin(async move {
            let found = customer::load(unit.connection(), &account, &contact_id).await?;
            let within_reach =
                |organization: &String| actor.organization.as_ref().is_none_or(|own| own == organization);
            let found = found.filter(|customer| !customer.is_gone && within_reach(&customer.organization));
            let Some(mut customer) = found else { return Err(Error::UnknownCustomer { contact_id }) };
            let users = user::all(unit.connection(), &account).await?;
            let wanted =
                users.values().filter_map(|user| user.erp.as_ref()).find(|user| user.erp_user_id == salesperson_id);
            let Some(wanted) = wanted.filter(|user| user.state == UserState::Active) else {
                let reason = "is no account that is in use; take one of the list of users";
                return Err(Error::invalid("salesperson_id", reason));
            };
            let story = Story::of_actor(&actor, &account, &customer.organization);
            let mut appends = Vec::new();
            if give(&story, &books, &users, &mut customer, wanted, &mut appends) {
                unit.append_all(&appends).await?;
                let conflict_id = erp::conflict_id(&account, erp::ConflictKind::Owner, &contact_id);
                conflict::settle(unit, &story, conflict_id, None).await?;
                customer::save(unit.connection(), &[&customer]).await?;
            }
            Ok(customer.assignment.expect("an assignment was decided above"))
        })
    })
    .await
}

/// Lets a customer have another salesperson; what is to be appended is added to `appends`. Returns whether that is new.
/// The caller settles the conflict about its owner, and saves the customer.
pub(crate) fn give(
    story: &Story,
    books: &Books,
    users: &BTreeMap<String, User>,
    customer: &mut Customer,
    wanted: &erp::User,
    appends: &mut Vec<Append>,
) -> bool {
    let (owner_id, salesperson_id) = (wanted.zoho_user_id.clone(), wanted.erp_user_id);
    if has(customer, &owner_id) {
        return false;
    }
    let instead_of_owner_id = customer.fact.owner_id.clone();
    // Where Books is not written, nothing of an earlier wish can be under way.
    let earlier = customer.wish.take().filter(|_| books.write_owners).map(Wish::owners);
    let mut overtaken_owner_ids = earlier.unwrap_or_default();
    overtaken_owner_ids.retain(|overtaken| *overtaken != owner_id);
    let data = SalespersonAssigned {
        contact_id: customer.fact.contact_id.clone(),
        salesperson_id,
        owner_id: owner_id.clone(),
        instead_of_owner_id: instead_of_owner_id.clone(),
        overtaken_owner_ids: overtaken_owner_ids.clone(),
    };
    let event = story.decision(SALESPERSON_ASSIGNED, &data);
    let stream = erp::customer_stream(&customer.account, &customer.fact.contact_id);
    appends.push(next(stream, &mut customer.customer_version, event));
    // Who owns it already may lose it once more to a wish that is on its way.
    let is_settled = customer.fact.owner_id.as_ref() == Some(&owner_id) && overtaken_owner_ids.is_empty();
    customer.wish =
        (!is_settled).then_some(Wish { salesperson_id, owner_id, instead_of_owner_id, overtaken_owner_ids });
    decide_assignment(story, books, users, customer, appends);
    true
}

/// Whether a customer has the salesperson who is that user of Books, or is to have them already.
pub(crate) fn has(customer: &Customer, owner_id: &str) -> bool {
    let is_meant = match &customer.wish {
        Some(wish) => wish.owner_id == owner_id,
        None => customer.fact.owner_id.as_deref() == Some(owner_id),
    };
    is_meant && customer.assignment.is_some()
}
