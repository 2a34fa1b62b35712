//! One registry of commands. It gives dispatch, the footer, `?` help, the palette and `docs/keys.md`.

mod docs;
mod table;

use std::collections::BTreeMap;

use super::Key;

pub use docs::render as render_docs;
pub use table::COMMANDS;

/// Everything that a key or the palette can ask for.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd)]
#[expect(missing_docs, reason = "each has its help text in the table")]
pub enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Filter,
    Accept,
    TabSetup,
    TabVariants,
    TabRules,
    TabOverrides,
    TabAnalytics,
    TabInsights,
    NextTab,
    PreviousTab,
    Search,
    NextPage,
    PreviousPage,
    Zoom,
    NextPanel,
    PreviousPanel,
    FilterResults,
    NextInterval,
    SegmentBy,
    BreakDownBy,
    Export,
    Activate,
    Pause,
    Resume,
    Complete,
    End,
    Archive,
    Delete,
    Archived,
    History,
    Explain,
    Attach,
    CopyKey,
    Hold,
    Reload,
    NextField,
    PreviousField,
    Less,
    More,
    Toggle,
    Press,
    ScrollUp,
    ScrollDown,
    Back,
    Palette,
    Settings,
    Contexts,
    Picture,
    Help,
    Repaint,
    Suspend,
    Quit,
    GoExperiments,
    GoFlags,
    GoDeployments,
    GoProjects,
    GoTokens,
    /// Open the list of labs.
    GoLabs,
    AuditLog,
    ObjectOpen,
    ObjectEdit,
    ObjectNew,
    ObjectFilter,
    FlagToggle,
    FlagArchive,
    Convert,
    CopyTo,
    RotateKey,
    Revoke,
    FlagEdit,
    FlagAdd,
    FlagRemove,
    FlagSave,
    FlagUndo,
    FlagMine,
    FlagTheirs,
    FlagAddOverride,
    FlagDropOverride,
    CopySecret,
    NextSnippet,
    PreviousSnippet,
    NextDeployment,
    CopySnippet,
    Regenerate,
    Import,
    Imports,
    ImportComplete,
    ImportDiscard,
    ImportLeft,
    ImportMalformed,
    ImportEffect,
    ImportUndo,
    ImportForget,
    Create,
    Edit,
    Add,
    Remove,
    MoveUp,
    MoveDown,
    ColumnLeft,
    ColumnRight,
    SplitEvenly,
    Undo,
    Redo,
    Save,
    Discard,
    Restore,
    Decide,
    NextCell,
    PreviousCell,
    NextStep,
    PreviousStep,
    AddOverride,
    RemoveOverride,
    ApplyWinner,
}

/// Where a key works. A screen is a chain of these, the most specific first.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd)]
pub enum Context {
    /// In every state.
    Always,
    /// Wherever no text field and no dialog takes the keys.
    Global,
    /// Wherever there are rows or lines to move among.
    Rows,
    /// The list of experiments.
    List,
    /// The filter of the list, while it is typed.
    Filter,
    /// Every tab of an experiment.
    Experiment,
    /// Setup, Variants, Rules, and what opens from them: fields to edit.
    Edit,
    /// A table of fields.
    Table,
    /// A field, while it is typed.
    Field,
    /// An experiment that is being created.
    Create,
    /// The Overrides tab.
    Overrides,
    /// The search of the Overrides tab, while it is typed.
    Search,
    /// The Analytics tab.
    Analytics,
    /// The line of the Analytics tab, while it is typed.
    Prompt,
    /// The dialog of a dangerous step.
    Dialog,
    /// The command palette.
    Palette,
    /// The Explain panel.
    Explain,
    /// Help, history and other panels to read.
    Panel,
    /// The settings.
    Settings,
    /// Flags, deployments, projects, labs, tokens.
    Objects,
    /// The list of flags, and a flag.
    Flags,
    /// One flag.
    Flag,
    /// The overrides of a flag.
    FlagOverrides,
    /// The list of deployments.
    Deployments,
    /// The list of tokens.
    Tokens,
    /// Something that is shown only once.
    Secret,
    /// The snippets.
    Wiring,
    /// The Insights tab.
    Insights,
    /// Bulk import: collecting ids.
    Collect,
    /// Bulk import: the difference.
    Review,
    /// The list of bulk imports.
    Imports,
    /// A bulk import at work.
    Running,
}

