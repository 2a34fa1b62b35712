//! Who is asking, and whether they may: the one place where tokens, keys and roles are checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use uuid::Uuid;

use crate::api::problem::Code;
use crate::api::projects::PROJECT_HEADER;
use crate::api::system::Role;
use crate::domain::{DeploymentKind, Project};
use crate::server::access::{Access, Bearer, StoredDeployment};
use crate::server::error::ApiError;
use crate::server::snapshot::Snapshot;
use crate::server::state::AppState;
use crate::server::store::tokens::StoredToken;

pub use crate::server::access::hash;

/// The schemes of `Authorization` that are taken; the second is what evaluation SDKs send.
const SCHEMES: [&str; 2] = ["Bearer ", "Api-Key "];

/// Header of OpenFeature's remote evaluation.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Headers of OpenPanel's clients.
const CLIENT_ID: HeaderName = HeaderName::from_static("openpanel-client-id");
const CLIENT_SECRET: HeaderName = HeaderName::from_static("openpanel-client-secret");

/// Who is asking, and in which project.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Name of the token or deployment, as the audit log writes it.
    pub actor: Arc<str>,
    /// What it may do in the project. Says nothing of a deployment, which evaluates and tracks only.
    pub role: Role,
    /// The project that is meant.
    pub project: Arc<Project>,
    /// What it may do in which project.
    pub roles: Arc<BTreeMap<Uuid, Role>>,
    /// Id of the token or deployment: what is counted under for limits.
    pub id: Uuid,
    /// The deployment, where the key of one was sent.
    pub deployment: Option<Uuid>,
}

impl Caller {
    /// The server itself, at work in a project under this name.
    #[must_use]
    pub fn system(actor: &str, project: Arc<Project>) -> Self {
        Self {
            actor: actor.into(),
            role: Role::Admin,
            roles: Arc::new(BTreeMap::from([(project.id, Role::Admin)])),
            id: Uuid::nil(),
            deployment: None,
            project,
        }
    }

    /// Refuses a token that was revoked, has expired, or may do less by now than when it was let in.
    ///
    /// # Errors
    /// [`Code::Unauthorized`]; [`Code::Forbidden`] where it still is a token, with other roles.
    pub fn still(&self, access: &Access, now: Timestamp) -> Result<(), ApiError> {
        // The server itself has none, and the key of a deployment changes nothing.
        if self.id.is_nil() || self.deployment.is_some() {
            return Ok(());
        }
        let token = access.token(self.id).filter(|token| token.is_valid(now));
        match token {
            // It may have got more roles, with a project that it made.
            Some(token)
                if self
                    .roles
                    .iter()
                    .all(|(id, role)| token.roles.get(id) >= Some(role)) =>
            {
                Ok(())
            }
            Some(_) => Err(ApiError::new(
                Code::Forbidden,
                format!(
                    "the roles of the token `{}` were lowered while its change waited for its turn; nothing was \
                     changed: try again with what it may do now",
                    self.actor
                ),
            )),
            None => Err(unknown()),
        }
    }

    /// What it may do in a project, if anything.
    #[must_use]
    pub fn role_in(&self, project: Uuid) -> Option<Role> {
        self.roles.get(&project).copied()
    }

    fn of_token(access: &Access, token: &Arc<StoredToken>, wanted: Option<&str>) -> Result<Self, ApiError> {
        let of = |id: &Uuid| access.project(*id);
        let project = match wanted {
            Some(name) => access
                .find_project(name)
                .filter(|p| token.roles.contains_key(&p.id)),
            None if token.roles.contains_key(&token.home) => of(&token.home),
            None => token.roles.keys().find_map(of),
        };
        let found = project.and_then(|project| Some((project, *token.roles.get(&project.id)?)));
        let Some((project, role)) = found else {
            return Err(no_role(access, token, wanted));
        };
        Ok(Self {
            actor: token.name.as_str().into(),
            role,
            project: Arc::clone(project),
            roles: Arc::new(token.roles.clone()),
            id: token.id,
            deployment: None,
        })
    }

