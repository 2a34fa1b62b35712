//! TOML with every mistake named, not only the first.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::words;

/// One mistake in a file of settings.
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

/// What a text says as far as it can be read, and all that is wrong with it, in the order of the text.
///
/// What is wrong counts as left out.
#[must_use]
pub fn read<T: DeserializeOwned + Default>(text: &str) -> (T, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mut mistakes: Vec<Mistake> = errors
            .iter()
            .map(|error| Mistake {
                line: line_of(text, error.span().map_or(0, |span| span.start)),
                key: String::new(),
                message: error.message().to_owned(),
            })
            .collect();
        // Behind the first one in a line the reader has lost its place: the others are guesses about the same text.
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes.dedup_by_key(|mistake| mistake.line);
        return (T::default(), mistakes);
    }
    let mut mistakes = Vec::new();
    let whole = table.span();
    let mut table = table.into_inner();
    let value = loop {
        let rest = Deserializer::from(Spanned::new(whole.clone(), table.clone()));
        let error = match T::deserialize(rest) {
            Ok(value) => break value,
            Err(error) => error,
        };
        let at = error.span().map_or(0, |span| span.start);
        let path = path_of(&table, at);
        mistakes.push(Mistake {
            line: line_of(text, at),
            key: path.join("."),
            message: words::of_setting(error.message()),
        });
        // Without what is wrong the next mistake shows.
        if !remove(&mut table, &path) {
            break T::default();
        }
    };
    mistakes.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
    (value, mistakes)
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
    fn a_key_is_found_again() {
        let text = "# words\n[keys]\n\nhelp = [\"f2\"]\n[contexts.prod]\napi = \"x\"\n";
        assert_eq!(locate(text, &["keys", "help"]), Some(4));
        assert_eq!(locate(text, &["contexts", "prod"]), Some(5));
        assert_eq!(locate(text, &["contexts", "prod", "api"]), Some(6));
        assert_eq!(locate(text, &["keys", "quit"]), None);
    }

    #[test]
    fn a_line_that_is_no_toml_is_told_once() {
        for (text, lines) in [
            ("a = \"red\nb = 1\n", vec![1]),
            ("a = 1\na = \"red\nb = 1\n", vec![2]),
            ("a = [1,\nb = \"red\nc = 3\n", vec![2, 3]),
            ("a = \nb = 1\n[c\n", vec![1, 3]),
        ] {
            let (_, mistakes) = read::<toml::Table>(text);
            let told: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
            assert_eq!(told, lines, "{text:?}: {mistakes:?}");
        }
    }

    #[test]
    fn every_mistake_is_told_and_the_rest_is_read() {
        #[derive(Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Pot {
            litres: u8,
            lid: bool,
            name: String,
        }
        let text = "litres = 300\nlids = true\nlid = \"yes\"\nname = \"red\"\n";
        let (pot, mistakes) = read::<Pot>(text);
        assert_eq!((pot.litres, pot.lid, pot.name.as_str()), (0, false, "red"));
        let told: Vec<String> = mistakes.iter().map(|m| format!("{} {m}", m.line)).collect();
        assert_eq!(
            told,
            [
                "1 litres: got 300, allowed is a whole number from 0 to 255",
                "2 lids: there is no such setting; did you mean lid?",
                "3 lid: got \"yes\", allowed is true or false",
            ]
        );
    }
}
