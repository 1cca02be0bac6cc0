//! Endpoints of Books and their names.

use actix_web::http::Method;

/// An endpoint with the id in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Organizations,
    Users,
    CurrentUser,
    User { id: String },
    Contacts,
    Contact { id: String },
    UpdateContact { id: String },
}

impl Route {
    /// The endpoint below `/books/v3`, or the status of its absence.
    pub(crate) fn resolve(method: &Method, rest: &[&str]) -> Result<Self, u16> {
        let own = |text: &&str| (*text).to_owned();
        match (method.as_str(), rest) {
            ("GET", ["organizations"]) => Ok(Self::Organizations),
            ("GET", ["users"]) => Ok(Self::Users),
            ("GET", ["users", "me"]) => Ok(Self::CurrentUser),
            ("GET", ["users", id]) => Ok(Self::User { id: own(id) }),
            ("GET", ["contacts"]) => Ok(Self::Contacts),
            ("GET", ["contacts", id]) => Ok(Self::Contact { id: own(id) }),
            ("PUT", ["contacts", id]) => Ok(Self::UpdateContact { id: own(id) }),
            (_, ["organizations"] | ["users" | "contacts"] | ["users" | "contacts", _]) => Err(405),
            _ => Err(404),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Organizations => "books.organizations",
            Self::Users => "books.users",
            Self::CurrentUser => "books.current_user",
            Self::User { .. } => "books.user",
            Self::Contacts => "books.contacts",
            Self::Contact { .. } => "books.contact",
            Self::UpdateContact { .. } => "books.update_contact",
        }
    }
}
