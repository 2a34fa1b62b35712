//! What each dialog asks to be filled in, and what a filled in text may be.

use crate::api::system::Role;
use crate::cockpit::edit::FlagPart;
use crate::cockpit::rule_text;
use crate::cockpit::state::State;
use crate::cockpit::state::form::{Form, Input, Line, Purpose, Ticked};
use crate::cockpit::state::text::TextField;
use crate::domain::rule::MAX_SUBJECT_ID_LENGTH;
use crate::domain::{Environment, EvaluationMode, Flag, Key, Percent, Variant};

/// The grace periods of a rotation that can be chosen: words and seconds.
pub const GRACES: [(&str, u32); 5] = [
    ("none, it ends at once", 0),
    ("1 hour", 3_600),
    ("1 day", 86_400),
    ("7 days", 7 * 86_400),
    ("30 days", 30 * 86_400),
];

/// The environments, in the order of the choice.
pub const ENVIRONMENTS: [Environment; 3] = [
    Environment::Development,
    Environment::Staging,
    Environment::Production,
];

/// When a token ends by itself: words and days, 0 for never.
pub const EXPIRIES: [(&str, u32); 4] = [
    ("never", 0),
    ("in 30 days", 30),
    ("in 90 days", 90),
    ("in a year", 365),
];

/// The roles that a token may get in a project.
pub const ROLES: [Role; 3] = [Role::Viewer, Role::Editor, Role::Admin];

fn text(label: &'static str, value: &str, word: &'static str) -> Line {
    Line {
        label,
        input: Input::Text(TextField::new(value)),
        word,
        problem: None,
    }
}

fn choice(label: &'static str, options: Vec<String>, at: usize) -> Line {
    Line {
        label,
        input: Input::Choice { options, at },
        word: "",
        problem: None,
    }
}

