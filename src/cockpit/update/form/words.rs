//! What each dialog says: its title, its buttons, and what will come of it, in words.

use super::fields::GRACES;
use crate::api::flags::FlagRow;
use crate::api::imports::{Import, ImportState};
use crate::cockpit::edit::consequences;
use crate::cockpit::edit::difference::{Difference, differences};
use crate::cockpit::edit::{FlagDraft, FlagPart};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Does};
use crate::cockpit::lifecycle::{self, Known};
use crate::cockpit::rule_text;
use crate::cockpit::state::State;
use crate::cockpit::state::form::{Form, Purpose};
use crate::cockpit::state::import::ImportPanel;
use crate::domain::{DeploymentKind, Experiment, Flag, Status};

/// Title, button that changes nothing, button that does it.
#[must_use]
pub fn titles(purpose: &Purpose) -> (String, &'static str, &'static str) {
    match purpose {
        Purpose::CreateFlag => ("New flag".to_owned(), "Not now", "Create"),
        Purpose::ToggleFlag(flag) if flag.enabled => {
            (format!("Switch {} off", flag.key), "Keep it on", "Switch off")
        }
        Purpose::ToggleFlag(flag) => (format!("Switch {} on", flag.key), "Keep it off", "Switch on"),
        Purpose::SaveFlag(draft) => (
            format!("Save the changes of {}", draft.base.key),
            "Keep editing",
            "Save",
        ),
        Purpose::DiscardFlag(flag) => (
            format!("Throw the changes of {} away", flag.key),
            "Keep them",
            "Throw away",
        ),
        Purpose::ArchiveFlag(flag) if flag.archived => {
            (format!("Show {} again", flag.key), "Keep it hidden", "Show again")
        }
        Purpose::ArchiveFlag(flag) => (format!("Archive {}", flag.key), "Keep it", "Archive"),
        Purpose::ConvertFlag(flag) => (
            format!("Make an experiment of {}", flag.key),
            "Keep it a flag",
            "Make experiment",
        ),
        Purpose::ConvertExperiment(experiment) => (
            format!("Make a flag of {}", experiment.key),
            "Keep it as it is",
            "Make flag",
        ),
        Purpose::CopyFlag(flag) => (format!("Copy {}", flag.key), "Not now", "Copy"),
        Purpose::CopyExperiment(experiment) => (format!("Copy {}", experiment.key), "Not now", "Copy"),
        Purpose::FlagPart(_, part) => (format!("Change the {}", part.label()), "Leave it", "Change"),
        Purpose::FlagVariant(_, None) => ("New variant".to_owned(), "Not now", "Add"),
        Purpose::FlagVariant(_, Some(_)) => ("Change a variant".to_owned(), "Leave it", "Change"),
        Purpose::FlagRule(flag, id) if !flag.rules.iter().any(|rule| rule.id == *id) => {
            ("New rule".to_owned(), "Not now", "Add")
        }
        Purpose::FlagRule(..) => ("Change a rule".to_owned(), "Leave it", "Change"),
        Purpose::AddFlagOverride(flag) => (format!("Force somebody in {}", flag.key), "Not now", "Force"),
        Purpose::DropFlagOverride(_, o) => (
            format!("Remove the override of {}", o.subject_id),
            "Keep it",
            "Remove",
        ),
        Purpose::CreateDeployment => ("New deployment".to_owned(), "Not now", "Create"),
        Purpose::RenameDeployment(d) => (format!("Rename {}", d.name), "Leave it", "Rename"),
        Purpose::RotateKey(d) => (format!("New key for {}", d.name), "Keep the key", "Make new key"),
        Purpose::RevokeDeployment(row) => (format!("Revoke {}", row.deployment.name), "Keep it", "Revoke"),
        Purpose::CreateProject => ("New project".to_owned(), "Not now", "Create"),
        Purpose::EditProject(project) => (format!("Change {}", project.key), "Leave it", "Change"),
        Purpose::CreateLab => ("New lab".to_owned(), "Not now", "Create"),
        Purpose::EditLab(lab) => (format!("Change {}", lab.key), "Leave it", "Change"),
        Purpose::CreateToken => ("New token".to_owned(), "Not now", "Create"),
        Purpose::RevokeToken(token) => (format!("Revoke the token {}", token.name), "Keep it", "Revoke"),
        Purpose::ApplyImport(import) => (
            format!("Import overrides into {}", import.experiment),
            "Not yet",
            "Apply",
        ),
        Purpose::UndoImport(import) => (
            format!("Undo the import into {}", import.experiment),
            "Keep it",
            "Undo",
        ),
        Purpose::WriteInsight(experiment) => {
            (format!("Summary of {}", experiment.key), "Leave it", "Write anew")
        }
        Purpose::ForgetImport(_) => ("Forget the staged import".to_owned(), "Keep it", "Forget"),
    }
}

