//! Configuration: file, environment, flags, in that order, and the paths of everything on disk.

pub mod access;
pub mod check;
pub mod cockpit;
pub mod command;
pub mod file;
pub mod paths;

pub use access::{Access, AccessError, Flags};
pub use check::check;
pub use cockpit::{CockpitConfig, ContextConfig};
pub use file::{Config, ConfigError};
pub use paths::{Paths, PathsError};
