//! Making and revoking tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::api::jobs::SRM_GUARD;
use crate::api::problem::{Code, Problem};
use crate::api::projects::{CreateToken, TokenMade, TokenRow};
use crate::api::system::Role;
use crate::domain::{AuditAction, AuditEntry, Change, FieldError, Project};
use crate::server::access::{Access, hash};
use crate::server::diff;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::setup::ADMIN;
use crate::server::setup::{SYSTEM, new_token};
use crate::server::store::tokens::StoredToken;

use super::batch::Batch;
use super::deployments::name;
use super::object::json;
use super::{Registry, carried_through};

/// Names under which the server itself stands in the log, and that of the token that it is started with.
const RESERVED_NAMES: [&str; 3] = [SRM_GUARD, SYSTEM, ADMIN];

/// A token as `caller` may see it: with its roles in the projects in which the caller has one.
#[must_use]
pub fn row(access: &Access, token: &StoredToken, caller: &Caller) -> TokenRow {
    let seen = token
        .roles
        .iter()
        .filter(|(id, _)| caller.role_in(**id).is_some());
    let roles = seen.filter_map(|(id, role)| Some((access.project(*id)?.key.clone(), *role)));
    TokenRow {
        id: token.id,
        name: token.name.clone(),
        roles: roles.collect(),
        created_at: token.created_at,
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
    }
}

impl Registry {
    /// Makes a token. The answer is the only one that tells it.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every refused field, [`Code::KeyTaken`] when the name is.
    pub async fn create_token(
        self: &Arc<Self>,
        caller: Caller,
        body: CreateToken,
    ) -> Result<TokenMade, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let (snapshot, now) = (this.snapshot().clone(), batch.now());
            let access = &snapshot.access;
            let mut errors = Vec::new();
            let name = name("name", &body.name).map_err(|e| errors.push(e)).ok();
            let mut roles = BTreeMap::new();
            for (key, role) in &body.roles {
                let project = access.find_project(key.as_str());
                let mine = project.filter(|p| caller.role_in(p.id) == Some(Role::Admin));
                match mine {
                    Some(project) => {
                        // Under its id, or in another case.
                        if roles.insert(project.id, *role).is_some() {
                            let field = format!("roles.{key}");
                            errors.push(FieldError::new(field, role.as_str(), "one role in each project"));
                        }
                    }
                    None => errors.push(FieldError::new(
                        format!("roles.{key}"),
                        role.as_str(),
                        "a role in a project that you administer",
                    )),
                }
            }
            if body.roles.is_empty() {
                let allowed = "at least one project with a role, such as {\"shop-prod\": \"viewer\"}";
                errors.push(FieldError::new("roles", "no project", allowed));
            }
            if let Some(end) = body.expires_at
                && end <= now
            {
                let allowed = format!("a time after now ({now}), or nothing");
                errors.push(FieldError::new("expiresAt", end, allowed));
            }
            let (Some(name), true) = (name, errors.is_empty()) else {
                return Err(errors.into());
            };
            if RESERVED_NAMES
                .iter()
                .any(|reserved| reserved.eq_ignore_ascii_case(&name))
            {
                let allowed = format!(
                    "another name: {} are those of the server itself, and of the token that it is started with",
                    RESERVED_NAMES.join(", ")
                );
                return Err(FieldError::new("name", &name, allowed).into());
            }
            let taken = access.tokens().any(|t| t.revoked_at.is_none() && t.name == name);
            if taken {
                let mut problem = Problem::new(
                    Code::KeyTaken,
                    format!(
                        "there is a token named `{name}` already; revoke it first, or choose another name"
                    ),
                );
                let refusal = FieldError::new("name", &name, "a name that no token has which is not revoked");
                problem.errors = vec![refusal.into()];
                return Err(problem.into());
            }
            let secret = new_token();
            // Where the caller works, if the token may work there as well.
            let here = Some(caller.project.id).filter(|id| roles.contains_key(id));
            let Some(home) = here.or_else(|| roles.keys().next().copied()) else {
                return Err(ApiError::Internal("a token without a project".to_owned()));
            };
            let token = StoredToken {
                id: Uuid::new_v4(),
                hash: hash(&secret),
                name,
                home,
                roles,
                created_at: now,
                expires_at: body.expires_at,
                revoked_at: None,
            };
            log(
                &mut batch,
                &caller,
                access,
                None,
                &token,
                AuditAction::TokenCreated,
            )
            .await?;
            let row = row(access, &token, &caller);
            batch.token(token).await?;
            batch.commit().await?;
            Ok(TokenMade { row, token: secret })
        })
        .await
    }

    /// Takes from a token all roles in the projects that the caller administers; with the last one it is
    /// revoked. In force at once. Where it still has roles elsewhere, it is answered: it goes on being taken there.
    ///
    /// # Errors
    /// [`Code::NotFound`]; [`Code::LastAdmin`] when nobody would administer a project any more.
    pub async fn revoke_token(
        self: &Arc<Self>,
        caller: Caller,
        id: Uuid,
    ) -> Result<Option<TokenRow>, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let (snapshot, now) = (this.snapshot().clone(), batch.now());
            let access = &snapshot.access;
            let mine = |project: &Uuid| caller.role_in(*project) == Some(Role::Admin);
            let found = access.token(id).filter(|t| t.roles.keys().any(mine));
            let Some(token) = found.filter(|t| t.revoked_at.is_none()) else {
                let what = "token that is not revoked, with a role in a project that you administer:";
                return Err(ApiError::new(
                    Code::NotFound,
                    format!("there is no {what} `{id}`"),
                ));
            };
            for project in token.roles.keys().filter(|id| mine(id)) {
                refuse_last_admin(access, token, *project, now)?;
            }
            let mut next = StoredToken::clone(token);
            let action = if next.roles.keys().all(mine) {
                next.revoked_at = Some(now);
                AuditAction::TokenRevoked
            } else {
                next.roles.retain(|project, _| !mine(project));
                AuditAction::TokenRolesChanged
            };
            log(&mut batch, &caller, access, Some(token), &next, action).await?;
            let left = next.revoked_at.is_none().then(|| row(access, &next, &caller));
            batch.token(next).await?;
            batch.commit().await?;
            Ok(left)
        })
        .await
    }

    /// Gives a token a role in one more project.
    pub(super) async fn grant(
        &self,
        batch: &mut Batch<'_>,
        caller: &Caller,
        token: &StoredToken,
        project: &Project,
        role: Role,
    ) -> Result<(), ApiError> {
        let mut next = token.clone();
        next.roles.insert(project.id, role);
        let entry = AuditEntry {
            changes: vec![Change {
                field: format!("roles.{}", project.key),
                from: Value::Null,
                to: role.as_str().into(),
            }],
            ..entry(caller, &next, AuditAction::TokenRolesChanged, batch.now())
        };
        batch.log(project.id, &entry).await?;
        batch.token(next).await
    }
}

