//! Configuration: file, environment, flags, in that order, and the paths of everything on disk.

pub mod access;
pub mod file;
pub mod paths;

pub use access::{Access, AccessError};
pub use file::{Config, ConfigError};
pub use paths::{Paths, PathsError};
