//! The lists of flags, deployments, projects and tokens, and the open flag.

use std::sync::Arc;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use uuid::Uuid;

use super::overrides::OverridesState;
use super::text::TextField;
use crate::api::deployments::DeploymentRow;
use crate::api::flags::FlagRow;
use crate::api::projects::{ProjectRow, TokenRow};
use crate::cockpit::ports::Loaded;
use crate::domain::Flag;

/// A list that is a screen of its own.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Flags.
    Flags,
    /// Deployments and their keys.
    Deployments,
    /// Projects.
    Projects,
    /// Tokens.
    Tokens,
}

impl Kind {
    /// The title of the screen.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Flags => "Flags",
            Self::Deployments => "Deployments",
            Self::Projects => "Projects",
            Self::Tokens => "Tokens",
        }
    }
}

/// Something in such a list.
pub trait Listed {
    /// What it is selected by.
    fn id(&self) -> Uuid;
    /// What the filter searches.
    fn text(&self) -> String;
}

impl Listed for FlagRow {
    fn id(&self) -> Uuid {
        self.flag.id
    }

    fn text(&self) -> String {
        let on = if self.flag.enabled { "on" } else { "off" };
        let archived = if self.flag.archived { " archived" } else { "" };
        format!("{} {} {on}{archived}", self.flag.key, self.flag.name)
    }
}

impl Listed for DeploymentRow {
    fn id(&self) -> Uuid {
        self.deployment.id
    }

    fn text(&self) -> String {
        let revoked = self.deployment.revoked_at.map_or("", |_| " revoked");
        let kind = self.deployment.kind.as_str();
        format!("{} {kind}{revoked}", self.deployment.name)
    }
}

impl Listed for ProjectRow {
    fn id(&self) -> Uuid {
        self.project.id
    }

    fn text(&self) -> String {
        let environment = self.project.environment.as_str();
        format!("{} {} {environment}", self.project.key, self.project.name)
    }
}

impl Listed for TokenRow {
    fn id(&self) -> Uuid {
        self.id
    }

    fn text(&self) -> String {
        let roles: Vec<String> = self
            .roles
            .iter()
            .map(|(project, role)| format!("{project} {}", role.as_str()))
            .collect();
        let revoked = self.revoked_at.map_or("", |_| " revoked");
        format!("{} {}{revoked}", self.name, roles.join(" "))
    }
}

/// One list. The cursor stays on its row, whatever comes in.
#[derive(Debug)]
pub struct ObjectList<T> {
    /// The rows, as the server sorts them.
    pub rows: Loaded<Vec<T>>,
    /// The row under the cursor.
    pub selected: Option<Uuid>,
    /// What is typed into the filter.
    pub filter: TextField,
    /// Whether the filter takes the keys.
    pub filtering: bool,
}

impl<T> Default for ObjectList<T> {
    fn default() -> Self {
        Self {
            rows: Loaded::default(),
            selected: None,
            filter: TextField::default(),
            filtering: false,
        }
    }
}

impl<T: Listed> ObjectList<T> {
    /// All rows; none before the first answer.
    #[must_use]
    pub fn all(&self) -> &[T] {
        self.rows.value.as_deref().unwrap_or_default()
    }

    /// The rows that the filter lets through, in their order.
    #[must_use]
    pub fn shown(&self) -> Vec<&T> {
        let filter = self.filter.text();
        if filter.trim().is_empty() {
            return self.all().iter().collect();
        }
        let pattern = Pattern::parse(filter, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let matches = |row: &&T| {
            pattern
                .score(Utf32Str::new(&row.text(), &mut buffer), &mut matcher)
                .is_some()
        };
        self.all().iter().filter(matches).collect()
    }

    /// The row under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&T> {
        let shown = self.shown();
        let at = self.position_in(&shown)?;
        shown.get(at).copied()
    }

    /// A row by id.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&T> {
        self.all().iter().find(|row| row.id() == id)
    }

    /// The place of the cursor among the rows that are shown: the first one while it is on none of them.
    #[must_use]
    pub fn position_in(&self, shown: &[&T]) -> Option<usize> {
        if shown.is_empty() {
            return None;
        }
        let at = shown.iter().position(|row| Some(row.id()) == self.selected);
        Some(at.unwrap_or(0))
    }

    /// Moves the cursor by `by` rows.
    pub fn move_by(&mut self, by: isize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        let at = self
            .position_in(&shown)
            .unwrap_or(0)
            .saturating_add_signed(by)
            .min(last);
        let selected = shown.get(at).map(|row| row.id());
        self.selected = selected;
    }

    /// Takes new rows.
    pub fn set(&mut self, rows: Vec<T>, now: Timestamp) {
        self.rows.set(rows, now);
        if self.selected.is_none() {
            self.selected = self.all().first().map(Listed::id);
        }
    }
}

