//! The OpenAPI document: what `GET /openapi.json` answers, and `docs/openapi.json` holds.
//!
//! One line for each operation; a test holds the lines to the routes of the server.

mod line;
mod objects;
mod programs;

use utoipa::PartialSchema as _;
use utoipa::openapi::path::{HttpMethod, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Paths};

use super::problem::Problem;
use super::system::Role;
use super::{assign, experiments, imports, jobs, live, overrides, results, system};
use crate::domain::Experiment;

use line::{BEARER, DEPLOYMENT, Line, Said, anything, line, one};

/// What a request must bring to be let in.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Access {
    /// Nothing.
    Open,
    /// A token with at least this role.
    Token(Role),
    /// The key of a deployment, or a token with at least this role.
    DeploymentOr(Role),
}

impl Access {
    fn text(self) -> String {
        match self {
            Self::Open => "Needs no token.".to_owned(),
            Self::Token(role) => format!("Needs a token with the role {}.", role.as_str()),
            Self::DeploymentOr(role) => format!(
                "Needs the key of a deployment, or a token with the role {}.",
                role.as_str()
            ),
        }
    }
}

/// Every operation of the server.
fn lines() -> Vec<Line> {
    [
        system_lines(),
        experiment_lines(),
        import_lines(IMPORTS_OF_EXPERIMENTS),
        import_lines(IMPORTS_OF_FLAGS),
        programs::lines(),
        objects::lines(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The methods and paths of the document, with the names of their parts in braces.
#[must_use]
pub fn operations() -> Vec<(String, &'static str, Access)> {
    let method = |m: &HttpMethod| {
        serde_json::to_value(m)
            .ok()?
            .as_str()
            .map(str::to_ascii_uppercase)
    };
    let all = lines();
    all.iter()
        .map(|line| (method(&line.method).unwrap_or_default(), line.path, line.access))
        .collect()
}

/// The document as text, as it is sent and as `docs/openapi.json` holds it.
#[must_use]
pub fn text() -> String {
    // A document of maps and texts is always written.
    let text = document().to_pretty_json().unwrap_or_default();
    format!("{text}\n")
}

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new()
        .security_scheme(
            BEARER,
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        )
        .security_scheme(
            DEPLOYMENT,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))),
        );
    let problem = one::<Problem>();
    let mut schemas = problem.schemas;
    for line in lines() {
        let (method, path, operation, named) = line.finish();
        schemas.extend(named);
        let item = PathItem::new(method.clone(), operation.clone());
        match paths.paths.get_mut(path) {
            Some(there) => there.merge_operations(item),
            None => {
                paths.paths.insert(path.to_owned(), item);
            }
        }
    }
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("splitdeck")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "Experiments and flags: configuration, assignment, tracking, results and guards. JSON is camelCase; \
                     every error is a problem (RFC 9457) with a `code` to branch on.",
                )),
        )
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

const VIEWER: Access = Access::Token(Role::Viewer);
const EDITOR: Access = Access::Token(Role::Editor);
const ADMIN: Access = Access::Token(Role::Admin);

fn system_lines() -> Vec<Line> {
    use HttpMethod::{Get, Post};
    let tag = "system";
    vec![
        line(Get, "/healthz", tag, Access::Open, "Whether the process runs").answers(
            200,
            "It runs.",
            one::<system::Health>(),
        ),
        line(
            Get,
            "/readyz",
            tag,
            Access::Open,
            "Whether requests can be served",
        )
        .answers(200, "They can.", one::<system::Readiness>())
        .answers(503, "They cannot.", one::<system::Readiness>()),
        line(Get, "/openapi.json", tag, Access::Open, "This document").answers(200, "It.", anything()),
        line(Get, "/me", tag, VIEWER, "Who is asking, and in which project").answers(
            200,
            "The token's name, role and project.",
            one::<system::Me>(),
        ),
        line(Get, "/warehouse", tag, VIEWER, "How to read ClickHouse directly").answers(
            200,
            "A login that can only read, the events of all projects: for tokens with a role in every one.",
            one::<system::WarehouseLogin>(),
        ),
        line(
            Get,
            "/overview",
            tag,
            VIEWER,
            "What is happening now, for each experiment of the project",
        )
        .query::<live::OverviewQuery>()
        .answers(200, "The live numbers.", one::<live::OverviewList>()),
        line(
            Get,
            "/names",
            tag,
            VIEWER,
            "Names and values that recent events of the project carry",
        )
        .query::<live::NamesQuery>()
        .answers(200, "The most frequent first.", one::<live::NameList>()),
        line(
            Get,
            "/jobs",
            tag,
            VIEWER,
            "When jobs are due, and their last runs",
        )
        .answers(200, "Schedules and runs.", one::<jobs::Jobs>()),
        line(Post, "/jobs/srm-guard", tag, ADMIN, "Run the guard now").answers(
            200,
            "What it found of each active experiment.",
            one::<jobs::SrmGuardRun>(),
        ),
    ]
}

