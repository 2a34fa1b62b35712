//! The cockpit at work: the select loop, the effects, the terminal's signals.
//!
//! One thread. The loop sleeps until a key, an answer, a signal, or the next moment that
//! [`crate::cockpit::update::next_deadline`] names; there is no frame clock. A frame is drawn at once
//! after a key and at most ten times a second for data, and only when the state says that something
//! changed.

mod clock;
mod distinct;
mod drafts;
mod effects;
mod export;
mod files;
mod intake;
pub mod look;
pub mod reader;
mod signals;
mod tty;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use termprofile::TermProfile;
use tokio::sync::mpsc;

use crate::client::ClientError;
use crate::cockpit::action::Mouse;
use crate::cockpit::effect::File;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::preferences::{Connected, Look, Read};
use crate::cockpit::state::{Dirty, Level, Settings, State};
use crate::cockpit::update::import;
use crate::cockpit::update::preferences::renews;
use crate::cockpit::update::{next_deadline, notify};
use crate::cockpit::{Action, Code, Effect, update};
use crate::config::cockpit::{Call as Way, CockpitConfig};
use crate::config::{Access, Config, Flags};
use crate::tui::input::Input;
use crate::tui::terminal::{Call, Terminal, TerminalError};
use crate::tui::theme::{Theme, ThemeError};
use crate::tui::{svg, theme, view};

use clock::Clock;
use drafts::Drafts;
use effects::Runner;
use look::{Files, Fixed, Stamp, shown};
use signals::{Signal, Signals};
use tty::Tty;

/// How the cockpit is started.
#[derive(Debug, Clone)]
pub struct CockpitOptions {
    /// The server, the token, and the project.
    pub access: Access,
    /// What the arguments said of it: with them it is found anew where it is that of no context.
    pub asked: Flags,
    /// The experiment to open, by id or key; the list without one.
    pub experiment: Option<String>,
    /// The flag to open, by id or key, where it is no experiment.
    pub flag: Option<String>,
    /// Ids to import into what is opened: a file, or `-` for standard input.
    pub import: Option<String>,
    /// Whether every write is refused, whatever the token may do; the configuration decides where this is none.
    pub read_only: Option<bool>,
    /// Whether plain HTTP to a host that is not loopback is allowed.
    pub allow_plain_http: bool,
    /// The configuration, as it was read.
    pub config: Config,
    /// The files it is read from again when they change.
    pub files: Files,
    /// What flags and variables say, whatever the files do.
    pub fixed: Fixed,
    /// Where unsaved changes are kept; they are kept in memory only without it.
    pub state_dir: Option<PathBuf>,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// Panics after the first frame: for the test that the terminal is given back.
    pub panic_after_first_frame: bool,
}

impl CockpitOptions {
    /// The cockpit of a server, with the defaults for everything else.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            access,
            asked: Flags::default(),
            experiment: None,
            flag: None,
            import: None,
            read_only: None,
            allow_plain_http: false,
            config: Config::default(),
            files: Files::default(),
            fixed: Fixed::default(),
            state_dir: None,
            mouse: false,
            panic_after_first_frame: false,
        }
    }

    /// Whether every write is refused after the file was read again. Of a context that is not in it any more what was said last counts.
    fn refuses_writes_now(&mut self) -> bool {
        let context = self.access.context.as_ref();
        if let Some(context) = context.and_then(|name| self.config.contexts.get(name)) {
            self.access.read_only = context.read_only || self.config.cockpit.read_only;
        } else if self.access.context.is_none() {
            self.access.read_only = self.config.cockpit.read_only;
        }
        self.access.refuses_writes(self.read_only)
    }
}

