//! A job that brings the messages of one mapped channel into the log, a page in each turn.

use std::time::Instant;

use catalogue::actor::Actor;
use catalogue::message;
use catalogue::sync::{self, READ, Read};
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Append, EventId, EventOutcome, NewEvent};
use mappings::channel::{Mapping, State, SyncResult, set_sync_result};
use providers::error::Error as ProviderError;
use providers::zoho::cliq::{Message, Messages, Window};
use uuid::Uuid;

use super::chats::{self, Chat, Seen};
use super::jobs::{self, Job, Kind, Progress, Trigger, channel_subject};
use super::message::posted;
use super::worker::{Trouble, Worker};
use crate::intake::{Error, only_as_leader};

/// Read again before what was read: a provider may show a message later than it dates it.
const OVERLAP: TimeDelta = TimeDelta::minutes(2);
/// The same of a list of threads.
const THREADS_LISTED_BEFORE: TimeDelta = TimeDelta::seconds(60);
/// A thread whose newest message is not older is looked into by every sync: no list vouches for it.
const LIVELY: TimeDelta = TimeDelta::days(1);
/// All other threads are looked into this often at most, where no list names them as changed. Less than a day, so that a
/// daily sync looks.
const QUIET_THREADS_EVERY: TimeDelta = TimeDelta::hours(20);
/// Messages in one answer: the most that the provider gives.
const LIMIT: u32 = 100;
/// A list that was read so long before a job was due still tells what there is; what comes later is found by the next one.
/// Who asks, asks for what there is by then.
const LISTED_BEFORE: TimeDelta = TimeDelta::seconds(5);

/// Counted in jobs.
const FETCHED: &str = "messages_fetched";
const PROCESSED: &str = "messages_processed";
const CALLS: &str = "calls";

/// One turn: a page of messages, or the end of the job.
pub(super) async fn turn(worker: &mut Worker, job: &Job) -> Result<(), Trouble> {
    let began = Instant::now();
    let mapping = mapping_of(worker, job).await?;
    let now = worker.intake.log.now();
    if job.trigger != Trigger::Webhook || job.turns == 0 && worker.directory.channel(&mapping.channel_id).is_none() {
        let patience = if job.trigger == Trigger::Scheduled { LISTED_BEFORE } else { TimeDelta::zero() };
        worker.directory.read_channels(&worker.client, job.wanted_at - patience, now).await?;
    }
    let mut left_out = None;
    if mapping.settings.threads {
        let patience = if job.trigger == Trigger::Scheduled { THREADS_LISTED_BEFORE } else { TimeDelta::zero() };
        let refused = worker.directory.read_threads(&worker.client, job.wanted_at - patience, now).await?;
        left_out = refused.map(|reason| format!("new threads are not found: {reason}"));
    }
    let listed = worker.directory.channel(&mapping.channel_id).cloned().unwrap_or_default();
    let known = chats::of_mapping(worker.intake.log.database().readers(), mapping.mapping_id).await?;
    let new = missing(worker, &mapping, &known, now);
    let is_wanted = |chat: &Chat| mapping.settings.threads || chat.parent_chat_id.is_none();
    let chats: Vec<Chat> = known.into_iter().chain(new.iter().cloned()).filter(is_wanted).collect();

    let since_ms = mapping.settings.since.map_or(0, |since| since.timestamp_millis());
    let has_news = |chat: &Chat| match chat.parent_chat_id {
        _ if chat.since_ms.is_some_and(|read_from_ms| since_ms < read_from_ms) => true,
        None => !listed.seen.is_telling() || chat.seen != listed.seen,
        Some(_) => worker.directory.has_changed(&chat.chat_id, chat.looked_at) || is_due(chat, now),
    };
    let Some(chat) = chats.iter().find(|chat| is_open(chat, job, has_news)) else {
        rename(worker, &mapping, &listed.name).await?;
        return complete(worker, job, &mapping, &chats, left_out, began).await;
    };
    let seen = if chat.parent_chat_id.is_none() { listed.seen } else { Seen::default() };
    let unfinished = unfinished(chat, job);
    let opened_at = unfinished.is_none().then_some(now);
    let windows = unfinished.unwrap_or_else(|| windows(&mapping, chat, job, seen, now));
    let mut walk = worker.client.cliq().messages_in(&chat.chat_id, windows.clone(), LIMIT)?;
    let page = next(&mut walk).await?;
    let left = walk.left();
    if left == windows {
        let error = "a page changed nothing of what is left to be read".to_owned();
        return Err(Trouble::Pointless { code: "walk_stuck", error });
    }
    let newest = page.messages.iter().map(|message| message.time.timestamp_millis()).max();
    let mut chat = after(chat, newest, left, job, opened_at.map(|_| seen));
    if opened_at.is_some() {
        chat.since_ms = Some(since_ms);
    }
    save(worker, job, &mapping, new, (chat, opened_at), page, began).await?;
    Ok(())
}