/// Refuses to take its last administrator from a project.
fn refuse_last_admin(
    access: &Access,
    token: &StoredToken,
    project: Uuid,
    now: Timestamp,
) -> Result<(), ApiError> {
    let is_admin = token.is_valid(now) && token.roles.get(&project) == Some(&Role::Admin);
    let others = access.admins(project, now).filter(|other| other.id != token.id);
    // One that ends by itself leaves nobody behind later.
    let lasting = others.filter(|other| other.expires_at.is_none()).count();
    if !is_admin || lasting > 0 {
        return Ok(());
    }
    let key = access.project(project).map(|p| p.key.to_string());
    Err(ApiError::new(
        Code::LastAdmin,
        format!(
            "`{}` is the last token without an end that administers {}; make another one first",
            token.name,
            key.unwrap_or_default()
        ),
    ))
}

fn entry(caller: &Caller, token: &StoredToken, action: AuditAction, now: Timestamp) -> AuditEntry {
    AuditEntry {
        id: 0,
        at: now,
        actor: caller.actor.to_string(),
        action,
        object_id: token.id,
        object_key: token.name.clone(),
        resource_version: 1,
        changes: Vec::new(),
        comment: None,
        evidence: Value::Null,
    }
}

/// Writes a change of a token into the log of every project in which it has or had a role.
async fn log(
    batch: &mut Batch<'_>,
    caller: &Caller,
    access: &Access,
    before: Option<&StoredToken>,
    next: &StoredToken,
    action: AuditAction,
) -> Result<(), ApiError> {
    let shown = |token: &StoredToken| serde_json::to_value(row(access, token, caller)).map_err(json);
    let from = before.map(shown).transpose()?;
    let mut changes = diff::of(from, shown(next)?);
    changes.retain(|change| before.is_some() || !change.to.is_null());
    let entry = AuditEntry {
        changes,
        ..entry(caller, next, action, batch.now())
    };
    let projects = before.into_iter().chain([next]).flat_map(|t| t.roles.keys());
    let projects: BTreeSet<Uuid> = projects.copied().collect();
    for project in projects {
        batch.log(project, &entry).await?;
    }
    Ok(())
}
