//! All messages of a chat in a stretch of time.
//!
//! Cliq has no cursor: it gives up to 100 messages between two times. A full answer is a cut one, so the walk goes on
//! where it was cut until an answer is not full. The newest messages come first, as one connector says and no page of
//! the provider does; should an answer come in the other order, both ends count as cut. Whether the bounds belong to the
//! stretch is not documented either, nor whether they are read to the millisecond: so every question overlaps the one
//! before, and what was seen is left out by its id.

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

/// The same where more messages lie in the overlap than fit an answer.
const SMALLEST_OVERLAP_MS: i64 = 1;

/// A walk over the messages of one chat; one call for each page.
#[derive(Debug)]
pub struct Messages<'a> {
    cliq: Cliq<'a>,
    chat_id: String,
    limit: u32,
    /// Stretches not read yet; the next one is the last.
    open: Vec<Stretch>,
    seen: HashSet<MessageId>,
}

/// A stretch of time, both ends included, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The last one.
    pub to: DateTime<Utc>,
}

/// From the first to the last millisecond, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    first_ms: i64,
    last_ms: i64,
    overlap_ms: i64,
}

/// What an answer covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Covered {
    oldest_ms: i64,
    newest_ms: i64,
    newest_first: bool,
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
        self.messages_in(chat_id, vec![Window { from, to }], limit)
    }

    /// As [`Self::messages`] over several stretches, the last one first: what an earlier walk had [left](Messages::left).
    ///
    /// # Errors
    /// As [`Self::messages`].
    pub fn messages_in(&self, chat_id: &str, windows: Vec<Window>, limit: u32) -> Result<Messages<'a>, Error> {
        let open = windows.into_iter().filter(|window| window.from <= window.to).map(|window| Stretch {
            first_ms: window.from.timestamp_millis(),
            last_ms: window.to.timestamp_millis(),
            overlap_ms: OVERLAP_MS,
        });
        Ok(Messages {
            cliq: *self,
            chat_id: super::chat(chat_id)?.to_owned(),
            limit: limit.clamp(2, LARGEST_LIMIT),
            open: open.collect(),
            seen: HashSet::new(),
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
    /// [`Error::Throttled`] for the person, with all their Cliq calls; [`Error::TooDense`] when one millisecond holds as
    /// many messages as an answer; [`Error::Denied`] naming the scope; [`Error::NotFound`]; and those of every call.
    /// After an error the walk can go on where it was.
    ///
    /// # Cancellation
    /// Dropping the future loses one call and nothing else.
    pub async fn next(&mut self) -> Result<Option<Vec<Message>>, Error> {
        let Some(stretch) = self.open.last().copied() else { return Ok(None) };
        let rows = self.ask(stretch).await?;
        let covered = if rows.len() < self.limit as usize { None } else { Covered::by(&rows) };
        let rest = match covered {
            Some(covered) => stretch.rest(covered).ok_or_else(|| too_dense(covered, self.limit))?,
            None => Vec::new(),
        };
        self.open.pop();
        self.open.extend(rest);
        let mut messages: Vec<Message> = rows
            .into_iter()
            .filter(|message| stretch.holds(message.time.timestamp_millis()))
            .filter(|message| self.seen.insert(message.id.clone()))
            .collect();
        messages.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        Ok(Some(messages))
    }

    /// What is left to be read: a walk over it by another process finds the rest.
    #[must_use]
    pub fn left(&self) -> Vec<Window> {
        let moment = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::UNIX_EPOCH);
        let window = |stretch: &Stretch| Window { from: moment(stretch.first_ms), to: moment(stretch.last_ms) };
        self.open.iter().map(window).collect()
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
        let from = stretch.first_ms.saturating_sub(stretch.overlap_ms).max(0).to_string();
        let to = stretch.last_ms.saturating_add(stretch.overlap_ms).to_string();
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
        let time = |message: &Message| message.time.timestamp_millis();
        let (first, last) = (rows.first().map(time)?, rows.last().map(time)?);
        let oldest_ms = rows.iter().map(time).min()?;
        let newest_ms = rows.iter().map(time).max()?;
        Some(Self { oldest_ms, newest_ms, newest_first: first >= last })
    }
}

impl Stretch {
    fn holds(self, milliseconds: i64) -> bool {
        (self.first_ms..=self.last_ms).contains(&milliseconds)
    }