/// Whether the job has to look into a chat. What was told of it counts more than what a list says, which may be older.
fn is_open(chat: &Chat, job: &Job, has_news: impl Fn(&Chat) -> bool) -> bool {
    if chat.read_in == Some(job.job_id) {
        return false;
    }
    let is_unfinished = chat.stretches.is_some() || chat.read_in.is_none();
    if is_unfinished || job.is_full || chat.told_at.is_some() {
        return true;
    }
    job.trigger != Trigger::Webhook && has_news(chat)
}

/// Whether a thread of which nobody tells anything is looked into.
fn is_due(thread: &Chat, now: DateTime<Utc>) -> bool {
    let newest = DateTime::from_timestamp_millis(thread.newest_ms).unwrap_or_default();
    now - newest < LIVELY || now - thread.looked_at >= QUIET_THREADS_EVERY
}

/// What an answer showed.
struct Page {
    messages: Vec<Message>,
    /// What cannot be had although everything else can, in words.
    left_out: Option<String>,
}

/// The next page. Where one moment holds more than an answer, that is what the answer showed of it.
async fn next(walk: &mut Messages<'_>) -> Result<Page, ProviderError> {
    let (page, left_out) = match walk.next().await {
        Err(error @ ProviderError::TooDense { .. }) => (walk.next().await?, Some(error.to_string())),
        page => (page?, None),
    };
    Ok(Page { messages: page.unwrap_or_default(), left_out })
}

async fn mapping_of(worker: &Worker, job: &Job) -> Result<Mapping, Trouble> {
    let pointless = |code, error: &str| Trouble::Pointless { code, error: error.to_owned() };
    let id = job.subject.strip_prefix("channel:").and_then(|id| id.parse::<Uuid>().ok());
    let Some(id) = id else { return Err(pointless("mapping_unknown", "the job names no mapping")) };
    let found = mappings::channel::get(worker.intake.log.database().readers(), None, id).await;
    let mapping = match found {
        Ok(mapping) => mapping,
        Err(mappings::Error::Log(error)) => return Err(error.into()),
        Err(_) => return Err(pointless("mapping_unknown", "there is no such mapping")),
    };
    match mapping.state {
        State::Active | State::Error => Ok(mapping),
        State::Paused => Err(pointless("mapping_paused", "the mapping is paused")),
        State::Ended => Err(pointless("mapping_ended", "the channel does not belong to the room any more")),
    }
}

/// Chats of the channel that have no row yet.
fn missing(worker: &Worker, mapping: &Mapping, known: &[Chat], now: DateTime<Utc>) -> Vec<Chat> {
    let threads = worker.directory.threads_of(&mapping.chat_id).iter();
    let threads =
        threads.filter(|_| mapping.settings.threads).map(|id| Chat::new(mapping, id, Some(&mapping.chat_id), now));
    std::iter::once(Chat::new(mapping, &mapping.chat_id, None, now))
        .chain(threads)
        .filter(|chat| known.iter().all(|one| one.chat_id != chat.chat_id))
        .collect()
}

