//! All routes, flat: the path, the role that each method asks for, and the handler.

use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::system::Role;

use super::extract::BodyLimit;
use super::handlers::{
    amplitude, assign, audit, deployments, experiments, explain, flags, imports, insights, jobs, labs, live,
    ofrep, overrides, projects, results, rules, status, system, tokens, track, vardata, winner,
};
use super::middleware::auth::Need;
use super::middleware::limits::{self, Metered};
use super::middleware::{auth, cross_origin, drain, panicked, respond, time_out};
use super::state::AppState;

/// The largest body of most requests.
const MAX_BODY: usize = 1 << 20;
/// The largest body that sets overrides: 50,000 ids of some 100 bytes, and room.
const MAX_OVERRIDES_BODY: usize = 16 << 20;
/// The largest body of events: 10,000 of some 1.5 KiB.
const MAX_TRACK_BODY: usize = 16 << 20;

/// How long the upload of an import may take; its body is no longer than the limits of imports.
const UPLOAD_TIME_LIMIT: Duration = Duration::from_secs(600);

/// How long a job may take while its caller waits; it goes on afterwards.
const JOB_TIME_LIMIT: Duration = Duration::from_secs(600);

/// The whole API. `time_limit` is how long a request may take, but for jobs; `web_origins` are those whose
/// pages may evaluate and track, `*` for any.
pub fn router(state: AppState, time_limit: Duration, web_origins: &[String]) -> Router {
    let viewer = |route: MethodRouter<AppState>| guard(&state, Need::role(Role::Viewer), route);
    let editor = |route: MethodRouter<AppState>| guard(&state, Need::role(Role::Editor), route);
    let admin = |route: MethodRouter<AppState>| guard(&state, Need::role(Role::Admin), route);
    let metered = |need, metered, route: MethodRouter<AppState>| {
        let limited = route.route_layer(from_fn_with_state((state.clone(), metered), limits::limit));
        guard(&state, need, limited)
    };
    let evaluates = |route| metered(Need::deployment_or(Role::Viewer), Metered::Assign, route);
    let tracks = |route| metered(Need::deployment_or(Role::Editor), Metered::Track, route);
    let jobs = Router::new()
        .route("/jobs", viewer(get(jobs::list)))
        .route("/jobs/srm-guard", admin(post(jobs::srm_guard)))
        .layer(from_fn_with_state(JOB_TIME_LIMIT, time_out));
    let uploads = Router::new()
        .route(
            "/experiments/{id_or_key}/override-imports",
            viewer(get(imports::list)).merge(editor(post(imports::start))),
        )
        .route(
            "/flags/{id_or_key}/override-imports",
            viewer(get(imports::list)).merge(editor(post(imports::start))),
        )
        .layer(from_fn_with_state(UPLOAD_TIME_LIMIT, time_out));
    // What programs of others do, web pages among them.
    let sdks = Router::new()
        .route("/experiments/assign", evaluates(post(assign::assign)))
        .route("/ofrep/v1/configuration", evaluates(get(ofrep::configuration)))
        .route("/ofrep/v1/evaluate/flags", evaluates(post(ofrep::bulk)))
        .route(
            "/ofrep/v1/evaluate/flags/{id_or_key}",
            evaluates(post(ofrep::evaluate)),
        )
        .route("/sdk/v2/flags", evaluates(get(vardata::flags)))
        .route("/sdk/v2/flags/{id_or_key}", evaluates(get(vardata::flag)))
        .route(
            "/sdk/vardata",
            evaluates(get(vardata::former).post(vardata::former)),
        )
        .route(
            "/sdk/v2/vardata",
            evaluates(get(vardata::vardata).post(vardata::vardata)),
        )
        .route(
            "/v1/vardata",
            evaluates(get(vardata::vardata).post(vardata::vardata)),
        )
        .route(
            "/track",
            tracks(post(track::track)).layer(BodyLimit(MAX_TRACK_BODY).layers()),
        )
        // Their key is in the body.
        .route(
            "/2/httpapi",
            post(amplitude::events).layer(BodyLimit(MAX_TRACK_BODY).layers()),
        )
        .route(
            "/batch",
            post(amplitude::events).layer(BodyLimit(MAX_TRACK_BODY).layers()),
        )
        .layer(cross_origin(web_origins));
    let api = Router::new()
        .merge(sdks)
        .route("/healthz", get(system::health))
        .route("/readyz", get(system::readiness))
        .route("/openapi.json", get(system::openapi))
        .route("/me", viewer(get(system::me)))
        .route("/warehouse", viewer(get(system::warehouse)))
        .route("/overview", viewer(get(live::overview)))
        .route("/names", viewer(get(live::names)))
        .route(
            "/experiments",
            viewer(get(experiments::list)).merge(editor(post(experiments::create))),
        )
        .route(
            "/experiments/{id_or_key}",
            viewer(get(experiments::read))
                .merge(editor(patch(experiments::update).delete(experiments::delete))),
        )
        .route("/experiments/{id_or_key}/status", editor(post(status::change)))
        .route("/experiments/{id_or_key}/rules", editor(put(rules::replace)))
        .route(
            "/experiments/{id_or_key}/overrides",
            viewer(get(overrides::list))
                .merge(editor(put(overrides::set).delete(overrides::remove)))
                .layer(BodyLimit(MAX_OVERRIDES_BODY).layers()),
        )
        .route(
            "/experiments/{id_or_key}/override-imports/{import}",
            viewer(get(imports::one)).merge(editor(delete(imports::forget))),
        )
        .route(
            "/experiments/{id_or_key}/override-imports/{import}/rows",
            viewer(get(imports::rows)),
        )
        .route(
            "/experiments/{id_or_key}/override-imports/{import}/apply",
            editor(post(imports::apply)),
        )
        .route(
            "/experiments/{id_or_key}/override-imports/{import}/undo",
            editor(post(imports::undo)),
        )
        .route(
            "/flags/{id_or_key}/override-imports/{import}",
            viewer(get(imports::one)).merge(editor(delete(imports::forget))),
        )
        .route(
            "/flags/{id_or_key}/override-imports/{import}/rows",
            viewer(get(imports::rows)),
        )
        .route(
            "/flags/{id_or_key}/override-imports/{import}/apply",
            editor(post(imports::apply)),
        )
        .route(
            "/flags/{id_or_key}/override-imports/{import}/undo",
            editor(post(imports::undo)),
        )
        .route(
            "/experiments/{id_or_key}/history",
            viewer(get(audit::of_experiment)),
        )
        .route(
            "/experiments/{id_or_key}/convert",
            editor(post(experiments::convert)),
        )
        .route("/experiments/{id_or_key}/copy", editor(post(experiments::copy)))
        .route(
            "/experiments/{id_or_key}/apply-winner",
            editor(post(winner::apply)),
        )
        .route(
            "/experiments/{id_or_key}/insight",
            viewer(get(insights::read)).merge(editor(post(insights::write))),
        )
        .route("/experiments/{id_or_key}/explain", viewer(post(explain::explain)))
        .route("/experiments/{id_or_key}/results", viewer(get(results::results)))
        .route(
            "/experiments/{id_or_key}/sample-ratio",
            viewer(get(results::sample_ratio)),
        )
        .route(
            "/organization",
            viewer(get(projects::organization)).merge(admin(patch(projects::update_organization))),
        )
        .route(
            "/projects",
            viewer(get(projects::list)).merge(admin(post(projects::create))),
        )
        // Which role is needed there is decided by the project that is named.
        .route(
            "/projects/{id_or_key}",
            viewer(get(projects::read).patch(projects::update)),
        )
        .route("/tokens", admin(get(tokens::list).post(tokens::create)))
        .route("/tokens/{id_or_key}", admin(delete(tokens::revoke)))
        .route(
            "/deployments",
            viewer(get(deployments::list)).merge(admin(post(deployments::create))),
        )
        .route("/deployments/{id_or_key}", admin(patch(deployments::update)))
        .route(
            "/deployments/{id_or_key}/rotate",
            admin(post(deployments::rotate)),
        )
        .route(
            "/deployments/{id_or_key}/revoke",
            admin(post(deployments::revoke)),
        )
        .route("/labs", viewer(get(labs::list)).merge(editor(post(labs::create))))
        .route(
            "/labs/{id_or_key}",
            viewer(get(labs::read)).merge(editor(patch(labs::update))),
        )
        .route(
            "/flags",
            viewer(get(flags::list)).merge(editor(post(flags::create))),
        )
        .route(
            "/flags/{id_or_key}",
            viewer(get(flags::read)).merge(editor(patch(flags::update))),
        )
        .route("/flags/{id_or_key}/rules", editor(put(flags::rules)))
        .route(
            "/flags/{id_or_key}/overrides",
            viewer(get(overrides::list_of_flag))
                .merge(editor(
                    put(overrides::set_of_flag).delete(overrides::remove_of_flag),
                ))
                .layer(BodyLimit(MAX_OVERRIDES_BODY).layers()),
        )
        .route("/flags/{id_or_key}/history", viewer(get(audit::of_flag)))
        .route("/flags/{id_or_key}/explain", viewer(post(flags::explain)))
        .route("/flags/{id_or_key}/convert", editor(post(flags::convert)))
        .route("/flags/{id_or_key}/copy", editor(post(flags::copy)))
        .route("/audit", viewer(get(audit::list)))
        .layer(from_fn_with_state(time_limit, time_out))
        .merge(jobs)
        .merge(uploads)
        .layer(BodyLimit(MAX_BODY).layers())
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(state);
    // In a router around it: what axum adds to an answer by itself, such as `Allow`, is there by then.
    Router::new()
        .fallback_service(api)
        .layer(from_fn(drain))
        .layer(from_fn(respond))
}

/// Lets only callers with what is needed reach the methods of `route`.
fn guard(state: &AppState, need: Need, route: MethodRouter<AppState>) -> MethodRouter<AppState> {
    route.route_layer(from_fn_with_state((state.clone(), need), auth::require))
}
