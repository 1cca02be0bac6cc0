//! What only PostgreSQL has: several processes, locks on tables, and roles.

mod leading;
mod locks;
mod roles;
