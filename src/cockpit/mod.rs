//! The cockpit's core: state, actions, effects and pure updates. No terminal, no network.
pub mod format;
