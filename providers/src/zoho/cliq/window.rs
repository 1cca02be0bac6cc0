//! All messages of a chat in a stretch of time.
//!
//! Cliq has no cursor: it gives up to 100 messages between two times. A full answer is a cut one, so the walk goes on
//! where it was cut until an answer is not full. The newest messages come first, as one connector says and no page of
//! the provider does; should an answer come in the other order, both ends count as cut. Whether the bounds belong to the
//! stretch is not documented either, nor whether they are read to the millisecond: so every question overlaps the one
//! before, and what was seen is left out by its id. Where the overlap alone fills an answer, it is made smaller on that
//! side; how far it is belongs to the stretch, so that a walk goes on wherever it is taken up again.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::zoho::call::Operation;
use crate::zoho::cliq::{Cliq, Message, MessageId, SCOPE, page, read};

const MESSAGES: Operation = read("cliq.messages", SCOPE, "cliq chat");

/// Most messages of one answer.
const LARGEST_LIMIT: u32 = 100;

/// How far a question reaches beyond its stretch, in milliseconds: enough for bounds that are read in seconds.
const OVERLAP_MS: i64 = 1000;

/// The same where the messages in the overlap fill an answer. When one of them lies on the bound and fills it still, the
/// bound belongs to the stretch, and no overlap is needed.
const SMALL_OVERLAP_MS: i64 = 1;

/// A walk over the messages of one chat; one call for each page.
#[derive(Debug)]
pub struct Messages<'a> {
    cliq: Cliq<'a>,
    chat_id: String,
    limit: u32,
    /// Stretches not read yet; the next one is the last.
    open: Vec<Stretch>,
    seen: HashSet<MessageId>,
    /// What an answer gave that is full of one moment.
    kept: Option<Vec<Message>>,
}

/// A stretch of time, both ends included, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The last one.
    pub to: DateTime<Utc>,
    /// How far a question reaches before the first moment, in milliseconds.
    pub before_ms: i64,
    /// How far it reaches beyond the last one, in milliseconds.
    pub after_ms: i64,
}

impl Window {
    /// A stretch of which nothing is known yet.
    #[must_use]
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Window { from, to, before_ms: OVERLAP_MS, after_ms: OVERLAP_MS }
    }
}

/// From the first to the last millisecond, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    first_ms: i64,
    last_ms: i64,
    before_ms: i64,
    after_ms: i64,
}

/// What an answer covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Covered {
    oldest_ms: i64,
    newest_ms: i64,
    /// The first message is newer than the last one. Where it is as old, nobody knows the order.
    newest_first: bool,
}

/// What a full answer leaves to be read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rest {
    open: Vec<Stretch>,
    /// The moment that holds more than an answer: what is open goes on beside it.
    dense_ms: Option<i64>,
}

impl<'a> Cliq<'a> {
    /// Walks backwards over the messages from `from` to `to`, both included, to the millisecond.
    ///
    /// Asks for up to `limit` messages a call, 2 to 100; 100 unless there is a reason. Only chats the person is a member of can be read. Threads are
    /// chats of their own. Edits and deletions of old messages do not show.
    ///
    /// # Errors
    /// [`Error::Rejected`] when the chat id is none.
    pub fn messages(
        &self,
        chat_id: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: u32,
    ) -> Result<Messages<'a>, Error> {
        self.messages_in(chat_id, vec![Window::new(from, to)], limit)
    }

    /// As [`Self::messages`] over several stretches, the last one first: what an earlier walk had [left](Messages::left).
    ///
    /// # Errors
    /// As [`Self::messages`].
    pub fn messages_in(&self, chat_id: &str, windows: Vec<Window>, limit: u32) -> Result<Messages<'a>, Error> {
        Ok(Messages {
            cliq: *self,
            chat_id: super::chat(chat_id)?.to_owned(),
            limit: limit.clamp(2, LARGEST_LIMIT),
            open: windows.into_iter().map(Stretch::of).filter(|stretch| stretch.is_some()).collect(),
            seen: HashSet::new(),
            kept: None,
        })
    }
}

