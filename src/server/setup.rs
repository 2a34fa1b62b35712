//! The first start: a project, and the token of its administrator.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::projects::Organization;
use crate::api::system::Role;
use crate::domain::{AuditAction, AuditEntry, Change, DeploymentKind, Environment, Key, Project};

use super::ServerError;
use super::access::{Hash, StoredDeployment, hash};
use super::registry::now;
use super::registry::rows::{Object, contents, row_of_deployment, row_of_organization};
use super::store::feed::{self, Kind};
use super::store::tokens::StoredToken;
use super::store::{self, Store, StoreError, Tx, objects};

/// Name of the file that holds the admin token.
pub const TOKEN_FILE: &str = "admin.token";

/// Name of the deployment that each project starts with.
pub const DEFAULT_DEPLOYMENT: &str = "default";

/// Name of the admin token in the audit log.
pub(super) const ADMIN: &str = "admin";

/// Name of the server in the audit log, for what it does at a start.
pub const SYSTEM: &str = "system";

/// The shortest token that is taken from outside, in characters.
const MIN_TOKEN_LENGTH: usize = 16;

/// The project that is created at the first start.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct ProjectSeed {
    /// Its key; `default` where none is given.
    pub key: Option<Key>,
    /// Its environment.
    pub environment: Environment,
    /// Whether its dangerous actions ask for the experiment's key to be typed.
    pub protected: bool,
}

impl Default for ProjectSeed {
    fn default() -> Self {
        Self {
            key: None,
            environment: Environment::Development,
            protected: false,
        }
    }
}

/// Where the admin token is to be had.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum AdminToken {
    /// It was given from outside.
    Given,
    /// It is in this file.
    InFile(PathBuf),
    /// It was made at an earlier start; the file that held it is gone, or holds one that is no longer good.
    Elsewhere,
}

/// Seeds an empty store, and says where the token of its administrator is.
///
/// # Errors
/// [`ServerError::Token`] when `token` is too short to be safe, [`ServerError::DataDir`] when the token
/// file cannot be written, and [`ServerError::Store`].
pub async fn run(
    store: &Store,
    dir: &Path,
    seed: &ProjectSeed,
    token: Option<String>,
) -> Result<AdminToken, ServerError> {
    let mut tx = store.begin().await?;
    // In the transaction: another server may make its first start on the same store.
    let mut projects = store::projects::all(&mut *tx).await?;
    let known = store::tokens::all(&mut *tx).await?;
    if projects.is_empty() {
        let project = project(seed)?;
        store::projects::insert(&mut tx, &project, now()).await?;
        let id = project.id.to_string();
        feed::record(&mut tx, Kind::Project, Some(project.id), &id, now()).await?;
        created(&mut tx, project.id, &project, AuditAction::ProjectCreated).await?;
        projects.push(project);
    }
    let Some(home) = projects.first() else {
        return Err(StoreError::corrupt("list of projects", "it is empty").into());
    };
    if let Some(key) = &seed.key
        && key.folded() != home.key.folded()
    {
        tracing::warn!(
            project = %home.key,
            ignored = %key,
            "the data directory holds a project already; its key is only chosen at the first start"
        );
    }
    let file = dir.join(TOKEN_FILE);
    let (token, admin) = match token {
        Some(token) => (Some(check_token(token)?), AdminToken::Given),
        None if known.is_empty() => (Some(token_in(&file)?), AdminToken::InFile(file)),
        None if holds_one_of(&known, &file) => (None, AdminToken::InFile(file)),
        None => (None, AdminToken::Elsewhere),
    };
    if let Some(token) = token {
        let given = hash(&token);
        let revoked = known.iter().filter(|known| known.hash == given);
        if let Some(at) = revoked.filter_map(|known| known.revoked_at).next() {
            return Err(ServerError::Token(format!(
                "it was revoked at {at}, and who revoked it means it to stay so; give the server another one"
            )));
        }
        put_admin(&mut tx, &known, &projects, hash(&token)).await?;
    }
    give_deployments(&mut tx, &projects).await?;
    name_organization(&mut tx, projects.first()).await?;
    store::commit(tx).await?;
    Ok(admin)
}