    fn of_deployment(
        access: &Access,
        stored: &StoredDeployment,
        wanted: Option<&str>,
    ) -> Result<Self, ApiError> {
        let project = access.project(stored.project).ok_or_else(|| {
            ApiError::Internal(format!("deployment {} is in no project", stored.deployment.id))
        })?;
        if let Some(name) = wanted
            && access.find_project(name).is_none_or(|p| p.id != project.id)
        {
            return Err(ApiError::new(
                Code::Forbidden,
                format!(
                    "the deployment `{}` belongs to the project {}; leave the header {PROJECT_HEADER} out",
                    stored.deployment.name, project.key
                ),
            ));
        }
        Ok(Self {
            actor: stored.deployment.name.as_str().into(),
            role: Role::Viewer,
            project: Arc::clone(project),
            roles: Arc::default(),
            id: stored.deployment.id,
            deployment: Some(stored.deployment.id),
        })
    }
}

/// The refusal of a project in which the token has no role. It names those in which it has one.
fn no_role(access: &Access, token: &StoredToken, wanted: Option<&str>) -> ApiError {
    let mut mine: Vec<String> = token
        .roles
        .iter()
        .filter_map(|(id, role)| Some(format!("{} ({})", access.project(*id)?.key, role.as_str())))
        .collect();
    mine.sort();
    let mine = if mine.is_empty() {
        "no project".to_owned()
    } else {
        mine.join(", ")
    };
    let wanted: String = wanted.unwrap_or("any").chars().take(80).collect();
    ApiError::new(
        Code::Forbidden,
        format!(
            "the token `{}` has no role in the project `{wanted}`; it has one in {mine}",
            token.name
        ),
    )
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::Internal("a route without a role asks who is calling".into()))
    }
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Need {
    /// The least role of a token.
    pub role: Role,
    /// Whether the key of a deployment is enough.
    pub deployment: bool,
}

impl Need {
    /// A token with at least this role.
    #[must_use]
    pub const fn role(role: Role) -> Self {
        Self {
            role,
            deployment: false,
        }
    }

    /// The key of a deployment, or a token with at least this role.
    #[must_use]
    pub const fn deployment_or(role: Role) -> Self {
        Self {
            role,
            deployment: true,
        }
    }

    /// Whether `caller` has what is needed.
    ///
    /// # Errors
    /// [`Code::Forbidden`], with what is missing.
    pub fn check(self, caller: &Caller) -> Result<(), ApiError> {
        let needed = self.role.as_str();
        if caller.deployment.is_some() {
            if self.deployment {
                return Ok(());
            }
            return Err(ApiError::new(
                Code::Forbidden,
                format!(
                    "this is the key of the deployment `{}`, which evaluates and tracks, nothing else; this \
                     needs a token with the role {needed}",
                    caller.actor
                ),
            ));
        }
        if caller.role < self.role {
            return Err(ApiError::new(
                Code::Forbidden,
                format!(
                    "the token `{}` has the role {} in {}; this needs {needed}",
                    caller.actor,
                    caller.role.as_str(),
                    caller.project.key
                ),
            ));
        }
        Ok(())
    }
}

/// Lets a request through when its token or key has what the route asks for.
///
/// Who sent it may have been given a token or key, or have made an object, through another server of the same store a
/// moment ago: what is not known here is looked for once more. Decisions for who is known are not held up for that.
pub async fn require(
    State((state, need)): State<(AppState, Need)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let manages = !need.deployment;
    let only_reads = request.method().is_safe();
    if manages && !only_reads {
        state.registry().freshen().await;
    }
    let caller = match authenticate(&state, request.headers()) {
        Err(_) if state.registry().freshen().await => authenticate(&state, request.headers()),
        known => known,
    }?;
    need.check(&caller)?;
    request.extensions_mut().insert(caller);
    if !(manages && only_reads) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let once_more = Request::from_parts(parts.clone(), Body::empty());
    let response = next.clone().run(Request::from_parts(parts, body)).await;
    if response.status() == StatusCode::NOT_FOUND && state.registry().freshen().await {
        return Ok(next.run(once_more).await);
    }
    Ok(response)
}

