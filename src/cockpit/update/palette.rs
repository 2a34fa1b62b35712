//! The palette: everything by name. What works where one is comes first; what works elsewhere is told with its place.

mod elsewhere;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use uuid::Uuid;

pub use self::elsewhere::{go, told};
use super::{guard, preferences};
use crate::cockpit::effect::Effect;
use crate::cockpit::export;
use crate::cockpit::keymap::{COMMANDS, Command, Entry};
use crate::cockpit::state::objects::{Kind, Listed, ObjectList};
use crate::cockpit::state::overlay::{Overlay, Palette};
use crate::cockpit::state::text::TextField;
use crate::cockpit::state::{Screen, State};

/// One line of the palette.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum PaletteItem {
    /// Run a command.
    Command(Command),
    /// Go where a command works and run it there, or say where that is: it does nothing here.
    Elsewhere(Command),
    /// Look at an experiment.
    Experiment(Uuid),
    /// Look at a flag, or at its list with the cursor on it.
    Object(Kind, Uuid),
    /// Go to a server of the configuration, by its place there.
    Context(usize),
    /// Draw with a theme, by its place in the preferences.
    Theme(usize),
}

/// `:`
pub fn open(state: &mut State, typed: &str, effects: &mut Vec<Effect>) {
    // What the settings only tried on is taken off again.
    while matches!(state.overlays.last(), Some(Overlay::Settings(_))) {
        preferences::close(state, effects);
    }
    // The palette speaks of the screen, not of a panel over it.
    state.close_overlays();
    state.overlays.push(Overlay::Palette(Palette {
        input: TextField::new(typed),
        selected: 0,
    }));
}

/// What the palette begins with where it lists the servers of the configuration alone.
pub const CONTEXTS: &str = "context ";

/// The lines of the palette for what is typed, the best match first.
#[must_use]
pub fn items(state: &State, typed: &str) -> Vec<PaletteItem> {
    // What lists the servers is no answer where they are asked for by name.
    let asked = (typed.trim() == CONTEXTS.trim()).then_some("");
    let servers = asked
        .or_else(|| typed.strip_prefix(CONTEXTS))
        .filter(|_| !state.preferences.contexts.is_empty());
    if let Some(typed) = servers {
        return matching(contexts_of(state).collect(), typed);
    }
    let line = |entry: &Entry, item: PaletteItem| {
        let (word, key) = entry.name.rsplit_once('.').unwrap_or(("", entry.name));
        Line::new(item, word, key, entry.help)
    };
    let (here, elsewhere): (Vec<&Entry>, Vec<&Entry>) = COMMANDS
        .iter()
        .filter(|entry| entry.palette)
        .partition(|entry| works(state, entry.command));
    let commands = here
        .into_iter()
        .map(|entry| line(entry, PaletteItem::Command(entry.command)));
    let elsewhere = elsewhere
        .into_iter()
        .map(|entry| line(entry, PaletteItem::Elsewhere(entry.command)));
    let experiments = state.list.all().iter().map(|e| {
        let item = PaletteItem::Experiment(e.id);
        Line::new(item, "open", e.key.as_str(), &e.name)
    });
    let flags = named(&state.objects.flags, Kind::Flags, "flag");
    let deployments = named(&state.objects.deployments, Kind::Deployments, "deployment");
    let projects = named(&state.objects.projects, Kind::Projects, "project");
    let tokens = named(&state.objects.tokens, Kind::Tokens, "token");
    let labs = named(&state.objects.labs, Kind::Labs, "lab");
    let objects = flags.chain(deployments).chain(projects).chain(labs).chain(tokens);
    let contexts = contexts_of(state);
    let themes = state.preferences.themes.iter().enumerate().map(|(at, theme)| {
        let item = PaletteItem::Theme(at);
        Line::new(item, "theme", &theme.name, &theme.description)
    });
    let rest = contexts.chain(objects).chain(themes).chain(elsewhere);
    let all: Vec<Line> = if state.screen == Screen::Experiments {
        // There one looks for an experiment first.
        experiments.chain(commands).chain(rest).collect()
    } else {
        commands.chain(experiments).chain(rest).collect()
    };
    matching(all, typed)
}

/// Why Enter on a command that works where one is does nothing now; none where it does something.
#[must_use]
pub fn refused(state: &State, command: Command, now: Timestamp) -> Option<String> {
    let writes = command.entry().is_some_and(|entry| entry.writes);
    let nowhere = command == Command::Contexts && state.preferences.contexts.is_empty();
    let why = writes.then(|| guard::refusal(state, now)).flatten();
    why.or_else(|| nowhere.then(|| preferences::no_contexts(&state.preferences)))
}

/// What Enter does with a line, in a word; none where it only says why nothing comes of it.
#[must_use]
pub fn enters(state: &State, item: PaletteItem, now: Timestamp) -> Option<&'static str> {
    match item {
        PaletteItem::Command(command) => refused(state, command, now).is_none().then_some("run"),
        PaletteItem::Elsewhere(command) => elsewhere::leads(state, command, now).then_some("go there"),
        PaletteItem::Experiment(_) | PaletteItem::Object(..) => Some("open"),
        PaletteItem::Context(_) => Some("go there"),
        PaletteItem::Theme(_) => Some("try on"),
    }
}

