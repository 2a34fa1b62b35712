//! The cockpit's core: before, keys and answers, after.

mod anything;
mod dialogs;
mod editing;
mod list;
mod live;
mod tabs;
mod words;
