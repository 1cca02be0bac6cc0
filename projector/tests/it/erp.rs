//! What an ERP reads.

use std::time::Duration;

use projector::{ErpCustomerFilter, ErpCustomerState, ErpUserFilter, ErpUserState};

use crate::erp_story::{ErpStep, assigned, decided, role_decided};
use crate::world::World;

/// Numbers of states, as the story counts them.
const ACTIVE: u8 = 0;
const INACTIVE: u8 = 1;
const ASSIGNED: u8 = 0;
const UNMAPPED: u8 = 2;

pub(crate) async fn accounts_tell_since_when_and_when_they_were_last_in_the_list(world: World) {
    world.append_all(vec![decided("org-0", "460000", ACTIVE)]).await;
    world.append_all(vec![ErpStep::Listed { account: 0, users: 1 }.made()]).await;
    world.advance(Duration::from_secs(60));
    world.append_all(vec![decided("org-0", "460000", INACTIVE), decided("org-0", "460001", ACTIVE)]).await;
    world.catch_up().await;
    let readers = world.log.database().readers();
    let all = projector::erp_users(readers, &ErpUserFilter::default(), 10).await.unwrap();
    assert_eq!(all.len(), 2);
    let left = &all[0];
    assert_eq!((left.state, left.active, left.needs_invitation), (ErpUserState::Inactive, false, false));
    assert!(left.created_at.unwrap() < left.last_synced_at.unwrap() && left.last_synced_at.unwrap() < left.updated_at);
    assert_eq!(all[1].last_synced_at, None);
    let after = Some((left.account.clone(), left.zoho_user_id.clone()));
    let filter = ErpUserFilter { organization: Some("acme".to_owned()), after, ..ErpUserFilter::default() };
    let rest = projector::erp_users(readers, &filter, 10).await.unwrap();
    assert_eq!(rest, all[1..]);
}

pub(crate) async fn account_tells_who_decided_its_role_until_that_is_withdrawn(world: World) {
    let role = |role: Option<&str>| role_decided("org-0", "460000", role.map(str::to_owned));
    world.append_all(vec![decided("org-0", "460000", ACTIVE), role(Some("sales"))]).await;
    world.catch_up().await;
    let readers = world.log.database().readers();
    let one = projector::erp_users(readers, &ErpUserFilter::default(), 10).await.unwrap().remove(0);
    assert_eq!(one.role_decided_by.as_deref(), Some("ada"));
    assert_eq!(one.role_decided_at, Some(one.updated_at));
    world.append_all(vec![decided("org-0", "460000", INACTIVE), decided("org-0", "460000", ACTIVE)]).await;
    world.catch_up().await;
    let one = projector::erp_users(readers, &ErpUserFilter::default(), 10).await.unwrap().remove(0);
    assert_eq!(one.role_decided_by.as_deref(), Some("ada"), "who comes back has the role still");
    world.append_all(vec![role(None)]).await;
    world.catch_up().await;
    let one = projector::erp_users(readers, &ErpUserFilter::default(), 10).await.unwrap().remove(0);
    assert_eq!((one.role_decided_by, one.role_decided_at), (None, None));
}

pub(crate) async fn owner_is_listed_while_customers_wait_and_not_any_more_once_they_do_not(world: World) {
    world.append_all(vec![assigned("1", Some(7), UNMAPPED, None), assigned("2", Some(7), UNMAPPED, None)]).await;
    world.catch_up().await;
    let readers = world.log.database().readers();
    let waiting = projector::unmapped_owners(readers, Some("acme"), None).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].customers, waiting[0].owner_name.as_deref()), (1, 2, Some("Owner 7")));
    let filter = ErpCustomerFilter { state: Some(ErpCustomerState::UnmappedOwner), ..ErpCustomerFilter::default() };
    assert_eq!(projector::erp_customers(readers, &filter, 10).await.unwrap().len(), 2);

    let before = Some((Some(7), UNMAPPED));
    world.append_all(vec![assigned("1", Some(7), ASSIGNED, before), assigned("2", Some(3), UNMAPPED, before)]).await;
    world.catch_up().await;
    let waiting = projector::unmapped_owners(readers, None, Some("org-0")).await.unwrap();
    let ids: Vec<&str> = waiting.iter().map(|owner| owner.zoho_owner_id.as_str()).collect();
    assert_eq!(ids, ["460003"]);
    assert_eq!(projector::erp_customers(readers, &filter, 10).await.unwrap().len(), 1);
    assert!(projector::unmapped_owners(readers, Some("umbrella"), None).await.unwrap().is_empty());
}

pub(crate) async fn conflict_tells_who_decided_and_forgets_it_when_it_comes_again(world: World) {
    let step = |what| ErpStep::Conflict { subject: 0, what }.made();
    world.append_all(vec![step(0), step(1)]).await;
    world.catch_up().await;
    let readers = world.log.database().readers();
    let found = projector::conflicts(readers, Some("acme"), None, 10).await.unwrap().remove(0);
    assert_eq!((found.state, found.decided_by.as_deref()), (projector::ConflictState::Decided, Some("ada")));
    assert!(found.about.as_str().contains("460001") && found.decision.unwrap().as_str().contains("keep_user"));
    world.append_all(vec![step(0)]).await;
    world.catch_up().await;
    let open = projector::conflicts(readers, None, Some(projector::ConflictState::Open), 10).await.unwrap();
    assert_eq!((open.len(), open[0].decided_by.as_deref(), &open[0].decision), (1, None, &None));
}
