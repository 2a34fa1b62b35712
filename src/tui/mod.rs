//! The terminal: drawing, input, themes.
