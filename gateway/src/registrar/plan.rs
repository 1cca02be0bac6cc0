//! What to do next about the registrations of one target: a pure function of our rows, the provider's word and the time.

use chrono::{DateTime, TimeDelta, Utc};

use super::rows::{Row, State};

/// After this time a creation without an answer has either arrived at the provider or never will.
const ARRIVES_WITHIN: TimeDelta = TimeDelta::seconds(10);

/// A registration as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) registration_id: String,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

/// What we want and how we go about it.
#[derive(Debug, Clone)]
pub(super) struct Wish<'a> {
    /// Where the provider is to call; `None`: no registration is wanted any more.
    pub(super) notify_url: Option<&'a str>,
    pub(super) renew_before: TimeDelta,
    pub(super) retire_after: TimeDelta,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The provider has what we asked for and whose answer was lost.
    Activate { registration_id: String, expires_at: DateTime<Utc>, covered_since: Option<DateTime<Utc>> },
    /// The provider never got what we asked for.
    Forget { registration_id: String },
    /// The provider still has it.
    Confirm { registration_id: String, expires_at: DateTime<Utc> },
    /// The provider no longer has it.
    Lose { registration_id: String, reason: &'static str },
    /// A newer one is live, or none is wanted: it goes on for a while and is then deleted.
    Retire { registration_id: String },
    /// Its time beside its successor is over.
    Delete { registration_id: String },
    /// A new one is needed. It continues the coverage of a live one, if there is any.
    Create { covered_since: Option<DateTime<Utc>> },
}

/// What to do now. `rows` are those that are not final, oldest first; `observed` is `None` when the provider was not asked.
pub(super) fn plan(rows: &[Row], observed: Option<&[Observed]>, wish: &Wish<'_>, now: DateTime<Utc>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut live: Vec<&Row> = Vec::new();
    let mut undecided = false;
    let mut activated = false;
    for row in rows {
        let found = observed.map(|all| all.iter().find(|one| one.registration_id == row.registration_id));
        match row.state {
            State::Creating => match found {
                Some(Some(seen)) => {
                    steps.push(activate(row, seen, live.last().and_then(|older| older.active_since), now));
                    activated = true;
                }
                Some(None) if row.created_at + ARRIVES_WITHIN <= now => {
                    steps.push(Step::Forget { registration_id: row.registration_id.clone() });
                }
                _ => undecided = true,
            },
            State::Active => match (found, row.expires_at) {
                (_, Some(expires_at)) if expires_at <= now => steps.push(lose(row, "it has expired")),
                (Some(None), _) => steps.push(lose(row, "the provider no longer has it")),
                (Some(Some(seen)), known) => {
                    live.push(row);
                    if let Some(expires_at) = seen.expires_at.or(known) {
                        steps.push(Step::Confirm { registration_id: row.registration_id.clone(), expires_at });
                    }
                }
                (None, _) => live.push(row),
            },
            State::Retiring => {
                let over = row.retiring_since.is_none_or(|since| since + wish.retire_after <= now);
                if over || row.expires_at.is_some_and(|expires_at| expires_at <= now) {
                    steps.push(Step::Delete { registration_id: row.registration_id.clone() });
                }
            }
        }
    }
    steps.extend(retired(&live, wish, activated));
    let newest = live.last();
    let is_good = newest.is_some_and(|row| !needs_renewal(row, observed, wish, now));
    if wish.notify_url.is_some() && !undecided && !activated && !is_good {
        steps.push(Step::Create { covered_since: newest.and_then(|row| row.active_since) });
    }
    steps
}

