//! Owners that the ERP wants reach Books: once, in order, never over somebody else's change.

mod asking;
mod given_up;
mod office;
mod settled;
mod waiting;