/// Who sent these headers.
///
/// # Errors
/// [`Code::Unauthorized`] without a token or key that is taken, [`Code::Forbidden`] when it has no role in the
/// project that the headers name.
pub fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let snapshot = state.registry().snapshot();
    let wanted = match headers.get(PROJECT_HEADER) {
        None => None,
        Some(name) => Some(name.to_str().map_err(|_| {
            ApiError::new(
                Code::Forbidden,
                format!("the header {PROJECT_HEADER} is no key and no id of a project"),
            )
        })?),
    };
    if let Some(header) = headers.get(AUTHORIZATION) {
        let secret = header.to_str().ok().and_then(|text| {
            SCHEMES.iter().find_map(|scheme| {
                let (given, secret) = text.split_at_checked(scheme.len())?;
                given.eq_ignore_ascii_case(scheme).then_some(secret.trim())
            })
        });
        let secret = secret.filter(|secret| !secret.is_empty()).ok_or_else(|| {
            ApiError::new(
                Code::Unauthorized,
                "the header `Authorization` is not of the form `Bearer <token>` or `Api-Key <key>`",
            )
        })?;
        return of_secret(&snapshot, secret, wanted);
    }
    if let Some(key) = headers.get(X_API_KEY) {
        return of_secret(&snapshot, key.to_str().unwrap_or_default().trim(), wanted);
    }
    if let Some(id) = headers.get(CLIENT_ID) {
        let secret = headers.get(CLIENT_SECRET).map(|s| s.to_str().unwrap_or_default());
        return of_client(&snapshot, id.to_str().unwrap_or_default(), secret, wanted);
    }
    Err(ApiError::new(
        Code::Unauthorized,
        "no token; send the header `Authorization: Bearer <token>`",
    ))
}

/// Whom a token or the key of a deployment belongs to, wherever it was found in a request.
///
/// # Errors
/// As [`authenticate`].
pub fn of_secret(snapshot: &Snapshot, secret: &str, project: Option<&str>) -> Result<Caller, ApiError> {
    let access = &snapshot.access;
    match access.bearer(secret, Timestamp::now()) {
        Some(Bearer::Token(token)) => Caller::of_token(access, token, project),
        Some(Bearer::Deployment(deployment)) => Caller::of_deployment(access, deployment, project),
        None => Err(unknown()),
    }
}

/// The deployment that an OpenPanel client names: by its id or its client key, and with the key of a server
/// as the secret where it is one.
fn of_client(
    snapshot: &Snapshot,
    id: &str,
    secret: Option<&str>,
    project: Option<&str>,
) -> Result<Caller, ApiError> {
    let access = &snapshot.access;
    let now = Timestamp::now();
    let named = |stored: &StoredDeployment| {
        let by_id = Uuid::try_parse(id).is_ok_and(|id| id == stored.deployment.id);
        by_id || stored.deployment.key.as_deref() == Some(id)
    };
    let by_key = |key: &str| match access.bearer(key, now) {
        Some(Bearer::Deployment(stored)) => Some(stored),
        _ => None,
    };
    let stored = match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => by_key(secret).filter(|stored| named(stored)),
        // The id of a client is no secret, as its key is none.
        None => by_key(id).or_else(|| {
            let stored = access.deployments.by_id(Uuid::try_parse(id).ok()?)?;
            let open = stored.deployment.kind == DeploymentKind::Client;
            (open && stored.deployment.revoked_at.is_none()).then_some(stored)
        }),
    };
    let stored = stored.ok_or_else(|| {
        let of_server = Uuid::try_parse(id).ok().and_then(|id| access.deployments.by_id(id));
        match of_server.filter(|stored| stored.deployment.kind == DeploymentKind::Server) {
            Some(stored) if secret.is_none_or(str::is_empty) => ApiError::new(
                Code::Unauthorized,
                format!(
                    "{} is a server deployment, whose id says nothing without its key: send the key as the client's \
                     secret",
                    stored.deployment.name
                ),
            ),
            _ => unknown(),
        }
    })?;
    Caller::of_deployment(access, stored, project)
}

fn unknown() -> ApiError {
    ApiError::new(
        Code::Unauthorized,
        "this token was never issued, or it has expired or was revoked; ask for a new one",
    )
}
