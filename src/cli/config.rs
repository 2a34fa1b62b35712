//! `splitdeck config`: the configuration file, checked and explained.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::CliError;
use super::output::{print, print_json};
use super::values::{self, Wrong};
use crate::client::{Client, Options};
use crate::cockpit::keymap::Keymap;
use crate::cockpit::state::preferences::Mistake as Mistaken;

use crate::config::{self, Config, Paths};
use crate::reading::toml::{self, Mistake};
use crate::runtime::look::Files;
use crate::tui::theme::ThemeError;

/// Arguments of `splitdeck config`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    /// Name every mistake of a configuration file, with its line and its key
    Check {
        /// The file; the user's own without one
        file: Option<PathBuf>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print every setting with its default, as a file to begin with
    Example,
    /// Print where the configuration file is
    Path,
}

/// Runs `splitdeck config`.
///
/// # Errors
/// See [`CliError`]; a file with mistakes is a failure.
pub fn run(args: Args) -> Result<(), CliError> {
    let own = || {
        let paths = Paths::from_env().map_err(|error| CliError::Usage(error.to_string()))?;
        Ok::<_, CliError>(paths.config_file())
    };
    match args.command {
        Command::Check { file, json } => {
            let (path, must_exist) = match file {
                Some(file) => (file, true),
                None => (own()?, false),
            };
            check(&path, must_exist, json)
        }
        Command::Example => print(&config::file::example()),
        Command::Path => print(&format!("{}\n", own()?.display())),
    }
}

/// One mistake, as it is printed for programs.
#[derive(Serialize)]
struct Told<'m> {
    file: String,
    line: usize,
    key: &'m str,
    message: &'m str,
}

fn check(path: &Path, must_exist: bool, json: bool) -> Result<(), CliError> {
    let mut is_there = true;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
            if !json {
                print(&format!(
                    "{} is not there: every setting has its default\n",
                    path.display()
                ))?;
            }
            // The themes beside it can be chosen all the same.
            is_there = false;
            String::new()
        }
        Err(error) => {
            return Err(CliError::Usage(format!(
                "cannot read {}: {error}",
                path.display()
            )));
        }
    };
    let themes = path.parent().map(|dir| dir.join("themes"));
    let of_themes = theme_mistakes(themes.clone());
    let mistakes = mistakes(&text, themes);
    let mut told: Vec<Told<'_>> = mistakes
        .iter()
        .map(|mistake| Told {
            file: path.display().to_string(),
            line: mistake.line,
            key: &mistake.key,
            message: &mistake.message,
        })
        .collect();
    told.extend(of_themes.iter().map(|(file, line, message)| Told {
        file: file.clone(),
        line: *line,
        key: "",
        message,
    }));
    if json {
        print_json(&told)?;
    } else if told.is_empty() {
        if is_there {
            print(&format!("{}: no mistakes\n", path.display()))?;
        }
    } else {
        let lines = told.iter().map(|told| {
            let key = match told.key {
                "" => String::new(),
                key => format!("{key}: "),
            };
            format!("{}:{}: {key}{}\n", told.file, told.line, told.message)
        });
        print(&lines.collect::<String>())?;
    }
    let themes = match (of_themes.len(), mistakes.len()) {
        (0, _) => String::new(),
        (1, 0) => "a theme beside it cannot be used".to_owned(),
        (n, 0) => format!("{n} mistakes in the themes beside it"),
        (1, _) => ", and a theme beside it cannot be used".to_owned(),
        (n, _) => format!(", and there are {n} mistakes in the themes beside it"),
    };
    match mistakes.len() {
        0 if themes.is_empty() => Ok(()),
        0 => Err(CliError::Failed(format!("{}: {themes}", path.display()))),
        1 => Err(CliError::Failed(format!(
            "{} has a mistake{themes}",
            path.display()
        ))),
        n => Err(CliError::Failed(format!(
            "{} has {n} mistakes{themes}",
            path.display()
        ))),
    }
}

/// What is wrong with the themes of a folder, whether one of them is chosen or not: the file, the line, and why.
fn theme_mistakes(themes: Option<PathBuf>) -> Vec<(String, usize, String)> {
    let files = Files {
        config: None,
        themes: themes.clone(),
    };
    let (_, mistakes) = files.themes();
    let told = mistakes.into_iter().map(|Mistaken { file, what }| {
        let name = Path::new(&file).file_name().unwrap_or_default();
        let file = themes.as_deref().map(|dir| dir.join(name).display().to_string());
        let file = file.unwrap_or_default();
        let line = what.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
        let at = line.and_then(|(number, why)| Some((number.parse().ok()?, why.to_owned())));
        let (line, why) = at.unwrap_or((1, what));
        (file, line, why)
    });
    told.collect()
}

/// Everything that is wrong with the text of a configuration file: what the file says, and what it names that is
/// not there. Nothing is asked of a server, and no program is run.
fn mistakes(text: &str, themes: Option<PathBuf>) -> Vec<Mistake> {
    let (config, mut mistakes) = config::check(text);
    let mut say = |path: &[&str], message: String| {
        let line = toml::locate(text, path).unwrap_or(1);
        let key = path.join(".");
        // What cannot even be read was said.
        if !mistakes.iter().any(|m| m.key == key) {
            mistakes.push(Mistake { line, key, message });
        }
    };
    for problem in Keymap::default().rebind(&config.keys) {
        say(&["keys", &problem.command], problem.why);
    }
    let files = Files { config: None, themes };
    // What is wrong in the file of a theme is named there.
    if let Err(error @ ThemeError::Unknown { .. }) = files.theme(&config.cockpit.theme) {
        say(&["cockpit", "theme"], error.to_string());
    }
    addresses(&config, &mut say);
    for Wrong { path, why } in values::wrong(&config) {
        say(&path, why);
    }
    mistakes.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
    mistakes
}

/// Addresses that no request could be sent to.
fn addresses(config: &Config, say: &mut impl FnMut(&[&str], String)) {
    let mut address = |section: &[&str], api: &Option<String>, allow_plain_http: bool| {
        let options = Options {
            allow_plain_http,
            ..Options::default()
        };
        if let Some(Err(error)) = api.as_deref().map(|api| Client::new(api, "token", options)) {
            say(&[section, &["api"]].concat(), error.to_string());
        }
    };
    let cockpit = &config.cockpit;
    address(&["cockpit"], &cockpit.api, cockpit.allow_plain_http);
    for (name, context) in &config.contexts {
        address(&["contexts", name], &context.api, context.allow_plain_http);
    }
}
