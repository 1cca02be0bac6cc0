//! What a token entitles to: five roles, each with everything that the lower ones may do.

use std::fmt;
use std::str::FromStr;

/// A role; a higher one may do all that a lower one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Keeps things going: retries, redrives, pauses.
    Operator,
    /// Decides what is synced and transferred.
    Manager,
    /// Decides on access: accounts, grants, settings.
    Admin,
    /// An admin of every organisation, where the token names none.
    SuperAdmin,
}

/// A word that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; the roles are super_admin, admin, manager, operator and viewer")]
pub struct UnknownRole(pub String);

impl Role {
    /// All roles, lowest first.
    pub const ALL: [Role; 5] = [Role::Viewer, Role::Operator, Role::Manager, Role::Admin, Role::SuperAdmin];

    /// Its name in tokens, answers and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Manager => "manager",
            Role::Admin => "admin",
            Role::SuperAdmin => "super_admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Role::ALL.into_iter().find(|role| role.as_str() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_above_all_that_come_before_it() {
        assert!(Role::ALL.is_sorted());
        assert!(Role::SuperAdmin > Role::Admin && Role::Operator > Role::Viewer);
    }

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(UnknownRole("Admin".to_owned())));
    }
}
