//! The cockpit's core: state, actions, effects; no terminal, no network, no clock.
//!
//! [`update::update`] is a pure function `(&mut State, Action, now) -> Vec<Effect>`. Effects are plain
//! data that `runtime` carries out; each answer comes back as [`action::Action::Reply`] with the id of
//! its run, and is dropped when a later run has replaced it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`change`] | changes of flags, deployments, projects, tokens |
//! | [`intake`] | ids that are counted as they arrive, for a bulk import |
//! | [`key`] | a key press, parsed from and written as text |
//! | [`keymap`] | the one registry of commands: dispatch, footer, help, palette, docs |
//! | [`action`], [`effect`] | what can happen, what can be asked for |
//! | [`export`] | tables as CSV and JSON |
//! | [`mod@format`] | numbers and times as they are written |
//! | [`ports`] | what the outside promises: answers and failures |
//! | [`state`] | everything there is to know, one file an area |
//! | [`mod@update`] | what each action does to it, one file an area |
//! | [`alarms`] | what about an experiment needs a person |
//! | [`edit`] | the working copy of an experiment: fields, changes, merging |
//! | [`evidence`] | how far a split is off, and since when |
//! | [`lifecycle`] | the steps of a life, and their effects in words |
//! | [`rule_text`] | rules written as text, and read from it |
//! | [`width`] | how wide text is on the screen |
//! | [`wiring`] | snippets that ask for a variant and attach the attribution |

pub mod action;
pub mod alarms;
pub mod change;
pub mod edit;
pub mod effect;
pub mod evidence;
pub mod export;
pub mod format;
pub mod intake;
pub mod key;
pub mod keymap;
pub mod lifecycle;
pub mod ports;
pub mod rule_text;
pub mod state;
pub mod times;
pub mod update;
pub mod width;
pub mod wiring;

pub use action::Action;
pub use effect::Effect;
pub use key::{Code, Key};
pub use state::State;
pub use update::update;
