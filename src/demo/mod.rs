//! The demo: real data replayed and simulated live traffic, through the same client, server and engine as production.
//!
//! What is simulated is named so, in the names of the experiments and in the cockpit's header.

pub mod cookie_cats;
pub mod population;
pub mod replay;
pub mod sender;
pub mod stage;
pub mod traffic;
