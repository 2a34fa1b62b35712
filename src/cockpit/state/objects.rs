//! The lists of flags, deployments, projects, labs and tokens, and the open flag.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use uuid::Uuid;

use super::editor::Found;
use super::form::Purpose;
use super::overrides::OverridesState;
use super::text::TextField;
use crate::api::deployments::DeploymentRow;
use crate::api::flags::FlagRow;
use crate::api::projects::{ProjectRow, TokenRow};
use crate::cockpit::Key;
use crate::cockpit::edit::{FlagDraft, StoredFlag};
use crate::cockpit::ports::Loaded;
use crate::domain::{Flag, Lab};

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
    /// Labs: what experiments are grouped by.
    Labs,
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
            Self::Labs => "Labs",
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

impl Listed for Lab {
    fn id(&self) -> Uuid {
        self.id
    }

    fn text(&self) -> String {
        let archived = if self.archived { " archived" } else { "" };
        format!("{} {}{archived}", self.key, self.name)
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
        let stood = self.selected.and_then(|id| {
            let shown = self.shown();
            shown.iter().position(|row| row.id() == id)
        });
        self.rows.set(rows, now);
        if self.selected.is_none() {
            self.selected = self.all().first().map(Listed::id);
        } else if let Some(at) = stood.filter(|_| self.selected.is_some_and(|id| self.get(id).is_none())) {
            // What stood under the cursor is gone: what follows it has come up there.
            let shown = self.shown();
            let next = shown.get(at.min(shown.len().saturating_sub(1)));
            self.selected = next.map(|row| row.id());
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
    /// The labs of the project; the default one is none of them.
    pub labs: ObjectList<Lab>,
    /// The open flag.
    pub flag: Option<Box<FlagDetail>>,
    /// Flags with changes that are not saved, open or not.
    pub drafts: Vec<FlagDraft>,
    /// The project that something was copied to last.
    pub copied_to: Option<crate::domain::Key>,
    /// What the change that is on its way was asked for, with or without its dialog.
    pub changing: Option<Box<Purpose>>,
    /// Of which flags this cockpit keeps a draft on disk, and which revision of it.
    pub kept: BTreeMap<Uuid, u64>,
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
    pub fn draft_mut(&mut self, flag: &Flag, now: Timestamp) -> &mut FlagDraft {
        let at = match self.drafts.iter().position(|draft| draft.base.id == flag.id) {
            Some(at) => at,
            None => {
                self.drafts.push(FlagDraft::new(flag.clone(), now));
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
    /// The drafts on disk.
    pub found: Found<StoredFlag>,
    /// Keys that wait until it is known whether there is a draft on disk.
    pub held: Vec<Key>,
}

/// The audit log of the project, or of one object.
#[derive(Debug, Default)]
pub struct AuditPanel {
    /// What it is the history of, in words.
    pub title: String,
    /// Of which object; of all without one.
    pub object: Option<Uuid>,
    /// The key or the name of that object.
    pub of: Option<String>,
    /// The entries, newest first.
    pub entries: Loaded<Vec<crate::domain::AuditEntry>>,
    /// What to ask for to get the next page; none at the end.
    pub next_before: Option<i64>,
    /// Whether the newest page is to be asked for once more; what is shown stays until it comes.
    pub anew: bool,
    /// The entry under the cursor.
    pub selected: usize,
    /// The first line of it that is shown.
    pub scroll: usize,
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
