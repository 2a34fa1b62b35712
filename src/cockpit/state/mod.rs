//! Everything the cockpit knows, one file an area.

pub mod analytics;
pub mod area;
pub mod ask;
pub mod calls;
pub mod cursor;
pub mod editor;
pub mod experiment;
pub mod export;
pub mod form;
pub mod import;
pub mod link;
pub mod list;
pub mod objects;
pub mod overlay;
pub mod overrides;
pub mod preferences;
pub mod requests;
pub mod text;
pub mod trail;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

pub use calls::Calls;
pub use editor::EditorState;
pub use experiment::{ExperimentDetail, Tab};
pub use link::{Health, Link};
pub use list::ListState;
pub use overlay::Overlay;
pub use preferences::Preferences;
pub use requests::Requests;

use super::edit::wizard::{self, Wizard};
use super::edit::{Draft, DraftKey, Of, Place, Sheet};
use super::export::ExportId;
use super::keymap::Keymap;
use super::ports::{Answer, Request, Service, Slot};
use super::times::Times;
use crate::api::system::Me;
use crate::domain::Experiment;

/// What the cockpit was started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The server's address, as it is shown.
    pub api: String,
    /// The context of the configuration that names it.
    pub context: Option<String>,
    /// Whether a file or a program that the configuration names gave the token: it can be read anew.
    pub token_from_file: bool,
    /// The experiment to open at the start, by id or key.
    pub experiment: Option<String>,
    /// The flag to open at the start, by id or key, where it is no experiment.
    pub flag: Option<String>,
    /// Ids to import into what is opened: a file, or `-` for standard input.
    pub import: Option<String>,
    /// Whether every write is refused, whatever the token may do.
    pub read_only: bool,
    /// Seed of the jitter of reconnects.
    pub seed: u64,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub enum Screen {
    /// The list of experiments.
    #[default]
    Experiments,
    /// One experiment.
    Experiment,
    /// One of the other lists.
    Objects(objects::Kind),
    /// One flag.
    Flag,
    /// An experiment that is being created.
    Create,
}

/// An experiment that is being created.
#[derive(Debug)]
pub struct Creation {
    /// What it is before anything was typed.
    pub blank: Experiment,
    /// Its steps.
    pub wizard: Wizard,
    /// Where one is in them.
    pub editor: EditorState,
    /// What is being created, while it is on its way.
    pub sent: Option<Box<Experiment>>,
    /// Whether the first field that has to be filled in is still to be typed into: a step has just been opened.
    pub begin: bool,
}

impl Creation {
    /// A new one.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            blank: wizard::blank(now),
            wizard: Wizard::default(),
            editor: EditorState::default(),
            sent: None,
            begin: true,
        }
    }
}

/// How urgent a redraw is.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Ord, PartialOrd)]
pub enum Dirty {
    /// Nothing changed since the last frame.
    #[default]
    No,
    /// Data changed: in the next of the ten frames a second.
    Data,
    /// A person did something: at once.
    Now,
}

/// How a notice is meant.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Level {
    /// Something went as asked.
    Ok,
    /// To be known.
    Info,
    /// Something did not go as asked.
    Warn,
}

/// One line that tells what just happened, in place of the footer.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Notice {
    /// What happened.
    pub text: String,
    /// How it is meant.
    pub level: Level,
    /// Until when it stands, unless a later one comes.
    pub until: Timestamp,
    /// Whether it answers what a person did where one is: it goes as soon as something else is looked at.
    pub here: bool,
}

/// Live updates that are held back while a person pauses them.
#[derive(Debug, Clone, Default)]
pub struct Hold {
    /// Whether updates are held back.
    pub on: bool,
    /// The newest of each kind.
    pub answers: Vec<Held>,
}

impl Hold {
    /// How many updates wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.answers
            .iter()
            .fold(0, |all, held| all.saturating_add(held.updates))
    }
}

/// An answer that is held back.
#[derive(Debug, Clone)]
pub struct Held {
    /// What was asked.
    pub request: Request,
    /// The newest answer.
    pub answer: Answer,
    /// When it came.
    pub at: Timestamp,
    /// How many of its kind came, with those that it replaced.
    pub updates: u32,
}

/// What the last frame could show, as the view told.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub struct Laid {
    /// Rows of the scrolled part of the screen, or of what is on top of it.
    pub rows: usize,
    /// The last row or first line that can be scrolled to.
    pub last: usize,
}

