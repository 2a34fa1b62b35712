//! What several tests need.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

pub mod cockpit;
pub mod engine;
pub mod front;
pub mod line;
pub mod load;
pub mod midway;
pub mod objects;
pub mod postgres;
pub mod process;
pub mod projects;
pub mod server;
pub mod store;
pub mod tables;
pub mod warehouse;

/// Asks for every kind of test: what cannot run fails instead of being skipped.
const REQUIRE_ALL: &str = "SPLITDECK_TEST_REQUIRE_ALL";

/// Says that a test does not run here, and what is missing; fails where everything is asked for.
///
/// Each reason is said once, and past what is kept back of the output of tests that pass.
#[track_caller]
pub fn skip(why: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert!(
        std::env::var_os(REQUIRE_ALL).is_none(),
        "{REQUIRE_ALL} is set, and there is {why}"
    );
    if SAID.lock().expect("no panic").insert(why.to_owned()) {
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
    }
}
