//! The typed client: against answers a real server does not give, and against a real server.

mod answers;
mod endpoints;
mod reader;
