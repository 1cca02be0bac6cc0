//! The real binary against the simulator.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

/// Makes a test on SQLite and one on PostgreSQL of each function that takes a [`tests::Store`].
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(tests::Store::Sqlite); })+
        }
        mod postgres {
            $(#[test] fn $name() { super::$name(tests::Store::Postgres); })+
        }
    };
}

mod bad_input;
mod cliq;
mod comparison;
mod consent;
mod crash;
mod demo;
mod erp_owners;
mod erp_people;
mod fleet;
mod gateway;
mod grants;
mod migrant;
mod migrate_store;
mod names;
mod notify;
mod operator;
mod partner;
mod real_broker;
mod secrets;
mod shutdown;
mod trees;
mod webhooks;