/// What is said when it is done.
#[must_use]
pub fn done(state: &State, purpose: &Purpose) -> String {
    match purpose {
        Purpose::CreateFlag => "The flag is there, and off until it is switched on".to_owned(),
        Purpose::ToggleFlag(flag) if flag.enabled => format!("{} is off", flag.key),
        Purpose::ToggleFlag(flag) => format!("{} is on", flag.key),
        Purpose::SaveFlag(draft) => format!("{} is saved", draft.base.key),
        Purpose::ArchiveFlag(flag) if flag.archived => format!("{} is shown again", flag.key),
        Purpose::ArchiveFlag(flag) => format!("{} is archived", flag.key),
        Purpose::ConvertFlag(_) => "The experiment is there, as a draft".to_owned(),
        Purpose::ConvertExperiment(e) if e.status == Status::Draft => {
            format!("The flag is there, and off; {} is archived", e.key)
        }
        Purpose::ConvertExperiment(_) => "The flag is there, and on".to_owned(),
        Purpose::CopyFlag(_) | Purpose::CopyExperiment(_) => "The copy is there".to_owned(),
        Purpose::AddFlagOverride(_) => match super::held_back(state, purpose) {
            None => "The override is in force".to_owned(),
            Some(why) => format!("The override is there, and not in force: {why}"),
        },
        Purpose::DropFlagOverride(_, o) if super::held_back(state, purpose).is_some() => {
            format!("{} is forced no longer", o.subject_id)
        }
        Purpose::DropFlagOverride(_, o) => format!("{} is decided like everybody again", o.subject_id),
        Purpose::CreateDeployment => "The deployment is there".to_owned(),
        Purpose::RenameDeployment(_) => "The deployment is renamed".to_owned(),
        Purpose::RotateKey(_) => "The new key is valid from now on".to_owned(),
        Purpose::RevokeDeployment(row) => format!("No key of {} is valid any more", row.deployment.name),
        Purpose::CreateProject => "The project is there".to_owned(),
        Purpose::EditProject(project) => format!("{} is changed", project.key),
        Purpose::CreateLab => "The lab is there: experiments choose it in Setup".to_owned(),
        Purpose::EditLab(lab) => format!("{} is changed", lab.key),
        Purpose::CreateToken => "The token is there".to_owned(),
        Purpose::RevokeToken(token) => format!("The token {} is not valid any more", token.name),
        Purpose::DiscardFlag(_)
        | Purpose::FlagPart(..)
        | Purpose::FlagVariant(..)
        | Purpose::FlagRule(..)
        | Purpose::WriteInsight(_)
        | Purpose::ApplyImport(_)
        | Purpose::UndoImport(_)
        | Purpose::ForgetImport(_) => String::new(),
    }
}

