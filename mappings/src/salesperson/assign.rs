//! Somebody of the ERP gives a customer to another salesperson; Books is to follow.

use catalogue::actor::Actor;
use catalogue::erp::{self, Assignment, SALESPERSON_ASSIGNED, SalespersonAssigned, UserState};
use event_log::Log;
use service::config::account::Books;
use uuid::Uuid;

use super::customer::{self, Wish};
use super::resolve::{decide_assignment, next};
use super::story::Story;
use super::user;
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
            let owner_id = wanted.zoho_user_id.clone();
            let is_wanted = customer.wish.as_ref().is_some_and(|wish| wish.owner_id == owner_id);
            let is_so = customer.wish.is_none() && customer.fact.owner_id.as_ref() == Some(&owner_id);
            if let Some(assignment) = customer.assignment.clone().filter(|_| is_wanted || is_so) {
                return Ok(assignment);
            }
            let story = Story::of_actor(&actor, &account, &customer.organization);
            let instead_of_owner_id = customer.fact.owner_id.clone();
            let data = SalespersonAssigned {
                contact_id: contact_id.clone(),
                salesperson_id,
                owner_id: owner_id.clone(),
                instead_of_owner_id: instead_of_owner_id.clone(),
            };
            let event = story.decision(SALESPERSON_ASSIGNED, &data);
            let stream = erp::customer_stream(&account, &contact_id);
            let mut appends = vec![next(stream, &mut customer.customer_version, event)];
            let is_owner = customer.fact.owner_id.as_ref() == Some(&owner_id);
            customer.wish = (!is_owner).then_some(Wish { salesperson_id, owner_id, instead_of_owner_id });
            decide_assignment(&story, &books, &users, &mut customer, &mut appends);
            unit.append_all(&appends).await?;
            let conflict_id = erp::conflict_id(&account, erp::ConflictKind::Owner, &contact_id);
            conflict::settle(unit, &story, conflict_id, None).await?;
            customer::save(unit.connection(), &[&customer]).await?;
            Ok(customer.assignment.expect("an assignment was decided above"))
        })
    })
    .await
}