/// What the walk under way has left. One that another job left is finished first, because its newest messages are in the
/// log and what lies below them is not; who reads everything finds that too.
fn unfinished(chat: &Chat, job: &Job) -> Option<Vec<Window>> {
    let is_own = chat.walk_job == Some(job.job_id);
    chat.stretches.clone().filter(|_| is_own || !job.is_full)
}

/// What is to be read of a chat: from what is read, with an overlap, to the newest that there can be. The end is the
/// later of our clock and the provider's word: one that is too early costs only time, what is beyond comes next. Where
/// older messages are wanted than were when the chat was read, these come last.
fn windows(mapping: &Mapping, chat: &Chat, job: &Job, seen: Seen, now: DateTime<Utc>) -> Vec<Window> {
    let since = mapping.settings.since.unwrap_or(DateTime::UNIX_EPOCH);
    let read = DateTime::from_timestamp_millis(chat.newest_ms).unwrap_or(DateTime::UNIX_EPOCH);
    let from = if job.is_full || chat.newest_ms == 0 { since } else { (read - OVERLAP).max(since) };
    let told = seen.last_ms.and_then(DateTime::from_timestamp_millis).unwrap_or(now);
    let window = Window::new(from, now.max(told));
    let read_from = chat.since_ms.and_then(DateTime::from_timestamp_millis);
    let older = read_from.filter(|read_from| since < *read_from && since < from);
    older.map(|read_from| Window::new(since, read_from.min(from))).into_iter().chain([window]).collect()
}

/// How far the chat is read after a page, of which `newest` is the newest message. `listed` is what the list told when the
/// walk was begun with this page; a walk of several pages ends where it was to end, and the list tells of more by then.
fn after(chat: &Chat, newest: Option<i64>, left: Vec<Window>, job: &Job, listed: Option<Seen>) -> Chat {
    let is_own = listed.is_some() || chat.walk_job == Some(job.job_id);
    let top_ms = chat.top_ms.max(newest);
    let mut chat = chat.clone();
    if left.is_empty() {
        chat.newest_ms = chat.newest_ms.max(top_ms.unwrap_or(0));
        chat.top_ms = None;
        chat.stretches = None;
        chat.walk_job = None;
        // The walk of another job says nothing of what came since: this job has one of its own to do.
        chat.read_in = is_own.then_some(job.job_id);
        chat.seen = listed.filter(|seen| seen.is_covered(chat.newest_ms)).unwrap_or_default();
    } else {
        chat.top_ms = top_ms;
        chat.stretches = Some(left);
        chat.walk_job = if is_own { Some(job.job_id) } else { chat.walk_job };
    }
    chat
}

async fn save(
    worker: &Worker,
    job: &Job,
    mapping: &Mapping,
    new: Vec<Chat>,
    (chat, opened_at): (Chat, Option<DateTime<Utc>>),
    page: Page,
    began: Instant,
) -> Result<(), Error> {
    if let Some(left_out) = &page.left_out {
        metrics::counter!("messages_left_out_total", "reason" => "too_dense").increment(1);
        tracing::warn!(account.id = %worker.account, job.id = %job.job_id, "a sync of {} goes on without some messages: {left_out}", job.subject);
    }
    let (leadership, job, account) = (worker.leadership.clone(), job.clone(), worker.account.clone());
    let organization = mapping.organization.clone();
    let saved = worker.intake.log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            only_as_leader(unit, &leadership).await?;
            let now = unit.now();
            for one in &new {
                chats::add(unit.connection(), now, &account, one).await?;
            }
            let fetched = page.messages.len() as u64;
            let facts: Vec<NewEvent> = page
                .messages
                .iter()
                .map(|message| posted(&account, &organization, &chat, message).in_story(job.correlation_id, None))
                .collect();
            let mut new_facts = 0;
            if !facts.is_empty() {
                let appended = unit.append(Append::new(message::stream(&account, &chat.chat_id), facts)).await?;
                let is_new = |outcome: &&EventOutcome| matches!(outcome, EventOutcome::Recorded { .. });
                new_facts = appended.outcomes.iter().filter(is_new).count() as u64;
            }
            let asked = [("chat_id", chat.chat_id.clone())];
            let read = Read {
                job_id: job.job_id,
                asked: asked.map(|(name, value)| (name.to_owned(), value)).into(),
                found: fetched,
                new_facts,
            };
            let event = NewEvent::new(READ, "poll", &read)
                .in_story(job.correlation_id, None::<EventId>)
                .of(&account, &organization);
            unit.append(Append::new(sync::stream(&job.subject), vec![event])).await?;
            chats::save(unit.connection(), now, &chat, opened_at).await?;
            let progress = Progress {
                counts: vec![(FETCHED, fetched), (PROCESSED, new_facts), (CALLS, 1)],
                processing_ms: milliseconds(began),
                left_out: page.left_out,
            };
            jobs::advance(unit, &job, &progress).await?;
            Ok(new_facts)
        })
    });
    let new_facts = saved.await?;
    metrics::counter!("messages_recorded_total").increment(new_facts);
    Ok(())
}

