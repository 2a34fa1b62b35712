//! The cockpit's core: before, keys and answers, after.

mod answers;
mod anything;
mod calls;
mod crowded;
mod dialogs;
mod editing;
mod exports;
mod flags;
mod follows;
mod idle;
mod imports;
mod keys;
mod labs;
mod list;
mod literals;
mod live;
mod lost;
mod narrow;
mod objects;
mod rebound;
mod rows;
mod said;
mod tabs;
mod times;
mod typing;
mod words;
