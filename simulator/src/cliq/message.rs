//! A message, and the several ways the endpoints write its id and time (zoho.md section 5.2).

use serde_json::{Value, json};

use crate::clock::Millis;
use crate::knobs::{MessageIdForm, MessageTimeForm};

/// What a message is known by: its millisecond and a number that is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageKey {
    pub(crate) time_ms: Millis,
    pub(crate) sequence: u64,
}

impl MessageKey {
    pub(crate) fn text(self, form: MessageIdForm) -> String {
        let between = match form {
            MessageIdForm::Underscore => "_",
            MessageIdForm::Space => " ",
            MessageIdForm::Percent => "%20",
        };
        format!("{}{between}{}", self.time_ms, self.sequence)
    }

    /// Reads the spelling with an underscore or a space, which is what a path holds once it is decoded.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (time_ms, sequence) = text.split_once(['_', ' '])?;
        Some(Self { time_ms: time_ms.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    /// The same, and also the spelling with `%20`.
    pub(crate) fn parse_any(text: &str) -> Option<Self> {
        Self::parse(&text.replacen("%20", " ", 1))
    }
}

/// Who wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) is_bot: bool,
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Text { text: String },
    File { id: String, name: String, media_type: String, size_bytes: u64, comment: String },
}

impl Content {
    /// The text, or the comment of a file.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Text { text } => text,
            Self::File { comment, .. } => comment,
        }
    }

    pub(crate) fn words_mut(&mut self) -> &mut String {
        match self {
            Self::Text { text } => text,
            Self::File { comment, .. } => comment,
        }
    }

    pub(crate) fn file_name(&self) -> Option<&str> {
        match self {
            Self::Text { .. } => None,
            Self::File { name, .. } => Some(name),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::File { .. } => "file",
        }
    }
}

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) key: MessageKey,
    pub(crate) sender: Sender,
    pub(crate) content: Content,
    /// Ids and names of the people mentioned.
    pub(crate) mentions: Vec<(String, String)>,
    /// 0 as written, one more with every edit.
    pub(crate) revision: u32,
    pub(crate) deleted: bool,
    /// When the search may know it.
    pub(crate) written_ms: Millis,
}

impl Message {
    /// The message as a list or a single read shows it.
    pub(crate) fn shown(&self, id: MessageIdForm, time: MessageTimeForm) -> Value {
        let mut shown = json!({
            "id": self.key.text(id),
            "time": self.time(time),
            "type": if self.deleted { "deleted" } else { self.content.kind() },
            "sender": {"name": self.sender.name, "id": self.sender.id},
        });
        if self.deleted {
            return shown;
        }
        shown["content"] = match &self.content {
            Content::Text { text } => json!({"text": text}),
            Content::File { id, name, media_type, size_bytes, comment } => {
                let file = json!({"id": id, "name": name, "type": media_type, "dimensions": {"size": size_bytes}});
                match comment.as_str() {
                    "" => json!({"file": file, "thumbnail": {}}),
                    _ => json!({"file": file, "comment": comment, "thumbnail": {}}),
                }
            }
        };
        if !self.mentions.is_empty() {
            shown["mentions"] = self.shown_mentions();
        }
        shown
    }

    /// `{"name": "@…", "id", "type": "user"}` per person (sample of a thread's main message in Cliq's v3
    /// description, key Q2).
    pub(crate) fn shown_mentions(&self) -> Value {
        let mention = |(id, name): &(String, String)| json!({"name": format!("@{name}"), "id": id, "type": "user"});
        self.mentions.iter().map(mention).collect()
    }

    fn time(&self, form: MessageTimeForm) -> Value {
        let as_number = match form {
            MessageTimeForm::Mixed => self.key.sequence.is_multiple_of(2),
            MessageTimeForm::Number => true,
            MessageTimeForm::Text => false,
        };
        if as_number { self.key.time_ms.into() } else { self.key.time_ms.to_string().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: MessageKey = MessageKey { time_ms: 1_768_471_500_000, sequence: 40_288_830_613 };

    #[test]
    fn every_spelling_of_an_id_means_the_same_message() {
        for form in [MessageIdForm::Underscore, MessageIdForm::Space, MessageIdForm::Percent] {
            assert_eq!(MessageKey::parse_any(&KEY.text(form)), Some(KEY));
        }
        assert_eq!(MessageKey::parse("1768471500000%2040288830613"), None, "a path is decoded once");
        assert_eq!(MessageKey::parse("1768471500000"), None);
    }

    #[test]
    fn keys_order_by_time_and_then_by_sequence() {
        let later = MessageKey { sequence: KEY.sequence + 1, ..KEY };
        assert!(KEY < later && later < MessageKey { time_ms: KEY.time_ms + 1, sequence: 0 });
    }
}
