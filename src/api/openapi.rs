//! The OpenAPI document: what `GET /openapi.json` answers, and `docs/openapi.json` holds.
//!
//! One line for each operation; a test holds the lines to the routes of the server.

mod objects;

use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ComponentsBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Paths, Ref, RefOr, Required,
    ResponseBuilder, Schema, SecurityRequirement,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::problem::{PROBLEM_JSON, Problem};
use super::projects::PROJECT_HEADER;
use super::system::Role;
use super::{
    amplitude, assign, experiments, imports, jobs, live, ofrep, openpanel, overrides, results, system, track,
};
use crate::domain::Experiment;

const JSON: &str = "application/json";

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

/// Name and definition of a schema.
type Named = (String, RefOr<Schema>);

/// One operation, and the schemas that it names.
struct Line {
    method: HttpMethod,
    path: &'static str,
    access: Access,
    operation: OperationBuilder,
    schemas: Vec<Named>,
}

/// A media type's schema, with all that it names.
struct Said {
    schema: RefOr<Schema>,
    schemas: Vec<Named>,
}

/// An object.
fn one<T: ToSchema>() -> Said {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    Said {
        schema: Ref::from_schema_name(T::name()).into(),
        schemas,
    }
}

/// Something whose form somebody else defines.
fn anything() -> Said {
    Said {
        schema: ObjectBuilder::new().schema_type(Type::Object).into(),
        schemas: Vec::new(),
    }
}

/// Objects by their keys.
fn by_key<T: ToSchema>() -> Said {
    let Said { schema, schemas } = one::<T>();
    let map = ObjectBuilder::new().additional_properties(Some(schema));
    Said {
        schema: map.into(),
        schemas,
    }
}

/// An event in the envelope of OpenPanel's clients: what its payload holds depends on its type.
fn in_envelope() -> Said {
    let kinds = openpanel::Kind::ALL.map(openpanel::Kind::as_str);
    let kind = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(kinds));
    let envelope = ObjectBuilder::new()
        .description(Some("An event in the envelope of OpenPanel's clients."))
        .property("type", kind)
        .required("type")
        .property("payload", ObjectBuilder::new().schema_type(Type::Object))
        .required("payload");
    Said {
        schema: envelope.into(),
        schemas: Vec::new(),
    }
}

/// A list of objects.
fn many<T: ToSchema>() -> Said {
    list_of(one::<T>())
}

fn list_of(Said { schema, schemas }: Said) -> Said {
    Said {
        schema: ArrayBuilder::new().items(schema).into(),
        schemas,
    }
}

/// Either of two.
fn either(a: Said, b: Said) -> Said {
    Said {
        schema: OneOfBuilder::new().item(a.schema).item(b.schema).into(),
        schemas: a.schemas.into_iter().chain(b.schemas).collect(),
    }
}

fn line(method: HttpMethod, path: &'static str, tag: &str, access: Access, summary: &str) -> Line {
    let mut operation = OperationBuilder::new()
        .tag(tag)
        .summary(Some(summary))
        .description(Some(access.text()));
    for segment in path.split('/') {
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            operation = operation.parameter(in_path(name));
        }
    }
    if access != Access::Open {
        let project = ParameterBuilder::new()
            .name(PROJECT_HEADER)
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "Key or id of the project, where a token has roles in several; its first one where this is missing.",
            ))
            .schema(Some(String::schema()));
        operation = operation.parameter(project);
    }
    Line {
        method,
        path,
        access,
        operation,
        schemas: Vec::new(),
    }
}

fn in_path(name: &str) -> Parameter {
    let says = match name {
        "id_or_key" => "The id (a UUID), or the key, whatever its case.",
        _ => "The id (a UUID).",
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(says))
        .schema(Some(String::schema()))
        .build()
}

impl Line {
    /// Adds the fields of a query.
    fn query<T: IntoParams>(mut self) -> Self {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            self.operation = self.operation.parameter(parameter);
        }
        self
    }

    /// Adds a JSON body.
    fn body(self, said: Said) -> Self {
        self.body_of(JSON, said)
    }

    fn body_of(mut self, media_type: &str, said: Said) -> Self {
        let content = ContentBuilder::new().schema(Some(said.schema)).build();
        let body = RequestBodyBuilder::new()
            .content(media_type, content)
            .required(Some(Required::True))
            .build();
        self.operation = self.operation.request_body(Some(body));
        self.schemas.extend(said.schemas);
        self
    }

    /// Adds a version in the header instead of `resourceVersion` in the body.
    fn if_match(mut self) -> Self {
        let header = ParameterBuilder::new()
            .name("if-match")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "The ETag of the version the change was made from, in place of `resourceVersion`.",
            ))
            .schema(Some(String::schema()));
        self.operation = self.operation.parameter(header);
        self
    }

    /// Adds an answer.
    fn answers(mut self, status: u16, description: &str, said: Said) -> Self {
        let content = ContentBuilder::new().schema(Some(said.schema)).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content(JSON, content)
            .build();
        self.operation = self.operation.response(status.to_string(), response);
        self.schemas.extend(said.schemas);
        self
    }

    /// Adds an answer without a body.
    fn empty(mut self, status: u16, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description).build();
        self.operation = self.operation.response(status.to_string(), response);
        self
    }

    /// With what every operation has: the problem, and who is let in.
    fn finish(self) -> (HttpMethod, &'static str, Operation, Vec<Named>) {
        let problem = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .build();
        let refused = ResponseBuilder::new()
            .description("What failed, on what, and what to do.")
            .content(PROBLEM_JSON, problem)
            .build();
        let mut operation = self.operation.response("default", refused);
        let none: [&str; 0] = [];
        if self.access != Access::Open {
            operation = operation.security(SecurityRequirement::new(BEARER, none));
        }
        if matches!(self.access, Access::DeploymentOr(_)) {
            operation = operation.security(SecurityRequirement::new(DEPLOYMENT, none));
        }
        (self.method, self.path, operation.build(), self.schemas)
    }
}

const BEARER: &str = "token";
const DEPLOYMENT: &str = "deploymentKey";

/// Every operation of the server.
fn lines() -> Vec<Line> {
    [
        system_lines(),
        experiment_lines(),
        import_lines(IMPORTS_OF_EXPERIMENTS),
        import_lines(IMPORTS_OF_FLAGS),
        event_lines(),
        sdk_lines(),
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
        line(Get, "/experiments/{id_or_key}", tag, VIEWER, "One experiment").answers(
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
