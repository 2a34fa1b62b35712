//! Reads a configuration file and names every mistake in it, not only the first.

use super::file::Config;
use crate::reading::toml::{self, Mistake};

/// A configuration as far as it can be read, and all that is wrong with it, by line.
///
/// What is wrong counts as left out. Nothing is asked of the disk or of a server.
#[must_use]
pub fn check(text: &str) -> (Config, Vec<Mistake>) {
    let (config, mut mistakes): (Config, _) = toml::read(text);
    let place = |path: &[&str]| toml::locate(text, path).unwrap_or(1);
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
}