/// Everything is read that can be: the job and the mapping say so, and what could not, in one unit of work.
async fn complete(
    worker: &Worker,
    job: &Job,
    mapping: &Mapping,
    chats: &[Chat],
    left_out: Option<String>,
    began: Instant,
) -> Result<(), Trouble> {
    let newest = chats.iter().map(|chat| chat.newest_ms).max().filter(|newest| *newest > 0);
    let last_message_at = newest.and_then(DateTime::from_timestamp_millis);
    let (leadership, job, mapping_id) = (worker.leadership.clone(), job.clone(), mapping.mapping_id);
    let completed = worker.intake.log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            only_as_leader(unit, &leadership).await?;
            let at = unit.now();
            let counts = vec![(FETCHED, 0), (PROCESSED, 0), (CALLS, 0)];
            let progress = Progress { counts, processing_ms: milliseconds(began), left_out };
            let job = jobs::advance(unit, &job, &progress).await?;
            set_sync_result(unit, mapping_id, &SyncResult::Completed { at, last_message_at }).await?;
            if let Some(error) = job.left_out.clone() {
                set_sync_result(unit, mapping_id, &SyncResult::Failed { error }).await?;
            }
            jobs::complete(unit, &job).await?;
            Ok(())
        })
    });
    completed.await?;
    jobs::count(Kind::Channel, jobs::State::Completed);
    Ok(())
}

/// Notes at the mapping that a job of its channel is in trouble; nothing for other jobs.
pub(super) async fn note_failure(worker: &Worker, job: &Job, error: &str) -> Result<(), Error> {
    let id = job.subject.strip_prefix("channel:").and_then(|id| id.parse::<Uuid>().ok());
    let Some(mapping_id) = id else { return Ok(()) };
    let (leadership, error) = (worker.leadership.clone(), error.to_owned());
    worker
        .intake
        .log
        .write(move |unit| {
            Box::pin(async move {
                only_as_leader(unit, &leadership).await?;
                set_sync_result(unit, mapping_id, &SyncResult::Failed { error }).await?;
                Ok(())
            })
        })
        .await
}

