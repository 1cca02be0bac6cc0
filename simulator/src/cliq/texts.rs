//! Messages of every kind, the same for the same numbers.

use crate::random::Random;
use crate::seed::{CliqFileSeed, CliqMessageSeed};

const SENTENCES: &[&str] = &[
    "The delivery for Monday is confirmed.",
    "Could you check the invoice from last week?",
    "Grüße aus Köln, das Angebot ist raus.",
    "資料を確認しました。ありがとうございます。",
    "Quote: \"we pay on Friday\" & nothing <before> that",
    "🚀 shipped",
    "Who is on call tonight?",
    "Backslash \\ and tab\there.",
];

/// Message `number` of a conversation between `people`, given by id and name.
pub(super) fn message(number: u32, people: &[(String, String)], random: &mut Random) -> CliqMessageSeed {
    let pick = |random: &mut Random, count: usize| usize::try_from(random.next() % count.max(1) as u64).unwrap_or(0);
    let (writer, _) = &people[pick(random, people.len())];
    let (other, other_name) = &people[pick(random, people.len())];
    let sentence = SENTENCES[pick(random, SENTENCES.len())];
    let plain = CliqMessageSeed { sender: Some(writer.clone()), ..CliqMessageSeed::default() };
    let file = |media_type: &str, name: String| {
        Some(CliqFileSeed { name, media_type: media_type.to_owned(), size_bytes: 1_000 + u64::from(number) * 37 })
    };
    match number % 10 {
        2 => CliqMessageSeed { text: format!("{number}. {sentence}\n- first point\n\n- second point\n"), ..plain },
        4 => CliqMessageSeed {
            text: format!("{number}. @{other_name} {sentence}"),
            mentions: vec![other.clone()],
            ..plain
        },
        5 => CliqMessageSeed {
            text: format!("{number}. see"),
            file: file("image/png", format!("photo {number}.png")),
            ..plain
        },
        6 => CliqMessageSeed { text: format!("{number}. https://example.com/orders/{number}?a=1&b=2"), ..plain },
        8 => CliqMessageSeed { file: file("application/pdf", format!("Angebot Größe {number}.pdf")), ..plain },
        9 => CliqMessageSeed {
            text: format!("{number}. {sentence}"),
            sender: None,
            bot: Some("Order Bot".to_owned()),
            ..plain
        },
        _ => CliqMessageSeed { text: format!("{number}. {sentence}"), ..plain },
    }
}
