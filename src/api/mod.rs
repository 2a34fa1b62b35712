//! What goes over the wire: requests, answers, problem codes. Shared by server and client.
//!
//! JSON is camelCase. Objects of the model ([`crate::domain`]) are sent as they are; this module holds
//! what is only said in a request or an answer.

pub mod amplitude;
pub mod assign;
pub mod audit;
pub mod banners;
pub mod deployments;
pub mod experiments;
pub mod flags;
pub mod imports;
pub mod insights;
pub mod jobs;
pub mod live;
pub mod moment;
pub mod ofrep;
pub mod openapi;
pub mod openpanel;
pub mod overrides;
pub mod problem;
pub mod projects;
pub mod results;
pub mod sdk_user;
pub mod system;
pub mod track;

use serde::{Deserialize, Deserializer};

/// Request header that carries the bearer token: `Authorization: Bearer …`.
pub const BEARER: &str = "Bearer ";

/// Tells `null` from a missing field, which leaves things as they are: it clears what is an `Option` inside, and is
/// refused where nothing can be cleared.
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