impl Context {
    /// All of them, in the order of docs.
    pub const ALL: [Self; 32] = [
        Self::Always,
        Self::Global,
        Self::Rows,
        Self::List,
        Self::Filter,
        Self::Experiment,
        Self::Edit,
        Self::Table,
        Self::Field,
        Self::Create,
        Self::Overrides,
        Self::Search,
        Self::Analytics,
        Self::Prompt,
        Self::Dialog,
        Self::Palette,
        Self::Explain,
        Self::Panel,
        Self::Settings,
        Self::Objects,
        Self::Flags,
        Self::Flag,
        Self::FlagOverrides,
        Self::Deployments,
        Self::Tokens,
        Self::Secret,
        Self::Wiring,
        Self::Insights,
        Self::Collect,
        Self::Review,
        Self::Imports,
        Self::Running,
    ];

    /// The chains of places that the keys go through, the most specific first: one for each kind of screen.
    pub const CHAINS: &[&[Self]] = {
        use Context as In;
        &[
            &[In::List, In::Rows, In::Global, In::Always],
            &[In::Filter, In::Always],
            &[In::Edit, In::Experiment, In::Rows, In::Global, In::Always],
            &[
                In::Table,
                In::Edit,
                In::Experiment,
                In::Rows,
                In::Global,
                In::Always,
            ],
            &[In::Overrides, In::Experiment, In::Rows, In::Global, In::Always],
            &[In::Analytics, In::Experiment, In::Rows, In::Global, In::Always],
            &[In::Insights, In::Experiment, In::Rows, In::Global, In::Always],
            &[In::Field, In::Always],
            &[In::Search, In::Always],
            &[In::Prompt, In::Always],
            &[In::Create, In::Edit, In::Rows, In::Global, In::Always],
            &[In::Table, In::Create, In::Edit, In::Rows, In::Global, In::Always],
            &[In::Objects, In::Rows, In::Global, In::Always],
            &[In::Flags, In::Objects, In::Rows, In::Global, In::Always],
            &[In::Deployments, In::Objects, In::Rows, In::Global, In::Always],
            &[In::Tokens, In::Objects, In::Rows, In::Global, In::Always],
            &[In::Flag, In::Flags, In::Rows, In::Global, In::Always],
            &[In::FlagOverrides, In::Rows, In::Global, In::Always],
            &[In::Panel, In::Rows, In::Global, In::Always],
            &[In::Wiring, In::Panel, In::Rows, In::Global, In::Always],
            &[In::Settings, In::Rows, In::Global, In::Always],
            &[In::Palette, In::Always],
            &[In::Explain, In::Always],
            &[In::Dialog, In::Always],
            &[In::Secret, In::Always],
            &[In::Collect, In::Always],
            &[In::Review, In::Rows, In::Always],
            &[In::Running, In::Always],
            &[In::Imports, In::Rows, In::Always],
        ]
    };

    /// Whether keys of both work on one screen.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self == other
            || Self::CHAINS
                .iter()
                .any(|chain| chain.contains(&self) && chain.contains(&other))
    }

    /// Whether characters are typed into a text there, or must reach it in every state.
    #[must_use]
    pub fn takes_text(self) -> bool {
        matches!(
            self,
            Self::Always
                | Self::Filter
                | Self::Field
                | Self::Search
                | Self::Prompt
                | Self::Palette
                | Self::Explain
                | Self::Collect
        )
    }

    /// Where that is, in words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Always => "Everywhere, also while typing",
            Self::Global => "Everywhere else",
            Self::Rows => "Moving",
            Self::List => "List of experiments",
            Self::Filter => "While typing a filter",
            Self::Experiment => "One experiment",
            Self::Edit => "Editing: Setup, Variants, Rules",
            Self::Table => "Editing a table",
            Self::Field => "While typing in a field",
            Self::Create => "New experiment",
            Self::Overrides => "Overrides tab",
            Self::Search => "While typing a search",
            Self::Analytics => "Analytics tab",
            Self::Prompt => "While typing in the Analytics tab",
            Self::Dialog => "Dialogs",
            Self::Palette => "Command palette",
            Self::Explain => "Explain",
            Self::Panel => "Panels",
            Self::Settings => "Settings",
            Self::Objects => "Flags, deployments, projects, labs, tokens",
            Self::Flags => "Flags",
            Self::Flag => "One flag",
            Self::FlagOverrides => "Overrides of a flag",
            Self::Deployments => "Deployments",
            Self::Tokens => "Tokens",
            Self::Secret => "A key that is shown once",
            Self::Wiring => "Wiring",
            Self::Insights => "Insights tab",
            Self::Collect => "Bulk import: the ids",
            Self::Review => "Bulk import: the difference",
            Self::Imports => "The list of bulk imports",
            Self::Running => "A bulk import at work",
        }
    }
}