/// What the server itself did at a start, for the log.
fn entry(action: AuditAction, id: Uuid, key: &str) -> AuditEntry {
    AuditEntry {
        id: 0,
        at: now(),
        actor: SYSTEM.to_owned(),
        action,
        object_id: id,
        object_key: key.to_owned(),
        resource_version: 1,
        changes: Vec::new(),
        comment: None,
        evidence: Value::Null,
    }
}

/// Says in the log of a project what a start created there.
async fn created<T: Object>(
    tx: &mut Tx,
    project: Uuid,
    object: &T,
    action: AuditAction,
) -> Result<(), StoreError> {
    let contents = contents(object).map_err(|source| StoreError::Json {
        what: "object in the log",
        source,
    })?;
    let told = AuditEntry {
        changes: contents,
        evidence: json!({ "atStart": true }),
        ..entry(action, object.id(), object.label())
    };
    store::audit::insert(tx, project, &told).await?;
    Ok(())
}

/// Makes a token the administrator of all projects, in the place of the one that was.
async fn put_admin(
    tx: &mut Tx,
    known: &[StoredToken],
    projects: &[Project],
    hash: Hash,
) -> Result<(), StoreError> {
    let Some(home) = projects.first() else {
        return Ok(());
    };
    let fresh = StoredToken::new(hash, ADMIN, home.id, Role::Admin, now());
    let before = known
        .iter()
        .find(|token| token.name == ADMIN && token.revoked_at.is_none());
    let mut token = before.cloned().unwrap_or(fresh);
    token.hash = hash;
    token.expires_at = None;
    // Projects that were made since have an administrator of their own; this one may come in everywhere.
    token.roles = projects.iter().map(|p| (p.id, Role::Admin)).collect();
    if before != Some(&token) {
        store::tokens::put(tx, &token).await?;
        let id = token.id.to_string();
        feed::record(tx, Kind::Token, Some(home.id), &id, now()).await?;
        let action = match before {
            None => AuditAction::TokenCreated,
            Some(_) => AuditAction::TokenRolesChanged,
        };
        let told = AuditEntry {
            // Whoever starts the server decides it, by the environment or by a file that was lost.
            changes: roles_changed(before, &token, projects),
            evidence: json!({
                "atStart": true,
                "newSecret": before.is_none_or(|before| before.hash != token.hash),
            }),
            ..entry(action, token.id, &token.name)
        };
        for project in projects {
            store::audit::insert(tx, project.id, &told).await?;
        }
    }
    Ok(())
}

/// The roles that a start gave, as from → to.
fn roles_changed(before: Option<&StoredToken>, token: &StoredToken, projects: &[Project]) -> Vec<Change> {
    let role = |token: &StoredToken, id: &Uuid| token.roles.get(id).map(|role| Value::from(role.as_str()));
    let of = |project: &Project| {
        let from = before
            .and_then(|before| role(before, &project.id))
            .unwrap_or_default();
        let to = role(token, &project.id).unwrap_or_default();
        (from != to).then(|| Change {
            field: format!("roles.{}", project.key),
            from,
            to,
        })
    };
    projects.iter().filter_map(of).collect()
}

/// Gives a project that was made before there were deployments its default one, which sees all it has.
async fn give_deployments(tx: &mut Tx, projects: &[Project]) -> Result<(), StoreError> {
    let all: Vec<(_, StoredDeployment)> = objects::all(&mut **tx, objects::Kind::Deployment).await?;
    for project in projects {
        if all.iter().any(|(_, stored)| stored.project == project.id) {
            continue;
        }
        let id = default_deployment(tx, project.id, now()).await?;
        for (of, mut experiment) in store::experiments::all(&mut **tx).await? {
            if of == project.id && experiment.deployments.is_empty() {
                experiment.deployments.push(id);
                let version = experiment.resource_version;
                store::experiments::update(tx, &experiment, version).await?;
                let id = experiment.id.to_string();
                feed::record(tx, Kind::Experiment, Some(of), &id, now()).await?;
            }
        }
    }
    Ok(())
}

