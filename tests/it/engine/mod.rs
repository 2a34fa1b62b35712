//! The embedded engine, for real: library, processes, files.

mod run;