/// Follows a channel that was renamed at the provider. A name that cannot be used leaves the old one.
async fn rename(worker: &Worker, mapping: &Mapping, name: &str) -> Result<(), Trouble> {
    if name.is_empty() || name == mapping.channel_name {
        return Ok(());
    }
    let actor = Actor { subject: "sync".to_owned(), ..Actor::of_command("sync") };
    match mappings::channel::rename(&worker.intake.log, &actor, mapping.mapping_id, name).await {
        Err(mappings::Error::Log(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!(error = %error, subject = channel_subject(mapping.mapping_id), "a channel keeps its old name");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

pub(super) fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::jobs::State as JobState;
    use super::*;

    fn chat() -> Chat {
        Chat {
            mapping_id: Uuid::from_u128(1),
            chat_id: "CT_1".to_owned(),
            channel_id: "O1".to_owned(),
            parent_chat_id: None,
            since_ms: None,
            newest_ms: 5_000,
            top_ms: None,
            stretches: None,
            walk_job: None,
            read_in: Some(Uuid::from_u128(9)),
            told_at: None,
            seen: listed(5_000),
            looked_at: DateTime::UNIX_EPOCH,
        }
    }

    fn listed(last_ms: i64) -> Seen {
        Seen { count: Some(7), last_ms: Some(last_ms) }
    }

    /// Whether a list that tells that says more than is known.
    fn news(last_ms: i64) -> impl Fn(&Chat) -> bool {
        move |chat| chat.seen != listed(last_ms)
    }

    fn job(number: u128, is_full: bool) -> Job {
        let now = DateTime::UNIX_EPOCH;
        Job {
            job_id: Uuid::from_u128(number),
            kind: Kind::Channel,
            subject: channel_subject(Uuid::from_u128(1)),
            account: "org-a".to_owned(),
            organization: "acme".to_owned(),
            trigger: Trigger::Manual,
            is_full,
            retry_of: None,
            state: JobState::Running,
            not_before: now,
            failures: 0,
            turns: 0,
            requested_at: now,
            started_at: None,
            finished_at: None,
            counts: Default::default(),
            processing_ms: 0,
            error_code: None,
            error: None,
            correlation_id: Uuid::from_u128(2),
            wanted_at: now,
            left_out: None,
            causation_id: None,
        }
    }

    fn stretch(from_ms: i64, to_ms: i64) -> Window {
        let moment = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap();
        Window::new(moment(from_ms), moment(to_ms))
    }

    #[test]
    fn list_that_is_ahead_of_the_messages_does_not_vouch() {
        let (chat, job) = (chat(), job(3, false));
        assert!(!is_open(&chat, &job, news(5_000)));
        assert!(is_open(&chat, &job, news(6_000)));
        let read = after(&chat, Some(6_000), Vec::new(), &job, Some(listed(6_000)));
        assert_eq!((read.newest_ms, read.seen), (6_000, listed(6_000)));
        let behind = after(&chat, None, Vec::new(), &job, Some(listed(6_000)));
        assert_eq!((behind.newest_ms, behind.seen), (5_000, Seen::default()));
        assert!(is_open(&behind, &self::job(4, false), news(6_000)), "the next sync looks again");
    }

    #[test]
    fn quiet_thread_is_due_once_a_day_and_a_lively_one_always() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        let thread = |newest_days, looked_hours| Chat {
            newest_ms: (now - TimeDelta::days(newest_days)).timestamp_millis() + 1,
            looked_at: now - TimeDelta::hours(looked_hours),
            ..chat()
        };
        assert!(is_due(&thread(1, 0), now));
        assert!(!is_due(&thread(2, 19), now));
        assert!(is_due(&thread(2, 20), now));
    }

    #[test]
    fn walk_that_another_job_left_vouches_for_nobody() {
        let (first, second) = (job(3, false), job(4, false));
        let broken = after(&chat(), Some(9_000), vec![stretch(5_000, 8_000)], &first, Some(listed(9_000)));
        assert_eq!(broken.walk_job, Some(first.job_id));
        assert_eq!(unfinished(&broken, &second), Some(vec![stretch(5_000, 8_000)]));
        let ended = after(&broken, Some(6_000), Vec::new(), &second, None);
        assert_eq!((ended.newest_ms, ended.read_in, ended.seen), (9_000, None, Seen::default()));
        assert!(is_open(&ended, &second, news(9_000)), "it has a walk of its own to do");
        let own = after(&ended, Some(9_500), Vec::new(), &second, Some(listed(9_500)));
        assert_eq!((own.read_in, own.seen), (Some(second.job_id), listed(9_500)));
        assert_eq!(unfinished(&broken, &job(5, true)), None, "who reads everything begins anew");
    }
}
