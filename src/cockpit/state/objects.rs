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
use crate::cockpit::width::columns;
use crate::domain::flag::OFF;
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
    /// What stands in its first column.
    fn label(&self) -> &str;
    /// What stands in the columns that have more room where their words are longer, from the left.
    fn words(&self, _deployments: &[DeploymentRow]) -> Vec<String> {
        Vec::new()
    }
}

/// The variants that a flag serves, in a few words.
#[must_use]
pub fn serves(flag: &Flag) -> String {
    let served: Vec<String> = flag
        .variants
        .iter()
        .filter(|v| !v.key.as_str().eq_ignore_ascii_case(OFF))
        .map(|v| format!("{} {}", v.key, v.traffic_pct))
        .collect();
    served.join(", ")
}

/// The names of deployments; of one that is not known the beginning of its id.
#[must_use]
pub fn names(ids: &[Uuid], deployments: &[DeploymentRow]) -> String {
    let name = |id: &Uuid| match deployments.iter().find(|row| row.deployment.id == *id) {
        Some(row) => row.deployment.name.clone(),
        None => id.to_string().chars().take(8).collect(),
    };
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// What a token may do where, in a few words.
#[must_use]
pub fn roles(token: &TokenRow) -> String {
    let roles = token.roles.iter();
    let roles = roles.map(|(project, role)| format!("{project} {}", role.as_str()));
    roles.collect::<Vec<_>>().join(", ")
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

    fn label(&self) -> &str {
        self.flag.key.as_str()
    }

    fn words(&self, deployments: &[DeploymentRow]) -> Vec<String> {
        let decided = self.decided_by.as_ref().map(ToString::to_string);
        vec![
            serves(&self.flag),
            decided.unwrap_or_default(),
            self.flag.name.clone(),
            names(&self.flag.deployments, deployments),
        ]
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

    fn label(&self) -> &str {
        &self.deployment.name
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

    fn label(&self) -> &str {
        self.project.key.as_str()
    }

    fn words(&self, _deployments: &[DeploymentRow]) -> Vec<String> {
        vec![self.project.name.clone()]
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

    fn label(&self) -> &str {
        &self.name
    }

    fn words(&self, _deployments: &[DeploymentRow]) -> Vec<String> {
        vec![roles(self)]
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

    fn label(&self) -> &str {
        self.key.as_str()
    }

    fn words(&self, _deployments: &[DeploymentRow]) -> Vec<String> {
        vec![self.name.clone(), self.description.clone()]
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
    /// How wide all of them are, so that a frame looks only at the rows that it shows.
    widths: Widths,
}

/// How wide the widest texts of a list are, in columns.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Widths {
    /// Of the labels.
    pub label: u16,
    /// Of each of [`Listed::words`].
    pub words: Vec<u16>,
}

impl Widths {
    /// Those of these rows.
    #[must_use]
    pub fn of<T: Listed>(rows: &[T], deployments: &[DeploymentRow]) -> Self {
        let mut widths = Self::default();
        for row in rows {
            widths.label = widths.label.max(columns(row.label()));
            let words = row.words(deployments);
            widths.words.resize(words.len(), 0);
            for (widest, text) in widths.words.iter_mut().zip(&words) {
                *widest = columns(text).max(*widest);
            }
        }
        widths
    }
}

impl<T> Default for ObjectList<T> {
    fn default() -> Self {
        Self {
            rows: Loaded::default(),
            selected: None,
            filter: TextField::default(),
            filtering: false,
            widths: Widths::default(),
        }
    }
}

impl<T: Listed> ObjectList<T> {
    /// How wide the texts of all rows are.
    #[must_use]
    pub fn widths(&self) -> &Widths {
        &self.widths
    }

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
        names(&[id], self.deployments.all())
    }

    /// Rows have come in: the lists are measured anew, so that no frame has to.
    pub fn measure(&mut self) {
        let deployments = self.deployments.all();
        self.flags.widths = Widths::of(self.flags.all(), deployments);
        self.projects.widths = Widths::of(self.projects.all(), deployments);
        self.tokens.widths = Widths::of(self.tokens.all(), deployments);
        self.labs.widths = Widths::of(self.labs.all(), deployments);
        self.deployments.widths = Widths::of(deployments, deployments);
    }

    /// The open flag with its row.
    #[must_use]
    pub fn open_flag(&self) -> Option<(&FlagDetail, &FlagRow)> {
        let detail = self.flag.as_deref()?;
        Some((detail, self.flags.get(detail.id)?))
    }

    /// A flag by its key, whatever its case.
    #[must_use]
    pub fn flag_named(&self, key: &str) -> Option<&FlagRow> {
        let mut flags = self.flags.all().iter();
        flags.find(|row| row.flag.key.as_str().eq_ignore_ascii_case(key))
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
