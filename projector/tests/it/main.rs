//! Projections over real logs: what holds on both databases, and what only several processes on PostgreSQL can suffer.
#![allow(clippy::unwrap_used, missing_docs)]

mod erp;
mod erp_story;
mod live;
mod postgres;
mod query;
mod rebuild;
mod scan;
mod story;
mod world;

macro_rules! on {
    ($database:ident: $($module:ident::{$($test:ident),* $(,)?})*) => {
        mod $database {
            $(mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $test() {
                        crate::$module::$test(crate::world::World::$database().await).await;
                    }
                )*
            })*
        }
    };
}

macro_rules! on_both {
    ($($tests:tt)*) => {
        on! { on_sqlite: $($tests)* }
        on! { on_postgres: $($tests)* }
    };
}

on_both! {
    erp::{
        accounts_tell_since_when_and_when_they_were_last_in_the_list,
        account_tells_who_decided_its_role_until_that_is_withdrawn,
        owner_is_listed_while_customers_wait_and_not_any_more_once_they_do_not,
        conflict_tells_who_decided_and_forgets_it_when_it_comes_again,
    }
    live::{
        a_row_is_there_soon_after_its_event,
        a_batch_that_cannot_be_written_leaves_rows_and_checkpoints_as_they_were,
        a_follower_that_is_killed_again_and_again_counts_every_event_once,
        an_event_that_cannot_be_read_stops_its_projection_and_no_other,
        a_checkpoint_that_somebody_else_moves_is_followed_from_there,
        stopping_does_not_wait_for_events,
    }
    query::{
        the_summary_counts_what_happened,
        transfers_are_listed_newest_first_and_shown_with_their_files,
        records_polls_accounts_and_registrations_are_listed,
        status_tells_how_far_each_projection_is_behind,
    }
    rebuild::{
        a_concurrent_reader_never_sees_a_table_that_is_missing_or_half_full,
        a_rebuild_repairs_what_was_damaged_and_leaves_nothing_beside,
        rows_that_had_to_leave_memory_are_folded_on,
        a_rebuild_that_crashed_holds_its_claim_for_a_minute_and_is_cleaned_up_by_the_next,
        a_rebuild_that_fails_leaves_the_live_table_alone,
        an_unknown_projection_is_refused_with_the_names_there_are,
        a_rebuild_of_an_empty_log_is_an_empty_table,
        text_that_only_one_database_can_hold_is_folded_on_both,
    }
    scan::{
        scanned_events_carry_every_character_that_was_appended,
        a_scan_goes_through_the_log_window_by_window_and_leaves_other_types_out,
    }
}
