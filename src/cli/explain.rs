//! `splitdeck explain`: which variant a user gets, and step by step why.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::domain::{ExplainStep, Explanation, User};

use super::CliError;
use super::output::{Table, plain, print, print_json};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck explain`.
///
/// Nothing is recorded by asking.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key or UUID of the experiment, or with --flag of the flag
    key: String,
    /// KEY is a flag: explain what is answered under it, by itself or by the experiment that decides it
    #[arg(long)]
    flag: bool,
    /// User id
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Device id
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Session id
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Event id
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Group the user belongs to, such as org=acme; may be repeated
    #[arg(long, value_name = "TYPE=GROUP", value_parser = pair)]
    group: Vec<(String, String)>,
    /// What a rule may look at, such as profile.country=TH or event.properties.amount=9; may be repeated
    ///
    /// The value is read as JSON where it is JSON, else as text.
    #[arg(long, value_name = "SCOPE.FIELD=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// JSON file with the user, as the API takes it, `-` for standard input; the other arguments add to it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be a name, `=` and a value".to_owned()),
    }
}

/// Runs `splitdeck explain`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, session: &Session) -> Result<(), CliError> {
    let user = user(&args)?;
    if !user.has_id() {
        return Err(CliError::Usage(
            "name at least one id: --user, --device, --session, --event or --group".to_owned(),
        ));
    }
    args.remote.run(session, async |client| {
        let explanation = if args.flag {
            client.explain_flag(&args.key, &user).await?
        } else {
            client.explain(&args.key, &user).await?
        };
        if args.json {
            print_json(&explanation)
        } else {
            print(&text(&explanation))
        }
    })
}

/// The user that the arguments describe.
fn user(args: &Args) -> Result<User, CliError> {
    let mut user = match &args.file {
        None => User::default(),
        Some(file) => {
            let name = file.display();
            let text = if file.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin())
            } else {
                std::fs::read_to_string(file)
            };
            let text = text.map_err(|error| CliError::Failed(format!("cannot read {name}: {error}")))?;
            serde_json::from_str(&text)
                .map_err(|error| CliError::Usage(format!("{name} is no user: {error}")))?
        }
    };
    let ids = [
        (&mut user.user_id, &args.user),
        (&mut user.device_id, &args.device),
        (&mut user.session_id, &args.session),
        (&mut user.event_id, &args.event),
    ];
    for (id, given) in ids {
        if given.is_some() {
            id.clone_from(given);
        }
    }
    for (kind, group) in &args.group {
        user.groups.entry(kind.clone()).or_default().push(group.clone());
    }
    for (path, value) in &args.set {
        set(&mut user, path, value)?;
    }
    Ok(user)
}

/// Writes one value to where a rule would look for it.
fn set(user: &mut User, path: &str, value: &str) -> Result<(), CliError> {
    let refused = |why: &str| Err(CliError::Usage(format!("--set {path}: {why}")));
    let Some((scope, field)) = path.split_once('.').filter(|(_, field)| !field.is_empty()) else {
        return refused("it begins with profile., session. or event.");
    };
    let mut data: &mut Map<String, Value> = match scope {
        "profile" => &mut user.user_properties,
        "session" => &mut user.session,
        "event" => &mut user.event,
        _ => return refused("it begins with profile., session. or event."),
    };
    let mut names = field.split('.').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            data.insert(name.to_owned(), value);
            break;
        }
        let nested = data.entry(name).or_insert_with(|| Value::Object(Map::new()));
        match nested {
            Value::Object(nested) => data = nested,
            _ => return refused("a part of the path holds a value already"),
        }
    }
    Ok(())
}

/// The explanation as a person reads it.
fn text(explanation: &Explanation) -> String {
    let Explanation { assignment, steps } = explanation;
    let mut table = Table::pairs();
    for step in steps {
        let (name, words) = words(step);
        table.row([name, words.as_str()]);
        if let ExplainStep::Rule { conditions, .. } = step {
            for condition in conditions {
                let mark = if condition.passed { "passes" } else { "fails" };
                let found = condition
                    .found
                    .as_ref()
                    .map_or("missing".to_owned(), |found| format!("\"{found}\""));
                table.row(["", &format!("  {}: {found}, {mark}", condition.condition)]);
            }
        }
    }
    let cohort = if assignment.cohort > 0 {
        format!(", cohort {}", assignment.cohort)
    } else {
        String::new()
    };
    let mut text = format!(
        "{} ({}{cohort})\n\n{}",
        plain(&assignment.variant_id),
        assignment.reason.as_str(),
        table.text()
    );
    if !assignment.payload.is_null() {
        text.push_str(&format!("\npayload {}\n", plain(&assignment.payload.to_string())));
    }
    text
}

/// A step's name and what it saw.
fn words(step: &ExplainStep) -> (&'static str, String) {
    match step {
        ExplainStep::Status { status, decides } => (
            "status",
            if *decides {
                format!("{status}: go on")
            } else {
                format!("{status}: no decision is made")
            },
        ),
        ExplainStep::DecidedBy { experiment } => ("flag", format!("experiment {experiment} decides it")),
        ExplainStep::FlagEnabled => ("flag", "switched on: go on".to_owned()),
        ExplainStep::FlagDisabled { archived } => (
            "flag",
            format!(
                "{}: nobody gets it, whatever its overrides and rules say",
                if *archived { "archived" } else { "switched off" }
            ),
        ),
        ExplainStep::Override { subject: None, .. } => ("override", "no user id and no device id".to_owned()),
        ExplainStep::Override {
            subject: Some(subject),
            variant,
            unknown,
        } => (
            "override",
            format!("{subject}: {}", known_variant(variant.as_deref(), *unknown)),
        ),
        ExplainStep::Holdout { threshold: 0, .. } => ("holdout", "there is none".to_owned()),
        ExplainStep::Holdout {
            hashed,
            bucket,
            threshold,
            held_out,
        } => (
            "holdout",
            match bucket {
                None => "no id to hash: passed over".to_owned(),
                Some(bucket) => format!(
                    "{}bucket {bucket}, below {threshold} is held out: {}",
                    of(hashed.as_deref()),
                    if *held_out { "yes" } else { "no" }
                ),
            },
        ),
        ExplainStep::Rule {
            rule_id,
            variant,
            priority,
            matched,
            ..
        } => (
            "rule",
            format!(
                "{variant}, priority {priority} ({rule_id}): {}",
                if *matched { "matches" } else { "does not match" }
            ),
        ),
        ExplainStep::Sticky { enabled: false, .. } => ("sticky", "switched off".to_owned()),
        ExplainStep::Sticky { variant, unknown, .. } => {
            ("sticky", known_variant(variant.as_deref(), *unknown))
        }
        ExplainStep::Allocation {
            missing: Some(missing),
            variant,
            ..
        } => (
            "allocation",
            match variant {
                None => format!("the user has no {missing}: nothing to allocate by"),
                Some(everybodys) => format!("the user has no {missing}, and everybody gets {everybodys}"),
            },
        ),
        ExplainStep::Allocation {
            hashed,
            hash,
            slot,
            cohort,
            variant,
            ..
        } => {
            let number = |n: &Option<u32>| n.map_or("none".to_owned(), |n| n.to_string());
            let owner = variant.as_deref().unwrap_or("nobody");
            let words = format!(
                "{}hash {}, slot {}, which in cohort {cohort} belongs to {owner}",
                of(hashed.as_deref()),
                number(hash),
                number(slot)
            );
            ("allocation", words)
        }
        ExplainStep::Default { variant } => ("default", variant.clone()),
    }
}

fn of(hashed: Option<&str>) -> String {
    hashed.map_or("drawn at random: ".to_owned(), |hashed| format!("{hashed} → "))
}

fn known_variant(variant: Option<&str>, unknown: bool) -> String {
    match variant {
        None => "none".to_owned(),
        Some(variant) if unknown => format!("{variant}, which is no variant any more: ignored"),
        Some(variant) => variant.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn read(line: &[&str]) -> Result<User, CliError> {
        let line = Line::parse_from(["explain", "exp"].iter().chain(line));
        user(&line.args)
    }

    #[test]
    fn arguments_make_a_user() {
        let user = read(&[
            "--user",
            "u",
            "--session",
            "s",
            "--group",
            "org=a",
            "--group",
            "org=b",
            "--set",
            "profile.country=TH",
            "--set",
            "event.properties.amount=12.5",
            "--set",
            "event.properties.ok=true",
            "--set",
            "session.page=/a=b",
        ]);
        assert_eq!(
            serde_json::to_value(user.expect("a user")).expect("writes"),
            json!({
                "user_id": "u", "session_id": "s", "groups": {"org": ["a", "b"]},
                "user_properties": {"country": "TH"}, "session": {"page": "/a=b"},
                "event": {"properties": {"amount": 12.5, "ok": true}},
            })
        );
    }

    #[test]
    fn arguments_add_to_a_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("user.json");
        std::fs::write(&file, r#"{"user_id": "a", "user_properties": {"x": 1}}"#).expect("written");
        let file = file.to_str().expect("a name");
        let user = read(&["--file", file, "--device", "d", "--set", "profile.y=2"]).expect("a user");
        assert_eq!(
            (user.user_id.as_deref(), user.device_id.as_deref()),
            (Some("a"), Some("d"))
        );
        assert_eq!(Value::Object(user.user_properties), json!({"x": 1, "y": 2}));
        let error = read(&["--file", file, "--set", "profile.x.z=2"]).expect_err("refused");
        assert!(error.to_string().contains("profile.x.z"), "{error}");
        for bad in ["country=TH", "device.x=1", "profile.=1"] {
            let error = read(&["--set", bad]).expect_err("refused");
            assert!(error.to_string().contains("begins with"), "{bad}: {error}");
        }
        let error = read(&["--file", "/nonexistent.json"]).expect_err("refused");
        assert!(error.to_string().contains("/nonexistent.json"), "{error}");
    }

    #[test]
    fn the_steps_in_words() {
        let explanation: Explanation = serde_json::from_value(json!({
            "assignment": {
                "experimentId": "018f2c7e-0000-7000-8000-000000000001", "variantId": "blue", "variantName": "Blue",
                "payload": {"c": 1}, "reason": "unallocated", "ruleId": null, "cohort": 2, "attribution": {
                    "__experimentId": "018f2c7e-0000-7000-8000-000000000001", "__variantId": "blue",
                    "__experimentName": "E", "__variantName": "Blue", "__assignmentReason": "unallocated", "__cohort": 2,
                },
            },
            "steps": [
                {"step": "status", "status": "active", "decides": true},
                {"step": "flag_enabled"},
                {"step": "flag_disabled", "archived": false},
                {"step": "flag_disabled", "archived": true},
                {"step": "override", "subject": "user:alice", "variant": "gone", "unknown": true},
                {"step": "override", "subject": null, "variant": null},
                {"step": "holdout", "hashed": "f:holdout/alice", "bucket": 7329, "threshold": 500, "heldOut": false},
                {"step": "holdout", "hashed": null, "bucket": null, "threshold": 500, "heldOut": false},
                {"step": "holdout", "hashed": null, "bucket": 3, "threshold": 500, "heldOut": true},
                {"step": "holdout", "hashed": null, "bucket": null, "threshold": 0, "heldOut": false},
                {"step": "rule", "ruleId": "018f2c7e-0000-7000-8000-000000000009", "variant": "blue", "priority": 3,
                 "matched": false, "conditions": [
                    {"condition": "profile.country is TH", "found": "D\u{7}", "passed": false},
                    {"condition": "event.plan isNull", "found": null, "passed": true},
                 ]},
                {"step": "sticky", "enabled": false, "variant": null},
                {"step": "sticky", "enabled": true, "variant": null},
                {"step": "allocation", "missing": "session_id", "hashed": null, "hash": null, "slot": null, "cohort": 2,
                 "variant": null},
                {"step": "allocation", "hashed": "exp/alice", "hash": 100, "slot": 1, "cohort": 2, "variant": null},
                {"step": "default", "variant": "blue"},
            ],
        }))
        .expect("an explanation");
        assert_eq!(
            text(&explanation),
            "blue (unallocated, cohort 2)\n\
             \n\
             status      active: go on\n\
             flag        switched on: go on\n\
             flag        switched off: nobody gets it, whatever its overrides and rules say\n\
             flag        archived: nobody gets it, whatever its overrides and rules say\n\
             override    user:alice: gone, which is no variant any more: ignored\n\
             override    no user id and no device id\n\
             holdout     f:holdout/alice → bucket 7329, below 500 is held out: no\n\
             holdout     no id to hash: passed over\n\
             holdout     drawn at random: bucket 3, below 500 is held out: yes\n\
             holdout     there is none\n\
             rule        blue, priority 3 (018f2c7e-0000-7000-8000-000000000009): does not match\n\
             \x20             profile.country is TH: \"D\\u{7}\", fails\n\
             \x20             event.plan isNull: missing, passes\n\
             sticky      switched off\n\
             sticky      none\n\
             allocation  the user has no session_id: nothing to allocate by\n\
             allocation  exp/alice → hash 100, slot 1, which in cohort 2 belongs to nobody\n\
             default     blue\n\
             \n\
             payload {\"c\":1}\n"
        );
    }
}
