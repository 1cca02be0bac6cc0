//! What only SQLite can suffer: damaged files, full disks, killed processes, several openers of one file.

mod access;
mod child;
mod damage;
mod full_disk;
mod immutable;
mod kill;
mod processes;
mod write_ahead;
