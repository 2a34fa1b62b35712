//! The real binary on a real pseudo-terminal: whatever ends it, the terminal is as it was.

mod demo;
mod editing;
mod import;
mod life;
mod line;
mod objects;
mod preferences;
mod server;
mod terminal;
