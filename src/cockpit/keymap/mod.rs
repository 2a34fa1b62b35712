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
    /// Flags, deployments, projects, tokens.
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
            Self::Objects => "Flags, deployments, projects, tokens",
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
    /// What cannot be done is said, one sentence each, and the command keeps its own keys. ctrl-c leaves
    /// whatever is bound.
    pub fn rebind(&mut self, keys: &BTreeMap<String, Vec<String>>) -> Vec<KeyProblem> {
        let mut problems = Vec::new();
        for (name, texts) in keys {
            match self.rebound(name, texts) {
                Ok(bindings) => self.bindings = bindings,
                Err(why) => problems.push(KeyProblem {
                    command: name.clone(),
                    why,
                }),
            }
        }
        problems
    }

    fn rebound(&self, name: &str, texts: &[String]) -> Result<Vec<Binding>, String> {
        let Some(entry) = COMMANDS.iter().find(|entry| entry.name == name) else {
            return Err("there is no such command; docs/keys.md lists them".to_owned());
        };
        let mut contexts: Vec<Context> = entry.keys.iter().map(|(context, _)| *context).collect();
        contexts.sort_unstable();
        contexts.dedup();
        let mut bindings: Vec<Binding> = self
            .bindings
            .iter()
            .filter(|b| b.command != entry.command || b.key == Key::ctrl('c'))
            .copied()
            .collect();
        for text in texts {
            let key: Key = text.parse().map_err(|error| format!("{error}"))?;
            for context in &contexts {
                // Where text is typed, a character is text.
                if context.takes_text() && key.typed().is_some() {
                    continue;
                }
                let taken = bindings.iter().find(|b| b.context == *context && b.key == key);
                match taken {
                    Some(other) if other.command != entry.command => {
                        let other = other.command.entry().map_or("another command", |e| e.name);
                        return Err(format!("{text} already is {other}"));
                    }
                    Some(_) => {}
                    None => bindings.push(Binding {
                        context: *context,
                        key,
                        command: entry.command,
                    }),
                }
            }
        }
        Ok(bindings)
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
        let (keymap, _) = rebind("move.down", &["J"]);
        assert_eq!(keymap.command(&list, key("J")), Some(Command::Down));
        assert_eq!(keymap.command(&[Context::Palette], key("J")), None);
        // Leaving works whatever is bound.
        let (keymap, problems) = rebind("quit", &[]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("ctrl-c")), Some(Command::Quit));
        assert_eq!(keymap.command(&list, key("q")), None);
    }

    #[test]
    fn a_bad_entry_is_said_and_the_default_stays() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        for (name, keys, says) in [
            ("help", &["hlep"][..], "no key"),
            ("hlep", &["f2"], "no such command"),
            ("help", &["f2", ":"], "already is palette"),
        ] {
            let (keymap, problems) = rebind(name, keys);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].why.contains(says), "{problems:?}");
            assert_eq!(keymap.command(&list, Key::char('?')), Some(Command::Help));
            assert_eq!(keymap.command(&list, "f2".parse().expect("a key")), None);
        }
    }
}
