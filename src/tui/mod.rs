//! The terminal: drawing, input, themes.

pub mod glyphs;
pub mod theme;
pub mod widgets;
