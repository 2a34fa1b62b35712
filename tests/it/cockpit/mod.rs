//! The cockpit's core: before, keys and answers, after.

mod anything;
mod dialogs;
mod list;
mod live;
mod tabs;
