//! Tokens in the store: hashes only.

use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use crate::api::system::Role;

use super::{Reader, StoreError, Tx, from_word, millis, word};

/// Length of a SHA-256 in bytes.
pub const HASH_LENGTH: usize = 32;

/// A token as the store knows it.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct StoredToken {
    /// SHA-256 of the token.
    pub hash: [u8; HASH_LENGTH],
    /// The project it belongs to.
    pub project_id: Uuid,
    /// What the audit log writes as the actor.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// All tokens.
///
/// # Errors
/// See [`StoreError`].
pub async fn all(from: impl Reader<'_>) -> Result<Vec<StoredToken>, StoreError> {
    let rows = sqlx::query("SELECT hash, project_id, name, role FROM tokens")
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the tokens"))?;
    rows.iter()
        .map(|row| {
            let name: String = row.get("name");
            let hash: Vec<u8> = row.get("hash");
            let project: String = row.get("project_id");
            Ok(StoredToken {
                hash: hash.try_into().map_err(|_| {
                    StoreError::corrupt(format!("token {name}"), "its hash has a wrong length")
                })?,
                project_id: Uuid::parse_str(&project)
                    .map_err(|e| StoreError::corrupt(format!("token {name}"), e))?,
                role: from_word(row.get("role"))?,
                name,
            })
        })
        .collect()
}

/// Adds a token, in place of the one of the same name.
///
/// # Errors
/// See [`StoreError`].
pub async fn put(tx: &mut Tx, token: &StoredToken, now: Timestamp) -> Result<(), StoreError> {
    let failed = || StoreError::query("store a token");
    sqlx::query("DELETE FROM tokens WHERE (project_id = $1 AND name = $2) OR hash = $3")
        .bind(token.project_id.to_string())
        .bind(&token.name)
        .bind(token.hash.as_slice())
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    sqlx::query("INSERT INTO tokens (hash, project_id, name, role, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(token.hash.as_slice())
        .bind(token.project_id.to_string())
        .bind(&token.name)
        .bind(word(token.role)?)
        .bind(millis(now))
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    Ok(())
}
