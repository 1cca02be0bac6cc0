//! What is to be done about a contact that was just read. Pure: no clock, no database.

use catalogue::books::DropReason;

use super::request::AssignContact;
use super::standing::Standing;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it has the wanted owner.
    AsWanted,
    /// It gets the wanted owner.
    Write,
    /// It is left as it is, for good.
    Drop(DropReason),
}

/// What follows from who owns the contact now.
pub(super) fn next(owner_id: Option<&str>, request: &AssignContact, standing: Standing) -> Next {
    if owner_id == Some(request.owner_id.as_str()) {
        return Next::AsWanted;
    }
    let was_followed = match standing {
        Standing::Overtaken => return Next::Drop(DropReason::Overtaken),
        Standing::Withdrawn => return Next::Drop(DropReason::Withdrawn),
        Standing::Wanted { was_followed } => was_followed,
    };
    let is_ours = owner_id.is_some_and(|owner| request.overtaken_owner_ids.iter().any(|ours| ours == owner));
    let is_unchanged = owner_id == request.instead_of_owner_id.as_deref() && !was_followed;
    match is_ours || is_unchanged {
        true => Next::Write,
        false => Next::Drop(DropReason::OwnerChanged),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const WANTED: Standing = Standing::Wanted { was_followed: false };
    const FOLLOWED: Standing = Standing::Wanted { was_followed: true };

    /// Ben is wanted where Ann was, after Cleo had been wanted.
    fn request(instead_of: Option<&str>) -> AssignContact {
        AssignContact {
            contact_id: "7".to_owned(),
            salesperson_id: Uuid::nil(),
            owner_id: "ben".to_owned(),
            instead_of_owner_id: instead_of.map(str::to_owned),
            overtaken_owner_ids: vec!["cleo".to_owned()],
            stream_version: 3,
            global_position: 30,
        }
    }

    #[test]
    fn only_what_the_decision_was_made_on_or_what_we_put_there_is_replaced() {
        let ann = request(Some("ann"));
        assert_eq!(next(Some("ann"), &ann, WANTED), Next::Write);
        assert_eq!(next(Some("cleo"), &ann, WANTED), Next::Write);
        assert_eq!(next(Some("dan"), &ann, WANTED), Next::Drop(DropReason::OwnerChanged));
        assert_eq!(next(None, &ann, WANTED), Next::Drop(DropReason::OwnerChanged));
        let nobody = request(None);
        assert_eq!(next(None, &nobody, WANTED), Next::Write);
        assert_eq!(next(Some("ann"), &nobody, WANTED), Next::Drop(DropReason::OwnerChanged));
    }

    #[test]
    fn what_is_so_already_is_done_however_the_decision_stands() {
        for standing in [WANTED, FOLLOWED, Standing::Overtaken, Standing::Withdrawn] {
            assert_eq!(next(Some("ben"), &request(Some("ann")), standing), Next::AsWanted);
        }
    }

    #[test]
    fn what_is_not_wanted_any_more_is_dropped_whoever_owns_the_contact() {
        for owner in [Some("ann"), Some("cleo"), Some("dan"), None] {
            let next = |standing| next(owner, &request(Some("ann")), standing);
            assert_eq!(next(Standing::Overtaken), Next::Drop(DropReason::Overtaken));
            assert_eq!(next(Standing::Withdrawn), Next::Drop(DropReason::Withdrawn));
        }
    }

    #[test]
    fn owner_that_was_given_back_in_books_after_it_had_followed_is_somebodys_change() {
        assert_eq!(next(Some("ann"), &request(Some("ann")), FOLLOWED), Next::Drop(DropReason::OwnerChanged));
    }
}
