//! The terminal: drawing, input, themes.

pub mod glyphs;
pub mod tabs;
pub mod theme;
pub mod widgets;
