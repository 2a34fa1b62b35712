//! Everything the cockpit knows, one file an area.

pub mod analytics;
pub mod experiment;
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

use jiff::Timestamp;

pub use experiment::{ExperimentDetail, Tab};
pub use link::{Health, Link};
pub use list::ListState;
pub use overlay::Overlay;
pub use preferences::Preferences;
pub use requests::Requests;

use super::keymap::Keymap;
use super::ports::{Answer, Service};
use super::update::calls::Calls;
use crate::api::system::Me;

/// What the cockpit was started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The server's address, as it is shown.
    pub api: String,
    /// The context of the configuration that names it.
    pub context: Option<String>,
    /// The experiment to open at the start, by id or key.
    pub experiment: Option<String>,
    /// Ids to import into that experiment: a file, or `-` for standard input.
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
}

/// Live updates that are held back while a person pauses them.
#[derive(Debug, Clone, Default)]
pub struct Hold {
    /// Whether updates are held back.
    pub on: bool,
    /// How many came since.
    pub waiting: u32,
    /// The newest of each kind, with when it came.
    pub answers: Vec<(Answer, Timestamp)>,
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
    /// What lies over the screen; the last one is on top and takes the keys.
    pub overlays: Vec<Overlay>,
    /// What just happened.
    pub notice: Option<Notice>,
    /// Live updates that are held back.
    pub hold: Hold,
    /// What the last frame could show.
    pub laid: Laid,
    /// Whether something changed since the last frame.
    pub dirty: Dirty,
    /// When the relative times on the screen were last brought up to date.
    pub clock: Option<Timestamp>,
    /// Whether the cockpit is about to leave.
    pub quitting: bool,
}

impl State {
    /// The state before anything is known.
    #[must_use]
    pub fn new(settings: Settings, size: (u16, u16)) -> Self {
        let requests = Requests::new(settings.seed);
        Self {
            settings,
            keymap: Keymap::default(),
            preferences: Preferences::default(),
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
            overlays: Vec::new(),
            notice: None,
            hold: Hold::default(),
            laid: Laid::default(),
            dirty: Dirty::Now,
            clock: None,
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
            Screen::Experiments | Screen::Objects(_) | Screen::Flag => None,
        }
    }

    /// Asks for a redraw.
    pub fn touch(&mut self, dirty: Dirty) {
        self.dirty = self.dirty.max(dirty);
    }
}
