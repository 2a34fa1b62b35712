//! The embedded engine, for real: library, processes, files.

mod command;
mod failures;
mod install;
mod life;
mod users;
