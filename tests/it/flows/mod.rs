//! What goes through several parts, and the binary run as a person runs it.

mod calc;
mod demo;
mod drain;
mod engine_restart;
mod faults_winner;
mod guard;
mod import_faults;
mod ingest;
mod read_only_store;
mod server;
mod several_servers;
mod silent_store;
mod sticky;
