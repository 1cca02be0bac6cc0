//! What every backend of the log promises. A new backend is done when it passes all of this.
//!
//! The tests know a [`Fixture`] and the crate's public interface, no SQL.

use crate::fixture::Fixture;

mod appending;
mod closing;
mod dedupe;
mod laws;
mod leases;
mod order;
mod reading;
mod subscribing;
mod units;

macro_rules! conformance {
    ($backend:ident: $($module:ident::{$($test:ident),* $(,)?})*) => {
        mod $backend {
            $(mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $test() {
                        super::super::$module::$test(super::super::Fixture::$backend().await).await;
                    }
                )*
            })*
        }
    };
}

macro_rules! for_every_backend {
    ($($tests:tt)*) => {
        conformance! { sqlite: $($tests)* }
        conformance! { postgres: $($tests)* }
    };
}

for_every_backend! {
    appending::{
        any_version_is_accepted,
        no_stream_is_refused_once_the_stream_exists,
        stream_exists_is_refused_while_there_is_none,
        stale_exact_version_is_refused_and_the_actual_one_named,
        an_append_is_recorded_whole_or_not_at_all,
        an_append_without_events_checks_the_version_only,
        of_writers_with_the_same_belief_one_wins,
        versions_have_no_gaps_when_many_append_to_one_stream,
        a_fresh_stream_begins_at_version_one,
        payload_bytes_come_back_exactly,
        a_full_queue_refuses_offers_and_lets_appends_wait,
        dropping_the_waiter_does_not_take_the_append_back,
    }
    closing::{
        close_finishes_what_was_handed_in,
        a_closed_log_refuses_writes_and_goes_on_reading,
        dropping_every_clone_finishes_what_was_handed_in,
    }
    dedupe::{
        a_repeated_event_is_recorded_once_and_sighted,
        a_sighting_tells_whether_the_payload_was_the_same,
        an_event_twice_in_one_append_is_recorded_once,
        an_event_twice_in_one_group_is_recorded_once,
        a_fresh_event_appended_again_is_recorded_once,
        a_repeated_append_is_not_refused_by_its_expected_version,
        an_event_is_recognised_in_another_stream,
        an_event_is_recognised_years_later,
        a_refused_append_leaves_no_sighting,
        new_events_between_known_ones_get_versions_without_gaps,
        of_many_writers_of_one_event_one_records_it,
    }
    laws::{
        append_then_read_is_identity,
        any_mix_of_duplicates_and_orders_gives_each_event_once,
    }
    leases::{
        a_lease_has_one_holder_until_it_ends,
        a_holder_prolongs_its_lease,
        a_released_lease_is_free_and_only_its_holder_releases_it,
        who_was_replaced_cannot_prolong_although_its_successor_has_ended,
        of_many_claimants_in_two_logs_one_gets_the_lease,
        forsaken_leases_are_free,
    }
    order::{
        a_reader_never_finds_a_smaller_position_later,
        a_writer_that_takes_its_position_first_is_visible_first,
        two_logs_on_one_database_keep_versions_and_positions,
    }
    reading::{
        streams_are_read_forward_from_a_version,
        lists_page_forward_and_backward,
        an_event_is_found_by_id_and_by_position,
        types_are_matched_whole_or_by_prefix,
        each_filter_narrows_the_list,
        times_are_matched_from_since_to_before_until,
        payloads_are_read_where_asked_for,
    }
    subscribing::{
        a_subscription_resumes_from_its_checkpoint,
        a_batch_is_at_most_one_window,
        wanted_types_and_account_are_handed_out_only,
        an_unwanted_stretch_still_moves_the_checkpoint,
        a_waiting_subscription_is_woken_at_once,
        no_wake_up_is_lost_in_a_storm,
        a_dropped_wait_loses_nothing,
        events_of_another_log_are_noticed,
    }
    units::{
        a_unit_over_several_streams_is_all_or_nothing,
        a_failing_unit_is_rolled_back_alone,
        a_panicking_unit_is_rolled_back_alone,
        a_unit_that_panics_before_its_first_await_is_rolled_back_alone,
        a_checkpoint_is_saved_with_its_unit_only,
        a_unit_sees_its_own_events,
        a_refusal_inside_a_unit_can_be_answered_with_another_append,
        dropping_the_waiter_does_not_undo_the_unit,
    }
}