impl Messages<'_> {
    /// The messages of the next call, oldest first, each once in a walk; `None` when the whole stretch was read. A page
    /// may be empty. Pages go from the newest to the oldest.
    ///
    /// A watermark may be moved only when the walk is done: the newest messages come first, and what lies between them
    /// and the old watermark comes last.
    ///
    /// # Errors
    /// [`Error::Throttled`] for the person, with all their Cliq calls; [`Error::Denied`] naming the scope;
    /// [`Error::NotFound`]; and those of every call. After these the walk can go on where it was.
    /// [`Error::TooDense`] when one moment holds as many messages as an answer. The next page is then what the answer
    /// showed of it, without a call, and the walk goes on beside that moment.
    ///
    /// # Cancellation
    /// Dropping the future loses one call and nothing else.
    pub async fn next(&mut self) -> Result<Option<Vec<Message>>, Error> {
        if let Some(page) = self.kept.take() {
            return Ok(Some(page));
        }
        let Some(stretch) = self.open.last().copied() else { return Ok(None) };
        let rows = self.ask(stretch).await?;
        let covered = if rows.len() < self.limit as usize { None } else { Covered::by(&rows) };
        let rest = covered.map(|covered| stretch.rest(covered)).unwrap_or_default();
        self.open.pop();
        self.open.extend(rest.open);
        let mut messages: Vec<Message> = rows
            .into_iter()
            .filter(|message| stretch.holds(message.time.timestamp_millis()))
            .filter(|message| self.seen.insert(message.id.clone()))
            .collect();
        messages.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        if let Some(dense_ms) = rest.dense_ms {
            self.kept = Some(messages);
            return Err(too_dense(dense_ms, self.limit));
        }
        Ok(Some(messages))
    }

    /// What is left to be read: a walk over it by another process finds the rest.
    #[must_use]
    pub fn left(&self) -> Vec<Window> {
        self.open.iter().map(|stretch| stretch.window()).collect()
    }

    /// The rest of the walk at once, oldest first.
    ///
    /// # Errors
    /// As [`Self::next`]; what was read before the error is lost.
    pub async fn all(mut self) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::new();
        while let Some(page) = self.next().await? {
            messages.extend(page);
        }
        messages.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        Ok(messages)
    }

    /// The messages of one answer in the order they came.
    async fn ask(&self, stretch: Stretch) -> Result<Vec<Message>, Error> {
        let (from_ms, to_ms) = stretch.question();
        let (from, to) = (from_ms.max(0).to_string(), to_ms.to_string());
        let limit = self.limit.to_string();
        let query = [("fromtime", from.as_str()), ("totime", &to), ("limit", &limit)];
        let segments = ["chats", self.chat_id.as_str(), "messages"];
        let answer = self.cliq.messages_call(&MESSAGES, &self.chat_id, &segments, &query).await?;
        if answer.body.is_empty() {
            return Ok(Vec::new());
        }
        let mut body: Map<String, Value> = answer.json(MESSAGES.name)?;
        let rows = page::list(MESSAGES.name, &mut body, &["data"])?;
        rows.into_iter().map(|fields| Message::from_fields(MESSAGES.name, fields)).collect()
    }
}

impl Covered {
    fn by(rows: &[Message]) -> Option<Self> {
        Self::of(rows.iter().map(|message| message.time.timestamp_millis()))
    }

    /// By the times of an answer in the order they came.
    fn of(times: impl Iterator<Item = i64> + Clone) -> Option<Self> {
        let (first, last) = (times.clone().next()?, times.clone().last()?);
        Some(Self { oldest_ms: times.clone().min()?, newest_ms: times.max()?, newest_first: first > last })
    }
}

impl Stretch {
    fn of(window: Window) -> Self {
        Self {
            first_ms: window.from.timestamp_millis(),
            last_ms: window.to.timestamp_millis(),
            before_ms: window.before_ms,
            after_ms: window.after_ms,
        }
    }