/// Everything.
#[derive(Debug)]
pub struct State {
    /// What the cockpit was started with.
    pub settings: Settings,
    /// Which key does what.
    pub keymap: Keymap,
    /// What a person may choose, and has chosen.
    pub preferences: Preferences,
    /// How moments are written: not kept beyond this run.
    pub times: Times,
    /// What a person was called for.
    pub calls: Calls,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Whether the terminal window has the focus; without it everything refreshes more slowly.
    pub focused: bool,
    /// The connection to the server.
    pub api: Link,
    /// The connection to ClickHouse.
    pub warehouse: Link,
    /// Who is asking and where; none before the first answer.
    pub me: Option<Me>,
    /// What is on its way, and what is due when.
    pub requests: Requests,
    /// What is looked at.
    pub screen: Screen,
    /// The list of experiments.
    pub list: ListState,
    /// The open experiment.
    pub open: Option<Box<ExperimentDetail>>,
    /// Flags, deployments, projects, tokens.
    pub objects: objects::Objects,
    /// Whether a person waits for the list of projects, wherever one looks.
    pub wants_projects: bool,
    /// The experiment that is being created.
    pub create: Option<Box<Creation>>,
    /// Unsaved changes, by experiment; nil for the one that is being created.
    pub drafts: BTreeMap<Uuid, Draft>,
    /// What has unsaved changes on disk that were not taken up yet, and where was looked for them.
    pub waiting: (Option<Place>, BTreeSet<(Of, Uuid)>),
    /// What lies over the screen; the last one is on top and takes the keys.
    pub overlays: Vec<Overlay>,
    /// The dialog of a step that was refused and left: what was filled in is there when it is opened again.
    pub left_step: Option<Box<overlay::StepDialog>>,
    /// What dialogs sent that were left before the answer, in words (`Pause checkout`), by the kind of the request.
    pub left_sent: BTreeMap<Slot, String>,
    /// What failed while one could go on with something else, the last at the end: it stands above everything until Esc
    /// says that it was seen.
    pub failures: Vec<String>,
    /// What just happened.
    pub notice: Option<Notice>,
    /// Live updates that are held back.
    pub hold: Hold,
    /// The export that is under way.
    pub export: Option<export::Exporting>,
    /// How many there were.
    pub exports: ExportId,
    /// What the last frame could show.
    pub laid: Laid,
    /// Whether something changed since the last frame.
    pub dirty: Dirty,
    /// When the relative times on the screen were last brought up to date.
    pub clock: Option<Timestamp>,
    /// The context that the cockpit is going to, until it is there.
    pub going_to: Option<String>,
    /// Whether it goes to where it is, for other credentials: everything else stays.
    pub renewing: bool,
    /// Why unsaved changes are in memory only, as long as some are.
    pub not_on_disk: Option<String>,
    /// Whether it was said what leaving now would lose.
    pub warned: bool,
    /// Whether the cockpit is about to leave.
    pub quitting: bool,
}

/// What the keys go to: a screen, and of which object; what lies over it.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Looked {
    screen: Screen,
    experiment: Option<(String, Tab)>,
    flag: Option<(Uuid, bool)>,
    step: Option<usize>,
    overlays: Vec<std::mem::Discriminant<Overlay>>,
}

impl State {
    /// What is looked at now.
    #[must_use]
    pub fn looked(&self) -> Looked {
        let flag = self.objects.flag.as_deref();
        let flag = flag.filter(|_| self.screen == Screen::Flag);
        let create = self.create.as_deref();
        let create = create.filter(|_| self.screen == Screen::Create);
        Looked {
            screen: self.screen,
            experiment: self.detail().map(|detail| (detail.name.clone(), detail.tab)),
            flag: flag.map(|detail| (detail.id, detail.overrides.is_some())),
            step: create.map(|create| create.wizard.step),
            overlays: self.overlays.iter().map(std::mem::discriminant).collect(),
        }
    }

    /// The state before anything is known.
    #[must_use]
    pub fn new(settings: Settings, size: (u16, u16)) -> Self {
        let requests = Requests::new(settings.seed);
        Self {
            settings,
            keymap: Keymap::default(),
            preferences: Preferences::default(),
            times: Times::default(),
            calls: Calls::default(),
            size,
            focused: true,
            api: Link::default(),
            warehouse: Link::default(),
            me: None,
            requests,
            screen: Screen::default(),
            list: ListState::default(),
            open: None,
            objects: objects::Objects::default(),
            wants_projects: false,
            create: None,
            drafts: BTreeMap::new(),
            waiting: (None, BTreeSet::new()),
            overlays: Vec::new(),
            left_step: None,
            left_sent: BTreeMap::new(),
            failures: Vec::new(),
            notice: None,
            hold: Hold::default(),
            export: None,
            exports: 0,
            laid: Laid::default(),
            dirty: Dirty::Now,
            clock: None,
            going_to: None,
            renewing: false,
            not_on_disk: None,
            warned: false,
            quitting: false,
        }
    }