/// The deployment that a project starts with.
async fn default_deployment(tx: &mut Tx, project: Uuid, now: Timestamp) -> Result<Uuid, StoreError> {
    let name = DEFAULT_DEPLOYMENT.to_owned();
    let (stored, _) = StoredDeployment::new(project, name, DeploymentKind::Client, true, now);
    objects::insert(tx, row_of_deployment(&stored), &stored).await?;
    let id = stored.deployment.id;
    feed::record(tx, Kind::Deployment, Some(project), &id.to_string(), now).await?;
    created(tx, project, &stored, AuditAction::DeploymentCreated).await?;
    Ok(id)
}

/// Names the organization at the first start.
async fn name_organization(tx: &mut Tx, home: Option<&Project>) -> Result<(), StoreError> {
    let known: Vec<(_, Organization)> = objects::all(&mut **tx, objects::Kind::Organization).await?;
    if !known.is_empty() {
        return Ok(());
    }
    let organization = Organization {
        id: Uuid::new_v4(),
        key: Key::new("default").map_err(|error| StoreError::corrupt("organization", error))?,
        name: "default".to_owned(),
        resource_version: 1,
    };
    objects::insert(tx, row_of_organization(&organization, now()), &organization).await?;
    let id = organization.id.to_string();
    feed::record(tx, Kind::Organization, None, &id, now()).await?;
    if let Some(home) = home {
        created(tx, home.id, &organization, Organization::CREATED).await?;
    }
    Ok(())
}

fn project(seed: &ProjectSeed) -> Result<Project, StoreError> {
    let default = || Key::new("default").map_err(|error| StoreError::corrupt("default project", error));
    let key = match &seed.key {
        Some(key) => key.clone(),
        None => default()?,
    };
    Ok(Project {
        id: Uuid::new_v4(),
        name: key.as_str().to_owned(),
        key,
        environment: seed.environment,
        protected: seed.protected,
        resource_version: 1,
    })
}

fn check_token(token: String) -> Result<String, ServerError> {
    let plain = token.chars().all(|c| c.is_ascii_graphic());
    if !plain || token.len() < MIN_TOKEN_LENGTH {
        return Err(ServerError::Token(format!(
            "it needs at least {MIN_TOKEN_LENGTH} letters, digits or signs, without blanks"
        )));
    }
    Ok(token)
}

/// Whether the file holds a token that opens something. It does not once another one was given at a start, or
/// this one was revoked.
fn holds_one_of(known: &[StoredToken], file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| {
        let held = hash(text.trim());
        known
            .iter()
            .any(|token| token.revoked_at.is_none() && token.hash == held)
    })
}

/// The token in the file, which is made where it is missing.
///
/// It is there already when an earlier first start ended between the file and the store.
fn token_in(file: &Path) -> Result<String, ServerError> {
    let failed = |source| ServerError::DataDir {
        path: file.to_owned(),
        source,
    };
    match File::open(file) {
        Ok(mut found) => {
            let mut text = String::new();
            found.read_to_string(&mut text).map_err(failed)?;
            if let Ok(token) = check_token(text.trim().to_owned()) {
                return Ok(token);
            }
            // Cut short by a crash: nobody can have used it.
            std::fs::remove_file(file).map_err(failed)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let token = new_token();
    let mut options = File::options();
    let mut made = options
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    made.write_all(format!("{token}\n").as_bytes()).map_err(failed)?;
    made.sync_all().map_err(failed)?;
    Ok(token)
}

/// A new token: 244 random bits of the operating system.
#[must_use]
pub fn new_token() -> String {
    format!("sd_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