/// One command with everything that is said about it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The command.
    pub command: Command,
    /// Its stable name, by which keys are rebound and the palette finds it.
    pub name: &'static str,
    /// Its keys, and where each works.
    pub keys: &'static [(Context, &'static str)],
    /// The word in the footer.
    pub label: &'static str,
    /// What it does, in help, palette and docs.
    pub help: &'static str,
    /// Place in the footer, the lowest first and the last to be dropped; 0 is never shown there.
    pub priority: u8,
    /// Whether it leads to a change on the server: refused in one place when that is not allowed.
    pub writes: bool,
    /// Whether the palette lists it.
    pub palette: bool,
}

impl Command {
    /// Its line of the registry.
    #[must_use]
    pub fn entry(self) -> Option<&'static Entry> {
        COMMANDS.iter().find(|entry| entry.command == self)
    }
}

/// One key at work.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Binding {
    /// Where it works.
    pub context: Context,
    /// The key.
    pub key: Key,
    /// What it does.
    pub command: Command,
}

/// Which key does what.
#[derive(Debug, Clone)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

impl Default for Keymap {
    /// The keys of the registry.
    fn default() -> Self {
        let bindings = COMMANDS.iter().flat_map(|entry| {
            // That every key of the registry parses is held by a test.
            entry.keys.iter().filter_map(|(context, key)| {
                Some(Binding {
                    context: *context,
                    key: key.parse().ok()?,
                    command: entry.command,
                })
            })
        });
        Self {
            bindings: bindings.collect(),
        }
    }
}

/// Keys that a command cannot have.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("keys.{command}: {why}; its own keys stay")]
pub struct KeyProblem {
    /// Name of the command, as it was written.
    pub command: String,
    /// Why not.
    pub why: String,
}

impl Keymap {
    /// Gives commands other keys; a command that is not named keeps its own.
    ///
    /// All of them at once: two commands can change places. What cannot be done is said, one sentence each, and the
    /// command keeps its own keys. ctrl-c leaves whatever is bound.
    pub fn rebind(&mut self, keys: &BTreeMap<String, Vec<String>>) -> Vec<KeyProblem> {
        let mut problems = BTreeMap::new();
        let mut wanted = BTreeMap::new();
        for (name, texts) in keys {
            match read(name, texts) {
                Ok((entry, keys)) => {
                    wanted.insert(name, (entry, keys));
                }
                Err(why) => {
                    problems.insert(name, why);
                }
            }
        }
        // One that cannot be has its own keys back, which another one may have been given.
        loop {
            let (bindings, clashes) = self.rebound(&wanted);
            if clashes.is_empty() {
                self.bindings = bindings;
                break;
            }
            for (name, why) in clashes {
                wanted.remove(name);
                problems.insert(name, why);
            }
        }
        let told = problems.into_iter().map(|(command, why)| KeyProblem {
            command: command.clone(),
            why,
        });
        told.collect()
    }

    /// The bindings with those that are wanted, and why which of those cannot be.
    fn rebound<'n>(
        &self,
        wanted: &BTreeMap<&'n String, (&'static Entry, Vec<Key>)>,
    ) -> (Vec<Binding>, BTreeMap<&'n String, String>) {
        let named = |command| wanted.values().any(|(entry, _)| entry.command == command);
        let kept = |b: &&Binding| !named(b.command) || b.key == Key::ctrl('c');
        let mut bindings: Vec<Binding> = self.bindings.iter().filter(kept).copied().collect();
        for (entry, keys) in wanted.values() {
            for binding in asked_for(entry, keys) {
                if !bindings.contains(&binding) {
                    bindings.push(binding);
                }
            }
        }
        // A key means one thing on a screen: what comes first there would hide the other. The registry's own keys are as
        // they should be.
        let own = |binding: &Binding| self.bindings.contains(binding);
        let mut clashes = BTreeMap::new();
        for (name, (entry, keys)) in wanted {
            // Of two that ask for the same key the first one by name has it, if it can have its keys at all.
            let yields = |other: &Binding| {
                let asking = wanted.iter().find(|(_, (e, _))| e.command == other.command);
                asking.is_some_and(|(n, _)| clashes.contains_key(n) || (n > name && !own(other)))
            };
            let clash = asked_for(entry, keys)
                .filter(|binding| !own(binding))
                .find_map(|binding| {
                    let other = bindings.iter().find(|other| {
                        other.key == binding.key
                            && other.command != binding.command
                            && other.context.meets(binding.context)
                            && !yields(other)
                    })?;
                    let command = other.command.entry().map_or("another command", |e| e.name);
                    let place = other.context.title();
                    Some(format!("{} already is {command} (\"{place}\")", binding.key))
                });
            if let Some(why) = clash {
                clashes.insert(*name, why);
            }
        }
        (bindings, clashes)
    }

    /// The command of a key in a chain of contexts, the most specific first.
    #[must_use]
    pub fn command(&self, contexts: &[Context], key: Key) -> Option<Command> {
        contexts.iter().find_map(|context| {
            self.bindings
                .iter()
                .find(|b| b.context == *context && b.key == key)
                .map(|b| b.command)
        })
    }

    /// The keys of a command in a chain of contexts, as they are bound now.
    pub fn keys(&self, contexts: &[Context], command: Command) -> impl Iterator<Item = Key> {
        // A key that a more specific context gives to another command is not one of this command here.
        self.bindings
            .iter()
            .filter(move |b| b.command == command && contexts.contains(&b.context))
            .filter(move |b| self.command(contexts, b.key) == Some(command))
            .map(|b| b.key)
    }

    /// All bindings, in the order of the registry.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }
}