fn activate(row: &Row, seen: &Observed, covered_since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Step {
    // Without an end in the answer the shortest life the provider gives is assumed, so that it is renewed in time.
    let expires_at = seen.expires_at.unwrap_or(now + TimeDelta::hours(1));
    Step::Activate { registration_id: row.registration_id.clone(), expires_at, covered_since }
}

fn lose(row: &Row, reason: &'static str) -> Step {
    Step::Lose { registration_id: row.registration_id.clone(), reason }
}

/// All live ones but the newest, or all when a newer one is live by now or none is wanted.
fn retired(live: &[&Row], wish: &Wish<'_>, replaced: bool) -> Vec<Step> {
    let kept = usize::from(wish.notify_url.is_some() && !replaced);
    let surplus = live.len().saturating_sub(kept);
    live[..surplus].iter().map(|row| Step::Retire { registration_id: row.registration_id.clone() }).collect()
}

/// Whether a live registration must make room for a new one: it ends before long, or calls us at a former address.
fn needs_renewal(row: &Row, observed: Option<&[Observed]>, wish: &Wish<'_>, now: DateTime<Utc>) -> bool {
    if wish.notify_url.is_some_and(|url| url != row.notify_url) {
        return true;
    }
    let seen = observed.and_then(|all| all.iter().find(|one| one.registration_id == row.registration_id));
    let Some(expires_at) = seen.and_then(|seen| seen.expires_at).or(row.expires_at) else { return true };
    // A provider may give much less than was asked for, so the lead is at most half of the real life.
    let lead = wish.renew_before.min((expires_at - row.created_at) / 2);
    now >= expires_at - lead
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const URL: &str = "https://gw.example.com/webhooks/org-a";

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
    }

    fn wish() -> Wish<'static> {
        Wish { notify_url: Some(URL), renew_before: TimeDelta::days(3), retire_after: TimeDelta::minutes(1) }
    }

    /// A row created at hour 0 that ends at hour 144.
    fn row(id: &str, state: State) -> Row {
        Row {
            registration_id: id.to_owned(),
            notify_url: URL.to_owned(),
            state,
            expires_at: (state != State::Creating).then(|| at(144)),
            created_at: at(0),
            active_since: (state != State::Creating).then(|| at(0)),
            retiring_since: (state == State::Retiring).then(|| at(72)),
            checked_at: None,
        }
    }

    fn seen(id: &str) -> Observed {
        Observed { registration_id: id.to_owned(), expires_at: Some(at(144)) }
    }

    fn id(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn without_any_row_one_is_created() {
        let create = Step::Create { covered_since: None };
        assert_eq!(plan(&[], None, &wish(), at(0)), std::slice::from_ref(&create));
        assert_eq!(plan(&[], Some(&[seen("of somebody else")]), &wish(), at(0)), [create]);
    }

    #[test]
    fn live_one_is_confirmed_and_left_alone_until_its_half_life() {
        let rows = [row("1", State::Active)];
        let confirm = Step::Confirm { registration_id: id("1"), expires_at: at(144) };
        assert_eq!(plan(&rows, Some(&[seen("1")]), &wish(), at(71)), std::slice::from_ref(&confirm));
        assert_eq!(plan(&rows, None, &wish(), at(71)), []);
        let create = Step::Create { covered_since: Some(at(0)) };
        assert_eq!(plan(&rows, Some(&[seen("1")]), &wish(), at(72)), [confirm, create]);
    }

    #[test]
    fn shorter_life_than_asked_for_is_renewed_at_its_own_half() {
        let short = Row { expires_at: Some(at(2)), ..row("1", State::Active) };
        assert_eq!(plan(std::slice::from_ref(&short), None, &wish(), at(0)), []);
        assert_eq!(plan(&[short], None, &wish(), at(1)), [Step::Create { covered_since: Some(at(0)) }]);
    }

    #[test]
    fn old_one_retires_when_its_successor_is_live_and_is_deleted_a_while_later() {
        let successor = Row { created_at: at(72), expires_at: Some(at(216)), ..row("2", State::Active) };
        let rows = [row("1", State::Active), successor.clone()];
        assert_eq!(plan(&rows, None, &wish(), at(73)), [Step::Retire { registration_id: id("1") }]);
        let rows = [row("1", State::Retiring), successor];
        assert_eq!(plan(&rows, None, &wish(), at(72)), []);
        assert_eq!(plan(&rows, None, &wish(), at(73)), [Step::Delete { registration_id: id("1") }]);
    }

    #[test]
    fn missing_or_expired_one_is_lost_and_created_again_without_coverage() {
        let rows = [row("1", State::Active)];
        let lost = |reason| Step::Lose { registration_id: id("1"), reason };
        let create = Step::Create { covered_since: None };
        let missing = lost("the provider no longer has it");
        assert_eq!(plan(&rows, Some(&[]), &wish(), at(1)), [missing, create.clone()]);
        assert_eq!(plan(&rows, None, &wish(), at(144)), [lost("it has expired"), create]);
    }

    #[test]
    fn creation_without_an_answer_is_looked_up_before_another_one() {
        let rows = [row("1", State::Creating)];
        let soon = at(0) + TimeDelta::seconds(5);
        assert_eq!(plan(&rows, None, &wish(), at(9)), [], "the provider was not asked");
        assert_eq!(plan(&rows, Some(&[]), &wish(), soon), [], "it may still arrive");
        let forget = Step::Forget { registration_id: id("1") };
        assert_eq!(plan(&rows, Some(&[]), &wish(), at(1)), [forget, Step::Create { covered_since: None }]);
        let activate = Step::Activate { registration_id: id("1"), expires_at: at(144), covered_since: None };
        assert_eq!(plan(&rows, Some(&[seen("1")]), &wish(), soon), [activate]);
    }

    #[test]
    fn renewal_without_an_answer_keeps_the_old_one_and_its_coverage() {
        let rows = [row("1", State::Active), Row { created_at: at(72), ..row("2", State::Creating) }];
        let found = plan(&rows, Some(&[seen("1"), seen("2")]), &wish(), at(72));
        let confirm = Step::Confirm { registration_id: id("1"), expires_at: at(144) };
        let activate = Step::Activate { registration_id: id("2"), expires_at: at(144), covered_since: Some(at(0)) };
        assert_eq!(found, [confirm, activate, Step::Retire { registration_id: id("1") }]);
    }

    #[test]
    fn another_address_makes_a_new_one_at_once() {
        let moved = Row { notify_url: "https://old.example.com/".to_owned(), ..row("1", State::Active) };
        assert_eq!(plan(&[moved], None, &wish(), at(1)), [Step::Create { covered_since: Some(at(0)) }]);
    }

    #[test]
    fn what_is_no_longer_wanted_retires() {
        let unwanted = Wish { notify_url: None, ..wish() };
        let rows = [row("1", State::Active)];
        assert_eq!(plan(&rows, None, &unwanted, at(1)), [Step::Retire { registration_id: id("1") }]);
        assert_eq!(plan(&[], None, &unwanted, at(1)), []);
    }
}
