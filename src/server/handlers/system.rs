//! `GET /healthz`, `/readyz`, `/openapi.json`, `/me`, `/warehouse`.

use std::sync::LazyLock;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::problem::Code;
use crate::api::system::{Health, Me, Readiness, WarehouseLogin};
use crate::server::error::{ApiError, verbatim};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

/// Version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the store may take to answer before it counts as away.
const STORE_TIME_LIMIT: Duration = Duration::from_secs(2);

/// The process runs.
pub async fn health() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        version: VERSION.to_owned(),
    })
}

/// The OpenAPI document.
pub async fn openapi() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(crate::api::openapi::text);
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

/// Whether requests can be served.
pub async fn readiness(State(state): State<AppState>) -> Result<Response, ApiError> {
    let (store, warehouse) = tokio::join!(ask_store(&state), state.link().ping());
    let (store_error, unreachable) = (store.err(), warehouse.err());
    let spool = state.ingest().stats();
    let sticky = state.sticky().state();
    let readiness = Readiness {
        ready: spool.refuses_because.is_none(),
        spool_error: spool.refuses_because,
        store: store_error.is_none(),
        store_error,
        sticky_pending: sticky.pending,
        sticky_dropped: sticky.dropped,
        sticky_error: sticky.error,
        warehouse: unreachable.is_none(),
        spooled_events: spool.spooled_events,
        spool_bytes: spool.spool_bytes,
        quarantined: spool.quarantined,
        // It may answer and yet refuse events.
        warehouse_error: unreachable.or(spool.last_error),
    };
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    // A load balancer looks at the status, a person at the same fields as ever.
    verbatim(status.as_u16(), &readiness)
}

async fn ask_store(state: &AppState) -> Result<(), String> {
    let asked = tokio::time::timeout(STORE_TIME_LIMIT, state.registry().store().ping()).await;
    match asked {
        Ok(answered) => answered.map_err(|error| error.to_string()),
        Err(_) => {
            // The pool only knows that it waited.
            let why = tokio::time::timeout(STORE_TIME_LIMIT, state.registry().store().why_away()).await;
            Err(match why {
                Ok(Some(error)) => error.to_string(),
                Ok(None) | Err(_) => format!("it did not answer within {} s", STORE_TIME_LIMIT.as_secs()),
            })
        }
    }
}

/// Who is asking.
pub async fn me(State(state): State<AppState>, caller: Caller) -> Json<Me> {
    Json(Me {
        actor: caller.actor.to_string(),
        role: caller.role,
        project: (*caller.project).clone(),
        version: VERSION.to_owned(),
        max_variants: state.registry().max_variants(),
        demo: state.is_demo(),
    })
}

/// How to read ClickHouse: for those who may read every project, as this login does.
pub async fn warehouse(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<WarehouseLogin>, ApiError> {
    let everywhere = {
        let snapshot = state.registry().snapshot();
        let mut projects = snapshot.access.projects();
        projects.all(|project| caller.role_in(project.id).is_some())
    };
    if !everywhere {
        return Err(ApiError::new(
            Code::Forbidden,
            format!(
                "the login of ClickHouse reads the events of all projects, and the token `{}` has a role in some \
                 of them only; ask GET /overview, /names and /experiments/{{idOrKey}}/results instead",
                caller.actor
            ),
        ));
    }
    state.link().cockpit_login().map(Json)
}