    fn window(self) -> Window {
        let moment = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::UNIX_EPOCH);
        Window {
            from: moment(self.first_ms),
            to: moment(self.last_ms),
            before_ms: self.before_ms,
            after_ms: self.after_ms,
        }
    }

    /// Whether there is any moment in it.
    fn is_some(self) -> bool {
        self.first_ms <= self.last_ms
    }

    fn holds(self, milliseconds: i64) -> bool {
        (self.first_ms..=self.last_ms).contains(&milliseconds)
    }

    /// The bounds that are asked for.
    fn question(self) -> (i64, i64) {
        (self.first_ms.saturating_sub(self.before_ms), self.last_ms.saturating_add(self.after_ms))
    }

    /// What is left to read after a full answer. It is never the stretch itself: either it is shorter, or the next
    /// question does not reach as far beyond it.
    fn rest(self, covered: Covered) -> Rest {
        let Covered { oldest_ms, newest_ms, newest_first } = covered;
        if oldest_ms == newest_ms && self.holds(oldest_ms) {
            return self.beside(oldest_ms, oldest_ms);
        }
        let older_missing = oldest_ms >= self.first_ms;
        let newer_missing = !newest_first && newest_ms <= self.last_ms;
        if older_missing && oldest_ms >= self.last_ms {
            return match smaller(self.after_ms) {
                Some(after_ms) => Rest { open: vec![Self { after_ms, ..self }], dense_ms: None },
                // It shows later moments than it was asked for: it reads bounds in seconds, and this second is full.
                None => self.beside(self.last_ms - OVERLAP_MS + 1, self.last_ms),
            };
        }
        if newer_missing && newest_ms <= self.first_ms {
            return match smaller(self.before_ms) {
                Some(before_ms) => Rest { open: vec![Self { before_ms, ..self }], dense_ms: None },
                None => self.beside(self.first_ms, self.first_ms + OVERLAP_MS - 1),
            };
        }
        let mut open = Vec::new();
        if older_missing {
            open.push(Self { last_ms: oldest_ms, after_ms: OVERLAP_MS, ..self });
        }
        if newer_missing {
            open.push(Self { first_ms: newest_ms, before_ms: OVERLAP_MS, ..self });
        }
        Rest { open, dense_ms: None }
    }

    /// What lies before and after moments that hold too much.
    fn beside(self, first_ms: i64, last_ms: i64) -> Rest {
        let older = Self { last_ms: first_ms - 1, after_ms: SMALL_OVERLAP_MS, ..self };
        let newer = Self { first_ms: last_ms + 1, before_ms: SMALL_OVERLAP_MS, ..self };
        let dense_ms = Some(last_ms.min(self.last_ms));
        Rest { open: [older, newer].into_iter().filter(|stretch| stretch.is_some()).collect(), dense_ms }
    }
}

/// The next smaller overlap.
fn smaller(overlap_ms: i64) -> Option<i64> {
    match overlap_ms {
        ..=0 => None,
        SMALL_OVERLAP_MS => Some(0),
        _ => Some(SMALL_OVERLAP_MS),
    }
}

