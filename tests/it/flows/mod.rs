//! What goes through several parts.

mod server;
