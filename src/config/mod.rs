//! Configuration: file, environment, flags, and the paths of everything on disk.
