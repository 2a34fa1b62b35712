//! Themes and the configuration from their files, and whether one of them has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cockpit::keymap::Keymap;
use crate::cockpit::state::preferences::{ContextEntry, GlyphChoice, Look, Mistake, Read, ThemeEntry};
use crate::config::cockpit::{GlyphSetting, Notify};
use crate::config::{Config, check};
use crate::reading::toml;
use crate::tui::glyphs::Glyphs;
use crate::tui::theme::{Theme, ThemeError};

/// The files that say how the cockpit looks and which keys it has.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The configuration file; it need not exist.
    pub config: Option<PathBuf>,
    /// The folder of the user's own themes; it need not exist.
    pub themes: Option<PathBuf>,
}

/// What flags and variables say, which no file changes.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    /// The theme.
    pub theme: Option<String>,
    /// The glyphs.
    pub glyphs: Option<GlyphSetting>,
    /// How a person is called.
    pub notify: Option<Notify>,
}

/// The theme that goes by what `COLORFGBG` says of the terminal's background. The terminal itself is not asked: its
/// answer leaks as typed text over SSH.
pub const AUTO: &str = "auto";

/// Whether the background is light, of `foreground;background` or `foreground;default;background`, in the numbers
/// of the sixteen colours.
pub fn is_light(colorfgbg: Option<&str>) -> Option<bool> {
    let background: u8 = colorfgbg?.rsplit(';').next()?.trim().parse().ok()?;
    match background {
        7 | 9..=15 => Some(true),
        0..=6 | 8 => Some(false),
        _ => None,
    }
}

fn by_ground(colorfgbg: Option<&str>) -> &'static str {
    match is_light(colorfgbg) {
        Some(true) => "light",
        Some(false) => "dark",
        None => "default",
    }
}

/// The name of the theme that is meant: what `auto` stands for, else the name itself.
fn by_name(name: &str) -> &str {
    match name {
        AUTO => by_ground(std::env::var("COLORFGBG").ok().as_deref()),
        name => name,
    }
}

/// Path → when it was changed and how long it is.
pub type Stamp = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