fn tick(label: &'static str, on: bool) -> Line {
    Line {
        label,
        input: Input::Tick(on),
        word: "",
        problem: None,
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn deployments(state: &State, ticked: impl Fn(uuid::Uuid, bool) -> bool) -> Line {
    let rows = state.objects.deployments.all();
    Line {
        label: "Deployments",
        input: Input::Ticks {
            options: rows
                .iter()
                .map(|row| {
                    let d = &row.deployment;
                    let revoked = d.revoked_at.map_or("", |_| ", revoked");
                    Ticked {
                        id: d.id,
                        name: format!("{} ({}{revoked})", d.name, d.kind.as_str()),
                        on: ticked(d.id, d.is_default),
                    }
                })
                .collect(),
            at: 0,
        },
        word: "",
        problem: None,
    }
}

fn variant_keys(flag: &Flag) -> Vec<String> {
    flag.variants.iter().map(|v| v.key.to_string()).collect()
}

/// What stands in a choice that nobody has made yet. No key has blanks.
pub const CHOOSE: &str = "choose one";

/// The projects that something can be copied to, by key, and which is chosen: the one of the last copy, or the only
/// other one. Where nobody can know, none is: a copy in the wrong project is found late.
fn targets(state: &State) -> (Vec<String>, usize) {
    let writable = |role: Role| role >= Role::Editor;
    let rows = state.objects.projects.all().iter();
    let mut keys: Vec<String> = rows
        .filter(|row| writable(row.role))
        .map(|row| row.project.key.to_string())
        .collect();
    // Another project is what is meant more often than not.
    let own = state.me.as_ref().map(|me| me.project.key.to_string());
    keys.sort_by_key(|key| Some(key) == own.as_ref());
    let last = state.objects.copied_to.as_ref().map(ToString::to_string);
    if let Some(at) = keys.iter().position(|key| Some(key) == last.as_ref()) {
        return (keys, at);
    }
    let others = keys.iter().filter(|key| Some(*key) != own.as_ref()).count();
    if others > 1 {
        keys.insert(0, CHOOSE.to_owned());
    }
    (keys, 0)
}

/// The inputs of a dialog.
#[must_use]
pub fn lines(state: &State, purpose: &Purpose) -> Vec<Line> {
    match purpose {
        Purpose::CreateFlag => vec![
            text("Name", "", "required"),
            text("Key", "", "from the name where it is empty"),
            text("Description", "", ""),
            text("Rollout", "0", "% of subjects"),
            choice("Evaluation", words(["remote", "local"]), 0),
            deployments(state, |_, default| default),
        ],
        Purpose::ToggleFlag(_) | Purpose::SaveFlag(_) | Purpose::ArchiveFlag(_) => {
            vec![text("Comment", "", "optional")]
        }
        Purpose::ConvertFlag(flag) => vec![text("Key", flag.key.as_str(), "of the experiment")],
        Purpose::ConvertExperiment(experiment) => {
            let key = experiment.linked_flag.as_ref().unwrap_or(&experiment.key);
            vec![text("Key", key.as_str(), "of the flag")]
        }
        Purpose::CopyFlag(flag) => copy_lines(state, flag.key.as_str()),
        Purpose::CopyExperiment(experiment) => copy_lines(state, experiment.key.as_str()),
        Purpose::FlagPart(flag, part) => {
            vec![match part {
                FlagPart::Name => text("Name", &flag.name, ""),
                FlagPart::Description => text("Description", &flag.description, ""),
                FlagPart::Rollout => text("Rollout", &flag.rollout_pct.to_string(), "% of subjects"),
                FlagPart::Mode => choice(
                    "Evaluation",
                    words(["remote", "local"]),
                    usize::from(flag.evaluation_mode == EvaluationMode::Local),
                ),
                FlagPart::Deployments => deployments(state, |id, _| flag.deployments.contains(&id)),
                // These have dialogs of their own, one for each variant and rule.
                FlagPart::Variants | FlagPart::Rules => return Vec::new(),
            }]
        }
        Purpose::FlagVariant(flag, key) => {
            variant_lines(key.as_ref().and_then(|key| flag.variant(key.as_str())))
        }
        Purpose::FlagRule(flag, id) => {
            let rule = flag.rules.iter().find(|rule| rule.id == *id);
            let chosen = rule.and_then(|r| flag.variants.iter().position(|v| v.key == r.variant));
            vec![
                text(
                    "If",
                    &rule.map_or_else(String::new, |r| rule_text::write(&r.conditions)),
                    "",
                ),
                choice("Variant", variant_keys(flag), chosen.unwrap_or(0)),
                text(
                    "Priority",
                    &rule.map_or_else(|| "0".to_owned(), |r| r.priority.to_string()),
                    "highest first",
                ),
            ]
        }
        Purpose::AddFlagOverride(flag) => vec![
            choice("Kind", words(["user", "device"]), 0),
            text("Id", "", "required"),
            choice("Variant", variant_keys(flag), 0),
        ],
        Purpose::CreateDeployment => vec![
            text("Name", "", "required"),
            choice(
                "Kind",
                words(["client: the key is public", "server: the key is a secret"]),
                0,
            ),
        ],
        Purpose::RenameDeployment(deployment) => vec![text("Name", &deployment.name, "required")],
        Purpose::RotateKey(_) => vec![choice(
            "Old key",
            GRACES
                .iter()
                .map(|(words, seconds)| match seconds {
                    0 => (*words).to_owned(),
                    _ => format!("still taken for {words}"),
                })
                .collect(),
            2,
        )],
        Purpose::RevokeDeployment(_) => vec![text("Comment", "", "optional")],
        Purpose::CreateProject => vec![
            text("Key", "", "required, such as shop-prod"),
            text("Name", "", "the key where it is empty"),
            choice("Environment", environments(), 0),
            tick("Protected", false),
        ],
        Purpose::EditProject(project) => vec![
            text("Name", &project.name, ""),
            choice(
                "Environment",
                environments(),
                ENVIRONMENTS
                    .iter()
                    .position(|e| *e == project.environment)
                    .unwrap_or(0),
            ),
            tick("Protected", project.protected),
        ],
        Purpose::CreateLab => vec![
            text("Key", "", "required, such as checkout"),
            text("Name", "", "the key where it is empty"),
            text("Description", "", "optional"),
        ],
        Purpose::EditLab(lab) => vec![
            text("Name", &lab.name, ""),
            text("Description", &lab.description, "optional"),
            tick("Archived", lab.archived),
        ],
        Purpose::CreateToken => {
            let projects = state.objects.projects.all().iter();
            let own = state.me.as_ref().map(|me| me.project.id);
            vec![
                text("Name", "", "required"),
                choice(
                    "Role",
                    ROLES.iter().map(|role| role.as_str().to_owned()).collect(),
                    1,
                ),
                Line {
                    label: "Projects",
                    input: Input::Ticks {
                        options: projects
                            .filter(|row| row.role == Role::Admin)
                            .map(|row| Ticked {
                                id: row.project.id,
                                name: row.project.key.to_string(),
                                on: Some(row.project.id) == own,
                            })
                            .collect(),
                        at: 0,
                    },
                    word: "",
                    problem: None,
                },
                choice(
                    "Ends",
                    EXPIRIES.iter().map(|(words, _)| (*words).to_owned()).collect(),
                    0,
                ),
            ]
        }
        // Nothing is sent that a comment could go with.
        Purpose::DiscardFlag(_)
        | Purpose::DropFlagOverride(..)
        | Purpose::WriteInsight(_)
        | Purpose::RevokeToken(_)
        | Purpose::ApplyImport(_)
        | Purpose::UndoImport(_)
        | Purpose::ForgetImport(_) => Vec::new(),
    }
}

fn environments() -> Vec<String> {
    ENVIRONMENTS.iter().map(|e| e.as_str().to_owned()).collect()
}

fn copy_lines(state: &State, key: &str) -> Vec<Line> {
    let (projects, at) = targets(state);
    vec![
        choice("Project", projects, at),
        text("Key", key, "of the copy"),
        tick("Overrides", false),
    ]
}

fn variant_lines(variant: Option<&Variant>) -> Vec<Line> {
    let payload = variant
        .filter(|v| !v.payload.is_null())
        .map(|v| v.payload.to_string());
    vec![
        text("Key", variant.map_or("", |v| v.key.as_str()), "required"),
        text("Name", variant.map_or("", |v| &v.name), ""),
        text(
            "Share",
            &variant.map_or_else(|| "0".to_owned(), |v| v.traffic_pct.to_string()),
            "% of the rollout",
        ),
        text("Payload", &payload.unwrap_or_default(), "JSON"),
    ]
}

/// What is wrong with an input as it is filled in; none when nothing is.
#[must_use]
pub fn problem(form: &Form, at: usize) -> Option<String> {
    let line = form.lines.get(at)?;
    let value = match &line.input {
        Input::Text(field) => field.text().trim(),
        Input::Choice { options, .. } if options.is_empty() => {
            return Some("there is none to choose".to_owned());
        }
        Input::Choice { options, at } if options.get(*at).is_some_and(|option| option == CHOOSE) => {
            return Some("choose one with ← and →".to_owned());
        }
        Input::Ticks { options, .. }
            if line.label == "Projects" && !options.iter().any(|option| option.on) =>
        {
            return Some("tick at least one project".to_owned());
        }
        _ => return None,
    };
    let key = |value: &str| {
        Key::new(value)
            .err()
            .map(|_| "letters, digits, \"-\", \"_\" or \".\", no blanks".to_owned())
    };
    let may_be_empty = matches!(form.purpose, Purpose::CreateFlag);
    match line.label {
        "Key" if value.is_empty() && may_be_empty => None,
        "Key" => key(value),
        "Name" if value.is_empty() => {
            let required = matches!(
                form.purpose,
                Purpose::CreateFlag
                    | Purpose::CreateDeployment
                    | Purpose::RenameDeployment(_)
                    | Purpose::CreateToken
            );
            required.then(|| "a name is required".to_owned())
        }
        "Name" if matches!(form.purpose, Purpose::CreateFlag) && form.text("Key").is_empty() => {
            Key::slug(value)
                .is_none()
                .then(|| "no key can be made of it: type one".to_owned())
        }
        "Id" if value.is_empty() => Some("an id is required".to_owned()),
        "Id" if value.chars().count() > MAX_SUBJECT_ID_LENGTH => {
            Some(format!("at most {MAX_SUBJECT_ID_LENGTH} characters"))
        }
        "Rollout" | "Share" => percent(value).err(),
        "Priority" => value
            .parse::<i32>()
            .err()
            .map(|_| "a whole number, such as 10".to_owned()),
        "Payload" if !value.is_empty() => serde_json::from_str::<serde_json::Value>(value)
            .err()
            .map(|error| format!("no JSON: {error}")),
        "If" => rule_text::parse(value).err(),
        _ => None,
    }
}

/// Reads a share.
///
/// # Errors
/// What is allowed.
pub fn percent(text: &str) -> Result<Percent, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>();
    number
        .ok()
        .and_then(|number| Percent::new(number).ok())
        .ok_or_else(|| "a number from 0 to 100 with at most two decimals".to_owned())
}
