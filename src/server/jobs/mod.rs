//! What the server does by itself, or when an administrator says so.

pub mod srm_guard;