    /// The connection to a service.
    #[must_use]
    pub fn link(&self, service: Service) -> &Link {
        match service {
            Service::Api => &self.api,
            Service::Warehouse => &self.warehouse,
        }
    }

    /// The connection to a service.
    pub fn link_mut(&mut self, service: Service) -> &mut Link {
        match service {
            Service::Api => &mut self.api,
            Service::Warehouse => &mut self.warehouse,
        }
    }

    /// The open experiment, when one is looked at.
    #[must_use]
    pub fn detail(&self) -> Option<&ExperimentDetail> {
        match self.screen {
            Screen::Experiment => self.open.as_deref(),
            Screen::Experiments | Screen::Create | Screen::Objects(_) | Screen::Flag => None,
        }
    }

    /// What is edited on the screen, when it is a sheet of fields: of which experiment, and which sheet.
    #[must_use]
    pub fn sheet(&self) -> Option<(Uuid, Sheet)> {
        match self.screen {
            Screen::Experiments | Screen::Objects(_) | Screen::Flag => None,
            Screen::Experiment => {
                let detail = self.open.as_deref()?;
                let id = detail.id()?;
                let tab = Sheet::of(detail.tab)?;
                Some((id, detail.editor.panels.last().copied().unwrap_or(tab)))
            }
            Screen::Create => {
                let create = self.create.as_deref()?;
                let step = create.wizard.sheet()?;
                let sheet = create.editor.panels.last().copied().unwrap_or(step);
                Some((Uuid::nil(), sheet))
            }
        }
    }

    /// Where one is while editing, on a screen that can be edited.
    #[must_use]
    pub fn editor(&self) -> Option<&EditorState> {
        match self.screen {
            Screen::Experiments | Screen::Objects(_) | Screen::Flag => None,
            Screen::Experiment => self.open.as_deref().map(|detail| &detail.editor),
            Screen::Create => self.create.as_deref().map(|create| &create.editor),
        }
    }

    /// The same, to be changed.
    pub fn editor_mut(&mut self) -> Option<&mut EditorState> {
        match self.screen {
            Screen::Experiments | Screen::Objects(_) | Screen::Flag => None,
            Screen::Experiment => self.open.as_deref_mut().map(|detail| &mut detail.editor),
            Screen::Create => self.create.as_deref_mut().map(|create| &mut create.editor),
        }
    }

    /// An experiment as it is edited: with the unsaved changes.
    #[must_use]
    pub fn edited(&self, id: Uuid) -> Option<&Experiment> {
        if let Some(draft) = self.drafts.get(&id) {
            return Some(&draft.mine);
        }
        if id.is_nil() {
            return self.create.as_deref().map(|create| &create.blank);
        }
        let open = self.open.as_deref().and_then(ExperimentDetail::config);
        let open = open.filter(|e| e.id == id).map(AsRef::as_ref);
        open.or_else(|| self.list.experiment(id).map(AsRef::as_ref))
    }

    /// The name of the draft of an experiment on disk; none before the server has said which project it is.
    #[must_use]
    pub fn draft_key(&self, experiment: Uuid) -> Option<DraftKey> {
        self.key_of(Of::Experiment, experiment)
    }

    /// The name of a draft on disk; none before the server has said which project it is.
    #[must_use]
    pub fn key_of(&self, of: Of, object: Uuid) -> Option<DraftKey> {
        let me = self.me.as_ref()?;
        Some(DraftKey {
            server: self.settings.api.clone(),
            project: me.project.id,
            of,
            object,
        })
    }

    /// Closes what lies over the screen, but for what is shown only once: that is closed by hand.
    pub fn close_overlays(&mut self) {
        self.overlays
            .retain(|overlay| matches!(overlay, Overlay::Secret(_)));
    }

    /// Asks for a redraw.
    pub fn touch(&mut self, dirty: Dirty) {
        self.dirty = self.dirty.max(dirty);
    }
}