fn too_dense(moment_ms: i64, limit: u32) -> Error {
    let at = DateTime::from_timestamp_millis(moment_ms).unwrap_or(DateTime::UNIX_EPOCH);
    Error::TooDense { operation: MESSAGES.name, at, limit }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// How a chat answers: what nobody documents.
    #[derive(Debug, Clone, Copy)]
    struct Manners {
        from_inclusive: bool,
        to_inclusive: bool,
        /// Bounds are read in steps of so many milliseconds, outward.
        step_ms: i64,
        newest_first: bool,
        /// In which order a cut answer lists what it kept.
        listed_newest_first: bool,
    }

    const PLAIN: Manners =
        Manners { from_inclusive: true, to_inclusive: true, step_ms: 1, newest_first: true, listed_newest_first: true };

    /// A message: its time, and its number among all.
    type Said = (i64, usize);

    /// One answer to one question.
    fn answer(chat: &[Said], stretch: Stretch, limit: usize, manners: Manners) -> Vec<Said> {
        let (from, to) = stretch.question();
        let step = manners.step_ms;
        let (from, to) = (from.div_euclid(step) * step, -(-to).div_euclid(step) * step);
        let is_inside = |(time, _): &&Said| {
            (*time > from || manners.from_inclusive && *time == from)
                && (*time < to || manners.to_inclusive && *time == to)
        };
        let mut inside: Vec<Said> = chat.iter().filter(is_inside).copied().collect();
        inside.sort_unstable();
        if manners.newest_first {
            inside.drain(..inside.len().saturating_sub(limit));
        } else {
            inside.truncate(limit);
        }
        if manners.listed_newest_first {
            inside.reverse();
        }
        inside
    }

    /// What a walk found, asked, and could not have.
    #[derive(Debug, Default)]
    struct Walked {
        found: BTreeSet<Said>,
        questions: usize,
        dense: BTreeSet<i64>,
    }

    /// A walk of which every page is read by another process, from what the one before had left.
    fn walk(chat: &[Said], first_ms: i64, last_ms: i64, limit: usize, manners: Manners) -> Walked {
        let moment = |milliseconds| DateTime::from_timestamp_millis(milliseconds).expect("a moment");
        let mut left = vec![Window::new(moment(first_ms), moment(last_ms))];
        let mut walked = Walked::default();
        while !left.is_empty() {
            walked.questions += 1;
            assert!(walked.questions < 10_000, "the walk does not end");
            let mut open: Vec<Stretch> = left.iter().copied().map(Stretch::of).collect();
            let stretch = open.pop().expect("something is left");
            let said = answer(chat, stretch, limit, manners);
            if said.len() >= limit {
                let rest = stretch.rest(Covered::of(said.iter().map(|(time, _)| *time)).expect("it is full"));
                walked.dense.extend(rest.dense_ms);
                open.extend(rest.open);
            }
            walked.found.extend(said.into_iter().filter(|(time, _)| stretch.holds(*time)));
            let after: Vec<Window> = open.into_iter().map(Stretch::window).collect();
            assert_ne!(after, left, "a page changes what is left");
            left = after;
        }
        walked
    }

    fn numbered(times: impl IntoIterator<Item = i64>) -> Vec<Said> {
        times.into_iter().enumerate().map(|(number, time)| (time, number)).collect()
    }

    fn manners() -> impl Strategy<Value = Manners> {
        // Newest kept and listed either way, or oldest kept and listed as such.
        let orders = prop_oneof![Just((true, true)), Just((true, false)), Just((false, false))];
        (any::<bool>(), any::<bool>(), orders).prop_map(|(from_inclusive, to_inclusive, (newest_first, listed))| {
            Manners { from_inclusive, to_inclusive, step_ms: 1, newest_first, listed_newest_first: listed }
        })
    }

    proptest! {
        #[test]
        fn a_walk_finds_every_message_whatever_the_bounds_and_order_mean(
            chat in proptest::collection::btree_set(0_i64..60_000, 0..400),
            limit in 4_usize..40,
            (first, length) in (0_i64..60_000, 0_i64..60_000),
            manners in manners(),
        ) {
            let chat = numbered(chat);
            let last = first + length;
            // At most one message in a millisecond, so answers of four are never full of one moment.
            let walked = walk(&chat, first, last, limit, manners);
            let wanted: BTreeSet<Said> = chat.iter().copied().filter(|(time, _)| (first..=last).contains(time)).collect();
            prop_assert_eq!(walked.found, wanted);
            prop_assert!(walked.dense.is_empty());
        }

        #[test]
        fn a_walk_finds_everything_but_what_it_says(
            chat in proptest::collection::vec(0_i64..50, 0..200),
            limit in 2_usize..40,
            manners in manners(),
        ) {
            let chat = numbered(chat);
            let walked = walk(&chat, 0, 50, limit, manners);
            for said in chat.iter().filter(|said| !walked.found.contains(said)) {
                prop_assert!(walked.dense.contains(&said.0), "{said:?} is lost without a word");
            }
            for moment in walked.dense {
                let there = chat.iter().filter(|(time, _)| *time == moment).count();
                let shown = walked.found.iter().filter(|(time, _)| *time == moment).count();
                prop_assert!(there >= limit && shown >= limit, "{there} at {moment}, {shown} shown");
            }
        }

        #[test]
        fn a_walk_ends_and_finds_what_is_beside_full_seconds_where_bounds_are_read_in_seconds(
            chat in proptest::collection::vec(0_i64..20_000, 0..200),
            limit in 2_usize..40,
            manners in manners(),
        ) {
            let chat = numbered(chat);
            let walked = walk(&chat, 0, 20_000, limit, Manners { step_ms: 1000, ..manners });
            for said in chat.iter().filter(|said| !walked.found.contains(said)) {
                let is_near = walked.dense.iter().any(|dense| (dense - said.0).abs() <= 1000);
                prop_assert!(is_near, "{said:?} is lost without a word: {:?}", walked.dense);
            }
        }
    }

    #[test]
    fn a_thousand_spread_messages_cost_one_question_for_each_hundred() {
        let chat = numbered((0..1000).map(|number| number * 5_000));
        let walked = walk(&chat, 0, 5_000_000, 100, PLAIN);
        assert_eq!((walked.found.len(), walked.questions), (1000, 11));
    }

    #[test]
    fn hundreds_within_a_moment_cost_a_few_questions_more() {
        // None of the milliseconds is full, and the second is.
        let chat = numbered((0..240).map(|number| 50_000 + number / 80 * 155));
        let walked = walk(&chat, 0, 100_000, 100, PLAIN);
        assert_eq!((walked.found.len(), walked.dense.len()), (240, 0));
        assert!(walked.questions <= 6, "{}", walked.questions);
        let chat = numbered((0..250).map(|_| 50_000).chain([40_000, 50_001, 60_000]));
        let walked = walk(&chat, 0, 100_000, 100, PLAIN);
        assert!(walked.found.len() >= 103 && walked.dense == BTreeSet::from([50_000]));
        assert!(walked.questions <= 10, "{}", walked.questions);
    }
}