/// What will come of it, one sentence a line.
#[must_use]
pub fn effects(state: &State, form: &Form) -> Vec<String> {
    match &form.purpose {
        Purpose::CreateFlag => vec![
            "Off until it is switched on. Without variants of its own it serves on to the rollout, off to the rest."
                .to_owned(),
        ],
        Purpose::ToggleFlag(flag) => toggle(state, flag),
        Purpose::SaveFlag(draft) => changes(state, draft),
        Purpose::DiscardFlag(_) => {
            let offered = (state.objects.flag.as_deref()).is_some_and(|d| d.found.offered().is_some());
            let mut lines = super::super::flag::doomed(state).map_or_else(Vec::new, |d| changes(state, &d));
            let back = if offered {
                "They are left from the last time and cannot be brought back.".to_owned()
            } else {
                let back = (Context::Flag, Command::FlagUndo, "brings them back, as long as this cockpit runs");
                state.keymap.sentence("", &[back])
            };
            lines.extend(Some(back).filter(|back| !back.is_empty()));
            lines
        }
        Purpose::ArchiveFlag(flag) if flag.archived => {
            vec!["It is listed again, and code that asks for it gets an answer again.".to_owned()]
        }
        Purpose::ArchiveFlag(flag) => {
            let mut lines = vec!["It is hidden, and code that asks for it is told that there is none.".to_owned()];
            if flag.enabled {
                lines.push(format!("It is on: {} of subjects lose their variant.", share(flag)));
            }
            lines
        }
        Purpose::ConvertFlag(flag) => vec![
            format!(
                "A draft with the variants of {} is made and linked to it. Once it is active it decides the flag.",
                flag.key
            ),
            "Nothing changes for anybody until then.".to_owned(),
        ],
        Purpose::ConvertExperiment(experiment) => {
            let flags = &state.objects.flags.rows;
            let known = match (&flags.value, &experiment.linked_flag) {
                (None, Some(_)) => Known::No,
                // Under another key one is made, which has no overrides.
                (_, linked) => {
                    let named = linked.as_ref().filter(|key| key.as_str().eq_ignore_ascii_case(form.text("Key")));
                    Known::Yes(named.and_then(|key| state.objects.flag_named(key.as_str())))
                }
            };
            becomes_flag(experiment, known)
        }
        Purpose::CopyFlag(_) => vec!["The copy is off, whatever the original is.".to_owned()],
        Purpose::CopyExperiment(_) => {
            vec!["The copy is a draft without results. Its flag is made with it where there is none.".to_owned()]
        }
        Purpose::FlagPart(_, FlagPart::Rollout) => {
            vec!["Those outside of it get off. A growing rollout takes nothing away from anybody.".to_owned()]
        }
        Purpose::FlagPart(_, FlagPart::Mode) => {
            vec!["remote: the server decides each time. local: SDKs may decide by themselves as well.".to_owned()]
        }
        Purpose::FlagVariant(..) => {
            vec!["A variant with the key off takes no share: its payload is what off carries.".to_owned()]
        }
        Purpose::FlagRule(..) => vec![format!("{}; empty catches everybody.", rule_text::FORM)],
        Purpose::AddFlagOverride(_) => vec![match &form.held_back {
            None => "In force at once, before rules and rollout, while the flag is on.".to_owned(),
            Some(why) => why.clone(),
        }],
        Purpose::DropFlagOverride(_, o) => {
            let mut lines =
                vec![format!("{} {} gets {} no longer by force.", o.subject_type.as_str(), o.subject_id, o.variant)];
            lines.extend(form.held_back.clone());
            lines
        }
        Purpose::CreateDeployment => match form.choice("Kind") {
            0 => vec!["For browsers and apps: everybody can read the key, and the cockpit shows it again.".to_owned()],
            _ => vec!["For servers: the key is stored as a hash and shown once, right after this.".to_owned()],
        },
        Purpose::RotateKey(d) => {
            let grace = GRACES.get(form.choice("Old key")).map_or("", |(words, _)| words);
            let mut lines = vec![match form.choice("Old key") {
                0 => format!("Whoever asks with the old key {} is refused at once.", d.key_hint),
                _ => format!("The old key {} is still taken for {grace}.", d.key_hint),
            }];
            if d.kind == DeploymentKind::Server {
                lines.push("The new key is shown once, right after this.".to_owned());
            }
            lines
        }
        Purpose::RevokeDeployment(row) => vec![
            "No key of it is valid any more, at once and for good.".to_owned(),
            format!(
                "{} and {} name it: programs that use it get no variants of them.",
                format::counted(row.experiments, "experiment", "experiments"),
                format::counted(row.flags, "flag", "flags"),
            ),
        ],
        Purpose::CreateProject | Purpose::EditProject(_) => {
            vec!["In a protected project dangerous actions ask for the key to be typed.".to_owned()]
        }
        Purpose::CreateLab => {
            vec!["A lab groups experiments; it decides nothing about who sees what.".to_owned()]
        }
        Purpose::EditLab(lab) => {
            let all = state.list.all().iter();
            let inside = all.filter(|e| e.parent_id.eq_ignore_ascii_case(lab.key.as_str())).count();
            vec![format!(
                "{} in it; an archived lab takes no new ones, and those stay.",
                match inside {
                    0 => "No experiment is".to_owned(),
                    1 => "1 experiment is".to_owned(),
                    n => format!("{} experiments are", format::count(n as u64)),
                }
            )]
        }
        Purpose::CreateToken => vec!["It is stored as a hash and shown once, right after this.".to_owned()],
        Purpose::RevokeToken(_) => vec!["Whoever uses it is refused at once and for good.".to_owned()],
        Purpose::ApplyImport(import) => {
            let mut lines = Vec::new();
            let people = |n: u64| format::counted(n, import.subject_type.as_str(), &format!("{}s", import.subject_type.as_str()));
            let effect = &import.effect;
            if import.applied_chunks > 0 {
                // The counts of the dry run are of all chunks: which of them are left is not told apart.
                let left = import.unique.saturating_sub(ImportPanel::landed(import));
                let chunks = u64::from(import.chunks.saturating_sub(import.applied_chunks));
                let mut lines = vec![
                    format!(
                        "Up to {} get {}: those of {} that {} left.",
                        people(left),
                        import.variant,
                        format::counted(chunks, "chunk", "chunks"),
                        if chunks == 1 { "is" } else { "are" },
                    ),
                    format!(
                        "{} of {} {} in force already.",
                        format::count(u64::from(import.applied_chunks)),
                        format::counted(u64::from(import.chunks), "chunk", "chunks"),
                        if import.applied_chunks == 1 { "is" } else { "are" },
                    ),
                ];
                lines.extend(form.held_back.clone());
                lines.push(chunk_by_chunk(state));
                return lines;
            }
            if effect.added > 0 {
                lines.push(format!("{} who had no override get {}.", people(effect.added), import.variant));
            }
            for (from, n) in &effect.changed_from {
                lines.push(format!("{} change from {from} to {}.", people(*n), import.variant));
            }
            if effect.added + effect.changed == 0 {
                lines.push("Nobody changes: all of them have this variant already.".to_owned());
            }
            lines.extend(form.held_back.clone());
            if let Some(n) = import.exposed_elsewhere.filter(|n| *n > 0) {
                lines.push(format!(
                    "{} were exposed to another variant already; their past exposures stay counted there.",
                    people(n)
                ));
            }
            lines.push(chunk_by_chunk(state));
            lines
        }
        Purpose::UndoImport(import) => undo(state, import),
        Purpose::ForgetImport(import) => vec![
            match import.state {
                ImportState::Staged => "Nothing of it is in force, and nothing will be.".to_owned(),
                _ => "It leaves the list; what is in force stays.".to_owned(),
            },
            "The ids have to be sent again.".to_owned(),
        ],
        Purpose::WriteInsight(experiment) => {
            let open = state.open.as_deref().filter(|detail| detail.id() == Some(experiment.id));
            let before = open.and_then(|detail| detail.insight.value.as_ref());
            let place = match before {
                Some(None) => "saved with the experiment",
                Some(Some(_)) => "saved in the place of the one before",
                None => "saved with the experiment, in the place of one that may be there",
            };
            vec![format!("It is written by rules from the numbers of now, and {place}.")]
        }
        Purpose::FlagPart(..) | Purpose::RenameDeployment(_) => Vec::new(),
    }
}