/// Whether a command does something where one is. A list open over it is not where one is: the palette closes it.
fn works(state: &State, command: Command) -> bool {
    let applies = match command {
        Command::Export => export::any_below(state),
        command => guard::applies(state, command),
    };
    applies && elsewhere::at_home(state, command)
}

/// The servers of the configuration.
fn contexts_of(state: &State) -> impl Iterator<Item = Line> {
    let contexts = state.preferences.contexts.iter().enumerate();
    contexts.map(|(at, context)| {
        let item = PaletteItem::Context(at);
        Line::new(item, CONTEXTS.trim(), &context.name, &context.api)
    })
}

/// The rows of a list.
fn named<'a, T: Listed>(
    list: &'a ObjectList<T>,
    kind: Kind,
    word: &'a str,
) -> impl Iterator<Item = Line> + 'a {
    let row = move |row: &T| {
        let text = row.text();
        let (key, rest) = text.split_once(' ').unwrap_or((&text, ""));
        Line::new(PaletteItem::Object(kind, row.id()), word, key, rest)
    };
    list.all().iter().map(row)
}

/// A line of the palette with what it is found by, all in small letters.
struct Line {
    item: PaletteItem,
    /// What kind of thing it is, and which: `theme` and `dark`, `experiment` and `pause`.
    word: String,
    key: String,
    /// What is told about it.
    rest: String,
}

/// How well a line fits what is typed, the best first.
#[derive(Debug, Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Fit {
    /// It is its name.
    Name,
    /// Its name begins with it.
    Begins,
    /// Each typed word begins a word of its name.
    Words,
    /// Each typed word stands somewhere in its name.
    Within,
    /// Each typed word stands somewhere in what is told about it.
    Told,
    /// The letters stand in its name in this order; the better this reads, the earlier.
    Letters(std::cmp::Reverse<u32>),
}

impl Line {
    fn new(item: PaletteItem, word: &str, key: &str, rest: &str) -> Self {
        let [word, key, rest] = [word, key, rest].map(str::to_lowercase);
        Self {
            item,
            word,
            key,
            rest,
        }
    }

    fn fit(&self, typed: &str, letters: impl FnOnce(&str) -> Option<u32>) -> Option<Fit> {
        let Self { word, key, rest, .. } = self;
        // A command's name has a dot in it: `experiment.pause`.
        let names = [key.clone(), format!("{word} {key}"), format!("{word}.{key}")];
        if names.iter().any(|name| name == typed) {
            return Some(Fit::Name);
        }
        if names.iter().any(|name| name.starts_with(typed)) {
            return Some(Fit::Begins);
        }
        let [_, name, dotted] = &names;
        let all = |fits: &dyn Fn(&str) -> bool| typed.split_whitespace().all(fits);
        let begins = |part: &str| {
            let words = name.split(|c: char| !c.is_alphanumeric());
            words
                .chain(names.iter().map(String::as_str))
                .any(|word| word.starts_with(part))
        };
        let within = |part: &str| name.contains(part) || dotted.contains(part);
        if all(&begins) {
            return Some(Fit::Words);
        }
        if all(&within) {
            return Some(Fit::Within);
        }
        if all(&|part| within(part) || rest.contains(part)) {
            return Some(Fit::Told);
        }
        let searched = match self.item {
            PaletteItem::Command(_) | PaletteItem::Elsewhere(_) => name,
            _ => key,
        };
        letters(searched).map(|score| Fit::Letters(std::cmp::Reverse(score)))
    }
}

/// The order of matches: what works here first; what works elsewhere before what only its letters find, and one that
/// is named in full before what only its text finds.
fn rank(item: PaletteItem, fit: Fit) -> u8 {
    let elsewhere = matches!(item, PaletteItem::Elsewhere(_));
    match (fit, elsewhere) {
        (Fit::Name | Fit::Begins | Fit::Words | Fit::Within, false) => 0,
        (Fit::Name, true) => 1,
        (Fit::Told, false) => 2,
        (Fit::Begins | Fit::Words | Fit::Within | Fit::Told, true) => 3,
        (Fit::Letters(_), false) => 4,
        (Fit::Letters(_), true) => 5,
    }
}

/// Those that what is typed finds, the best match first; all, in their order, where nothing is typed.
fn matching(all: Vec<Line>, typed: &str) -> Vec<PaletteItem> {
    let all = all.into_iter();
    let typed = typed.trim().to_lowercase();
    if typed.is_empty() {
        return all.map(|line| line.item).collect();
    }
    let pattern = Pattern::parse(&typed, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut found: Vec<(Fit, PaletteItem)> = all
        .filter_map(|line| {
            let fit = line.fit(&typed, |name| {
                pattern.score(Utf32Str::new(name, &mut buffer), &mut matcher)
            })?;
            Some((fit, line.item))
        })
        .collect();
    // Stable: equal matches stay in the order of the registry.
    found.sort_by_key(|(fit, item)| (rank(*item, *fit), *fit));
    found.into_iter().map(|(_, item)| item).collect()
}

/// Closes the palette and says what was chosen.
pub fn take(state: &mut State) -> Option<PaletteItem> {
    let Some(Overlay::Palette(palette)) = state.overlays.last() else {
        return None;
    };
    let items = items(state, palette.input.text());
    let chosen = items.get(palette.selected).copied();
    state.overlays.pop();
    chosen
}
