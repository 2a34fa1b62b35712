//! The tables of the cockpit, and which of them is on the screen.

use jiff::Timestamp;
use serde::Serialize;

use super::order::Source;
use super::rows::{Rows, Shape, Text};
use super::{file_name, results};
use crate::api::audit::AuditQuery;
use crate::api::deployments::DeploymentRow;
use crate::api::imports::ListImportRows;
use crate::api::overrides::ListOverrides;
use crate::api::results::Overview;
use crate::cockpit::edit::Of;
use crate::cockpit::effect::File;
use crate::cockpit::state::objects::{AuditPanel, Kind, Listed, ObjectList};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::overrides::OverridesState;
use crate::cockpit::state::{ExperimentDetail, Screen, State, Tab};
use crate::domain::{Experiment, Rule, Variant};

/// Rows of a page while a table is exported: the most that the server gives.
const PAGE_ROWS: u32 = 1_000;

/// The list of experiments.
pub const EXPERIMENTS: Shape = Shape {
    what: "experiments",
    list: "experiments",
    columns: &[
        "id",
        "key",
        "name",
        "status",
        "pausedBy",
        "assignmentMode",
        "subjectType",
        "linkedFlag",
        "parentId",
        "winningVariant",
        "endedReason",
        "holdoutPct",
        "createdAt",
        "updatedAt",
        "activatedAt",
        "statusChangedAt",
        "resourceVersion",
        "overview.subjects",
        "overview.subjectsPerDay",
        "overview.perMinute",
        "overview.lastEventAt",
        "overview.leader.variant",
        "overview.leader.probBest",
        "overview.srmP",
        "overview.gathering",
    ],
};

/// The variants of an experiment or a flag.
pub const VARIANTS: Shape = Shape {
    what: "variants",
    list: "variants",
    columns: &[
        "key",
        "name",
        "description",
        "isControl",
        "trafficPct",
        "orderIndex",
        "payload",
    ],
};

/// The rules of an experiment or a flag.
pub const RULES: Shape = Shape {
    what: "rules",
    list: "rules",
    columns: &["id", "variant", "priority", "conditions"],
};

/// Overrides.
pub const OVERRIDES: Shape = Shape {
    what: "overrides",
    list: "overrides",
    columns: &["subjectType", "subjectId", "variant", "source", "updatedAt"],
};

/// What a bulk import does to each id.
pub const IMPORT_ROWS: Shape = Shape {
    what: "import",
    list: "rows",
    columns: &["subjectId", "effect", "from"],
};

/// Bulk imports.
pub const IMPORTS: Shape = Shape {
    what: "imports",
    list: "imports",
    columns: &[
        "id",
        "experiment",
        "variant",
        "subjectType",
        "sourceName",
        "sha256",
        "state",
        "received",
        "unique",
        "duplicates",
        "malformed",
        "effect.added",
        "effect.changed",
        "effect.unchanged",
        "exposedElsewhere",
        "chunks",
        "appliedChunks",
        "undone",
        "kept",
        "actor",
        "createdAt",
        "updatedAt",
        "expiredAt",
    ],
};

const OF_LOG: &[&str] = &[
    "id",
    "at",
    "actor",
    "action",
    "objectId",
    "objectKey",
    "resourceVersion",
    "comment",
    "changes",
    "evidence",
];

/// The history of one object.
pub const HISTORY: Shape = Shape {
    what: "history",
    list: "entries",
    columns: OF_LOG,
};

/// The audit log of a project.
pub const AUDIT: Shape = Shape {
    what: "audit",
    list: "entries",
    columns: OF_LOG,
};

/// Flags.
pub const FLAGS: Shape = Shape {
    what: "flags",
    list: "flags",
    columns: &[
        "id",
        "key",
        "name",
        "description",
        "enabled",
        "rolloutPct",
        "decidedBy",
        "evaluationMode",
        "overrides",
        "variants",
        "rules",
        "deployments",
        "archived",
        "createdAt",
        "updatedAt",
        "resourceVersion",
    ],
};

/// Deployments. Their keys are in no file.
pub const DEPLOYMENTS: Shape = Shape {
    what: "deployments",
    list: "deployments",
    columns: &[
        "id",
        "name",
        "kind",
        "isDefault",
        "experiments",
        "flags",
        "createdAt",
        "updatedAt",
        "rotatedAt",
        "previousKeyUntil",
        "revokedAt",
        "resourceVersion",
    ],
};

/// Projects.
pub const PROJECTS: Shape = Shape {
    what: "projects",
    list: "projects",
    columns: &[
        "id",
        "key",
        "name",
        "environment",
        "protected",
        "role",
        "experiments",
        "active",
        "flags",
        "resourceVersion",
    ],
};

/// Tokens: who has which role, never the token.
pub const TOKENS: Shape = Shape {
    what: "tokens",
    list: "tokens",
    columns: &["id", "name", "roles", "createdAt", "expiresAt", "revokedAt"],
};

