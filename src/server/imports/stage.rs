//! An upload becomes an import, of which nothing is in force.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::api::imports::{Import, ImportEffect, ImportState, StartImport};
use crate::api::problem::{Code, Problem};
use crate::domain::FieldError;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::registry::{Noun, Target, carried_through};
use crate::server::state::AppState;
use crate::server::store::{self, imports::StoredImport};

use super::ids::Ids;
use super::parse::{self, BodyError, Parser};
use super::plan::{self, Planner};
use super::{read, variant};

/// The most characters of an idempotency key.
const MAX_KEY: usize = 200;

/// The most characters of the name of a source.
const MAX_SOURCE: usize = 200;

/// The most malformed lines that a refusal names.
const MAX_NAMED: usize = 20;

/// How long ClickHouse may take to say who was exposed already.
const EXPOSED_LIMIT: Duration = Duration::from_secs(20);

/// How long nothing may come of a body: it holds one of few places.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);

/// How long an upload waits for its place.
const PLACE_LIMIT: Duration = Duration::from_secs(30);

/// What an upload became.
#[derive(Debug)]
pub struct Staged {
    /// The import.
    pub import: Import,
    /// Whether it is new: one that was sent again is the same.
    pub is_new: bool,
}

/// Reads an upload and stages it.
///
/// # Errors
/// [`Code::TooLarge`] beyond the limits, [`Code::Invalid`] where no id is sound or a parameter is not,
/// [`Code::IdempotencyConflict`] where the key stands for another upload, [`Code::RateLimited`] while others are read,
/// [`Code::Malformed`] of a body that does not go on.
pub async fn stage(
    state: &AppState,
    caller: Caller,
    noun: Noun,
    id_or_key: &str,
    query: StartImport,
    idempotency_key: Option<String>,
    body: Body,
) -> Result<Staged, ApiError> {
    let registry = state.registry();
    let owner = registry.target(&caller, noun, id_or_key)?;
    let query = StartImport {
        variant: variant(&owner, &query.variant)?,
        ..query
    };
    check(&query, idempotency_key.as_deref())?;
    let imports = state.imports();
    let permit = place(&imports.uploads, PLACE_LIMIT).await?;
    let parsed = receive(body.into_data_stream(), imports.limits, SILENCE_LIMIT).await?;
    if let Some(key) = &idempotency_key
        && let Some(before) = store::imports::by_key(registry.store().readers(), owner.id, key).await?
    {
        return again(state, &owner, before, &query, &parsed.sha256).await;
    }
    if parsed.ids.is_empty() {
        return Err(nothing(&parsed));
    }
    let ids = Arc::new(parsed.ids);
    let (worked, exposed) = tokio::join!(
        blocking({
            let (ids, table, query) = (Arc::clone(&ids), Arc::clone(&owner.overrides), query.clone());
            move || {
                let chunks = plan::deflated(&ids).map_err(|error| error.to_string())?;
                let mut planner = Planner::new(&table, query.subject_type, &query.variant);
                for place in ids.places() {
                    planner.effect(ids.text(*place));
                }
                Ok::<(Vec<Vec<u8>>, ImportEffect), String>((chunks, planner.total()))
            }
        }),
        exposed(state, &owner, &query, &ids),
    );
    let (chunks, effect) = worked?.map_err(ApiError::Internal)?;
    let now = crate::server::registry::now();
    let (exposed_elsewhere, exposed_unknown) = match exposed {
        Ok(count) => (Some(count), None),
        Err(why) => (None, Some(why)),
    };
    let import = Import {
        id: Uuid::now_v7(),
        experiment: owner.key.clone(),
        variant: query.variant.clone(),
        subject_type: query.subject_type,
        source_name: query.source_name.clone(),
        sha256: parsed.sha256,
        state: ImportState::Staged,
        received: parsed.received,
        unique: ids.len() as u64,
        duplicates: parsed.duplicates,
        malformed: parsed.malformed,
        malformed_lines: parsed.malformed_lines,
        first: parsed.first,
        last: parsed.last,
        effect,
        exposed_elsewhere,
        exposed_unknown,
        chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
        applied_chunks: 0,
        undone: 0,
        kept: 0,
        expired_at: None,
        actor: caller.actor.to_string(),
        created_at: now,
        updated_at: now,
    };
    drop((ids, permit));
    let stored = StoredImport { import, entry: None };
    let (registry, id) = (Arc::clone(registry), owner.id);
    let written = carried_through(async move {
        let mut write = registry.begin_for(&caller).await?;
        if let Some(key) = &idempotency_key
            && let Some(before) = store::imports::by_key(&mut **write.tx(), id, key).await?
        {
            return Ok((before, false));
        }
        store::imports::insert(write.tx(), id, idempotency_key.as_deref(), &stored, &chunks).await?;
        write.commit(|_| {}).await?;
        Ok((stored, true))
    });
    match written.await? {
        (stored, true) => Ok(Staged {
            import: stored.import,
            is_new: true,
        }),
        // Somebody was quicker.
        (before, false) => {
            let sha256 = before.import.sha256.clone();
            again(state, &owner, before, &query, &sha256).await
        }
    }
}

fn check(query: &StartImport, idempotency_key: Option<&str>) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let readable = |text: &str, most: usize| {
        let length = text.chars().count();
        (1..=most).contains(&length) && !text.chars().any(char::is_control)
    };
    if let Some(name) = query
        .source_name
        .as_deref()
        .filter(|name| !readable(name, MAX_SOURCE))
    {
        let allowed = format!("1 to {MAX_SOURCE} characters without control characters");
        errors.push(FieldError::new("sourceName", name.escape_debug(), allowed));
    }
    if let Some(key) = idempotency_key.filter(|key| !readable(key, MAX_KEY) || !key.is_ascii()) {
        let allowed = format!("1 to {MAX_KEY} characters of ASCII");
        errors.push(FieldError::new("idempotency-key", key, allowed));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.into())
    }
}