/// All such lists.
#[derive(Debug, Default)]
pub struct Objects {
    /// The flags of the project.
    pub flags: ObjectList<FlagRow>,
    /// Its deployments.
    pub deployments: ObjectList<DeploymentRow>,
    /// The projects in which the caller has a role.
    pub projects: ObjectList<ProjectRow>,
    /// The tokens of the projects that the caller administers.
    pub tokens: ObjectList<TokenRow>,
    /// The open flag.
    pub flag: Option<Box<FlagDetail>>,
    /// Flags with changes that are not saved, open or not.
    pub drafts: Vec<FlagDraft>,
}

impl Objects {
    /// The name of a deployment; the beginning of its id where it is not known.
    #[must_use]
    pub fn deployment_name(&self, id: Uuid) -> String {
        match self.deployments.get(id) {
            Some(row) => row.deployment.name.clone(),
            None => id.to_string().chars().take(8).collect(),
        }
    }

    /// The open flag with its row.
    #[must_use]
    pub fn open_flag(&self) -> Option<(&FlagDetail, &FlagRow)> {
        let detail = self.flag.as_deref()?;
        Some((detail, self.flags.get(detail.id)?))
    }

    /// The draft of a flag.
    #[must_use]
    pub fn draft(&self, id: Uuid) -> Option<&FlagDraft> {
        self.drafts.iter().find(|draft| draft.base.id == id)
    }

    /// The draft of a flag; begun where there is none.
    pub fn draft_mut(&mut self, flag: &Flag) -> &mut FlagDraft {
        let at = match self.drafts.iter().position(|draft| draft.base.id == flag.id) {
            Some(at) => at,
            None => {
                self.drafts.push(FlagDraft::new(flag.clone()));
                self.drafts.len() - 1
            }
        };
        &mut self.drafts[at]
    }

    /// What is known of the flag with the changes that are not saved.
    #[must_use]
    pub fn edited(&self, id: Uuid) -> Option<&Flag> {
        self.draft(id)
            .map(|draft| &draft.mine)
            .or_else(|| self.flags.get(id).map(|row| &row.flag))
    }
}

/// The page of a flag.
#[derive(Debug)]
pub struct FlagDetail {
    /// Which.
    pub id: Uuid,
    /// The line under the cursor, among those that can be edited.
    pub item: usize,
    /// Its overrides, while they are shown in place of the page.
    pub overrides: Option<OverridesState>,
}

/// A part of a flag that changes and merges by itself.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub enum FlagPart {
    /// The name that people read.
    Name,
    /// What it switches.
    Description,
    /// The share that gets one of the variants.
    Rollout,
    /// Where it is evaluated.
    Mode,
    /// The deployments that see it.
    Deployments,
    /// The variants, all of them.
    Variants,
    /// The rules, all of them.
    Rules,
}

impl FlagPart {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::Name,
        Self::Description,
        Self::Rollout,
        Self::Mode,
        Self::Deployments,
        Self::Variants,
        Self::Rules,
    ];

    /// What it is called.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Rollout => "rollout",
            Self::Mode => "evaluation",
            Self::Deployments => "deployments",
            Self::Variants => "variants",
            Self::Rules => "rules",
        }
    }

    /// Whether two copies agree in it.
    #[must_use]
    pub fn same(self, a: &Flag, b: &Flag) -> bool {
        match self {
            Self::Name => a.name == b.name,
            Self::Description => a.description == b.description,
            Self::Rollout => a.rollout_pct == b.rollout_pct,
            Self::Mode => a.evaluation_mode == b.evaluation_mode,
            Self::Deployments => a.deployments == b.deployments,
            Self::Variants => a.variants == b.variants,
            Self::Rules => a.rules == b.rules,
        }
    }

    /// Takes it over from another copy.
    pub fn take(self, into: &mut Flag, from: &Flag) {
        match self {
            Self::Name => into.name.clone_from(&from.name),
            Self::Description => into.description.clone_from(&from.description),
            Self::Rollout => into.rollout_pct = from.rollout_pct,
            Self::Mode => into.evaluation_mode = from.evaluation_mode,
            Self::Deployments => into.deployments.clone_from(&from.deployments),
            Self::Variants => into.variants.clone_from(&from.variants),
            Self::Rules => into.rules.clone_from(&from.rules),
        }
    }
}

/// A flag with changes that are not saved: where they began, and where they are.
#[derive(Debug, Clone)]
pub struct FlagDraft {
    /// The flag as the changes began, or as it was last merged.
    pub base: Flag,
    /// The flag as it is to be.
    pub mine: Flag,
    /// Parts that somebody else changed meanwhile as well: they are asked about. `base` is theirs.
    pub both: Vec<FlagPart>,
    /// Copies before each change, the newest last.
    pub undo: Vec<Flag>,
}

