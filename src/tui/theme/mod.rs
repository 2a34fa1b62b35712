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
    /// No built-in theme has this name.
    #[error("theme {name:?}: no theme has this name; there are {}", Theme::names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
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
mod tests {
    use super::words::style;
    use super::*;
    use crate::tui::svg;
    use std::collections::{BTreeSet, HashMap};

    fn all() -> Vec<Theme> {
        Theme::names()
            .into_iter()
            .map(|name| Theme::built_in(name).expect("built in"))
            .collect()
    }

    /// Red, green and blue as light, 0 to 1.
    fn linear(color: Color) -> Option<[f64; 3]> {
        let Color::Rgb(r, g, b) = color else { return None };
        Some([r, g, b].map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        }))
    }

    /// WCAG 2: contrast ratio of two colours, 1 to 21.
    fn contrast(a: Color, b: Color) -> f64 {
        let light = |color| {
            let [r, g, b] = linear(color).expect("an RGB colour");
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (light(a) + 0.05, light(b) + 0.05);
        a.max(b) / a.min(b)
    }

    /// Distance in OKLab, where 0.02 is just noticeable, of two colours in linear light.
    fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
        let oklab = |[r, g, b]: [f64; 3]| {
            let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
            let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
            let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
            [
                0.210_454_255_3 * l + 0.793_617_785 * m - 0.004_072_046_8 * s,
                1.977_998_495_1 * l - 2.428_592_205 * m + 0.450_593_709_9 * s,
                0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766 * s,
            ]
        };
        let (a, b) = (oklab(a), oklab(b));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// Full protanopia and deuteranopia after Machado, Oliveira and Fernandes (2009), in linear light.
    const VISION: [(&str, [[f64; 3]; 3]); 3] = [
        (
            "full colour vision",
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        ),
        (
            "protanopia",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
        ),
    ];

    fn seen(color: Color, matrix: &[[f64; 3]; 3]) -> [f64; 3] {
        let rgb = linear(color).expect("an RGB colour");
        matrix.map(|row| {
            let sum: f64 = row.iter().zip(rgb).map(|(m, c)| m * c).sum();
            sum.clamp(0.0, 1.0)
        })
    }

    #[test]
    fn text_of_the_rgb_themes_stands_out_from_its_ground() {
        for theme in all().iter().filter(|theme| theme.name != "default") {
            let least = if theme.name == "high-contrast" { 7.0 } else { 4.5 };
            for (key, style) in theme.styles() {
                let ratio = contrast(
                    style.fg.expect("every key of an RGB theme names its colour"),
                    style.bg.unwrap_or(theme.background),
                );
                // A rule is decoration: visible, and quieter than anything that is read.
                let least = if key == "rule" && theme.name != "high-contrast" {
                    1.5
                } else {
                    least
                };
                assert!(
                    ratio >= least,
                    "{}: {key} has a contrast of {ratio:.2}:1",
                    theme.name
                );
            }
        }
    }

    /// The palette of a terminal is a person's own, so that the grounds are declared: Modus Vivendi and Operandi
    /// (Protesilaos Stavrou), whose sixteen colours are legible on black and on white. Dim is drawn as the terminals
    /// of this day draw it, at two thirds or a little less.
    #[test]
    fn text_of_the_default_theme_stands_out_from_the_declared_grounds() {
        const DIM: f64 = 0.62;
        let theme = Theme::built_in("default").expect("built in");
        for (name, ground) in [("dark", svg::DARK), ("light", svg::LIGHT)] {
            let shown = |color: Color, behind: bool| {
                let (r, g, b) = svg::rgb(color, &ground, behind);
                Color::Rgb(r, g, b)
            };
            for (key, style) in theme.styles() {
                let (fg, bg) = (
                    shown(style.fg.unwrap_or(Color::Reset), false),
                    shown(style.bg.unwrap_or(Color::Reset), true),
                );
                let fg = match (style.add_modifier.contains(Modifier::DIM), fg, bg) {
                    (true, Color::Rgb(r, g, b), Color::Rgb(x, y, z)) => {
                        let mix = |a: u8, b: u8| (f64::from(a) * DIM + f64::from(b) * (1.0 - DIM)) as u8;
                        Color::Rgb(mix(r, x), mix(g, y), mix(b, z))
                    }
                    _ => fg,
                };
                let ratio = contrast(fg, bg);
                assert!(ratio >= 4.5, "{key} has a contrast of {ratio:.2}:1 on {name}");
            }
        }
    }

    #[test]
    fn the_default_theme_trusts_no_colour_that_a_background_may_swallow() {
        let theme = Theme::built_in("default").expect("built in");
        assert_eq!(theme.background, Color::Reset);
        let hues = [
            Color::Red,
            Color::Green,
            Color::Yellow,
            Color::Blue,
            Color::Magenta,
            Color::Cyan,
        ];
        for (key, style) in theme.styles() {
            assert!(style.bg.is_none(), "{key} paints a background");
            let safe = style.fg.is_none_or(|fg| fg == Color::Reset || hues.contains(&fg));
            assert!(safe, "{key} is {:?}", style.fg);
        }
    }

    #[test]
    fn arms_differ_in_every_theme_on_every_terminal() {
        for theme in all() {
            for profile in [TermProfile::TrueColor, TermProfile::Ansi256, TermProfile::Ansi16] {
                let adapted = theme.adapted(profile);
                let arms: BTreeSet<_> = (0..4).map(|slot| format!("{:?}", adapted.arm(slot).fg)).collect();
                assert_eq!(arms.len(), 4, "{} as {profile:?}: {arms:?}", theme.name);
                let split = (adapted.configured.fg, adapted.observed.fg);
                assert_ne!(
                    split.0, split.1,
                    "{} as {profile:?}: configured and observed",
                    theme.name
                );
                assert_eq!(adapted.arm(4), adapted.arm(0));
            }
        }
    }

    #[test]
    fn the_colour_blind_theme_is_told_apart_with_protanopia_and_deuteranopia() {
        let theme = Theme::built_in("colour-blind").expect("built in");
        let color = |style: Style| style.fg.expect("RGB");
        let arms = [theme.arm_1, theme.arm_2, theme.arm_3, theme.arm_4];
        let mut pairs = vec![
            ("ok and danger", theme.ok, theme.danger),
            ("ok and warn", theme.ok, theme.warn),
            ("warn and danger", theme.warn, theme.danger),
            ("configured and observed", theme.configured, theme.observed),
        ];
        for i in 0..4 {
            for j in 0..i {
                pairs.push(("two arms", arms[i], arms[j]));
            }
        }
        for (vision, matrix) in &VISION {
            for (what, a, b) in &pairs {
                let apart = distance(seen(color(*a), matrix), seen(color(*b), matrix));
                assert!(
                    apart >= 0.1,
                    "{what} are {apart:.3} apart with {vision}: {:?} {:?}",
                    a.fg,
                    b.fg
                );
            }
        }
    }

    #[test]
    fn without_colour_nothing_is_coloured_and_nothing_vanishes() {
        for theme in all() {
            let plain = theme.adapted(TermProfile::NoColor);
            assert_eq!(plain.base(), Style::default());
            for (key, style) in plain.styles() {
                assert_eq!((style.fg, style.bg), (None, None), "{key}");
            }
            assert!(
                plain.selection.add_modifier.contains(Modifier::REVERSED),
                "{}",
                theme.name
            );
            assert!(
                plain.danger.add_modifier.contains(Modifier::BOLD),
                "{}",
                theme.name
            );
            assert!(plain.dim.add_modifier.contains(Modifier::DIM), "{}", theme.name);
        }
    }

    #[test]
    fn colours_come_down_to_what_the_terminal_has() {
        let dark = Theme::built_in("dark").expect("built in");
        assert_eq!(dark.adapted(TermProfile::TrueColor), dark);
        for (key, style) in dark.adapted(TermProfile::Ansi256).styles() {
            assert!(
                matches!(style.fg, Some(Color::Indexed(_))),
                "{key}: {:?}",
                style.fg
            );
        }
        let default = Theme::built_in("default").expect("built in");
        for theme in all() {
            let sixteen = theme.adapted(TermProfile::Ansi16);
            assert_eq!(sixteen.styles(), default.styles(), "{}", theme.name);
            assert_eq!((sixteen.name, sixteen.background), (theme.name, Color::Reset));
        }
    }

    #[test]
    fn the_environment_says_what_the_terminal_shows() {
        struct Tty;
        impl IsTerminal for Tty {
            fn is_terminal(&self) -> bool {
                true
            }
        }
        let of = |pairs: &[(&'static str, &'static str)]| {
            profile(&HashMap::from_iter(pairs.iter().copied()), &Tty)
        };
        assert_eq!(of(&[("TERM", "xterm-256color")]), TermProfile::Ansi256);
        assert_eq!(of(&[("TERM", "vt100")]), TermProfile::NoColor);
        assert_eq!(
            of(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]),
            TermProfile::TrueColor
        );
        assert_eq!(
            of(&[("TERM", "xterm-256color"), ("NO_COLOR", "whatever")]),
            TermProfile::NoColor
        );
        assert_eq!(
            of(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]),
            TermProfile::Ansi256
        );
    }

    #[test]
    fn styles_are_read_as_they_are_written() {
        assert_eq!(style("dim"), Ok(Style::default().add_modifier(Modifier::DIM)));
        let full = Style::default()
            .fg(Color::Rgb(0xf2, 0xf5, 0xfa))
            .bg(Color::LightBlue)
            .add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        assert_eq!(style("bold underline #f2f5fa on bright-blue"), Ok(full));
        for wrong in [
            "blue red",
            "on",
            "#12345",
            "#12345g",
            "256",
            "red on blue on green",
            "Bold",
        ] {
            assert!(style(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line() {
        let good = BUILT_IN[1].1;
        let unknown = format!("{good}\nblink = \"red\"\n");
        let error = Theme::parse("mine", &unknown)
            .expect_err("an unknown key")
            .to_string();
        assert!(error.contains("mine") && error.contains("blink"), "{error}");

        let bad = good.replace("warn        = \"bold #f2c14e\"", "warn = \"bold beige\"");
        let error = Theme::parse("mine", &bad).expect_err("not a colour").to_string();
        assert!(error.contains("beige") && error.contains("line"), "{error}");

        let missing = good.replace("arm_3", "#arm_3");
        let error = Theme::parse("mine", &missing)
            .expect_err("a missing key")
            .to_string();
        assert!(error.contains("missing: arm_3;"), "{error}");

        // All that is wrong is named at once.
        let bad = "inherits = \"drak\"\nwarm = \"red\"\nwarn = \"beige\"\ntext = 5\n";
        let Err(ThemeError::Invalid { problems, .. }) = Theme::parse("mine", bad) else {
            panic!("not refused")
        };
        for (problem, words) in problems.iter().zip([
            ["line 1: inherits: ", "no theme has this name"],
            ["line 2: warm: there is no such setting", "did you mean warn?"],
            ["line 3: warn: ", "\"beige\" is neither a colour"],
            ["line 4: text: got 5", "a text in quotes"],
        ]) {
            assert!(words.iter().all(|word| problem.contains(word)), "{problems:?}");
        }
        assert_eq!(problems.len(), 4, "{problems:?}");
        let error = Theme::parse("mine", bad).expect_err("mistakes").to_string();
        assert!(error.contains("(3 more: "), "{error}");

        let error = Theme::built_in("mauve").expect_err("no such theme").to_string();
        assert!(
            error.contains("mauve") && error.contains("colour-blind"),
            "{error}"
        );
    }

    #[test]
    fn faded_keeps_the_focus_and_drops_the_rest() {
        let dark = Theme::built_in("dark").expect("built in");
        let faded = dark.faded();
        assert_eq!(faded.accent, dark.accent);
        assert_eq!(faded.arm_1, dark.stale);
        assert_eq!(faded.danger, dark.stale);
    }
}
