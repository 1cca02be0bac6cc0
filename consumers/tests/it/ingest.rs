//! Messages of mapped channels reach the receiver: once, in order, whatever happens on the way.

mod chat;
mod composing;
mod crashing;
mod refused;
mod settled;
mod trusted;
