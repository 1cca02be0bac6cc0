//! A person decides a conflict; what follows happens in the same unit of work.

use catalogue::actor::Actor;
use catalogue::erp::{
    CONFLICT_DECIDED, ConflictAbout, ConflictDecided, ConflictState, Decision, SALESPERSON_ASSIGNED,
    SalespersonAssigned, customer_stream,
};
use event_log::{Append, ExpectedVersion, Log, UnitOfWork};
use service::config::Config;
use service::config::account::Books;
use uuid::Uuid;

use super::rows::{self, Conflict};
use super::settle::{settle_emails, tell};
use crate::Error;
use crate::salesperson::{self, Story};

/// Decides a conflict. Deciding the same again changes nothing; another decision replaces the one before, as long as what
/// it is about is there.
///
/// # Errors
/// [`Error::UnknownConflict`], also for those of another organisation; [`Error::Invalid`] for a decision that does not fit,
/// a conflict that is over, or an account whose Books is not configured; [`Error::Log`].
///
/// # Cancellation
/// Once the decision was handed to the log it happens, also when the future is dropped.
pub async fn decide(
    log: &Log,
    actor: &Actor,
    config: &Config,
    conflict_id: Uuid,
    decision: &Decision,
) -> Result<Conflict, Error> {
    let found = rows::get(log.database().readers(), actor.organization.as_deref(), conflict_id).await?;
    let Some(books) = config.accounts.get(&found.account).and_then(|account| account.books.clone()) else {
        return Err(Error::invalid("account", "has no settings of Books any more; configure it first"));
    };
    let (actor, decision) = (actor.clone(), decision.clone());
    log.write(move |unit| {
        Box::pin(async move {
            let Some(mut conflict) = rows::find(unit.connection(), conflict_id).await? else {
                return Err(Error::UnknownConflict { conflict_id });
            };
            check(&conflict, &decision)?;
            if conflict.state == ConflictState::Decided && conflict.decision.as_ref() == Some(&decision) {
                return Ok(conflict);
            }
            let story = Story::of_actor(&actor, &conflict.account, &conflict.organization);
            let about = conflict.about.clone();
            let data = ConflictDecided {
                conflict_id,
                about: about.clone(),
                decision: decision.clone(),
                decided_by: actor.subject.clone(),
            };
            conflict.state = ConflictState::Decided;
            conflict.decision = Some(decision.clone());
            conflict.changed_at = unit.now();
            tell(unit, &mut conflict, story.decision(CONFLICT_DECIDED, &data)).await?;
            match about {
                ConflictAbout::SameEmail { .. } => merge_accounts(unit, &story, &books).await?,
                ConflictAbout::Owner { contact_id, .. } => {
                    settle_owner(unit, &story, &books, &contact_id, &decision).await?;
                }
            }
            Ok(conflict)
        })
    })
    .await
}

/// Whether a decision can be made: it fits what the conflict is about, and comes in time.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check(conflict: &Conflict, decision: &Decision) -> Result<(), Error> {
    let misfit = |reason: &str| Err(Error::invalid("decision", reason));
    if conflict.state == ConflictState::Resolved {
        return misfit("comes too late: what contradicted is gone");
    }
    match (&conflict.about, decision) {
        (ConflictAbout::SameEmail { user_ids, .. }, Decision::KeepUser { user_id }) => match user_ids.contains(user_id)
        {
            true => Ok(()),
            false => Err(Error::invalid("user_id", "is none of the users that the conflict is about")),
        },
        (ConflictAbout::SameEmail { .. }, _) => misfit("does not fit; say `keep_user` with one of the users"),
        (ConflictAbout::Owner { .. }, Decision::KeepUser { .. }) => {
            misfit("does not fit; say `keep_books_owner` or `keep_erp_owner`")
        }
        (ConflictAbout::Owner { .. }, _)
            if conflict.state == ConflictState::Decided && conflict.decision.as_ref() != Some(decision) =>
        {
            misfit("comes too late: it was decided; assign the customer's salesperson instead")
        }
        (ConflictAbout::Owner { .. }, _) => Ok(()),
    }
}

async fn merge_accounts(unit: &mut UnitOfWork<'_>, story: &Story, books: &Books) -> Result<(), Error> {
    let mut users = salesperson::all_users(unit.connection(), &story.account).await?;
    let standings = settle_emails(unit, story, &users).await?;
    let mut appends = Vec::new();
    let decided = salesperson::decide_accounts(story, books, &mut users, &standings, &mut appends);
    unit.append_all(&appends).await?;
    salesperson::save_users(unit.connection(), &users.values().collect::<Vec<_>>()).await?;
    salesperson::after(unit, story, books, &users, &decided).await
}

async fn settle_owner(
    unit: &mut UnitOfWork<'_>,
    story: &Story,
    books: &Books,
    contact_id: &str,
    decision: &Decision,
) -> Result<(), Error> {
    let Some(mut customer) = salesperson::load_customer(unit.connection(), &story.account, contact_id).await? else {
        return Ok(());
    };
    let mut appends = Vec::new();
    let wish = customer.wish.take().filter(|_| *decision == Decision::KeepErpOwner);
    if let Some(mut wish) = wish {
        wish.instead_of_owner_id.clone_from(&customer.fact.owner_id);
        let data = SalespersonAssigned {
            contact_id: contact_id.to_owned(),
            salesperson_id: wish.salesperson_id,
            owner_id: wish.owner_id.clone(),
            instead_of_owner_id: wish.instead_of_owner_id.clone(),
            overtaken_owner_ids: wish.overtaken_owner_ids.clone(),
        };
        let event = story.decision(SALESPERSON_ASSIGNED, &data);
        let append = Append::new(customer_stream(&story.account, contact_id), vec![event]);
        appends.push(append.expecting(ExpectedVersion::Exact(customer.customer_version)));
        customer.customer_version.0 += 1;
        customer.wish = Some(wish);
    }
    let users = salesperson::all_users(unit.connection(), &story.account).await?;
    salesperson::decide_assignment(story, books, &users, &mut customer, &mut appends);
    unit.append_all(&appends).await?;
    Ok(salesperson::save_customers(unit.connection(), &[&customer]).await?)
}
