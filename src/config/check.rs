//! Reads a configuration file and names every mistake in it, not only the first.

use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::file::Config;

/// One mistake in a configuration file.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Mistake {
    /// Its line, from 1.
    pub line: usize,
    /// The key, with dots: `cockpit.theme`; empty where the text is no TOML at all.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Mistake {
    /// Key and message; the caller has the file and writes the line behind it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// A configuration as far as it can be read, and all that is wrong with it, by line.
///
/// What is wrong counts as left out. Nothing is asked of the disk or of a server.
#[must_use]
pub fn check(text: &str) -> (Config, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mistakes = errors.iter().map(|error| Mistake {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            key: String::new(),
            message: error.message().to_owned(),
        });
        return (Config::default(), mistakes.collect());
    }
    let mut mistakes = Vec::new();
    let whole = table.span();
    let mut table = table.into_inner();
    let config = loop {
        let error = match Config::deserialize(Deserializer::from(Spanned::new(whole.clone(), table.clone())))
        {
            Ok(config) => break config,
            Err(error) => error,
        };
        let at = error.span().map_or(0, |span| span.start);
        let path = path_of(&table, at);
        mistakes.push(Mistake {
            line: line_of(text, at),
            key: path.join("."),
            message: error.message().to_owned(),
        });
        // Without what is wrong the next mistake shows.
        if !remove(&mut table, &path) {
            break Config::default();
        }
    };
    let place = |path: &[&str]| locate(text, path).unwrap_or(1);
    mistakes.extend(combined(&config, place));
    mistakes.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
    (config, mistakes)
}

/// What is wrong only in combination.
fn combined(config: &Config, line: impl Fn(&[&str]) -> usize) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut say = |path: &[&str], message: String| {
        mistakes.push(Mistake {
            line: line(path),
            key: path.join("."),
            message,
        });
    };
    if let Some(name) = &config.cockpit.context
        && !config.contexts.contains_key(name)
    {
        say(&["cockpit", "context"], unknown_context(name, config));
    }
    let cockpit = &config.cockpit;
    credentials(
        &["cockpit"],
        cockpit.token_file.is_some(),
        cockpit.token_command.as_deref(),
        &mut say,
    );
    for (name, context) in &config.contexts {
        credentials(
            &["contexts", name],
            context.token_file.is_some(),
            context.token_command.as_deref(),
            &mut say,
        );
        if context.api.is_none() && cockpit.api.is_none() {
            say(
                &["contexts", name],
                "names no server: `api` is missing here and in [cockpit]".to_owned(),
            );
        }
    }
    mistakes
}

fn credentials(
    section: &[&str],
    file: bool,
    command: Option<&[String]>,
    say: &mut impl FnMut(&[&str], String),
) {
    let path = [section, &["token_command"]].concat();
    match command {
        Some([]) => say(
            &path,
            "is empty; it is a program and its arguments, such as [\"pass\", \"show\", \"splitdeck\"]"
                .to_owned(),
        ),
        Some(_) if file => say(
            &path,
            "stands beside `token_file`; keep the one that holds the token".to_owned(),
        ),
        _ => {}
    }
}

/// What is said of a context that is not there.
#[must_use]
pub fn unknown_context(name: &str, config: &Config) -> String {
    let known: Vec<&str> = config.contexts.keys().map(String::as_str).collect();
    if known.is_empty() {
        format!("there is no context {name:?}, nor any other; add one as [contexts.{name}]")
    } else {
        format!("there is no context {name:?}; there are {}", known.join(", "))
    }
}

/// The line of a key, from 1; none when the file does not have it.
#[must_use]
pub fn locate(text: &str, path: &[&str]) -> Option<usize> {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut table = table.into_inner();
    let (last, sections) = path.split_last()?;
    for section in sections {
        let at = table.keys().find(|key| key.get_ref() == section)?.clone();
        match table.remove(&at)?.into_inner() {
            DeValue::Table(inner) => table = inner,
            _ => return None,
        }
    }
    let key = table.keys().find(|key| key.get_ref() == last)?;
    Some(line_of(text, key.span().start))
}

/// The keys down to what stands at a place of the text.
fn path_of(table: &DeTable<'_>, at: usize) -> Vec<String> {
    let within = |span: Range<usize>| span.contains(&at);
    for (key, value) in table {
        let name = || key.get_ref().to_string();
        if let DeValue::Table(inner) = value.get_ref() {
            let deeper = path_of(inner, at);
            if !deeper.is_empty() {
                return [vec![name()], deeper].concat();
            }
        }
        if within(key.span()) || within(value.span()) {
            return vec![name()];
        }
    }
    Vec::new()
}

/// Takes a key out; false when it is not there.
fn remove(table: &mut DeTable<'_>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    let Some(key) = table.keys().find(|key| key.get_ref() == first).cloned() else {
        return false;
    };
    if rest.is_empty() {
        return table.remove(&key).is_some();
    }
    match table.get_mut(&key).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => remove(inner, rest),
        _ => false,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named_at_once_and_the_rest_is_read() {
        let text = "\
[cockpit]
themme = \"dark\"
theme = \"light\"
glyphs = \"emoji\"
token_command = []
context = \"prod\"

[contexts.staging]
api = \"http://127.0.0.1:1\"
token_file = \"a\"
token_command = [\"b\"]
colour = 1

[sever]
listen = \"x\"
";
        let (config, mistakes) = check(text);
        let said: Vec<(usize, &str)> = mistakes.iter().map(|m| (m.line, m.key.as_str())).collect();
        assert_eq!(
            said,
            [
                (2, "cockpit.themme"),
                (4, "cockpit.glyphs"),
                (5, "cockpit.token_command"),
                (6, "cockpit.context"),
                (11, "contexts.staging.token_command"),
                (12, "contexts.staging.colour"),
                (14, "sever"),
            ]
        );
        assert!(mistakes[3].message.contains("there are staging"), "{mistakes:?}");
        assert_eq!(config.cockpit.theme, "light");
        assert_eq!(
            config.contexts["staging"].api.as_deref(),
            Some("http://127.0.0.1:1")
        );
    }

    #[test]
    fn what_is_no_toml_is_said_with_its_line() {
        let (_, mistakes) = check("[cockpit]\ntheme = \n[keys\n");
        let lines: Vec<usize> = mistakes.iter().map(|m| m.line).collect();
        assert!(lines.contains(&2) && lines.contains(&3), "{mistakes:?}");
    }

    #[test]
    fn a_key_is_found_again() {
        let text = "# words\n[keys]\n\nhelp = [\"f2\"]\n[contexts.prod]\napi = \"x\"\n";
        assert_eq!(locate(text, &["keys", "help"]), Some(4));
        assert_eq!(locate(text, &["contexts", "prod"]), Some(5));
        assert_eq!(locate(text, &["contexts", "prod", "api"]), Some(6));
        assert_eq!(locate(text, &["keys", "quit"]), None);
    }
}