/// Why the cockpit could not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum CockpitError {
    /// The address or the token cannot be used.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no such theme.
    #[error(transparent)]
    Theme(#[from] ThemeError),
    /// There is no terminal.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// The event loop cannot be set up.
    #[error("cannot set up the event loop: {0}")]
    Setup(#[source] std::io::Error),
    /// A bug in a background task; the panic message was printed before.
    #[error("a background task of the cockpit crashed; this is a bug, please report the message above")]
    Crashed,
}

/// How often it is looked whether the configuration or a theme has changed.
const LOOK_AT_FILES: Duration = Duration::from_secs(1);
/// Frames for data, at most one in this time.
const DATA_FRAME: SignedDuration = SignedDuration::from_millis(100);

/// Runs the cockpit on the terminal until a person leaves or the terminal is gone.
///
/// # Errors
/// See [`CockpitError`]. A lost server is none: the cockpit shows it and keeps trying.
pub fn run(options: CockpitOptions) -> Result<(), CockpitError> {
    let profile = theme::profile(&termprofile::Env, &std::io::stdout());
    let look = look::look(&options.config, &options.fixed);
    let theme = match dressed(&options.files, &look, profile) {
        Ok(theme) => theme,
        // A file that is wrong keeps nobody out, and is told above the list; what was asked for now is refused.
        Err(_) if options.fixed.theme.is_none() => {
            let look = Look {
                theme: CockpitConfig::default().theme,
                ..look
            };
            dressed(&options.files, &look, profile)?
        }
        Err(error) => return Err(error.into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CockpitError::Setup)?;
    let outcome = runtime.block_on(Cockpit::run(options, theme, profile));
    // Whatever is still on its way is not waited for.
    runtime.shutdown_background();
    outcome
}

/// A look as this terminal can show it.
fn dressed(files: &Files, look: &Look, profile: TermProfile) -> Result<Theme, ThemeError> {
    let theme = files.theme(&look.theme)?;
    Ok(theme.adapted(profile).with_glyphs(look::glyphs(look.glyphs)))
}

/// What ends the loop.
enum End {
    /// A person left, or the terminal is gone.
    Left,
    /// A background task crashed.
    Crashed,
}

struct Cockpit {
    state: State,
    theme: Theme,
    clock: Clock,
    terminal: Terminal,
    /// How it was started.
    options: CockpitOptions,
    /// What the terminal can show.
    profile: TermProfile,
    /// The files as they were when they were read last.
    stamp: Stamp,
    /// How a person is called.
    calls: Vec<Call>,
    /// Unsaved changes on disk.
    drafts: Drafts,
    /// When the last frame for data was drawn.
    last_frame: Option<Timestamp>,
}

impl Cockpit {
    async fn run(options: CockpitOptions, theme: Theme, profile: TermProfile) -> Result<(), CockpitError> {
        let clock = Clock::start();
        let leaving = Arc::default();
        let mut signals = Signals::listen(&leaving).map_err(CockpitError::Setup)?;
        let terminal = Terminal::enter(options.mouse, Arc::clone(&leaving))?;
        let mut tty = Tty::new(terminal.input()?).map_err(CockpitError::Setup)?;
        let settings = Settings {
            api: options.access.api.clone(),
            context: options.access.context.clone(),
            token_from_file: options.access.from_file,
            experiment: options.experiment.clone(),
            flag: options.flag.clone(),
            import: options.import.clone(),
            read_only: options.access.refuses_writes(options.read_only),
            seed: clock.seed(),
        };
        let mut state = State::new(settings, terminal.drawn_size());
        if let Some(file) = &options.files.config {
            state.preferences.file = shown(file);
        }
        let read = options.files.read(&options.config, &options.fixed, false);
        let (replies, answered) = mpsc::unbounded_channel();
        let mut cockpit = Self {
            state,
            theme,
            clock,
            terminal,
            stamp: options.files.stamp(),
            calls: calls(&options.config, &options.fixed),
            drafts: Drafts::open(options.state_dir.as_deref(), replies.clone()),
            profile,
            options,
            last_frame: None,
        };
        let ended = cockpit
            .live(&mut signals, &mut tty, replies, answered, read)
            .await;
        // What was typed last is on disk before the terminal is given back, whatever ended it.
        cockpit.drafts.finish();
        cockpit.terminal.leave();
        match ended {
            Ok(End::Left) => Ok(()),
            Ok(End::Crashed) => Err(CockpitError::Crashed),
            // Whoever ended us did not want to wait for a line that takes nothing.
            Err(CockpitError::Terminal(_)) if leaving.load(Ordering::SeqCst) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The loop, from the first frame to whatever ends it.
    async fn live(
        &mut self,
        signals: &mut Signals,
        tty: &mut Tty,
        replies: mpsc::UnboundedSender<effects::Outcome>,
        mut answered: mpsc::UnboundedReceiver<effects::Outcome>,
        read: Read,
    ) -> Result<End, CockpitError> {
        let cockpit = self;
        // The first frame comes before anything is asked of anybody.
        cockpit.draw()?;
        if cockpit.options.panic_after_first_frame {
            crash();
        }
        let options = &cockpit.options;
        let mut runner = Runner::new(&options.access, options.allow_plain_http, replies)?;
        let mut files = tokio::time::interval(LOOK_AT_FILES);
        files.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ended = cockpit.take(Action::Start, &mut runner)?;
        if ended.is_none() {
            ended = cockpit.take(Action::Read(Box::new(read)), &mut runner)?;
        }
        let mut inputs = Vec::new();
        loop {
            if let Some(ended) = ended {
                return Ok(ended);
            }
            let wait = cockpit.next_wake();
            tokio::select! {
                biased;
                signal = signals.next() => ended = cockpit.signal(signal, &mut runner)?,
                read = tty.read(&mut inputs) => {
                    if read.is_err() {
                        // The terminal is gone: reading on would spin.
                        ended = Some(End::Left);
                    }
                    let mut read = inputs.drain(..).peekable();
                    while ended.is_none() && let Some(input) = read.next() {
                        let input = if import::takes_pieces(&cockpit.state) {
                            joined(input, &mut read)
                        } else {
                            input
                        };
                        ended = cockpit.input(input, &mut runner)?;
                    }
                }
                Some(reply) = answered.recv() => {
                    ended = match reply {
                        effects::Outcome::Done(action) => cockpit.take(*action, &mut runner)?,
                        effects::Outcome::Access(access) => cockpit.go(*access, &mut runner)?,
                        effects::Outcome::Crashed => Some(End::Crashed),
                    };
                }
                () = sleep(wait) => ended = cockpit.take(Action::Tick, &mut runner)?,
                _ = files.tick() => ended = cockpit.look_at_files(&mut runner)?,
            }
            if ended.is_none() {
                cockpit.draw_if_due()?;
            }
        }
    }

    /// One action, and everything that follows from it.
    fn take(&mut self, action: Action, runner: &mut Runner) -> Result<Option<End>, CockpitError> {
        let now = self.clock.now();
        for effect in update(&mut self.state, action, now) {
            match effect {
                Effect::Fetch { run, request } => runner.fetch(run, request),
                Effect::Cancel(slot) => runner.cancel(slot),
                Effect::FindDraft(key) => self.drafts.find(key),
                Effect::ListDrafts(place) => self.drafts.list(place),
                Effect::KeepDraft(draft) => self.drafts.keep(draft),
                Effect::DropDraft(key) => self.drafts.forget(key),
                Effect::DropLeft(file) => self.drafts.forget_left(file),
                Effect::Save(files) => runner.save(files),
                Effect::Export(order) => runner.export(order),
                Effect::StopExport(id) => runner.stop_export(id),
                Effect::Picture(name) => {
                    let content = self.picture(&name);
                    runner.save(vec![File { name, content }]);
                }
                Effect::Copy(text) => self.terminal.copy(&text)?,
                Effect::Repaint => {
                    self.terminal.repaint()?;
                    self.state.touch(Dirty::Now);
                }
                Effect::Intake(order) => runner.intake(order),
                Effect::Project(key) => runner.turn_to(&key)?,
                Effect::Look => self.dress(),
                Effect::Connect(context) => runner.find(self.options.files.clone(), context),
                Effect::Reconnect => {
                    let (asked, api) = (self.options.asked.clone(), self.options.access.api.clone());
                    runner.find_again(self.options.files.clone(), asked, api);
                }
                Effect::Call(text) => self.terminal.call(&text, &self.calls)?,
                Effect::Suspend => self.suspend(runner)?,
                Effect::Quit => return Ok(Some(End::Left)),
            }
        }
        Ok(None)
    }

    /// Something from the terminal.
    fn input(&mut self, input: Input, runner: &mut Runner) -> Result<Option<End>, CockpitError> {
        let action = match input {
            Input::Key(key) => Action::Key(key),
            Input::Paste {
                text,
                truncated,
                more,
            } => Action::Paste {
                text,
                truncated,
                more,
            },
            Input::Focus(focused) => Action::Focus(focused),
            Input::Wheel(up) => Action::Mouse(if up { Mouse::WheelUp } else { Mouse::WheelDown }),
            Input::Click(column, row) => {
                let size = self.terminal.drawn_size();
                match view::target(&self.state, &self.theme, size, (column, row), self.clock.now()) {
                    Some(target) => Action::Mouse(Mouse::Click(target)),
                    None => return Ok(None),
                }
            }
        };
        self.take(action, runner)
    }

    /// The screen as it stands, as a picture.
    fn picture(&self, title: &str) -> String {
        let ground = match look::is_light(std::env::var("COLORFGBG").ok().as_deref()) {
            Some(true) => svg::LIGHT,
            _ => svg::DARK,
        };
        let size = self.terminal.drawn_size();
        let buffer = view::buffer(&self.state, &self.theme, size, self.clock.now());
        svg::render(&buffer, &ground, title)
    }

    /// Draws with the look of the preferences from now on. A theme that cannot be used leaves the one before.
    fn dress(&mut self) {
        match dressed(&self.options.files, &self.state.preferences.look, self.profile) {
            Ok(theme) => self.theme = theme,
            Err(error) => {
                let text = format!("{error}; the theme from before stays");
                notify(&mut self.state, Level::Warn, text, self.clock.now());
            }
        }
        self.state.touch(Dirty::Now);
    }

    /// Reads the configuration and the themes again when one of them changed; mistakes leave what was before.
    fn look_at_files(&mut self, runner: &mut Runner) -> Result<Option<End>, CockpitError> {
        let stamp = self.options.files.stamp();
        if stamp == self.stamp {
            return Ok(None);
        }
        self.stamp = stamp;
        match self.options.files.config() {
            Ok(config) => {
                let mut read = self.options.files.read(&config, &self.options.fixed, true);
                if config.cockpit.theme == self.options.config.cockpit.theme
                    && config.cockpit.glyphs == self.options.config.cockpit.glyphs
                {
                    // What was chosen in the settings stays until the file says something else.
                    read.look = None;
                }
                self.calls = calls(&config, &self.options.fixed);
                read.later = look::later(&self.options.config, &config);
                self.options.config = config;
                read.read_only = Some(self.options.refuses_writes_now());
                self.take(Action::Read(Box::new(read)), runner)
            }
            Err(error) => {
                // The configuration stays as it was. Themes are files of their own, and what is wrong is listed.
                let mut read = self
                    .options
                    .files
                    .read(&self.options.config, &self.options.fixed, true);
                read.look = None;
                if let Some(end) = self.take(Action::Read(Box::new(read)), runner)? {
                    return Ok(Some(end));
                }
                let text = format!("{error}; what was before stays");
                self.take(Action::Failed(text), runner)
            }
        }
    }

    /// Speaks to another server from now on.
    fn go(
        &mut self,
        access: Result<Access, String>,
        runner: &mut Runner,
    ) -> Result<Option<End>, CockpitError> {
        let plain = self.options.allow_plain_http;
        let gone = access.and_then(|access| {
            let outcome = if renews(&self.state, &access.api, access.context.as_ref()) {
                // Ids that are coming in and an export that is under way are of this server still.
                runner.renew(&access, plain)
            } else {
                runner.elsewhere(&access, plain).map(|next| {
                    // What is on its way to the server of before is dropped by it.
                    std::mem::replace(runner, next).cancel_all();
                })
            };
            outcome.map(|()| access).map_err(|error| error.to_string())
        });
        match gone {
            Ok(access) => {
                let connected = Connected {
                    read_only: access.refuses_writes(self.options.read_only),
                    api: access.api.clone(),
                    context: access.context.clone(),
                    token_from_file: access.from_file,
                };
                self.options.access = access;
                self.take(Action::Connected(Box::new(connected)), runner)
            }
            Err(why) => self.take(Action::Failed(why), runner),
        }
    }

    fn signal(&mut self, signal: Signal, runner: &mut Runner) -> Result<Option<End>, CockpitError> {
        match signal {
            Signal::End => Ok(Some(End::Left)),
            Signal::Resize => match self.terminal.size() {
                Some((width, height)) => {
                    self.terminal.resize(width, height);
                    self.take(Action::Resize { width, height }, runner)
                }
                // A terminal of no size is one that is gone.
                None => Ok(Some(End::Left)),
            },
            Signal::Stop => {
                self.suspend(runner)?;
                Ok(None)
            }
            Signal::Continue => {
                self.reenter(runner)?;
                Ok(None)
            }
        }
    }

    /// Gives the terminal back and stops, until the shell says to go on.
    fn suspend(&mut self, runner: &mut Runner) -> Result<(), CockpitError> {
        self.terminal.leave();
        let stopped = signals::stop_group().map_err(CockpitError::Setup)?;
        self.reenter(runner)?;
        if !stopped {
            let text = "There is no shell to go back to: nobody could continue the cockpit";
            let leaves = (Context::Global, Command::Quit, "leaves");
            let text = self.state.keymap.after(text, "; ", &[leaves]);
            notify(&mut self.state, Level::Info, text, self.clock.now());
            self.state.touch(Dirty::Now);
        }
        Ok(())
    }

    fn reenter(&mut self, runner: &mut Runner) -> Result<(), CockpitError> {
        self.terminal.reenter()?;
        if let Some((width, height)) = self.terminal.size() {
            self.terminal.resize(width, height);
            self.take(Action::Resize { width, height }, runner)?;
        }
        self.take(Action::Continued, runner)?;
        Ok(())
    }

    /// How long the loop may sleep; none means until something happens.
    fn next_wake(&self) -> Option<Duration> {
        let now = self.clock.now();
        let frame = match self.state.dirty {
            Dirty::No => None,
            Dirty::Data => Some(self.frame_due(now)),
            Dirty::Now => Some(now),
        };
        let wake = [next_deadline(&self.state, now), frame]
            .into_iter()
            .flatten()
            .min()?;
        Some(wake.duration_since(now).try_into().unwrap_or(Duration::ZERO))
    }

    fn frame_due(&self, now: Timestamp) -> Timestamp {
        self.last_frame
            .map_or(now, |last| last.checked_add(DATA_FRAME).unwrap_or(Timestamp::MAX))
    }

    fn draw_if_due(&mut self) -> Result<(), CockpitError> {
        let now = self.clock.now();
        match self.state.dirty {
            Dirty::No => Ok(()),
            Dirty::Data if self.frame_due(now) > now => Ok(()),
            Dirty::Data => {
                self.last_frame = Some(now);
                self.draw()
            }
            Dirty::Now => self.draw(),
        }
    }

    fn draw(&mut self) -> Result<(), CockpitError> {
        let now = self.clock.now();
        let Self {
            state,
            theme,
            terminal,
            ..
        } = self;
        let laid = terminal.draw(|frame| view::view(frame, state, theme, now))?;
        state.dirty = Dirty::No;
        if laid != state.laid {
            // What is clamped now was drawn clamped already: no other frame is needed for it.
            let effects = update(
                state,
                Action::Laid {
                    rows: laid.rows,
                    last: laid.last,
                },
                now,
            );
            debug_assert!(effects.is_empty(), "laying out asks for nothing: {effects:?}");
        }
        Ok(())
    }
}

/// The ways to call a person that flags, variables and the file ask for together.
fn calls(config: &Config, fixed: &Fixed) -> Vec<Call> {
    let ways = fixed.notify.as_ref().unwrap_or(&config.cockpit.notify);
    let way = |way: &Way| match way {
        Way::Bell => Call::Bell,
        Way::Osc9 => Call::Osc9,
        Way::Osc777 => Call::Osc777,
    };
    ways.0.iter().map(way).collect()
}

/// Sleeps; for ever without a duration.
async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::panic, reason = "the test of the panic hook needs a panic")]
fn crash() -> ! {
    panic!("asked to panic after the first frame")
}

/// What was typed at once, as a paste: where ids are collected, a paste that the terminal does not bracket
/// arrives as keys, and must be neither slow nor taken for commands.
fn joined(first: Input, rest: &mut std::iter::Peekable<impl Iterator<Item = Input>>) -> Input {
    let (Some(begin), Some(_)) = (typed(&first), rest.peek().and_then(typed)) else {
        return first;
    };
    let mut text = String::from(begin);
    while let Some(c) = rest.peek().and_then(typed) {
        text.push(c);
        rest.next();
    }
    Input::Paste {
        text,
        truncated: false,
        more: false,
    }
}

/// The character that an input types into a text of several lines.
fn typed(input: &Input) -> Option<char> {
    let Input::Key(key) = input else { return None };
    match key.code {
        Code::Char(c) if !key.ctrl && !key.alt => Some(c),
        Code::Enter if !key.ctrl && !key.alt => Some('\n'),
        Code::Tab if !key.shift => Some('\t'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cockpit::Key;

    #[test]
    fn only_what_was_typed_at_once_is_joined() {
        let key = |text: &str| Input::Key(text.parse().expect("a key"));
        let read = vec![
            key("u"),
            key("1"),
            key("enter"),
            key("up"),
            key("x"),
            key("ctrl-c"),
        ];
        let mut read = read.into_iter().peekable();
        let mut out = Vec::new();
        while let Some(input) = read.next() {
            out.push(joined(input, &mut read));
        }
        let paste = Input::Paste {
            text: "u1\n".to_owned(),
            truncated: false,
            more: false,
        };
        assert_eq!(out, [paste, key("up"), Input::Key(Key::char('x')), key("ctrl-c")]);
    }
}
