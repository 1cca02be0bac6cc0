//! Endpoints are told what happens: their own organisation's events, at least once, under one id.

mod failing;
mod office;
mod settings;
mod stopped;
mod telling;