/// What leaving does while chunks are at work.
const STOPS: Does<'_> = (Context::Running, Command::Back, "stops after a chunk");

fn chunk_by_chunk(state: &State) -> String {
    match state.keymap.ways(&[STOPS]) {
        ways if ways.is_empty() => "In force chunk by chunk; it can be undone.".to_owned(),
        ways => format!("In force chunk by chunk; {ways}, and it can be undone."),
    }
}

/// What taking an import back does, with how many it concerns.
fn undo(state: &State, import: &Import) -> Vec<String> {
    let noun = import.subject_type.as_str();
    let people = |n: u64| format::counted(n, noun, &format!("{noun}s"));
    let chunks = format::counted(u64::from(import.applied_chunks), "chunk", "chunks");
    let effect = &import.effect;
    let mut lines = Vec::new();
    // What a chunk in force did is known; of some of the chunks, only how many ids they have.
    if import.applied_chunks == import.chunks {
        if effect.added > 0 {
            lines.push(format!("{} have no override again.", people(effect.added)));
        }
        for (from, n) in &effect.changed_from {
            lines.push(format!(
                "{} go back from {} to {from}.",
                people(*n),
                import.variant
            ));
        }
        if lines.is_empty() {
            lines.push(format!(
                "Nobody changes: all of them had {} before it.",
                import.variant
            ));
        }
    } else {
        lines.push(format!(
            "Up to {} get their former override back, or none: those of the {chunks} in force.",
            people(ImportPanel::landed(import).min(import.unique))
        ));
    }
    lines.push("Whoever was changed by somebody else meanwhile is left alone.".to_owned());
    lines.push(format!(
        "{}.",
        state.keymap.after("Chunk by chunk", "; ", &[STOPS])
    ));
    lines
}

