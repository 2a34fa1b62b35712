//! Projects, and what opens them: tokens and the keys of deployments.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::api::projects::Organization;
use crate::api::system::Role;
use crate::domain::{Deployment, DeploymentKind, Project};

use super::shelf::{Shelf, Shelved};
use super::store::tokens::{HASH_LENGTH, StoredToken};

/// SHA-256 of a token or a key.
pub type Hash = [u8; HASH_LENGTH];

/// The form in which a token or a key is stored and looked up.
#[must_use]
pub fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// A deployment with the hashes of its keys: its document in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredDeployment {
    /// The project it belongs to.
    pub project: Uuid,
    /// The deployment; with its key where it is a client's.
    pub deployment: Deployment,
    /// SHA-256 of the key.
    pub key_hash: Hash,
    /// SHA-256 of the key before the last rotation; taken until `previousKeyUntil` of the deployment.
    #[serde(default)]
    pub previous_hash: Option<Hash>,
}

impl StoredDeployment {
    /// A new deployment, and its key.
    #[must_use]
    pub fn new(
        project: Uuid,
        name: String,
        kind: DeploymentKind,
        is_default: bool,
        now: Timestamp,
    ) -> (Self, String) {
        let key = new_key(kind);
        let stored = Self {
            project,
            deployment: Deployment {
                id: Uuid::new_v4(),
                name,
                kind,
                key: (kind == DeploymentKind::Client).then(|| key.clone()),
                key_hint: hint(&key),
                is_default,
                rotated_at: None,
                previous_key_until: None,
                revoked_at: None,
                resource_version: 1,
                created_at: now,
                updated_at: now,
            },
            key_hash: hash(&key),
            previous_hash: None,
        };
        (stored, key)
    }

    /// The same with a new key; the old one is taken until `until`.
    #[must_use]
    pub fn rotated(&self, until: Option<Timestamp>, now: Timestamp) -> (Self, String) {
        let key = new_key(self.deployment.kind);
        let mut next = self.clone();
        let deployment = &mut next.deployment;
        deployment.key = (deployment.kind == DeploymentKind::Client).then(|| key.clone());
        deployment.key_hint = hint(&key);
        deployment.rotated_at = Some(now);
        deployment.previous_key_until = until;
        next.previous_hash = until.map(|_| self.key_hash);
        next.key_hash = hash(&key);
        (next, key)
    }

    /// Whether the key with this hash is taken at `now`.
    fn takes(&self, hash: &Hash, now: Timestamp) -> bool {
        if self.deployment.revoked_at.is_some() {
            return false;
        }
        let previous = self
            .deployment
            .previous_key_until
            .is_some_and(|until| now < until);
        self.key_hash == *hash || (previous && self.previous_hash.as_ref() == Some(hash))
    }
}

impl Shelved for StoredDeployment {
    fn id(&self) -> Uuid {
        self.deployment.id
    }

    fn project(&self) -> Uuid {
        self.project
    }

    fn name_folded(&self) -> String {
        self.deployment.name.to_lowercase()
    }
}