/// Labs.
pub const LABS: Shape = Shape {
    what: "labs",
    list: "labs",
    columns: &[
        "id",
        "key",
        "name",
        "description",
        "archived",
        "createdAt",
        "updatedAt",
        "resourceVersion",
    ],
};

/// The tables of whole objects, each with the schema of the wire that its rows have.
#[must_use]
pub fn shapes() -> [(Shape, &'static str); 13] {
    [
        (EXPERIMENTS, "Experiment"),
        (VARIANTS, "Variant"),
        (RULES, "Rule"),
        (OVERRIDES, "Override"),
        (IMPORT_ROWS, "ImportRow"),
        (IMPORTS, "Import"),
        (HISTORY, "AuditEntry"),
        (AUDIT, "AuditEntry"),
        (FLAGS, "FlagRow"),
        (DEPLOYMENTS, "DeploymentRow"),
        (PROJECTS, "ProjectRow"),
        (TOKENS, "TokenRow"),
        (LABS, "Lab"),
    ]
}

/// An experiment with its live numbers.
#[derive(Serialize)]
struct Listing<'a> {
    #[serde(flatten)]
    experiment: &'a Experiment,
    #[serde(skip_serializing_if = "Option::is_none")]
    overview: Option<&'a Overview>,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Table {
    /// Files that are whole.
    Files(Vec<File>),
    /// Pages of the server.
    Pages {
        /// The names of the files, without ending.
        name: String,
        /// Where they come from.
        source: Source,
        /// How many rows there will be, where that is known.
        total: Option<u64>,
    },
}