impl Files {
    /// What can be told from the outside of the files whether one of them changed.
    pub fn stamp(&self) -> Stamp {
        let themes = self.theme_files();
        let all = self.config.iter().chain(&themes);
        all.filter_map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((path.clone(), (meta.modified().ok(), meta.len())))
        })
        .collect()
    }

    fn theme_files(&self) -> Vec<PathBuf> {
        let Some(entries) = self.themes.as_deref().and_then(|dir| std::fs::read_dir(dir).ok()) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "toml"))
            .collect();
        files.sort();
        files
    }

    /// The configuration as it stands in the file.
    ///
    /// # Errors
    /// When it cannot be read or has a mistake: file, line and key of the first one.
    pub fn config(&self) -> Result<Config, String> {
        match &self.config {
            Some(path) => Config::load(path).map_err(|error| error.to_string()),
            None => Ok(Config::default()),
        }
    }

    /// The same as far as it can be used: see [`Config::load_usable`].
    ///
    /// # Errors
    /// When it cannot be read, or has a mistake in what decides which server is spoken to.
    pub fn usable(&self) -> Result<Config, String> {
        match &self.config {
            Some(path) => Config::load_usable(path).map_err(|error| error.to_string()),
            None => Ok(Config::default()),
        }
    }

    /// A theme: the user's own where there is one of that name, else a built-in one.
    ///
    /// # Errors
    /// See [`ThemeError`].
    pub fn theme(&self, name: &str) -> Result<Theme, ThemeError> {
        let name = by_name(name);
        match self.own(name) {
            Some(path) => read_theme(&path),
            None => Theme::built_in(name).map_err(|_| ThemeError::Unknown {
                name: name.to_owned(),
                known: self.themes().0.into_iter().map(|theme| theme.name).collect(),
            }),
        }
    }

    /// The file of a theme of the user's own.
    fn own(&self, name: &str) -> Option<PathBuf> {
        let mut files = self.theme_files().into_iter();
        files.find(|path| path.file_stem().is_some_and(|stem| stem == name))
    }

    /// The themes there are, the user's own first, and what is wrong with those that cannot be used.
    pub fn themes(&self) -> (Vec<ThemeEntry>, Vec<Mistake>) {
        let (mut themes, mut mistakes) = (Vec::new(), Vec::new());
        for path in self.theme_files() {
            match read_theme(&path) {
                Ok(theme) => themes.push(ThemeEntry {
                    name: theme.name,
                    description: theme.description,
                    own: true,
                }),
                Err(error) => {
                    let problems = match error {
                        ThemeError::InFile { problems, .. } => problems,
                        other => vec![other.to_string()],
                    };
                    let file = shown(&path);
                    mistakes.extend(problems.into_iter().map(|what| Mistake {
                        file: file.clone(),
                        what,
                    }));
                }
            }
        }
        let built_in = Theme::names()
            .into_iter()
            .filter_map(|name| Theme::built_in(name).ok());
        for theme in built_in {
            if !themes.iter().any(|own| own.name == theme.name) {
                themes.push(ThemeEntry {
                    name: theme.name,
                    description: theme.description,
                    own: false,
                });
            }
        }
        themes.push(ThemeEntry {
            name: AUTO.to_owned(),
            description: "dark or light as COLORFGBG says, else default".to_owned(),
            own: false,
        });
        (themes, mistakes)
    }

    /// All that the core is told.
    pub fn read(&self, config: &Config, fixed: &Fixed, again: bool) -> Read {
        let (themes, mut of_themes) = self.themes();
        let look = look(config, fixed);
        // A theme that is not in use can wait.
        let in_use = self.own(by_name(&look.theme)).map(|path| shown(&path));
        of_themes.sort_by_key(|mistake| in_use.as_ref() != Some(&mistake.file));
        let mut mistakes = self.file_mistakes();
        mistakes.extend(self.key_mistakes(config));
        if fixed.theme.is_none() {
            mistakes.extend(self.theme_mistake(&look.theme));
        }
        mistakes.extend(of_themes);
        let contexts = config.contexts.iter().map(|(name, context)| ContextEntry {
            name: name.clone(),
            api: context
                .api
                .clone()
                .or(config.cockpit.api.clone())
                .unwrap_or_default(),
            project: context.project.clone(),
        });
        Read {
            look: Some(look),
            themes,
            contexts: contexts.collect(),
            keys: config.keys.clone(),
            mistakes,
            read_only: None,
            later: Vec::new(),
            again,
        }
    }

    /// What of the configuration file counts as left out, each with its line.
    fn file_mistakes(&self) -> Vec<Mistake> {
        let Some(path) = &self.config else {
            return Vec::new();
        };
        let Ok(text) = std::fs::read_to_string(path) else {
            return Vec::new();
        };
        let (_, mistakes) = check(&text);
        mistakes
            .iter()
            .map(|mistake| Mistake {
                file: shown(path),
                what: format!("line {}: {mistake}", mistake.line),
            })
            .collect()
    }

    /// That there is no theme of the name that the file gives, with its line. What is wrong in the file of a theme is named
    /// there.
    fn theme_mistake(&self, name: &str) -> Option<Mistake> {
        let Err(error @ ThemeError::Unknown { .. }) = self.theme(name) else {
            return None;
        };
        let path = self.config.as_deref();
        let text = path.and_then(|path| std::fs::read_to_string(path).ok());
        let line = text.and_then(|text| toml::locate(&text, &["cockpit", "theme"]));
        let line = line.map_or_else(String::new, |line| format!("line {line}: "));
        Some(Mistake {
            file: path.map(shown).unwrap_or_default(),
            what: format!("{line}cockpit.theme: {error}"),
        })
    }

    /// Keys that cannot be bound, each with the file and the line.
    fn key_mistakes(&self, config: &Config) -> Vec<Mistake> {
        let problems = Keymap::default().rebind(&config.keys);
        if problems.is_empty() {
            return Vec::new();
        }
        let text = self
            .config
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok());
        let place = |command: &str| {
            let line = toml::locate(text.as_deref()?, &["keys", command])?;
            Some(format!("line {line}: "))
        };
        let file = self.config.as_deref().map(shown).unwrap_or_default();
        problems
            .iter()
            .map(|problem| Mistake {
                file: file.clone(),
                what: format!("{}{problem}", place(&problem.command).unwrap_or_default()),
            })
            .collect()
    }
}