/// A command and its keys, as they are written.
fn read(name: &str, texts: &[String]) -> Result<(&'static Entry, Vec<Key>), String> {
    let Some(entry) = COMMANDS.iter().find(|entry| entry.name == name) else {
        return Err("there is no such command; docs/keys.md lists them".to_owned());
    };
    let keys = texts.iter().map(|text| {
        let key: Key = text.parse().map_err(|error| format!("{error}"))?;
        match key.unreliable() {
            Some(why) => Err(format!("{text} cannot be one of its keys: {why}")),
            None => Ok(key),
        }
    });
    Ok((entry, keys.collect::<Result<_, _>>()?))
}

/// The bindings of a command with these keys, in each place where it has any.
fn asked_for(entry: &'static Entry, keys: &[Key]) -> impl Iterator<Item = Binding> {
    let mut contexts: Vec<Context> = entry.keys.iter().map(|(context, _)| *context).collect();
    contexts.sort_unstable();
    contexts.dedup();
    keys.iter().flat_map(move |key| {
        let contexts = contexts.clone();
        let key = *key;
        contexts.into_iter().filter_map(move |context| {
            // Where text is typed, a character is text.
            let text = context.takes_text() && key.typed().is_some();
            (!text).then_some(Binding {
                context,
                key,
                command: entry.command,
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cockpit::Code;

    #[test]
    fn every_key_of_the_registry_parses_and_is_bound_once() {
        let mut bound = BTreeMap::new();
        for entry in COMMANDS {
            for (context, text) in entry.keys {
                let key: Key = text.parse().unwrap_or_else(|e| panic!("{}: {e}", entry.name));
                assert_eq!(&key.to_string(), text, "{}: written in its own form", entry.name);
                let other = bound.insert((*context, key), entry.name);
                assert_eq!(other, None, "{text} in {context:?} is also {}", entry.name);
            }
        }
        assert_eq!(Keymap::default().bindings().len(), bound.len());
    }

    #[test]
    fn names_and_commands_are_unique() {
        let names: BTreeSet<_> = COMMANDS.iter().map(|e| e.name).collect();
        let commands: BTreeSet<_> = COMMANDS.iter().map(|e| e.command).collect();
        assert_eq!(names.len(), COMMANDS.len());
        assert_eq!(commands.len(), COMMANDS.len());
    }

    #[test]
    fn keys_that_terminals_confuse_are_never_relied_on() {
        for binding in Keymap::default().bindings() {
            let Key { code, ctrl, alt, .. } = binding.key;
            let confusing = (ctrl && matches!(code, Code::Char('h' | 'i' | 'j' | 'm' | 's' | 'q')))
                || (alt && code == Code::Enter);
            assert!(!confusing, "{} for {:?}", binding.key, binding.command);
        }
    }

    #[test]
    fn the_door_of_the_srm_doctor_is_left_open() {
        let keymap = Keymap::default();
        let analytics = [
            Context::Analytics,
            Context::Experiment,
            Context::Rows,
            Context::Global,
            Context::Always,
        ];
        let d: Key = "d".parse().expect("a key");
        assert_eq!(keymap.command(&analytics, d), None);
    }

    #[test]
    fn a_text_field_can_take_every_character() {
        for binding in Keymap::default().bindings() {
            if binding.context.takes_text() {
                assert_eq!(
                    binding.key.typed(),
                    None,
                    "{} for {:?}",
                    binding.key,
                    binding.command
                );
            }
        }
    }

    fn rebind(name: &str, keys: &[&str]) -> (Keymap, Vec<KeyProblem>) {
        let mut keymap = Keymap::default();
        let keys = keys.iter().map(|k| (*k).to_owned()).collect();
        let problems = keymap.rebind(&BTreeMap::from([(name.to_owned(), keys)]));
        (keymap, problems)
    }

    #[test]
    fn keys_are_rebound_by_name() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        let key = |text: &str| text.parse::<Key>().expect("a key");
        let (keymap, problems) = rebind("help", &["f2", "Z"]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("f2")), Some(Command::Help));
        assert_eq!(keymap.command(&list, key("?")), None);
        assert_eq!(
            keymap.command(&list, key("j")),
            Some(Command::Down),
            "others stay"
        );
        // A character is not taken from a text field.
        let (keymap, _) = rebind("move.down", &["Z"]);
        assert_eq!(keymap.command(&list, key("Z")), Some(Command::Down));
        assert_eq!(keymap.command(&[Context::Palette], key("Z")), None);
        // Leaving works whatever is bound.
        let (keymap, problems) = rebind("quit", &[]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("ctrl-c")), Some(Command::Quit));
        assert_eq!(keymap.command(&list, key("q")), None);
    }

    fn rebind_all(keys: &[(&str, &[&str])]) -> (Keymap, Vec<KeyProblem>) {
        let mut keymap = Keymap::default();
        let keys = keys.iter().map(|(name, keys)| {
            let keys = keys.iter().map(|k| (*k).to_owned()).collect();
            ((*name).to_owned(), keys)
        });
        let problems = keymap.rebind(&keys.collect());
        (keymap, problems)
    }

    #[test]
    fn commands_change_places_whatever_their_names() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        let key = |text: &str| text.parse::<Key>().expect("a key");
        let (keymap, problems) = rebind_all(&[("experiment.activate", &["p"]), ("experiment.pause", &["a"])]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("p")), Some(Command::Activate));
        assert_eq!(keymap.command(&list, key("a")), Some(Command::Pause));
        // In a ring, and to a key that only becomes free.
        let (keymap, problems) = rebind_all(&[
            ("experiment.activate", &["p"]),
            ("experiment.pause", &["?"]),
            ("help", &["a"]),
        ]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("a")), Some(Command::Help));
        assert_eq!(keymap.command(&list, key("?")), Some(Command::Pause));
    }

    #[test]
    fn one_that_cannot_be_has_its_own_keys_back() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        let key = |text: &str| text.parse::<Key>().expect("a key");
        // Pause cannot have the key of leaving, so that it keeps p, and activate cannot have that.
        let (keymap, problems) = rebind_all(&[("experiment.activate", &["p"]), ("experiment.pause", &["q"])]);
        let named: Vec<&str> = problems.iter().map(|p| p.command.as_str()).collect();
        assert_eq!(named, ["experiment.activate", "experiment.pause"], "{problems:?}");
        assert_eq!(keymap.command(&list, key("a")), Some(Command::Activate));
        assert_eq!(keymap.command(&list, key("p")), Some(Command::Pause));
        assert_eq!(keymap.command(&list, key("q")), Some(Command::Quit));
        // Of two that ask for the same, one has it.
        let (keymap, problems) = rebind_all(&[("help", &["f9"]), ("palette", &["f9"])]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].why.contains("f9 already is help"), "{problems:?}");
        assert_eq!(keymap.command(&list, key("f9")), Some(Command::Help));
        assert_eq!(keymap.command(&list, key(":")), Some(Command::Palette));
    }

    #[test]
    fn a_bad_entry_is_said_and_the_default_stays() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        for (name, keys, says) in [
            ("help", &["hlep"][..], "no key"),
            ("hlep", &["f2"], "no such command"),
            ("help", &["f2", ":"], ": already is palette"),
            // On the list the step goes first, and would be taken for leaving.
            ("quit", &["a"], "a already is experiment.activate"),
            // And the other way round: the list goes before what works everywhere.
            ("experiment.activate", &["q"], "q already is quit"),
            ("help", &["ctrl-c"], "ctrl-c already is quit"),
            ("help", &["ctrl-h"], "terminals send backspace for it"),
            ("help", &["f2", "ctrl-m"], "terminals send enter for it"),
            ("help", &["alt-enter"], "keep it for themselves"),
            ("experiment.activate", &["ctrl-A"], "small letter"),
        ] {
            let (keymap, problems) = rebind(name, keys);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].why.contains(says), "{problems:?}");
            for (key, command) in [
                ("?", Command::Help),
                ("q", Command::Quit),
                ("a", Command::Activate),
            ] {
                let key = key.parse().expect("a key");
                assert_eq!(keymap.command(&list, key), Some(command));
            }
            assert_eq!(keymap.command(&list, "f2".parse().expect("a key")), None);
        }
    }
}
