//! What Books' endpoints answer (zoho.md sections 4.1 to 4.3).

use serde_json::{Value, json};

use super::contact::Contact;
use super::dialect::{bad_value, missing, not_authorized, require, success};
use super::filter::Filter;
use super::limits;
use super::page::Page;
use super::route::Route;
use super::update;
use super::user::User;
use crate::answer::Answer;
use crate::context::Context;
use crate::seed::BooksUserStatus;

const SETTINGS: &str = "ZohoBooks.settings.READ";
const CONTACTS: &str = "ZohoBooks.contacts.READ";
const USER_COLUMNS: &[&str] = &["name", "email", "user_role", "status"];
const CONTACT_COLUMNS: &[&str] = &[
    "contact_name",
    "first_name",
    "last_name",
    "email",
    "outstanding_receivable_amount",
    "created_time",
    "last_modified_time",
];

/// Counts the call against the limits and answers it.
pub(crate) fn answer(context: &mut Context<'_>, route: &Route) -> Answer {
    let answer = limits::check(context).and_then(|()| match route {
        Route::Organizations => organizations(context),
        Route::Users => users(context),
        Route::CurrentUser => current_user(context),
        Route::User { id } => user(context, id),
        Route::Contacts => contacts(context),
        Route::Contact { id } => contact(context, id),
        Route::UpdateContact { id } => update::contact(context, id),
    });
    match answer {
        Ok(answer) | Err(answer) => answer,
    }
}

/// `GET /organizations`, the one call that needs no `organization_id`.
fn organizations(context: &mut Context<'_>) -> Result<Answer, Answer> {
    if !context.allows(SETTINGS) {
        return Err(not_authorized());
    }
    let organization = context.organization();
    let shown = json!({
        "organization_id": organization.books.organization_id, "name": &*organization.name, "contact_name": "",
        "email": "", "is_default_org": true, "language_code": "en", "fiscal_year_start_month": 0,
        "account_created_date": "2016-02-18", "time_zone": "PST", "is_org_active": true, "currency_code": "USD",
        "currency_symbol": "$", "currency_format": "###,##0.00", "price_precision": 2,
    });
    Ok(success("success", json!({"organizations": [shown]})))
}

/// `GET /users`.
fn users(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, SETTINGS)?;
    let known = ["organization_id", "filter_by", "sort_column", "sort_order", "page", "per_page"];
    if let Some((unknown, _)) = context.call.query.pairs().find(|(name, _)| !known.contains(name)) {
        let example = format!("{unknown} on the users of Books");
        context.misdeed("unknown_parameter", || example);
    }
    let page = Page::read(context, USER_COLUMNS, "name")?;
    let knobs = &context.world.knobs.books;
    let (hide_inactive, all_deleted) = (knobs.hide_inactive_users, knobs.all_includes_deleted_users);
    let default = if hide_inactive { "Status.Active" } else { "Status.All" };
    let wanted = context.call.query.get("filter_by").unwrap_or(default);
    let admits = |status: BooksUserStatus| match wanted {
        "Status.All" => Some(all_deleted || status != BooksUserStatus::Deleted),
        "Status.Active" => Some(status == BooksUserStatus::Active),
        "Status.Inactive" => Some(status == BooksUserStatus::Inactive),
        "Status.Invited" => Some(status == BooksUserStatus::Invited),
        "Status.Deleted" => Some(status == BooksUserStatus::Deleted),
        _ => None,
    };
    if admits(BooksUserStatus::Active).is_none() {
        return Err(bad_value("filter_by"));
    }
    let books = &context.organization().books;
    let mut rows: Vec<&User> = books.users.values().filter(|user| admits(user.status) == Some(true)).collect();
    page.sort(&mut rows, |user| {
        let value = match page.sort_column() {
            "email" => user.email.to_lowercase(),
            "user_role" => user.role.to_lowercase(),
            "status" => user.status_text().to_owned(),
            _ => user.name.to_lowercase(),
        };
        (value, user.id)
    });
    let (rows, page_context) = page.cut(&rows, "Users");
    let shown: Vec<Value> = rows.iter().map(|user| user.row()).collect();
    Ok(success("success", json!({"users": shown, "page_context": page_context})))
}

/// `GET /users/me`: the user whose grant this is; the first one when the seed names none.
fn current_user(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, SETTINGS)?;
    let books = &context.organization().books;
    let current = books.users.values().find(|user| user.is_current_user).or_else(|| books.users.values().next());
    let user = current.ok_or_else(|| missing("User"))?;
    Ok(success("success", json!({"user": user.detail(books.offset)})))
}

/// `GET /users/{id}`.
fn user(context: &mut Context<'_>, id: &str) -> Result<Answer, Answer> {
    require(context, SETTINGS)?;
    let books = &context.organization().books;
    let user = id.parse().ok().and_then(|id| books.users.get(&id)).ok_or_else(|| missing("User"))?;
    Ok(success("success", json!({"user": user.detail(books.offset)})))
}

/// `GET /contacts`.
fn contacts(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, CONTACTS)?;
    let page = Page::read(context, CONTACT_COLUMNS, "contact_name")?;
    let filter = Filter::read(context)?;
    let books = &context.organization().books;
    let mut rows: Vec<&Contact> = books.contacts.values().filter(|contact| filter.admits(contact)).collect();
    page.sort(&mut rows, |contact| {
        let text = match page.sort_column() {
            "contact_name" => contact.name.to_lowercase(),
            "first_name" => contact.first_name.to_lowercase(),
            "last_name" => contact.last_name.to_lowercase(),
            "email" => contact.email.to_lowercase(),
            _ => String::new(),
        };
        let time = match page.sort_column() {
            "created_time" => contact.created_ms,
            "last_modified_time" => contact.modified_ms,
            _ => 0,
        };
        (text, time, contact.id)
    });
    let (rows, page_context) = page.cut(&rows, "Contacts");
    let shown: Vec<Value> = rows.iter().map(|contact| contact.row(books)).collect();
    Ok(success("success", json!({"contacts": shown, "page_context": page_context})))
}

/// `GET /contacts/{id}`; merged and deleted contacts do not exist.
fn contact(context: &mut Context<'_>, id: &str) -> Result<Answer, Answer> {
    require(context, CONTACTS)?;
    let books = &context.organization().books;
    let contact = id.parse().ok().and_then(|id| books.contacts.get(&id)).ok_or_else(|| missing("Contact"))?;
    Ok(success("success", json!({"contact": contact.detail(books)})))
}