/// A new key: 244 random bits of the operating system.
fn new_key(kind: DeploymentKind) -> String {
    let prefix = match kind {
        DeploymentKind::Client => "client",
        DeploymentKind::Server => "server",
    };
    format!("{prefix}-{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// `server-1a2b…9f0e`
fn hint(key: &str) -> String {
    let (head, tail) = (key.get(..11), key.get(key.len().saturating_sub(4)..));
    format!("{}…{}", head.unwrap_or_default(), tail.unwrap_or_default())
}

/// Whom a token or a key belongs to.
#[derive(Debug, Clone)]
pub enum Bearer {
    /// A person or a program with roles.
    Token(Arc<StoredToken>),
    /// A program that evaluates and tracks.
    Deployment(Arc<StoredDeployment>),
}

/// All projects, tokens and deployments at one moment.
#[derive(Debug, Clone, Default)]
pub struct Access {
    organization: Option<Arc<Organization>>,
    projects: HashMap<Uuid, Arc<Project>>,
    tokens: BTreeMap<Uuid, Arc<StoredToken>>,
    /// The deployments.
    pub deployments: Shelf<StoredDeployment>,
    by_hash: HashMap<Hash, Bearer>,
}

impl Access {
    /// Whose server this is.
    #[must_use]
    pub fn organization(&self) -> Option<&Arc<Organization>> {
        self.organization.as_ref()
    }

    /// Says whose server this is.
    pub fn put_organization(&mut self, organization: Organization) {
        self.organization = Some(Arc::new(organization));
    }

    /// The project with this id.
    #[must_use]
    pub fn project(&self, id: Uuid) -> Option<&Arc<Project>> {
        self.projects.get(&id)
    }

    /// The project with this id or key, whatever its case.
    #[must_use]
    pub fn find_project(&self, id_or_key: &str) -> Option<&Arc<Project>> {
        let by_id = Uuid::try_parse(id_or_key)
            .ok()
            .and_then(|id| self.projects.get(&id));
        let same = |p: &&Arc<Project>| p.key.as_str().eq_ignore_ascii_case(id_or_key);
        by_id.or_else(|| self.projects.values().find(same))
    }

    /// All projects, in no order.
    pub fn projects(&self) -> impl Iterator<Item = &Arc<Project>> {
        self.projects.values()
    }

    /// Puts a project in the place of its former state.
    pub fn put_project(&mut self, project: Project) {
        self.projects.insert(project.id, Arc::new(project));
    }

    /// The token with this id.
    #[must_use]
    pub fn token(&self, id: Uuid) -> Option<&Arc<StoredToken>> {
        self.tokens.get(&id)
    }

    /// All tokens, revoked ones included, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = &Arc<StoredToken>> {
        self.tokens.values()
    }

    /// Puts a token in the place of its former state.
    pub fn put_token(&mut self, token: StoredToken) {
        if let Some(before) = self.tokens.get(&token.id) {
            self.by_hash.remove(&before.hash);
        }
        let token = Arc::new(token);
        let bearer = Bearer::Token(Arc::clone(&token));
        self.by_hash.insert(token.hash, bearer);
        self.tokens.insert(token.id, token);
    }

    /// Puts a deployment in the place of its former state.
    pub fn put_deployment(&mut self, deployment: StoredDeployment) {
        if let Some(before) = self.deployments.remove(deployment.id()) {
            for hash in [Some(before.key_hash), before.previous_hash]
                .into_iter()
                .flatten()
            {
                self.by_hash.remove(&hash);
            }
        }
        let deployment = Arc::new(deployment);
        for hash in [Some(deployment.key_hash), deployment.previous_hash]
            .into_iter()
            .flatten()
        {
            let bearer = Bearer::Deployment(Arc::clone(&deployment));
            self.by_hash.insert(hash, bearer);
        }
        self.deployments.put(deployment);
    }

    /// The deployment that sees what names none: the default one of a project, or the oldest one once that is revoked.
    #[must_use]
    pub fn default_deployment(&self, project: Uuid) -> Option<&Arc<StoredDeployment>> {
        let of_project = self.deployments.of_project(project);
        of_project
            .filter(|d| d.deployment.revoked_at.is_none())
            .min_by_key(|d| (!d.deployment.is_default, d.deployment.created_at, d.deployment.id))
    }

    /// Whom a token or a key belongs to, if it is taken at `now`.
    ///
    /// What is compared is the SHA-256 of what was sent: the time it takes says nothing about those that
    /// exist.
    #[must_use]
    pub fn bearer(&self, secret: &str, now: Timestamp) -> Option<&Bearer> {
        let hash = hash(secret);
        self.by_hash.get(&hash).filter(|bearer| match bearer {
            Bearer::Token(token) => token.is_valid(now),
            Bearer::Deployment(deployment) => deployment.takes(&hash, now),
        })
    }

    /// The administrators of a project who could take the place of another one at `now`.
    pub fn admins(&self, project: Uuid, now: Timestamp) -> impl Iterator<Item = &Arc<StoredToken>> {
        self.tokens
            .values()
            .filter(move |token| token.is_valid(now) && token.roles.get(&project) == Some(&Role::Admin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_rotated_key_is_taken_until_its_grace_ends() {
        let project = Uuid::from_u128(1);
        let (first, old) =
            StoredDeployment::new(project, "web".to_owned(), DeploymentKind::Server, false, at(0));
        assert_eq!(first.deployment.key, None, "a server's key is not stored");
        assert!(!first.deployment.key_hint.contains(&old[12..20]));
        let mut access = Access::default();
        access.put_deployment(first.clone());
        assert!(access.bearer(&old, at(1)).is_some());
        let (second, new) = first.rotated(Some(at(100)), at(10));
        access.put_deployment(second.clone());
        assert!(access.bearer(&old, at(99)).is_some());
        assert!(access.bearer(&old, at(100)).is_none());
        assert!(access.bearer(&new, at(100)).is_some());
        let (third, newest) = second.rotated(None, at(101));
        access.put_deployment(third.clone());
        assert!(access.bearer(&old, at(11)).is_none());
        assert!(access.bearer(&new, at(102)).is_none());
        assert!(access.bearer(&newest, at(102)).is_some());
        let mut revoked = third;
        revoked.deployment.revoked_at = Some(at(103));
        access.put_deployment(revoked);
        assert!(access.bearer(&newest, at(104)).is_none());
    }

    #[test]
    fn a_token_ends_when_it_expires_or_is_revoked() {
        let project = Uuid::from_u128(1);
        let mut token = StoredToken::new(hash("secret"), "ci", project, Role::Editor, at(0));
        token.expires_at = Some(at(10));
        let mut access = Access::default();
        access.put_token(token.clone());
        assert!(access.bearer("secret", at(9)).is_some());
        assert!(access.bearer("secret", at(10)).is_none());
        token.expires_at = None;
        token.revoked_at = Some(at(5));
        access.put_token(token);
        assert!(access.bearer("secret", at(6)).is_none());
        assert_eq!(access.admins(project, at(6)).count(), 0);
    }
}