/// A path as a person reads it: `~` for the home directory.
#[must_use]
pub fn shown(path: &Path) -> String {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    below(path, home.as_deref().map(Path::new))
}

fn below(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => Path::new("~").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}

fn read_theme(path: &Path) -> Result<Theme, ThemeError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    match std::fs::read_to_string(path) {
        Ok(text) => Theme::parse(&name, &text).map_err(|error| error.of_file(path)),
        Err(error) => Err(ThemeError::InFile {
            path: path.to_owned(),
            problems: vec![error.to_string()],
        }),
    }
}

/// The look that flags, variables and the file ask for together.
pub fn look(config: &Config, fixed: &Fixed) -> Look {
    Look {
        theme: fixed
            .theme
            .clone()
            .unwrap_or_else(|| config.cockpit.theme.clone()),
        glyphs: match fixed.glyphs.unwrap_or(config.cockpit.glyphs) {
            GlyphSetting::Auto => GlyphChoice::Auto,
            GlyphSetting::Braille => GlyphChoice::Braille,
            GlyphSetting::Block => GlyphChoice::Block,
            GlyphSetting::Ascii => GlyphChoice::Ascii,
        },
    }
}

/// The keys of `[cockpit]` that differ and are looked at only as the cockpit starts.
pub fn later(before: &Config, now: &Config) -> Vec<&'static str> {
    let (before, now) = (&before.cockpit, &now.cockpit);
    let differ = [
        ("context", before.context != now.context),
        ("api", before.api != now.api),
        ("project", before.project != now.project),
        ("token_file", before.token_file != now.token_file),
        ("token_command", before.token_command != now.token_command),
        (
            "allow_plain_http",
            before.allow_plain_http != now.allow_plain_http,
        ),
        ("mouse", before.mouse != now.mouse),
    ];
    differ
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

