//! Tokens in the store: hashes only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::api::system::Role;

use super::{Reader, StoreError, Tx, millis, timestamp};

/// Length of a SHA-256 in bytes.
pub const HASH_LENGTH: usize = 32;

/// A token as the store knows it.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct StoredToken {
    /// What it is revoked by.
    pub id: Uuid,
    /// SHA-256 of the token.
    pub hash: [u8; HASH_LENGTH],
    /// What the audit log writes as the actor.
    pub name: String,
    /// The project that is meant where a request names none.
    pub home: Uuid,
    /// What it may do in which project.
    pub roles: BTreeMap<Uuid, Role>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it is not taken any more.
    pub revoked_at: Option<Timestamp>,
}

impl StoredToken {
    /// A token with a role in one project, and no end.
    pub fn new(
        hash: [u8; HASH_LENGTH],
        name: impl Into<String>,
        project: Uuid,
        role: Role,
        now: Timestamp,
    ) -> Self {
        Self {
            id: Uuid::new_v4(),
            hash,
            name: name.into(),
            home: project,
            roles: BTreeMap::from([(project, role)]),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        }
    }

    /// Whether it is taken at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// All tokens, the oldest first.
///
/// # Errors
/// See [`StoreError`].
pub async fn all(from: impl Reader<'_>) -> Result<Vec<StoredToken>, StoreError> {
    let sql = "SELECT id, hash, name, home_id, roles, created_at, expires_at, revoked_at FROM bearers \
               ORDER BY created_at, id";
    let rows = sqlx::query(sql)
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the tokens"))?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<StoredToken, StoreError> {
    let name: String = row.get("name");
    let corrupt = |why: String| StoreError::row("bearers", format_args!("name {name}"), why);
    let uuid = |text: String| Uuid::parse_str(&text).map_err(|error| corrupt(error.to_string()));
    let hash: Vec<u8> = row.get("hash");
    let roles: String = row.get("roles");
    let time = |column: &str| row.get::<Option<i64>, _>(column).map(timestamp).transpose();
    Ok(StoredToken {
        id: uuid(row.get("id"))?,
        hash: hash
            .try_into()
            .map_err(|_| corrupt("its hash has a wrong length".to_owned()))?,
        home: uuid(row.get("home_id"))?,
        roles: serde_json::from_str(&roles).map_err(|error| corrupt(error.to_string()))?,
        created_at: timestamp(row.get("created_at"))?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
        name: name.clone(),
    })
}

/// Adds a token, or puts it in the place of the one with its id or its hash.
///
/// # Errors
/// See [`StoreError`].
pub async fn put(tx: &mut Tx, token: &StoredToken) -> Result<(), StoreError> {
    let failed = || StoreError::query("store a token");
    let roles = serde_json::to_string(&token.roles).map_err(|source| StoreError::Json {
        what: "token",
        source,
    })?;
    sqlx::query("DELETE FROM bearers WHERE id = $1 OR hash = $2")
        .bind(token.id.to_string())
        .bind(token.hash.as_slice())
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    let sql = "INSERT INTO bearers (id, hash, name, home_id, roles, created_at, expires_at, revoked_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(sql)
        .bind(token.id.to_string())
        .bind(token.hash.as_slice())
        .bind(&token.name)
        .bind(token.home.to_string())
        .bind(roles)
        .bind(millis(token.created_at))
        .bind(token.expires_at.map(millis))
        .bind(token.revoked_at.map(millis))
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    Ok(())
}
