//! Flags and experiments as SDKs ask for them.

pub mod export;