fn experiment_lines() -> Vec<Line> {
    use HttpMethod::{Delete, Get, Patch, Post, Put};
    let (tag, by_subject) = ("experiments", "overrides");
    let changed = "The experiment after the change; its version is the ETag.";
    vec![
        line(Get, "/experiments", tag, VIEWER, "All experiments of the project")
            .query::<experiments::ListExperiments>()
            .answers(200, "Sorted by key.", one::<experiments::ExperimentList>()),
        line(Post, "/experiments", tag, EDITOR, "Create a draft")
            .body(one::<experiments::CreateExperiment>())
            .answers(201, "The draft.", one::<Experiment>()),
        line(Get, "/experiments/{id_or_key}", tag, VIEWER, "One experiment").if_none_match().answers(
            200,
            "The experiment; its version is the ETag.",
            one::<Experiment>(),
        ),
        line(
            Patch,
            "/experiments/{id_or_key}",
            tag,
            EDITOR,
            "Change the configuration",
        )
        .if_match()
        .body(one::<experiments::UpdateExperiment>())
        .answers(200, changed, one::<Experiment>()),
        line(
            Post,
            "/experiments/{id_or_key}/status",
            tag,
            EDITOR,
            "Take a step of the lifecycle",
        )
        .if_match()
        .body(one::<experiments::ChangeStatus>())
        .answers(200, changed, one::<Experiment>()),
        line(
            Put,
            "/experiments/{id_or_key}/rules",
            tag,
            EDITOR,
            "Replace the rules",
        )
        .if_match()
        .body(one::<experiments::SetRules>())
        .answers(200, changed, one::<Experiment>()),
        line(
            Get,
            "/experiments/{id_or_key}/history",
            tag,
            VIEWER,
            "What was changed",
        )
        .query::<experiments::HistoryQuery>()
        .answers(
            200,
            "The newest first, 50 at a time.",
            one::<experiments::History>(),
        ),
        line(
            Post,
            "/experiments/{id_or_key}/explain",
            tag,
            VIEWER,
            "A decision step by step",
        )
        .body(one::<assign::ExplainRequest>())
        .answers(200, "Nothing is recorded.", one::<assign::Explanation>()),
        line(
            Get,
            "/experiments/{id_or_key}/results",
            tag,
            VIEWER,
            "Results as of now, counted from raw events",
        )
        .query::<results::ResultsQuery>()
        .answers(200, "What the Analytics tab shows.", one::<results::Results>()),
        line(
            Get,
            "/experiments/{id_or_key}/sample-ratio",
            tag,
            VIEWER,
            "The test for a sample ratio mismatch, as the guard makes it",
        )
        .answers(
            200,
            "Over the subjects that the guard looks at: after an overridden resume only those first exposed since.",
            one::<results::Srm>(),
        ),
        line(
            Get,
            "/experiments/{id_or_key}/overrides",
            by_subject,
            VIEWER,
            "A page of overrides",
        )
        .query::<overrides::ListOverrides>()
        .answers(200, "Sorted by subject.", one::<overrides::OverridePage>()),
        line(
            Put,
            "/experiments/{id_or_key}/overrides",
            by_subject,
            EDITOR,
            "Force subjects into a variant",
        )
        .body(one::<overrides::SetOverrides>())
        .answers(
            200,
            "How many were added and changed.",
            one::<overrides::OverridesSet>(),
        ),
        line(
            Delete,
            "/experiments/{id_or_key}/overrides",
            by_subject,
            EDITOR,
            "Remove an override",
        )
        .query::<overrides::DeleteOverride>()
        .empty(204, "It is gone."),
    ]
}

/// The paths of imports: all, one, its rows, applying and undoing it.
const IMPORTS_OF_EXPERIMENTS: [&str; 5] = [
    "/experiments/{id_or_key}/override-imports",
    "/experiments/{id_or_key}/override-imports/{import}",
    "/experiments/{id_or_key}/override-imports/{import}/rows",
    "/experiments/{id_or_key}/override-imports/{import}/apply",
    "/experiments/{id_or_key}/override-imports/{import}/undo",
];

/// The same of flags.
const IMPORTS_OF_FLAGS: [&str; 5] = [
    "/flags/{id_or_key}/override-imports",
    "/flags/{id_or_key}/override-imports/{import}",
    "/flags/{id_or_key}/override-imports/{import}/rows",
    "/flags/{id_or_key}/override-imports/{import}/apply",
    "/flags/{id_or_key}/override-imports/{import}/undo",
];

fn import_lines([all, import, rows, apply, undo]: [&'static str; 5]) -> Vec<Line> {
    use HttpMethod::{Delete, Get, Post};
    let tag = "imports of overrides";
    let text = || Said {
        schema: String::schema(),
        schemas: Vec::new(),
    };
    let idempotency = ParameterBuilder::new()
        .name(imports::IDEMPOTENCY_KEY)
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "Names the import, so that sending it again does not stage it twice.",
        ))
        .schema(Some(String::schema()))
        .build();
    let mut start = line(Post, all, tag, EDITOR, "Stage ids: the dry run")
        .query::<imports::StartImport>()
        .body_of("text/plain", text())
        .answers(
            200,
            "The import of this idempotency key, as it is.",
            one::<imports::Import>(),
        )
        .answers(
            201,
            "What it would do; nothing is in force yet.",
            one::<imports::Import>(),
        );
    start.operation = start.operation.parameter(idempotency);
    let at = |method, rest, access, summary| line(method, rest, tag, access, summary);
    vec![
        start,
        at(Get, all, VIEWER, "The newest imports").answers(
            200,
            "The newest first.",
            one::<imports::ImportList>(),
        ),
        at(Get, import, VIEWER, "One import").answers(200, "How far it is.", one::<imports::Import>()),
        at(
            Delete,
            import,
            EDITOR,
            "Forget an import of which all or nothing is in force",
        )
        .empty(204, "It is gone."),
        at(Get, rows, VIEWER, "Its ids, with what happens to each")
            .query::<imports::ListImportRows>()
            .answers(200, "A page.", one::<imports::ImportRows>()),
        at(Post, apply, EDITOR, "Apply the next chunks")
            .body(one::<imports::ApplyChunks>())
            .answers(200, "How far it is.", one::<imports::Import>()),
        at(Post, undo, EDITOR, "Take chunks back, the last one first")
            .body(one::<imports::ApplyChunks>())
            .answers(200, "How far it is.", one::<imports::Import>()),
    ]
}