    /// What is left to read after a full answer; `None` when asking again could bring nothing else.
    fn rest(self, covered: Covered) -> Option<Vec<Self>> {
        let older_missing = covered.oldest_ms >= self.first_ms;
        let newer_missing = !covered.newest_first && covered.newest_ms <= self.last_ms;
        let older = Self { last_ms: covered.oldest_ms, ..self };
        let newer = Self { first_ms: covered.newest_ms, ..self };
        let older_stays = older_missing && older.last_ms >= self.last_ms;
        let newer_stays = newer_missing && newer.first_ms <= self.first_ms;
        if older_stays || newer_stays {
            let smaller = Self { overlap_ms: SMALLEST_OVERLAP_MS, ..self };
            return (self.overlap_ms > SMALLEST_OVERLAP_MS).then(|| vec![smaller]);
        }
        let mut rest = Vec::new();
        if older_missing {
            rest.push(older);
        }
        if newer_missing {
            rest.push(newer);
        }
        Some(rest)
    }
}

fn too_dense(covered: Covered, limit: u32) -> Error {
    let at = DateTime::from_timestamp_millis(covered.oldest_ms).unwrap_or(DateTime::UNIX_EPOCH);
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
        inclusive: bool,
        newest_first: bool,
        /// In which order a cut answer lists what it kept.
        listed_newest_first: bool,
    }

    /// One answer to one question, as times.
    fn answer(chat: &[i64], stretch: Stretch, limit: usize, manners: Manners) -> Vec<i64> {
        let (from, to) = (stretch.first_ms - stretch.overlap_ms, stretch.last_ms + stretch.overlap_ms);
        let is_inside =
            |time: &&i64| if manners.inclusive { (from..=to).contains(*time) } else { from < **time && **time < to };
        let mut inside: Vec<i64> = chat.iter().filter(is_inside).copied().collect();
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

    /// Every time that a walk over the chat hands out and the number of its questions; `None` when it gives up.
    fn walk(chat: &[i64], first_ms: i64, last_ms: i64, limit: usize, manners: Manners) -> Option<(Vec<i64>, usize)> {
        let mut open = vec![Stretch { first_ms, last_ms, overlap_ms: OVERLAP_MS }];
        let (mut seen, mut questions) = (BTreeSet::new(), 0);
        while let Some(stretch) = open.pop() {
            questions += 1;
            assert!(questions < 10_000, "the walk does not end");
            let times = answer(chat, stretch, limit, manners);
            if times.len() >= limit {
                let covered = Covered {
                    oldest_ms: *times.iter().min()?,
                    newest_ms: *times.iter().max()?,
                    newest_first: times.first() >= times.last(),
                };
                open.extend(stretch.rest(covered)?);
            }
            seen.extend(times.into_iter().filter(|time| stretch.holds(*time)));
        }
        Some((seen.into_iter().collect(), questions))
    }

    fn manners() -> impl Strategy<Value = Manners> {
        // Newest kept and listed either way, or oldest kept and listed as such.
        let orders = prop_oneof![Just((true, true)), Just((true, false)), Just((false, false))];
        (any::<bool>(), orders).prop_map(|(inclusive, (newest_first, listed_newest_first))| Manners {
            inclusive,
            newest_first,
            listed_newest_first,
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
            let chat: Vec<i64> = chat.into_iter().collect();
            let last = first + length;
            // At most one message in a millisecond, so answers of four are never full of one moment.
            let (found, _) = walk(&chat, first, last, limit, manners).expect("the walk ends");
            let wanted: Vec<i64> = chat.iter().copied().filter(|time| (first..=last).contains(time)).collect();
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn a_walk_finds_everything_or_gives_up(
            chat in proptest::collection::vec(0_i64..50, 0..200),
            limit in 2_usize..40,
            manners in manners(),
        ) {
            if let Some((found, _)) = walk(&chat, 0, 50, limit, manners) {
                let wanted: BTreeSet<i64> = chat.iter().copied().collect();
                prop_assert_eq!(found, wanted.into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_thousand_spread_messages_cost_one_question_for_each_hundred() {
        let chat: Vec<i64> = (0..1000).map(|number| number * 5_000).collect();
        let manners = Manners { inclusive: true, newest_first: true, listed_newest_first: true };
        let (found, questions) = walk(&chat, 0, 5_000_000, 100, manners).expect("the walk ends");
        assert_eq!((found.len(), questions), (1000, 11));
    }
}
