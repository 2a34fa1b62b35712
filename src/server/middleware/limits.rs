//! How many requests a token or deployment may send: a bucket for each of them, one a kind of request.
//!
//! Buckets are in memory and of this server only: with several servers on one store each takes its share.

use std::num::NonZeroU32;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uuid::Uuid;

use crate::api::problem::Code;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

/// What is counted apart.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Metered {
    /// Requests for variants, however many one of them asks for.
    Assign,
    /// Requests that bring events, however many one of them brings.
    Track,
}

/// The limits, and how much of them each caller has used.
#[derive(Debug, Default)]
pub struct Limits {
    assign: Option<Limit>,
    track: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    per_second: NonZeroU32,
    buckets: DefaultKeyedRateLimiter<Uuid>,
}

impl Limits {
    /// So many requests a second for each token and deployment, and as many at once; 0 is no limit.
    #[must_use]
    pub fn new(assign_per_second: u32, track_per_second: u32) -> Self {
        let limit = |per_second| {
            let per_second = NonZeroU32::new(per_second)?;
            let buckets = RateLimiter::keyed(Quota::per_second(per_second));
            Some(Limit { per_second, buckets })
        };
        Self {
            assign: limit(assign_per_second),
            track: limit(track_per_second),
        }
    }

    /// Takes one request of `caller` into account.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when there were too many; this one does not count.
    pub fn check(&self, metered: Metered, caller: &Caller) -> Result<(), ApiError> {
        let (limit, what) = match metered {
            Metered::Assign => (&self.assign, "requests for variants"),
            Metered::Track => (&self.track, "requests with events"),
        };
        let Some(limit) = limit else {
            return Ok(());
        };
        // Only who was let in has a bucket: there are no more of them than tokens and deployments.
        limit.buckets.check_key(&caller.id).map_err(|_| {
            let detail = format!(
                "`{}` sends more than {} {what} a second; wait for a second, or send more in one request",
                caller.actor, limit.per_second
            );
            ApiError::new(Code::RateLimited, detail)
        })
    }
}

/// Lets a request through while its caller is within the limits. Stands behind [`super::auth::require`].
pub async fn limit(
    State((state, metered)): State<(AppState, Metered)>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    state.limits().check(metered, &caller)?;
    Ok(next.run(request).await)
}
