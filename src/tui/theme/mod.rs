//! Themes: what each thing means, in colours and modifiers.
//!
//! A theme is a small TOML file of flat semantic keys, each a style in words:
//!
//! ```text
//! warn = "bold #f2c14e"            # modifiers, then the foreground
//! selection = "#f2f5fa on #2b3a5c" # then the background
//! ```
//!
//! Modifiers are `bold`, `dim`, `italic`, `underline`, `reverse`; colours `terminal` (its own), the
//! sixteen by name (`blue`, `bright-blue`), `0` to `255`, and `#rrggbb`. All keys must be there, unless the
//! file says `inherits = "dark"` (the name of a built-in theme): then what is left out is that theme's.
//! What the terminal cannot show is brought down by [`Theme::adapted`]; without colours the meaning
//! stays in bold, dim and reverse.

mod words;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use termprofile::{DetectorSettings, EnvVarSource, IsTerminal, TermProfile, TermVars};

use self::words::{ColorText, StyleText};
use super::glyphs::{Glyphs, Tone};
use crate::cockpit::times::Times;
use crate::domain::{Environment, Status};
use crate::reading::toml::{self, Mistake};

/// A theme that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// No theme has this name.
    #[error("theme {name:?}: no theme has this name; there are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that can stand in its place.
        known: Vec<String>,
    },
    /// The file is no theme.
    #[error("theme {name:?}: {}", first(problems))]
    Invalid {
        /// Name of the theme.
        name: String,
        /// What is wrong, each with its line; one at least.
        problems: Vec<String>,
    },
    /// A file of the user's own is no theme.
    #[error("{}, {}", path.display(), first(problems))]
    InFile {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong, each with its line; one at least.
        problems: Vec<String>,
    },
}

impl ThemeError {
    /// The same about the file it was read from.
    #[must_use]
    pub fn of_file(self, path: &std::path::Path) -> Self {
        match self {
            Self::Invalid { problems, .. } => Self::InFile {
                path: path.to_owned(),
                problems,
            },
            other => other,
        }
    }
}

/// The first of several problems, and how many more there are.
fn first(problems: &[String]) -> String {
    match problems {
        [] => String::new(),
        [one] => one.clone(),
        [one, more @ ..] => format!("{one} ({} more: `splitdeck config check` lists them)", more.len()),
    }
}

/// The themes that are built in: name and text.
const BUILT_IN: [(&str, &str); 6] = [
    ("default", include_str!("../../../themes/default.toml")),
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    (
        "high-contrast",
        include_str!("../../../themes/high-contrast.toml"),
    ),
    ("colour-blind", include_str!("../../../themes/colour-blind.toml")),
    ("gruvbox", include_str!("../../../themes/gruvbox.toml")),
];

/// Declares the keys once: fields of the theme, fields of the file, and the walk over all of them.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident,)*) => {
        /// A style for each meaning, with the glyphs to go with them.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Theme {
            /// Its name.
            pub name: String,
            /// One line for the list of themes.
            pub description: String,
            /// Which glyphs the terminal can show.
            pub glyphs: Glyphs,
            /// How moments are written.
            pub times: Times,
            /// Behind everything; [`Color::Reset`] is the terminal's own.
            pub background: Color,
            $($(#[$doc])* pub $key: Style,)*
        }

        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct File {
            inherits: Option<String>,
            description: Option<String>,
            background: Option<ColorText>,
            $($key: Option<StyleText>,)*
        }

        impl Theme {
            /// The styles that the file says, or else the theme it inherits from; what neither says is `terminal`.
            fn from_file(name: &str, file: File, base: Option<Self>) -> Self {
                Self {
                    name: name.to_owned(),
                    description: file.description.unwrap_or_else(|| "of your own".to_owned()),
                    glyphs: Glyphs::default(),
                    times: Times::default(),
                    background: match file.background {
                        Some(color) => color.0,
                        None => base.as_ref().map_or(Color::Reset, |base| base.background),
                    },
                    $($key: match file.$key {
                        Some(style) => style.0,
                        None => base.as_ref().map_or_else(Style::default, |base| base.$key),
                    },)*
                }
            }

            /// Every key with its style.
            #[must_use]
            pub fn styles(&self) -> Vec<(&'static str, Style)> {
                vec![$((stringify!($key), self.$key),)*]
            }

            /// The names of all keys of a file that a theme must have.
            fn keys() -> impl Iterator<Item = &'static str> {
                ["background", $(stringify!($key),)*].into_iter()
            }

            fn map(&self, mut change: impl FnMut(&'static str, Style) -> Style) -> Self {
                Self {
                    $($key: change(stringify!($key), self.$key),)*
                    ..self.clone()
                }
            }
        }
    };
}

