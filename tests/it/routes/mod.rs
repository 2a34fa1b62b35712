//! One file an endpoint, as the URLs go.

mod me;
