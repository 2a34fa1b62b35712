//! The terminal: drawing, input, themes.

pub mod chrome;
mod create;
pub mod experiments;
mod field;
pub mod glyphs;
pub mod input;
pub mod objects;
pub mod overlays;
pub mod page;
pub mod sgr;
pub mod sheet;
pub mod svg;
pub mod tabs;
pub mod terminal;
pub mod theme;
pub mod view;
pub mod widgets;