keys! {
    /// Data and sentences.
    text,
    /// Labels, units, hints.
    dim,
    /// Thin rules, frames and axes: decoration.
    rule,
    /// Headings of sections and columns.
    heading,
    /// The one accent: what has the focus.
    accent,
    /// The selected row, and the focused button.
    selection,
    /// Names of keys in the footer.
    key,
    /// As it should be.
    ok,
    /// Look at this.
    warn,
    /// Act on this.
    danger,
    /// Good to know.
    info,
    /// Changed and not saved.
    dirty,
    /// Older than it should be.
    stale,
    /// The control.
    arm_1,
    /// The second arm.
    arm_2,
    /// The third arm.
    arm_3,
    /// The fourth arm.
    arm_4,
    /// The configured split.
    configured,
    /// The observed split.
    observed,
    /// A project of a person's own, or the demo.
    development,
    /// A shared project without real users.
    staging,
    /// A project with real users.
    production,
}

impl Theme {
    /// Names of the built-in themes, the default first.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// The built-in theme with this name.
    ///
    /// # Errors
    /// When there is none; the message lists those there are.
    pub fn built_in(name: &str) -> Result<Self, ThemeError> {
        let (name, text) =
            BUILT_IN
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(|| ThemeError::Unknown {
                    name: name.to_owned(),
                    known: Self::names().into_iter().map(str::to_owned).collect(),
                })?;
        Self::parse(name, text)
    }

    /// Reads a theme from the text of its file.
    ///
    /// # Errors
    /// When a key is missing, unknown or not a style; every one of them is named, with its line.
    pub fn parse(name: &str, text: &str) -> Result<Self, ThemeError> {
        let (file, mut mistakes): (File, _) = toml::read(text);
        let is_readable = mistakes.iter().all(|mistake| !mistake.key.is_empty());
        let says = |key: &str| toml::locate(text, &[key]);
        let base = match file.inherits.as_deref().map(Self::built_in).transpose() {
            Ok(base) => base,
            Err(error) => {
                mistakes.push(Mistake {
                    line: says("inherits").unwrap_or(1),
                    key: "inherits".to_owned(),
                    message: error.to_string(),
                });
                None
            }
        };
        mistakes.sort_by_key(|mistake| mistake.line);
        let told = |mistake: &Mistake| format!("line {}: {mistake}", mistake.line);
        let mut problems: Vec<String> = mistakes.iter().map(told).collect();
        let missing: Vec<&str> = Self::keys().filter(|key| says(key).is_none()).collect();
        if is_readable && says("inherits").is_none() && !missing.is_empty() {
            problems.push(format!(
                "missing: {}; write them, or inherits = \"dark\" for all that is left out",
                missing.join(", ")
            ));
        }
        if problems.is_empty() {
            Ok(Self::from_file(name, file, base))
        } else {
            Err(ThemeError::Invalid {
                name: name.to_owned(),
                problems,
            })
        }
    }

    /// The same theme with other glyphs.
    #[must_use]
    pub fn with_glyphs(mut self, glyphs: Glyphs) -> Self {
        self.glyphs = glyphs;
        self
    }

    /// The same theme with the colours that the terminal has.
    ///
    /// 256 colours are the nearest ones. Sixteen are those of the default theme: the nearest of sixteen
    /// turns red into yellow and green into cyan, and a colour that carries meaning must not do that.
    /// Without colours only modifiers are left: a filled background becomes reverse, a quiet key dim, a
    /// loud one bold, so that nothing that carries meaning vanishes.
    #[must_use]
    pub fn adapted(&self, profile: TermProfile) -> Self {
        if profile <= TermProfile::NoColor {
            let mut plain = self.map(without_colour);
            plain.background = Color::Reset;
            return plain;
        }
        if profile == TermProfile::Ansi16 && self.needs_more_than_sixteen() {
            // Never fails: a test reads every built-in theme.
            if let Ok(default) = Self::built_in(BUILT_IN[0].0) {
                let styles = default.styles();
                let of = |key| {
                    styles
                        .iter()
                        .find(|(known, _)| *known == key)
                        .map(|(_, style)| *style)
                };
                let mut theme = self.map(|key, style| of(key).unwrap_or(style));
                theme.background = default.background;
                return theme;
            }
        }
        let color = |color: Color| profile.adapt_color(color).unwrap_or(Color::Reset);
        let mut theme = self.map(|_, mut style| {
            style.fg = style.fg.map(color);
            style.bg = style.bg.map(color);
            style
        });
        theme.background = color(self.background);
        theme
    }