impl FlagDraft {
    /// A draft without changes.
    #[must_use]
    pub fn new(flag: Flag) -> Self {
        Self {
            base: flag.clone(),
            mine: flag,
            both: Vec::new(),
            undo: Vec::new(),
        }
    }

    /// The parts that differ.
    #[must_use]
    pub fn changed(&self) -> Vec<FlagPart> {
        let differs = |part: &FlagPart| !part.same(&self.base, &self.mine);
        FlagPart::ALL.into_iter().filter(differs).collect()
    }

    /// Changes it; the copy before can be had back.
    pub fn change(&mut self, change: impl FnOnce(&mut Flag)) {
        let before = self.mine.clone();
        change(&mut self.mine);
        if before != self.mine {
            self.undo.push(before);
        }
    }

    /// Merges what somebody else saved: the parts that came in, which the person did not touch. What both
    /// changed differently is asked about.
    pub fn merge(&mut self, theirs: &Flag) -> Vec<FlagPart> {
        if theirs.resource_version <= self.base.resource_version {
            return Vec::new();
        }
        let mut came = Vec::new();
        for part in FlagPart::ALL {
            let touched = !part.same(&self.base, &self.mine);
            let moved = !part.same(&self.base, theirs);
            match (touched, moved) {
                (_, false) => {}
                (false, true) => {
                    part.take(&mut self.mine, theirs);
                    came.push(part);
                }
                (true, true) if part.same(&self.mine, theirs) => self.both.retain(|p| *p != part),
                (true, true) => {
                    if !self.both.contains(&part) {
                        self.both.push(part);
                    }
                }
            }
        }
        let mut mine = theirs.clone();
        for part in FlagPart::ALL {
            part.take(&mut mine, &self.mine);
        }
        self.mine = mine;
        self.base = theirs.clone();
        // A copy of before the merge would take back what came in.
        self.undo.clear();
        came
    }
}

/// The audit log of the project, or of one object.
#[derive(Debug, Default)]
pub struct AuditPanel {
    /// What it is the history of, in words.
    pub title: String,
    /// Of which object; of all without one.
    pub object: Option<Uuid>,
    /// The entries, newest first.
    pub entries: Loaded<Vec<crate::domain::AuditEntry>>,
    /// What to ask for to get the next page; none at the end.
    pub next_before: Option<i64>,
    /// The entry under the cursor.
    pub selected: usize,
}

/// Something that is shown only once.
pub struct Secret {
    /// What it is the key of.
    pub title: String,
    /// The secret.
    pub text: Arc<str>,
    /// What to do with it.
    pub note: String,
    /// Whether it was copied.
    pub copied: bool,
    /// Whether Esc was pressed once without its having been copied.
    pub asked: bool,
}

impl std::fmt::Debug for Secret {
    /// Without the secret, so that it cannot reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("title", &self.title)
            .field("copied", &self.copied)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Percent;

    fn flag(version: u64) -> Flag {
        serde_json::from_value(serde_json::json!({
            "id": Uuid::nil(), "key": "new-checkout", "salt": "new-checkout", "resourceVersion": version,
            "variants": [{"key": "on", "trafficPct": 100}], "rolloutPct": 10,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("reads")
    }

    #[test]
    fn changes_of_different_parts_merge_and_the_same_part_is_asked_about() {
        let mut draft = FlagDraft::new(flag(1));
        draft.change(|f| f.name = "mine".to_owned());
        draft.change(|f| f.rollout_pct = Percent::HUNDRED);
        let mut theirs = flag(2);
        theirs.description = "theirs".to_owned();
        theirs.enabled = true;
        assert_eq!(draft.merge(&theirs), [FlagPart::Description]);
        assert_eq!(draft.both, []);
        assert_eq!(draft.changed(), [FlagPart::Name, FlagPart::Rollout]);
        assert_eq!(
            (draft.mine.description.as_str(), draft.mine.enabled),
            ("theirs", true)
        );
        let mut theirs = theirs.clone();
        theirs.resource_version = 3;
        theirs.rollout_pct = Percent::new(30.0).expect("a share");
        theirs.name = "mine".to_owned();
        assert_eq!(draft.merge(&theirs), []);
        assert_eq!(draft.both, [FlagPart::Rollout]);
        assert_eq!(draft.changed(), [FlagPart::Rollout], "the name is the same now");
        assert_eq!(
            draft.mine.rollout_pct,
            Percent::HUNDRED,
            "mine until it is decided"
        );
        assert_eq!(draft.mine.resource_version, 3);
    }
}
