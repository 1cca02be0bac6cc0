//! What only PostgreSQL can suffer: roles with few rights, a server that goes away, processes that stand still.

mod outages;
mod roles;
mod servers;