/// The glyphs of a choice, in this process's environment.
pub fn glyphs(choice: GlyphChoice) -> Glyphs {
    match choice {
        GlyphChoice::Auto => Glyphs::from_env(|name| std::env::var(name).ok()),
        GlyphChoice::Braille => Glyphs::Braille,
        GlyphChoice::Block => Glyphs::Block,
        GlyphChoice::Ascii => Glyphs::Ascii,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path) -> Files {
        Files {
            config: Some(dir.join("config.toml")),
            themes: Some(dir.join("themes")),
        }
    }

    #[test]
    fn a_theme_of_ones_own_comes_first_and_may_build_on_another() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = files(dir.path());
        assert_eq!(files.themes().0.len(), Theme::names().len() + 1);
        std::fs::create_dir(dir.path().join("themes")).expect("made");
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join("themes").join(name), text).expect("written")
        };
        write("mine.toml", "inherits = \"dark\"\naccent = \"#ff00ff\"\n");
        write("light.toml", "inherits = \"light\"\ndescription = \"my light\"\n");
        write("notes.txt", "no theme");
        write("broken.toml", "inherits = \"dark\"\n\naccent = \"mauve\"\n");
        let (themes, mistakes) = files.themes();
        let own: Vec<&str> = themes.iter().filter(|t| t.own).map(|t| t.name.as_str()).collect();
        assert_eq!(own, ["light", "mine"]);
        assert_eq!(themes.len(), Theme::names().len() + 2);
        assert_eq!(mistakes.len(), 1);
        let Mistake { file, what } = &mistakes[0];
        assert!(file.ends_with("broken.toml"), "{mistakes:?}");
        assert!(
            what.starts_with("line 3") && what.contains("mauve"),
            "{mistakes:?}"
        );
        let dark = files.theme("dark").expect("built in");
        let mine = files.theme("mine").expect("mine");
        assert_ne!(mine.accent, dark.accent);
        assert_eq!(mine.danger, dark.danger);
        assert_eq!(files.theme("light").expect("mine").description, "my light");
        assert!(files.theme("../mine").is_err());
        // What can be chosen is what is named: the user's own that can be used, the built-in ones, and the one by the ground.
        let error = files.theme("nope").expect_err("no such theme").to_string();
        let names: Vec<&str> = themes.iter().map(|theme| theme.name.as_str()).collect();
        assert!(
            error.ends_with(&format!("there are {}", names.join(", "))),
            "{error}"
        );
        for name in names {
            assert!(files.theme(name).is_ok(), "{name}");
        }
        assert!(error.contains("mine") && error.contains(AUTO), "{error}");
    }

    #[test]
    fn the_home_directory_is_a_tilde() {
        let home = Some(Path::new("/home/ana"));
        let file = |path: &str, home| below(Path::new(path), home);
        assert_eq!(file("/home/ana/.config/x.toml", home), "~/.config/x.toml");
        assert_eq!(file("/home/anabel/x.toml", home), "/home/anabel/x.toml");
        assert_eq!(file("/etc/x.toml", None), "/etc/x.toml");
    }

    #[test]
    fn the_ground_is_read_from_the_environment_alone() {
        for (value, theme) in [
            (Some("15;0"), "dark"),
            (Some("0;15"), "light"),
            (Some("0;default;7"), "light"),
            (Some("12;8"), "dark"),
            (Some("default;default"), "default"),
            (Some(""), "default"),
            (None, "default"),
        ] {
            assert_eq!(by_ground(value), theme, "{value:?}");
        }
    }

    #[test]
    fn a_change_is_seen_and_bad_keys_are_said_with_their_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = files(dir.path());
        let before = files.stamp();
        let text = "[cockpit]\ntheme = \"dark\"\n[keys]\nhelp = [\"f2\"]\nhlep = [\"f3\"]\n";
        std::fs::write(dir.path().join("config.toml"), text).expect("written");
        assert_ne!(files.stamp(), before);
        assert_eq!(files.stamp(), files.stamp());
        let config = files.config().expect("reads");
        let read = files.read(&config, &Fixed::default(), true);
        assert_eq!(read.mistakes.len(), 1);
        let Mistake { file, what } = &read.mistakes[0];
        assert!(file.ends_with("config.toml"), "{file}");
        assert!(what.starts_with("line 5: keys.hlep"), "{what}");
        assert_eq!(read.look.expect("a look").theme, "dark");
        let fixed = Fixed {
            theme: Some("light".to_owned()),
            ..Fixed::default()
        };
        let read = files.read(&config, &fixed, true);
        assert_eq!(read.look.expect("a look").theme, "light");
    }

    #[test]
    fn mistakes_of_what_is_in_use_come_first_and_each_is_said_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = files(dir.path());
        std::fs::create_dir(dir.path().join("themes")).expect("made");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write("themes/a.toml", "inherits = \"dark\"\naccent = \"mauve\"\n");
        write("themes/mine.toml", "inherits = \"dark\naccent = \"red\"\n");
        write(
            "config.toml",
            "[cockpit]\ntheme = \"mine\"\n[keys]\nhlep = [\"f3\"]\n",
        );
        let named = || {
            let config = files.config().expect("reads");
            let read = files.read(&config, &Fixed::default(), true);
            let name = |mistake: &Mistake| mistake.file.rsplit('/').next().map(str::to_owned);
            read.mistakes.iter().filter_map(name).collect::<Vec<_>>()
        };
        assert_eq!(named(), ["config.toml", "mine.toml", "a.toml"]);
        write("config.toml", "[cockpit]\ntheme = \"nope\"\n");
        assert_eq!(named(), ["config.toml", "a.toml", "mine.toml"]);
    }
}
