//! The terminal: drawing, input, themes.

pub mod glyphs;
pub mod theme;
