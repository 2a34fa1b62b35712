//! Files that are generated from the code are checked for drift.
//!
//! `SPLITDECK_BLESS=1 cargo test --test it generated` writes them anew.

use std::path::Path;

/// Holds `path` (from the root of the package) to `text`.
fn is_current(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("SPLITDECK_BLESS").is_some() {
        std::fs::write(&file, text).expect("writes");
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == text,
        "{path} is not what the code generates; run `SPLITDECK_BLESS=1 cargo test --test it generated`"
    );
}

#[test]
fn config_example() {
    is_current("config.example.toml", &splitdeck::config::file::example());
}

#[test]
fn keys() {
    is_current("docs/keys.md", &splitdeck::cockpit::keymap::render_docs());
}

#[test]
fn openapi() {
    is_current("docs/openapi.json", &splitdeck::api::openapi::text());
}
