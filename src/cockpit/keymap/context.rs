//! Where keys work.

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
    /// The Variants tab and the Rules tab, which hold tables of an experiment.
    Tables,
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
    /// What two people changed: the list of what is to be decided.
    Conflicts,
    /// The command palette.
    Palette,
    /// The Explain panel.
    Explain,
    /// Help, history and other panels to read.
    Panel,
    /// A history, and the audit log.
    Log,
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
    pub const ALL: [Self; 35] = [
        Self::Always,
        Self::Global,
        Self::Rows,
        Self::List,
        Self::Filter,
        Self::Experiment,
        Self::Edit,
        Self::Tables,
        Self::Table,
        Self::Field,
        Self::Create,
        Self::Overrides,
        Self::Search,
        Self::Analytics,
        Self::Prompt,
        Self::Dialog,
        Self::Conflicts,
        Self::Palette,
        Self::Explain,
        Self::Panel,
        Self::Log,
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
                In::Tables,
                In::Edit,
                In::Experiment,
                In::Rows,
                In::Global,
                In::Always,
            ],
            &[
                In::Table,
                In::Edit,
                In::Experiment,
                In::Rows,
                In::Global,
                In::Always,
            ],
            &[
                In::Table,
                In::Tables,
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
            &[In::Log, In::Panel, In::Rows, In::Global, In::Always],
            &[In::Wiring, In::Panel, In::Rows, In::Global, In::Always],
            &[In::Settings, In::Rows, In::Global, In::Always],
            &[In::Palette, In::Always],
            &[In::Explain, In::Always],
            &[In::Dialog, In::Always],
            &[In::Conflicts, In::Always],
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
            Self::Tables => "Variants and Rules",
            Self::Table => "Editing a table",
            Self::Field => "While typing in a field",
            Self::Create => "New experiment",
            Self::Overrides => "Overrides tab",
            Self::Search => "While typing a search",
            Self::Analytics => "Analytics tab",
            Self::Prompt => "While typing in the Analytics tab",
            Self::Dialog => "Dialogs",
            Self::Conflicts => "What two people changed",
            Self::Palette => "Command palette",
            Self::Explain => "Explain",
            Self::Panel => "Panels",
            Self::Log => "Histories",
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