fn share(flag: &Flag) -> String {
    format!("{} %", flag.rollout_pct)
}

fn toggle(state: &State, flag: &Flag) -> Vec<String> {
    let mut lines = Vec::new();
    let decided_by = state
        .objects
        .flags
        .get(flag.id)
        .and_then(|row| row.decided_by.as_ref());
    if let Some(experiment) = decided_by {
        lines.push(format!(
            "While {experiment} decides it, this changes nothing for anybody; afterwards:"
        ));
    }
    if flag.enabled {
        lines.push("Everybody gets off from now on, overrides and rules included.".to_owned());
        lines.push(format!("{} of subjects lose their variant.", share(flag)));
    } else {
        for variant in flag
            .variants
            .iter()
            .filter(|v| v.key.as_str() != crate::domain::flag::OFF)
        {
            let points = variant.traffic_pct.basis_points() * flag.rollout_pct.basis_points();
            let of_all = f64::from(points) / 1e6;
            lines.push(format!("About {of_all:.2} % of subjects get {}.", variant.key));
        }
        if !flag.rules.is_empty() {
            lines.push(format!(
                "{} decide before the rollout.",
                format::counted(flag.rules.len() as u64, "rule", "rules")
            ));
        }
    }
    lines
}

/// The differences of a draft, one a line: `rollout: 10.00 % → 50.00 %`, `variants: on payload nothing → "mine"`.
#[must_use]
pub fn changes(state: &State, draft: &FlagDraft) -> Vec<String> {
    let of = |part: FlagPart| {
        let changes = part_changes(state, draft, part).into_iter();
        changes.map(move |change| format!("{}: {change}", part.label()))
    };
    draft.changed().into_iter().flat_map(of).collect()
}

