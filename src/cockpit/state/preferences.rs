//! What a person may choose: theme, glyphs, keys, which server. Read from files by `runtime`, never written.

use std::collections::BTreeMap;

/// Which glyphs are drawn.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub enum GlyphChoice {
    /// What the locale and the terminal promise.
    #[default]
    Auto,
    /// Everything.
    Braille,
    /// Blocks and boxes without braille.
    Block,
    /// ASCII only.
    Ascii,
}

impl GlyphChoice {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Braille, Self::Block, Self::Ascii];

    /// The word in the configuration file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Braille => "braille",
            Self::Block => "block",
            Self::Ascii => "ascii",
        }
    }

    /// What it means, for the settings.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Auto => "what the locale and the terminal promise",
            Self::Braille => "everything, lines in braille dots",
            Self::Block => "blocks and boxes, for fonts without braille",
            Self::Ascii => "ASCII alone",
        }
    }
}

/// How the cockpit looks: what a change of makes the terminal draw anew.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Look {
    /// Name of the theme.
    pub theme: String,
    /// The glyphs.
    pub glyphs: GlyphChoice,
}

/// A theme that can be chosen.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct ThemeEntry {
    /// Its name.
    pub name: String,
    /// What it says about itself.
    pub description: String,
    /// Whether it comes from the user's folder.
    pub own: bool,
}

/// A server that can be switched to.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct ContextEntry {
    /// Its name.
    pub name: String,
    /// Its address.
    pub api: String,
    /// Key of its project, where it names one.
    pub project: Option<String>,
}

/// What can be chosen, and what is.
#[derive(Debug, Clone, Default)]
pub struct Preferences {
    /// How everything is drawn now.
    pub look: Look,
    /// The themes there are: the user's own first.
    pub themes: Vec<ThemeEntry>,
    /// The named servers of the configuration.
    pub contexts: Vec<ContextEntry>,
    /// Commands with keys of the user's own.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Path of the configuration file, as it is shown.
    pub file: String,
    /// What of the files cannot be used, until it is mended or a person has seen it.
    pub mistakes: Vec<Mistake>,
}

/// Something in one of the files that cannot be used.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Mistake {
    /// The file, as it is shown.
    pub file: String,
    /// Where in it, what, and why.
    pub what: String,
}

/// What was read from the files, at the start and whenever one of them changes.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// The look; none where a flag or a person in the settings has chosen one.
    pub look: Option<Look>,
    /// See [`Preferences::themes`].
    pub themes: Vec<ThemeEntry>,
    /// See [`Preferences::contexts`].
    pub contexts: Vec<ContextEntry>,
    /// See [`Preferences::keys`].
    pub keys: BTreeMap<String, Vec<String>>,
    /// What cannot be used and why, each with file and line.
    pub mistakes: Vec<Mistake>,
    /// Whether every write is refused from now on; none where it stays as it is.
    pub read_only: Option<bool>,
    /// Keys of `[cockpit]` that say something else now and are looked at only as the cockpit starts.
    pub later: Vec<&'static str>,
    /// Whether this is a change of what was read before.
    pub again: bool,
}

/// Where the cockpit is connected from now on.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Connected {
    /// The server's address.
    pub api: String,
    /// The context.
    pub context: Option<String>,
    /// See [`Settings::token_from_file`](super::Settings::token_from_file).
    pub token_from_file: bool,
    /// Whether the configuration refuses every write there.
    pub read_only: bool,
}
