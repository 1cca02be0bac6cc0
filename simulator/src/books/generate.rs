//! Users and contacts in numbers, the same for the same seed.

use super::contact::Contact;
use super::{Books, User};
use crate::clock::Millis;
use crate::random::Random;
use crate::seed::{BooksContactType, BooksGeneratedSeed, BooksUserStatus};

const FIRST: &[&str] =
    &["Ada", "Björn", "Chidi", "Dana", "Emeka", "Fatima", "Goran", "Hana", "Ivo", "Jun", "Kaya", "Lea"];
const LAST: &[&str] =
    &["Abbott", "Brontë", "Castillo", "Dubois", "Eriksen", "Fukuda", "García", "Haas", "Ivanova", "Jensen", "Köhler"];
const TRADES: &[&str] = &["Trading", "Logistics", "& Sons", "Foods", "Textiles", "Optics", "Mills", "Partners"];
const ROLES: &[&str] = &["staff", "staff", "staff", "timesheetstaff", "Sales Executive", "admin"];
/// Contacts were created in the two years before the start.
const PAST_MS: u64 = 2 * 365 * 86_400_000;

/// Adds the users and contacts; the first user is the current one unless there is one already.
pub(super) fn fill(books: &mut Books, seed: &BooksGeneratedSeed, root: u64, now: Millis) {
    let mut random = Random::new(root ^ seed.seed.wrapping_mul(1_000_003) ^ 0x0B00_C5ED);
    let mut owners = Vec::new();
    for number in 1..=seed.users {
        let is_current_user = books.users.is_empty();
        let id = books.free_id();
        let (first, last) = (pick(&mut random, FIRST), pick(&mut random, LAST));
        let user = User {
            id,
            name: format!("{first} {last}"),
            email: format!("user{number}@example.com"),
            role: if is_current_user { "admin".to_owned() } else { pick(&mut random, ROLES).to_owned() },
            status: status(&mut random, is_current_user),
            is_current_user,
            created_ms: past(&mut random, now),
        };
        owners.push(id);
        books.users.insert(id, user);
    }
    for number in 1..=seed.contacts {
        let id = books.free_id();
        let contact = contact(&mut random, seed, (id, number), &owners, now);
        books.contacts.insert(id, contact);
    }
}

fn contact(
    random: &mut Random,
    seed: &BooksGeneratedSeed,
    (id, number): (u64, u32),
    owners: &[u64],
    now: Millis,
) -> Contact {
    let (first, last) = (pick(random, FIRST), pick(random, LAST));
    let created_ms = past(random, now);
    let since_ms = u64::try_from(now - created_ms).unwrap_or_default();
    let company = format!("{last} {} {number:04}", pick(random, TRADES));
    Contact {
        id,
        name: company.clone(),
        company_name: company,
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        email: format!("contact{number}@example.com"),
        phone: String::new(),
        contact_type: if random.chance(0.05) { BooksContactType::Vendor } else { BooksContactType::Customer },
        inactive: random.chance(seed.inactive),
        owner_id: owner(random, seed, owners),
        zcrm_contact_id: String::new(),
        zcrm_account_id: String::new(),
        zcrm_vendor_id: String::new(),
        created_ms,
        modified_ms: created_ms + i64::try_from(random.between(0, since_ms)).unwrap_or_default(),
        api_updates: 0,
    }
}

/// Nobody, somebody in no list, or one of the users.
fn owner(random: &mut Random, seed: &BooksGeneratedSeed, owners: &[u64]) -> Option<u64> {
    if random.chance(seed.without_owner) {
        return None;
    }
    if random.chance(seed.with_unknown_owner) {
        return Some(460_000_000_900_001 + random.between(0, 3) * 2);
    }
    let place = random.between(0, (owners.len() as u64).saturating_sub(1));
    owners.get(usize::try_from(place).unwrap_or_default()).copied()
}

fn status(random: &mut Random, is_current_user: bool) -> BooksUserStatus {
    if is_current_user || !random.chance(0.1) { BooksUserStatus::Active } else { BooksUserStatus::Inactive }
}

fn past(random: &mut Random, now: Millis) -> Millis {
    now - i64::try_from(random.between(0, PAST_MS)).unwrap_or_default()
}

fn pick(random: &mut Random, from: &[&'static str]) -> &'static str {
    let place = random.between(0, from.len() as u64 - 1);
    from[usize::try_from(place).unwrap_or_default()]
}
