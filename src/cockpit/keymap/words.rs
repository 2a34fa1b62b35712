//! How texts name keys: as they are bound now, never a key that does something else, never one that is not there.

use super::{Command, Context, Keymap};
use crate::cockpit::{Code, Key};

/// Something that a key does, as a text says it: where it works, what it gives, and what that does (`restores`).
pub type Does<'a> = (Context, Command, &'a str);

impl Key {
    /// As a sentence names it: `Esc`, every other one as the configuration writes it.
    #[must_use]
    pub fn word(self) -> String {
        match self == Self::plain(Code::Esc) {
            true => "Esc".to_owned(),
            false => self.to_string(),
        }
    }
}

impl Keymap {
    /// The key of a command in a place, as it is bound now, with what works around the place too: `esc` in a dialog.
    #[must_use]
    pub fn key_at(&self, place: Context, command: Command) -> Option<Key> {
        let around = Context::CHAINS.iter().find_map(|chain| {
            let at = chain.iter().position(|context| *context == place)?;
            chain.get(at..)
        });
        self.keys(around.unwrap_or(&[place]), command).next()
    }

    /// How a command is given in a place, as a sentence names it: its key there as it is bound now. Where it has none, its
    /// name behind the key of the palette (`:edit.save`), if the palette has it and can be opened there; else none.
    #[must_use]
    pub fn way(&self, place: Context, command: Command) -> Option<String> {
        if let Some(key) = self.key_at(place, command) {
            return Some(key.word());
        }
        let entry = command.entry().filter(|entry| entry.palette)?;
        let palette = self
            .key_at(Context::Global, Command::Palette)
            .filter(|_| place.meets(Context::Global))?;
        let blank = match palette.typed() {
            Some(c) if !c.is_alphanumeric() && c != ' ' => "",
            _ => " ",
        };
        Some(format!("{}{blank}{}", palette.word(), entry.name))
    }

    /// `R restores, X throws away`: what keys do. What has no way is left out; empty where nothing has one.
    #[must_use]
    pub fn ways(&self, does: &[Does<'_>]) -> String {
        let ways: Vec<String> = does
            .iter()
            .filter_map(|(place, command, does)| Some(format!("{} {does}", self.way(*place, *command)?)))
            .collect();
        ways.join(", ")
    }

    /// A text, and behind the joint what keys do: `3 unsaved changes: R restores, X throws away`. The text alone where
    /// nothing has a way.
    #[must_use]
    pub fn after(&self, text: &str, joint: &str, does: &[Does<'_>]) -> String {
        match self.ways(does) {
            ways if ways.is_empty() => text.to_owned(),
            ways => format!("{text}{joint}{ways}"),
        }
    }

    /// Sentences, and behind them one of what keys do: `No flags yet. n makes one.`
    #[must_use]
    pub fn sentence(&self, text: &str, does: &[Does<'_>]) -> String {
        match self.ways(does) {
            ways if ways.is_empty() => text.to_owned(),
            ways if text.is_empty() => format!("{ways}."),
            ways => format!("{text} {ways}."),
        }
    }

    /// ` (5, /)`: the ways to what a text names, behind it. Empty where none of it has a way.
    #[must_use]
    pub fn brackets(&self, commands: &[(Context, Command)]) -> String {
        let ways: Vec<String> = commands
            .iter()
            .filter_map(|(place, command)| self.way(*place, *command))
            .collect();
        match ways.is_empty() {
            true => String::new(),
            false => format!(" ({})", ways.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn keymap(keys: &[(&str, &[&str])]) -> Keymap {
        let mut keymap = Keymap::default();
        let keys: BTreeMap<String, Vec<String>> = keys
            .iter()
            .map(|(name, keys)| {
                let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                ((*name).to_owned(), keys)
            })
            .collect();
        assert_eq!(keymap.rebind(&keys), []);
        keymap
    }

    const SAVES: Does<'_> = (Context::Edit, Command::Save, "saves");
    const LEAVES: Does<'_> = (Context::Field, Command::Accept, "takes it");

    #[test]
    fn a_text_names_the_key_of_its_place() {
        let own = Keymap::default();
        assert_eq!(own.ways(&[SAVES, LEAVES]), "S saves, enter takes it");
        assert_eq!(
            own.way(Context::Collect, Command::ImportMalformed).as_deref(),
            Some("f2")
        );
        assert_eq!(
            own.way(Context::Review, Command::ImportMalformed).as_deref(),
            Some("v")
        );
        assert_eq!(own.way(Context::Always, Command::Back).as_deref(), Some("Esc"));
        // What works everywhere works there too.
        assert_eq!(own.way(Context::Running, Command::Back).as_deref(), Some("Esc"));
        assert_eq!(own.way(Context::Edit, Command::Reload).as_deref(), Some("ctrl-r"));
        assert_eq!(own.way(Context::Running, Command::Reload), None);
        // A character is no key where text is typed: there it has none.
        let typed = keymap(&[("accept", &["N"])]);
        assert_eq!(typed.way(Context::Field, Command::Accept), None);
        assert_eq!(
            typed.way(Context::Settings, Command::Accept).as_deref(),
            Some("N")
        );
    }

    #[test]
    fn without_a_key_it_is_the_name_in_the_palette_or_nothing() {
        let unbound = keymap(&[("edit.save", &[]), ("accept", &[])]);
        assert_eq!(unbound.ways(&[SAVES, LEAVES]), ":edit.save saves");
        // No palette opens over a field.
        assert_eq!(unbound.way(Context::Field, Command::Save), None);
        assert_eq!(unbound.after("Text", ": ", &[LEAVES]), "Text");
        assert_eq!(unbound.sentence("Text.", &[LEAVES]), "Text.");
        assert_eq!(
            unbound.sentence("Text.", &[SAVES, LEAVES]),
            "Text. :edit.save saves."
        );
        let elsewhere = keymap(&[("edit.save", &[]), ("palette", &["ctrl-p"])]);
        assert_eq!(elsewhere.ways(&[SAVES]), "ctrl-p edit.save saves");
        let nowhere = keymap(&[("edit.save", &[]), ("palette", &[])]);
        assert_eq!(nowhere.after("Text", "; ", &[SAVES]), "Text");
        let both = [(Context::Edit, Command::Save), (Context::Field, Command::Accept)];
        assert_eq!(Keymap::default().brackets(&both), " (S, enter)");
        assert_eq!(unbound.brackets(&both), " (:edit.save)");
        assert_eq!(nowhere.brackets(&both[..1]), "");
    }
}