    fn needs_more_than_sixteen(&self) -> bool {
        let rich = |color: Color| matches!(color, Color::Rgb(..) | Color::Indexed(_));
        rich(self.background)
            || self
                .styles()
                .iter()
                .any(|(_, style)| style.fg.is_some_and(rich) || style.bg.is_some_and(rich))
    }

    /// What the whole screen is filled with before anything is drawn.
    #[must_use]
    pub fn base(&self) -> Style {
        let mut style = self.text;
        if self.background != Color::Reset {
            style = style.bg(self.background);
        }
        style
    }

    /// The colour of an arm; `slot` 0 is the control. Beyond the fourth they come round again, and only
    /// the glyph tells them apart.
    #[must_use]
    pub fn arm(&self, slot: usize) -> Style {
        match slot % 4 {
            0 => self.arm_1,
            1 => self.arm_2,
            2 => self.arm_3,
            _ => self.arm_4,
        }
    }

    /// The colour of a status; the guard's pause has its own.
    #[must_use]
    pub fn status(&self, status: Status, auto_paused: bool) -> Style {
        match status {
            Status::Draft | Status::Ended | Status::Archived => self.dim,
            Status::Active => self.ok,
            Status::Paused if auto_paused => self.danger,
            Status::Paused => self.warn,
            Status::Completed => self.info,
        }
    }

    /// The colour of an environment in the header.
    #[must_use]
    pub fn environment(&self, environment: Environment) -> Style {
        match environment {
            Environment::Development => self.development,
            Environment::Staging => self.staging,
            Environment::Production => self.production,
        }
    }

    /// The colour of a banner.
    #[must_use]
    pub fn tone(&self, tone: Tone) -> Style {
        match tone {
            Tone::Danger => self.danger,
            Tone::Warn => self.warn,
            Tone::Info => self.info,
            Tone::Ok => self.ok,
        }
    }

    /// The theme in which stale data is drawn: everything dimmed, glyphs and layout as they were.
    #[must_use]
    pub fn faded(&self) -> Self {
        let stale = self.stale;
        self.map(|key, style| match key {
            "accent" | "selection" | "key" => style,
            _ => Style {
                bg: style.bg,
                ..stale
            },
        })
    }
}

/// The style without its colours, for people and terminals that want none.
fn without_colour(key: &'static str, style: Style) -> Style {
    let filled = style.bg.is_some_and(|bg| bg != Color::Reset);
    let mut plain = Style::default().add_modifier(style.add_modifier);
    if filled {
        plain = plain.add_modifier(Modifier::REVERSED);
    }
    match key {
        "dim" | "rule" | "stale" => plain.add_modifier(Modifier::DIM),
        "heading" | "accent" | "key" | "warn" | "danger" | "production" | "staging" => {
            plain.add_modifier(Modifier::BOLD)
        }
        "dirty" => plain.add_modifier(Modifier::UNDERLINED),
        _ => plain,
    }
}

/// What the terminal can show, from its environment alone: nothing is asked of the terminal itself,
/// because the answer leaks as typed text over SSH, and no process is started.
///
/// `NO_COLOR` counts whenever it is not empty, whatever it says.
pub fn profile(vars: &impl EnvVarSource, out: &impl IsTerminal) -> TermProfile {
    if vars.var("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return TermProfile::NoColor;
    }
    // These are known to have none, unless something says more of the terminal than its name.
    let bare = |name: &str| ["vt52", "vt100", "vt102", "vt220", "vt320"].contains(&name);
    if vars.var("TERM").is_some_and(|term| bare(&term))
        && vars.var("COLORTERM").is_none_or(|more| more.is_empty())
    {
        return TermProfile::NoColor;
    }
    let settings = DetectorSettings::new().enable_tmux_info(false);
    TermProfile::detect_with_vars(TermVars::from_source(vars, out, settings))
}

#[cfg(test)]
mod tests;