/// The answer to an upload whose name is known.
async fn again(
    state: &AppState,
    owner: &Target,
    before: StoredImport,
    query: &StartImport,
    sha256: &str,
) -> Result<Staged, ApiError> {
    let import = &before.import;
    let differs = [
        (import.sha256 != sha256, "body"),
        (import.variant.folded() != query.variant.folded(), "variant"),
        (import.subject_type != query.subject_type, "subjectType"),
        (import.source_name != query.source_name, "sourceName"),
    ];
    let differs: Vec<&str> = differs
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, what)| *what)
        .collect();
    if !differs.is_empty() {
        return Err(ApiError::new(
            Code::IdempotencyConflict,
            format!(
                "the idempotency key stands for import {} of {}, with another {}; send this one under a key of its own",
                import.id,
                import.created_at,
                differs.join(" and ")
            ),
        ));
    }
    let what_now = match import.state {
        ImportState::Staged | ImportState::Applying | ImportState::Applied => None,
        ImportState::Undoing => Some(format!(
            "which was taken back in part: {} of its {} chunks are in force; undo it again to take back the rest, and \
             to put these ids in force send them under another key",
            import.applied_chunks, import.chunks
        )),
        ImportState::Undone => Some(
            "which was taken back; to put these ids in force again, send them under another key".to_owned(),
        ),
    };
    if let Some(what_now) = what_now {
        return Err(ApiError::new(
            Code::IdempotencyConflict,
            format!(
                "the idempotency key stands for import {} of {}, {what_now}",
                import.id, import.created_at
            ),
        ));
    }
    Ok(Staged {
        import: read::fresh(state.registry(), owner, before).await?,
        is_new: false,
    })
}

/// A place among the uploads that are read at the same time.
async fn place(places: &Semaphore, limit: Duration) -> Result<SemaphorePermit<'_>, ApiError> {
    match tokio::time::timeout(limit, places.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        // It is never closed, and the others are still read.
        Ok(Err(_)) | Err(_) => Err(ApiError::new(
            Code::RateLimited,
            "other imports are being sent, as many as are read at the same time; nothing was staged, send it again",
        )),
    }
}

/// Reads the body to its end.
async fn receive(
    mut body: BodyDataStream,
    limits: parse::Limits,
    silence: Duration,
) -> Result<parse::Body, ApiError> {
    let mut parser = Parser::new(limits);
    let silent = |_| {
        let seconds = silence.as_secs_f32();
        ApiError::new(
            Code::Malformed,
            format!("nothing of the body came for {seconds} s; nothing was staged, send it again"),
        )
    };
    while let Some(piece) = tokio::time::timeout(silence, body.next()).await.map_err(silent)? {
        let piece = piece.map_err(|_| {
            ApiError::new(
                Code::Malformed,
                "the body ended early; nothing was staged, send it again",
            )
        })?;
        parser.push(&piece).map_err(refused)?;
    }
    // Sorting takes a while.
    blocking(move || parser.finish()).await?.map_err(refused)
}

pub(in crate::server) fn refused(error: BodyError) -> ApiError {
    let code = match error {
        BodyError::Bytes(_) | BodyError::Ids(_) => Code::TooLarge,
        BodyError::Utf16 | BodyError::Json => Code::Malformed,
    };
    ApiError::new(code, error.to_string())
}

/// The refusal of a body without a sound id.
fn nothing(parsed: &parse::Body) -> ApiError {
    let lines = parsed.malformed_lines.iter().take(MAX_NAMED);
    let errors: Vec<FieldError> = lines
        .map(|m| FieldError::new(format!("line {}", m.line), &m.given, &m.allowed))
        .collect();
    if errors.is_empty() {
        return FieldError::new("body", "no id", "ids, one a line or with commas between them").into();
    }
    let mut problem = Problem::invalid(errors);
    problem.detail = format!("none of the {} ids can be taken", parsed.received);
    problem.into()
}

/// How many of the ids were exposed to another variant already; or why that is not known.
async fn exposed(state: &AppState, owner: &Target, query: &StartImport, ids: &Ids) -> Result<u64, String> {
    let warehouse = state.link().warehouse().map_err(|error| error.to_string())?;
    let warehouse = warehouse.with_query_timeout(EXPOSED_LIMIT);
    let texts = || ids.places().iter().map(|place| ids.text(*place));
    let counted = warehouse.exposed_elsewhere(owner.id, query.subject_type, query.variant.as_str(), texts());
    counted.await.map_err(|error| error.to_string())
}

/// Runs what takes a while beside the requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::Internal(format!("an import ended early: {error}")))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn an_upload_that_does_not_go_on_gives_its_place_to_the_next_one() {
        let soon = Duration::from_millis(20);
        let places = Semaphore::new(1);
        let first = place(&places, soon).await.expect("free");
        let refused = place(&places, soon).await.expect_err("taken").into_problem();
        assert_eq!(refused.code, Code::RateLimited);
        // A part came, and then no more; the connection stays open.
        let part = stream::iter([Ok::<_, std::io::Error>("user-1\nuser-2")]);
        let body = Body::from_stream(part.chain(stream::pending())).into_data_stream();
        let refused = receive(body, parse::Limits::default(), soon).await;
        let refused = refused.expect_err("silent").into_problem();
        assert_eq!(refused.code, Code::Malformed);
        assert!(
            refused.detail.contains("nothing was staged"),
            "{}",
            refused.detail
        );
        drop(first);
        assert!(place(&places, soon).await.is_ok());
    }
}
