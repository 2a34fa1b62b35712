//! What programs do with the key of a deployment: evaluate, and tell events, in our own form and in those of their SDKs.

use utoipa::openapi::path::HttpMethod;

use super::Access;
use super::line::{Line, anything, by_key, either, in_envelope, line, list_of, many, one};
use crate::api::problem::Problem;
use crate::api::system::Role;
use crate::api::{amplitude, assign, ofrep, track};

/// All of them.
pub(super) fn lines() -> Vec<Line> {
    [event_lines(), sdk_lines()].into_iter().flatten().collect()
}

fn event_lines() -> Vec<Line> {
    use HttpMethod::Post;
    let assigned =
        "A variant for each request, in their order; a request of a list may be answered by a problem.";
    vec![
        line(
            Post,
            "/experiments/assign",
            "evaluation",
            Access::DeploymentOr(Role::Viewer),
            "Which variant a subject gets",
        )
        .body(either(
            one::<assign::AssignRequest>(),
            many::<assign::AssignRequest>(),
        ))
        .answers(
            200,
            assigned,
            either(
                one::<assign::Assignment>(),
                // Of several requests each has its own answer.
                list_of(either(one::<assign::Assignment>(), one::<Problem>())),
            ),
        ),
        line(
            Post,
            "/track",
            "events",
            Access::DeploymentOr(Role::Editor),
            "Take in events",
        )
        .body(either(
            either(one::<track::TrackEvent>(), many::<track::TrackEvent>()),
            in_envelope(),
        ))
        .answers(200, "They are on disk.", one::<track::Tracked>()),
    ]
}

fn sdk_lines() -> Vec<Line> {
    use HttpMethod::{Get, Post};
    const EVALUATES: Access = Access::DeploymentOr(Role::Viewer);
    let (openfeature, theirs) = ("OpenFeature (OFREP)", "Amplitude");
    let variants = "Flag key to variant, in Amplitude's format.";
    vec![
        line(
            Get,
            "/ofrep/v1/configuration",
            openfeature,
            EVALUATES,
            "What clients may ask for",
        )
        .answers(200, "How they poll.", one::<ofrep::Configuration>()),
        line(
            Post,
            "/ofrep/v1/evaluate/flags",
            openfeature,
            EVALUATES,
            "Evaluate all flags",
        )
        .body(one::<ofrep::Request>())
        .answers(
            200,
            "One answer for each flag; its ETag covers configuration and context.",
            one::<ofrep::Bulk>(),
        )
        .empty(304, "Neither configuration nor context changed.")
        .answers(400, "The context is not usable.", one::<ofrep::Failure>()),
        line(
            Post,
            "/ofrep/v1/evaluate/flags/{id_or_key}",
            openfeature,
            EVALUATES,
            "Evaluate a flag",
        )
        .body(one::<ofrep::Request>())
        .answers(200, "Value, variant and reason.", one::<ofrep::Evaluation>())
        .answers(400, "The context is not usable.", one::<ofrep::Failure>())
        .answers(404, "There is no such flag.", one::<ofrep::Failure>()),
        line(
            Get,
            "/sdk/v2/flags",
            theirs,
            EVALUATES,
            "Flags for local evaluation",
        )
        .answers(200, "Amplitude's evaluation format.", many::<amplitude::Flag>()),
        line(
            Get,
            "/sdk/v2/flags/{id_or_key}",
            theirs,
            EVALUATES,
            "One flag for local evaluation",
        )
        .answers(200, "Amplitude's evaluation format.", one::<amplitude::Flag>()),
        line(
            Get,
            "/sdk/vardata",
            theirs,
            EVALUATES,
            "Evaluate remotely, for older clients: only what is assigned",
        )
        .answers(200, variants, by_key::<amplitude::Variant>()),
        line(
            Post,
            "/sdk/vardata",
            theirs,
            EVALUATES,
            "Evaluate remotely, for older clients: only what is assigned",
        )
        .body(anything())
        .answers(200, variants, by_key::<amplitude::Variant>()),
        line(Get, "/sdk/v2/vardata", theirs, EVALUATES, "Evaluate remotely").answers(
            200,
            variants,
            by_key::<amplitude::Variant>(),
        ),
        line(Post, "/sdk/v2/vardata", theirs, EVALUATES, "Evaluate remotely")
            .body(anything())
            .answers(200, variants, by_key::<amplitude::Variant>()),
        line(Get, "/v1/vardata", theirs, EVALUATES, "Evaluate remotely").answers(
            200,
            variants,
            by_key::<amplitude::Variant>(),
        ),
        line(Post, "/v1/vardata", theirs, EVALUATES, "Evaluate remotely")
            .body(anything())
            .answers(200, variants, by_key::<amplitude::Variant>()),
        upload("/2/httpapi", theirs, "Take in events (HTTP API V2)"),
        upload("/batch", theirs, "Take in events (batch API)"),
    ]
}

/// Events as Amplitude's clients send them; their key stands in the body.
fn upload(path: &'static str, tag: &str, summary: &str) -> Line {
    let refused = [
        (400, "What is wrong, in the form that their clients act on."),
        (413, "Too much at once: their clients send it in halves."),
        (429, "Too many events: after `Retry-After`."),
        (503, "They cannot be stored now: after `Retry-After`."),
    ];
    let line = line(HttpMethod::Post, path, tag, Access::Open, summary)
        .body(one::<amplitude::Upload>())
        .answers(200, "They are on disk.", one::<amplitude::Ingested>());
    refused.into_iter().fold(line, |line, (status, says)| {
        line.answers(status, says, one::<amplitude::Refusal>())
    })
}