/// Which table is on the screen.
enum Place<'a> {
    Experiments,
    Variants(&'a Experiment),
    Rules(&'a Experiment),
    Results(&'a ExperimentDetail),
    Overrides(Of, uuid::Uuid, String, &'a OverridesState),
    Objects(Kind),
    Flag,
    History(&'a ExperimentDetail),
    Audit(&'a AuditPanel),
    Import,
    Imports,
}

impl<'a> Place<'a> {
    fn of(state: &'a State) -> Option<Self> {
        Self::under(state, &state.overlays)
    }

    /// With only these overlays open.
    fn under(state: &'a State, overlays: &'a [Overlay]) -> Option<Self> {
        match overlays.last() {
            Some(Overlay::History { .. }) => return state.open.as_deref().map(Place::History),
            Some(Overlay::Audit(panel)) => return Some(Place::Audit(panel)),
            Some(Overlay::Import(panel)) => return panel.import.is_some().then_some(Place::Import),
            Some(Overlay::Imports(_)) => return Some(Place::Imports),
            Some(_) => return None,
            None => {}
        }
        match state.screen {
            Screen::Experiments => Some(Place::Experiments),
            Screen::Experiment => {
                let detail = state.open.as_deref()?;
                if detail.tab == Tab::Analytics {
                    return Some(Place::Results(detail));
                }
                let experiment = detail.config()?;
                match detail.tab {
                    Tab::Variants => Some(Place::Variants(experiment)),
                    Tab::Rules => Some(Place::Rules(experiment)),
                    Tab::Overrides => {
                        let key = experiment.key.to_string();
                        Some(Place::Overrides(
                            Of::Experiment,
                            experiment.id,
                            key,
                            &detail.overrides,
                        ))
                    }
                    Tab::Setup | Tab::Analytics | Tab::Insights => None,
                }
            }
            Screen::Objects(kind) => Some(Place::Objects(kind)),
            Screen::Flag => {
                let (detail, row) = state.objects.open_flag()?;
                match &detail.overrides {
                    Some(overrides) => {
                        let key = row.flag.key.to_string();
                        Some(Place::Overrides(Of::Flag, row.flag.id, key, overrides))
                    }
                    None => Some(Place::Flag),
                }
            }
            Screen::Create => None,
        }
    }
}

/// Whether there is a table on the screen.
#[must_use]
pub fn any(state: &State) -> bool {
    Place::of(state).is_some()
}

/// Whether there is a table on the screen that lies below all overlays.
#[must_use]
pub fn any_below(state: &State) -> bool {
    Place::under(state, &[]).is_some()
}

/// The table on the screen: what its filter lets through, as it was last heard; longer ones page by page.
///
/// # Errors
/// Why there is none to be written.
pub fn on_screen(state: &State, now: Timestamp) -> Result<Table, String> {
    let place = Place::of(state).ok_or("There is no table here to export")?;
    let project = state.me.as_ref().map_or("", |me| me.project.key.as_str());
    let unknown = |what: &str| format!("There are no {what} to export yet");
    match place {
        Place::Experiments => {
            state
                .list
                .experiments
                .value
                .as_ref()
                .ok_or_else(|| unknown("experiments"))?;
            let shown = state.list.rows.iter().filter_map(|id| {
                let experiment = state.list.experiment(*id)?;
                let overview = state.list.listed(experiment);
                Some(Listing { experiment, overview })
            });
            files(project, EXPERIMENTS, shown, now).map(Table::Files)
        }
        Place::Variants(e) => files(e.key.as_str(), VARIANTS, &e.variants, now).map(Table::Files),
        Place::Rules(e) => files(e.key.as_str(), RULES, &e.rules, now).map(Table::Files),
        Place::Results(detail) => {
            let known = detail.results.value.as_ref().ok_or_else(|| unknown("results"))?;
            results(known, now).map(Table::Files)
        }
        Place::Overrides(of, id, key, overrides) => {
            let query = ListOverrides {
                after: None,
                limit: Some(PAGE_ROWS),
                ..overrides.query()
            };
            let page = overrides.page.value.as_ref().filter(|_| query.search.is_none());
            Ok(Table::Pages {
                name: file_name(&key, OVERRIDES.what, now),
                total: page.map(|page| page.fixed + page.manual),
                source: Source::Overrides { of, id, query },
            })
        }
        Place::Objects(kind) => objects(state, kind, project, now).map(Table::Files),
        Place::Flag => {
            let (_, row) = state.objects.open_flag().ok_or_else(|| unknown("rules"))?;
            let (key, flag) = (row.flag.key.as_str(), &row.flag);
            let mut both = files::<&Rule>(key, RULES, &flag.rules, now)?;
            both.extend(files::<&Variant>(key, VARIANTS, &flag.variants, now)?);
            Ok(Table::Files(both))
        }
        Place::History(detail) => {
            let config = detail.config().ok_or_else(|| unknown("changes"))?;
            Ok(Table::Pages {
                name: file_name(config.key.as_str(), HISTORY.what, now),
                source: Source::History { id: config.id },
                total: None,
            })
        }
        Place::Audit(panel) => {
            let query = AuditQuery {
                object_id: panel.object,
                ..AuditQuery::default()
            };
            let source = Source::Audit(Box::new(query));
            let of = panel.of.as_deref().unwrap_or(project);
            Ok(Table::Pages {
                name: file_name(of, source.shape().what, now),
                source,
                total: None,
            })
        }
        Place::Import => {
            let Some(Overlay::Import(panel)) = state.overlays.last() else {
                return Err(unknown("ids"));
            };
            let import = panel.import.as_ref().ok_or_else(|| unknown("ids"))?;
            let query = ListImportRows {
                after: None,
                limit: Some(PAGE_ROWS),
                ..panel.query()
            };
            let all = query.search.is_none() && query.effect.is_none();
            Ok(Table::Pages {
                name: file_name(panel.target.key.as_str(), IMPORT_ROWS.what, now),
                total: all.then_some(import.unique),
                source: Source::ImportRows {
                    of: panel.target.of,
                    id: panel.target.id,
                    import: import.id,
                    query,
                },
            })
        }
        Place::Imports => {
            let overrides = crate::cockpit::update::import::overrides(state);
            let list = overrides.and_then(|o| o.imports.value.as_ref());
            let list = list.ok_or_else(|| unknown("imports"))?;
            let of = list.first().map_or("", |import| import.experiment.as_str());
            files(of, IMPORTS, list, now).map(Table::Files)
        }
    }
}

fn objects(state: &State, kind: Kind, project: &str, now: Timestamp) -> Result<Vec<File>, String> {
    let lists = &state.objects;
    match kind {
        Kind::Flags => files(project, FLAGS, known(&lists.flags, kind)?, now),
        Kind::Deployments => {
            let shown = known(&lists.deployments, kind)?.into_iter();
            // Also the key of a client, which is no secret on the screen, has no place in a file that is passed on.
            let without_keys = shown.map(|row| {
                let mut row: DeploymentRow = row.clone();
                row.deployment.key = None;
                row
            });
            files(project, DEPLOYMENTS, without_keys, now)
        }
        Kind::Projects => files("", PROJECTS, known(&lists.projects, kind)?, now),
        Kind::Tokens => files("", TOKENS, known(&lists.tokens, kind)?, now),
        Kind::Labs => files(project, LABS, known(&lists.labs, kind)?, now),
    }
}

/// The rows that the filter of a list lets through, once there are any at all.
fn known<T: Listed>(list: &ObjectList<T>, kind: Kind) -> Result<Vec<&T>, String> {
    match list.rows.value {
        Some(_) => Ok(list.shown()),
        None => Err(format!(
            "There are no {} to export yet",
            kind.title().to_lowercase()
        )),
    }
}

/// Both files of a table that is known.
pub(super) fn files<T: Serialize>(
    of: &str,
    shape: Shape,
    rows: impl IntoIterator<Item = T>,
    now: Timestamp,
) -> Result<Vec<File>, String> {
    let mut text = Text::default();
    let mut table = Rows::begin(shape, &mut text);
    for row in rows {
        table.add(&row, &mut text)?;
    }
    table.end(&mut text);
    let name = file_name(of, shape.what, now);
    let file = |ending: &str, content: String| File {
        name: format!("{name}.{ending}"),
        content,
    };
    Ok(vec![file("csv", text.csv), file("json", text.json)])
}