/// The differences of a draft in one part, each in words: `on payload nothing → "mine"`.
#[must_use]
pub fn part_changes(state: &State, draft: &FlagDraft, part: FlagPart) -> Vec<String> {
    let found = differences(part, &[&draft.base, &draft.mine], &|id| {
        state.objects.deployment_name(id)
    });
    found.iter().map(Difference::change).collect()
}

/// What each of several copies of a flag says of a part in which they differ.
#[must_use]
pub fn sides(state: &State, copies: [&Flag; 3], part: FlagPart) -> [String; 3] {
    let found = differences(part, &copies, &|id| state.objects.deployment_name(id));
    [0, 1, 2].map(|copy| {
        let sides: Vec<String> = found.iter().map(|difference| difference.side(copy)).collect();
        sides.join("; ")
    })
}

/// What saving a draft does to people, one sentence a line; empty when it does nothing to anybody.
#[must_use]
pub fn consequences_of(state: &State, draft: &FlagDraft) -> Vec<String> {
    let row = state.objects.flags.get(draft.base.id);
    let decided_by = row.and_then(|row| row.decided_by.as_ref());
    let overrides = row.map_or(0, |row| row.overrides);
    consequences::of_flag(&draft.base, &draft.mine, decided_by, overrides)
}

/// A part of a flag that is one value, in words. Variants and rules have lines of their own.
#[must_use]
pub fn part_text(state: &State, flag: &Flag, part: FlagPart) -> String {
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    match part {
        FlagPart::Name => or_none(flag.name.clone()),
        FlagPart::Description => or_none(flag.description.clone()),
        FlagPart::Rollout => share(flag),
        FlagPart::Mode => flag.evaluation_mode.as_str().to_owned(),
        FlagPart::Deployments => {
            let names: Vec<String> = flag
                .deployments
                .iter()
                .map(|id| state.objects.deployment_name(*id))
                .collect();
            or_none(names.join(", "))
        }
        FlagPart::Variants => format::counted(flag.variants.len() as u64, "variant", "variants"),
        FlagPart::Rules => format::counted(flag.rules.len() as u64, "rule", "rules"),
    }
}

/// What turning an experiment into a flag does to people and to the experiment, by where it is in its life.
fn becomes_flag(experiment: &Experiment, flag: Known<Option<&FlagRow>>) -> Vec<String> {
    let key = &experiment.key;
    if experiment.status == Status::Draft {
        return vec![
            "The flag gets the variants, shares, rules and overrides that were planned. It is off until it is switched on."
                .to_owned(),
            format!("{key} is archived."),
        ];
    }
    let (served, what) = match &experiment.winning_variant {
        Some(winner) => (winner, "the winner"),
        None => (&experiment.default_variant_id, "the default variant"),
    };
    let left = match experiment.status {
        Status::Archived => format!("{key} stays archived."),
        Status::Ended => format!("{key} stays ended."),
        _ => format!("{key} is ended: it records no assignment any more, and its results stay."),
    };
    vec![lifecycle::serves_instead(served, what, flag), left]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cockpit::edit::wizard;

    #[test]
    fn a_flag_of_what_is_over_is_on_for_everybody() {
        let mut experiment = wizard::blank(jiff::Timestamp::UNIX_EPOCH);
        experiment.status = Status::Completed;
        let becomes_flag = |experiment: &Experiment| becomes_flag(experiment, Known::Yes(None));
        let told = becomes_flag(&experiment).join(" ");
        let default = &experiment.default_variant_id;
        let expected = format!("100 % get {default}, the default variant.");
        assert!(
            told.contains(&expected) && told.contains("unnamed is ended"),
            "{told}"
        );
        let other = experiment.variants.iter().find(|v| v.key != *default).unwrap();
        experiment.winning_variant = Some(other.key.clone());
        let told = becomes_flag(&experiment).join(" ");
        let expected = format!(
            "switched on for everybody at once: 100 % get {}, the winner.",
            other.key
        );
        assert!(told.contains(&expected), "{told}");
        experiment.status = Status::Ended;
        assert!(becomes_flag(&experiment)[1].contains("stays ended"));
    }
}
