//! Reading what people write: every mistake is named, in the words of who wrote it.

pub mod toml;
pub mod words;
