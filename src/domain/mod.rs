//! The model: validated types without input or output.
