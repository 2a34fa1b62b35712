//! Which key does what, and how a person changes that.

use std::collections::BTreeMap;

use super::{COMMANDS, Command, Context, Entry};
use crate::cockpit::{Code, Key};

/// One key at work.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Binding {
    /// Where it works.
    pub context: Context,
    /// The key.
    pub key: Key,
    /// What it does.
    pub command: Command,
}

/// Which key does what.
#[derive(Debug, Clone)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

impl Default for Keymap {
    /// The keys of the registry.
    fn default() -> Self {
        let bindings = COMMANDS.iter().flat_map(|entry| {
            // That every key of the registry parses is held by a test.
            entry.keys.iter().filter_map(|(context, key)| {
                Some(Binding {
                    context: *context,
                    key: key.parse().ok()?,
                    command: entry.command,
                })
            })
        });
        Self {
            bindings: bindings.collect(),
        }
    }
}

/// Keys that a command cannot have.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("keys.{command}: {why}{}", if self.is_known() { "; its own keys stay" } else { "" })]
pub struct KeyProblem {
    /// Name of the command, as it was written.
    pub command: String,
    /// Why not.
    pub why: String,
}

impl KeyProblem {
    /// Whether there is a command of this name.
    fn is_known(&self) -> bool {
        named(&self.command).is_some()
    }
}

impl Keymap {
    /// Gives commands other keys; a command that is not named keeps its own.
    ///
    /// All of them at once: two commands can change places. What cannot be done is said, one sentence each, and the
    /// command keeps its own keys. ctrl-c leaves whatever is bound.
    pub fn rebind(&mut self, keys: &BTreeMap<String, Vec<String>>) -> Vec<KeyProblem> {
        let mut problems = BTreeMap::new();
        let mut wanted = BTreeMap::new();
        for (name, texts) in keys {
            match read(name, texts) {
                Ok((entry, keys)) => {
                    wanted.insert(name, (entry, keys));
                }
                Err(why) => {
                    problems.insert(name, why);
                }
            }
        }
        // One that cannot be has its own keys back, which another one may have been given.
        loop {
            let (bindings, clashes) = self.rebound(&wanted);
            if clashes.is_empty() {
                self.bindings = bindings;
                break;
            }
            for (name, why) in clashes {
                wanted.remove(name);
                problems.insert(name, why);
            }
        }
        let told = problems.into_iter().map(|(command, why)| KeyProblem {
            command: command.clone(),
            why,
        });
        told.collect()
    }

    /// The bindings with those that are wanted, and why which of those cannot be.
    fn rebound<'n>(
        &self,
        wanted: &BTreeMap<&'n String, (&'static Entry, Vec<Key>)>,
    ) -> (Vec<Binding>, BTreeMap<&'n String, String>) {
        let named = |command| wanted.values().any(|(entry, _)| entry.command == command);
        let kept = |b: &&Binding| !named(b.command) || b.key == Key::ctrl('c');
        let mut bindings: Vec<Binding> = self.bindings.iter().filter(kept).copied().collect();
        for (entry, keys) in wanted.values() {
            for binding in asked_for(entry, keys) {
                if !bindings.contains(&binding) {
                    bindings.push(binding);
                }
            }
        }
        // A key means one thing on a screen: what comes first there would hide the other. The registry's own keys are as
        // they should be.
        let own = |binding: &Binding| self.bindings.contains(binding);
        let mut clashes = BTreeMap::new();
        for (name, (entry, keys)) in wanted {
            // Of two that ask for the same key the first one by name has it, if it can have its keys at all.
            let yields = |other: &Binding| {
                let asking = wanted.iter().find(|(_, (e, _))| e.command == other.command);
                asking.is_some_and(|(n, _)| clashes.contains_key(n) || (n > name && !own(other)))
            };
            let clash = asked_for(entry, keys)
                .filter(|binding| !own(binding))
                .find_map(|binding| {
                    let other = bindings.iter().find(|other| {
                        other.key == binding.key
                            && other.command != binding.command
                            && other.context.meets(binding.context)
                            && !yields(other)
                    })?;
                    let command = other.command.entry().map_or("another command", |e| e.name);
                    let place = other.context.title();
                    Some(format!("{} already is {command} (\"{place}\")", binding.key))
                });
            if let Some(why) = clash {
                clashes.insert(*name, why);
            }
        }
        (bindings, clashes)
    }

    /// The command of a key in a chain of contexts, the most specific first.
    #[must_use]
    pub fn command(&self, contexts: &[Context], key: Key) -> Option<Command> {
        contexts.iter().find_map(|context| {
            self.bindings
                .iter()
                .find(|b| b.context == *context && b.key == key)
                .map(|b| b.command)
        })
    }

    /// The keys of a command in a chain of contexts, as they are bound now.
    pub fn keys(&self, contexts: &[Context], command: Command) -> impl Iterator<Item = Key> {
        // A key that a more specific context gives to another command is not one of this command here.
        self.bindings
            .iter()
            .filter(move |b| b.command == command && contexts.contains(&b.context))
            .filter(move |b| self.command(contexts, b.key) == Some(command))
            .map(|b| b.key)
    }

    /// The key of a command as a text names it: as it is bound now, in the first of its places; none where it has no key.
    #[must_use]
    pub fn key_of(&self, command: Command) -> Option<Key> {
        self.bindings.iter().find(|b| b.command == command).map(|b| b.key)
    }

    /// `; H shows the history`: what a key does, behind what is said of something. Nothing where it has no key.
    #[must_use]
    pub fn aside(&self, command: Command, does: &str) -> String {
        let key = self.key_of(command);
        key.map_or_else(String::new, |key| format!("; {key} {does}"))
    }

    /// All bindings, in the order of the registry.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }
}

/// A command and its keys, as they are written.
fn named(name: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| entry.name == name)
}

fn read(name: &str, texts: &[String]) -> Result<(&'static Entry, Vec<Key>), String> {
    let Some(entry) = named(name) else {
        return Err("there is no such command; docs/keys.md lists them".to_owned());
    };
    let keys = texts.iter().map(|text| {
        let key: Key = text.parse().map_err(|error| format!("{error}"))?;
        match key.unreliable() {
            // In every state it is what changes nothing, and a dialog that has just opened hears it.
            _ if key == Key::plain(Code::Esc) && entry.command != Command::Back => Err(format!(
                "{text} cannot be one of its keys: it goes back, or does nothing"
            )),
            Some(why) => Err(format!("{text} cannot be one of its keys: {why}")),
            None => Ok(key),
        }
    });
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() && entry.command == Command::Back {
        return Err(
            "it needs a key, or what lies over a screen could not be closed: name one, such as \"esc\""
                .to_owned(),
        );
    }
    // A command whose keys are all characters where it only works while text is typed would have none, without a word.
    if let Some(first) = keys.first()
        && asked_for(entry, &keys).next().is_none()
    {
        return Err(format!(
            "{first} cannot be one of its keys: it works where text is typed, and there {first} is text; one that types \
             nothing can, such as \"f8\""
        ));
    }
    Ok((entry, keys))
}

/// The bindings of a command with these keys, in each place where it has any.
fn asked_for(entry: &'static Entry, keys: &[Key]) -> impl Iterator<Item = Binding> {
    let mut contexts: Vec<Context> = entry.keys.iter().map(|(context, _)| *context).collect();
    contexts.sort_unstable();
    contexts.dedup();
    keys.iter().flat_map(move |key| {
        let contexts = contexts.clone();
        let key = *key;
        contexts.into_iter().filter_map(move |context| {
            // Where text is typed, a character is text.
            let text = context.takes_text() && key.typed().is_some();
            (!text).then_some(Binding {
                context,
                key,
                command: entry.command,
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    #[test]
    fn every_key_of_the_registry_parses_and_is_bound_once() {
        let mut bound = BTreeMap::new();
        for entry in COMMANDS {
            for (context, text) in entry.keys {
                let key: Key = text.parse().unwrap_or_else(|e| panic!("{}: {e}", entry.name));
                assert_eq!(&key.to_string(), text, "{}: written in its own form", entry.name);
                let other = bound.insert((*context, key), entry.name);
                assert_eq!(other, None, "{text} in {context:?} is also {}", entry.name);
            }
        }
        assert_eq!(Keymap::default().bindings().len(), bound.len());
    }

    #[test]
    fn names_and_commands_are_unique() {
        let names: BTreeSet<_> = COMMANDS.iter().map(|e| e.name).collect();
        let commands: BTreeSet<_> = COMMANDS.iter().map(|e| e.command).collect();
        assert_eq!(names.len(), COMMANDS.len());
        assert_eq!(commands.len(), COMMANDS.len());
    }

    #[test]
    fn keys_that_terminals_confuse_are_never_relied_on() {
        for binding in Keymap::default().bindings() {
            let Key { code, ctrl, alt, .. } = binding.key;
            let confusing = (ctrl && matches!(code, Code::Char('h' | 'i' | 'j' | 'm' | 's' | 'q')))
                || (alt && code == Code::Enter);
            assert!(!confusing, "{} for {:?}", binding.key, binding.command);
        }
    }

    #[test]
    fn the_evidence_about_a_split_is_one_key_away_where_a_mismatch_is_told() {
        let keymap = Keymap::default();
        let d: Key = "d".parse().expect("a key");
        for first in [Context::Analytics, Context::List] {
            let chain = Context::CHAINS.iter().find(|chain| chain[0] == first);
            let chain = chain.expect("a chain");
            assert_eq!(keymap.command(chain, d), Some(Command::Evidence), "{first:?}");
        }
    }

    #[test]
    fn a_text_field_can_take_every_character() {
        for binding in Keymap::default().bindings() {
            if binding.context.takes_text() {
                assert_eq!(
                    binding.key.typed(),
                    None,
                    "{} for {:?}",
                    binding.key,
                    binding.command
                );
            }
        }
    }

    fn rebind(name: &str, keys: &[&str]) -> (Keymap, Vec<KeyProblem>) {
        let mut keymap = Keymap::default();
        let keys = keys.iter().map(|k| (*k).to_owned()).collect();
        let problems = keymap.rebind(&BTreeMap::from([(name.to_owned(), keys)]));
        (keymap, problems)
    }

    #[test]
    fn keys_are_rebound_by_name() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        let key = |text: &str| text.parse::<Key>().expect("a key");
        let (keymap, problems) = rebind("help", &["f2", "N"]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("f2")), Some(Command::Help));
        assert_eq!(keymap.command(&list, key("?")), None);
        assert_eq!(
            keymap.command(&list, key("j")),
            Some(Command::Down),
            "others stay"
        );
        // A character is not taken from a text field.
        let (keymap, _) = rebind("move.down", &["N"]);
        assert_eq!(keymap.command(&list, key("N")), Some(Command::Down));
        assert_eq!(keymap.command(&[Context::Palette], key("N")), None);
        // Leaving works whatever is bound.
        let (keymap, problems) = rebind("quit", &[]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("ctrl-c")), Some(Command::Quit));
        assert_eq!(keymap.command(&list, key("q")), None);
    }

    /// Leaving by another key leaves esc to nobody else: it is safe whatever is bound.
    #[test]
    fn esc_is_never_another_command() {
        let (keymap, problems) = rebind_all(&[("back", &["f8"]), ("experiment.pause", &["esc"])]);
        let named: Vec<&str> = problems.iter().map(|p| p.command.as_str()).collect();
        assert_eq!(named, ["experiment.pause"], "{problems:?}");
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        let key = |text: &str| text.parse::<Key>().expect("a key");
        assert_eq!(keymap.command(&list, key("f8")), Some(Command::Back));
        assert_eq!(keymap.command(&list, key("esc")), None);
        assert_eq!(keymap.command(&list, key("p")), Some(Command::Pause));
    }

    fn rebind_all(keys: &[(&str, &[&str])]) -> (Keymap, Vec<KeyProblem>) {
        let mut keymap = Keymap::default();
        let keys = keys.iter().map(|(name, keys)| {
            let keys = keys.iter().map(|k| (*k).to_owned()).collect();
            ((*name).to_owned(), keys)
        });
        let problems = keymap.rebind(&keys.collect());
        (keymap, problems)
    }

    #[test]
    fn commands_change_places_whatever_their_names() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        let key = |text: &str| text.parse::<Key>().expect("a key");
        let (keymap, problems) = rebind_all(&[("experiment.activate", &["p"]), ("experiment.pause", &["a"])]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("p")), Some(Command::Activate));
        assert_eq!(keymap.command(&list, key("a")), Some(Command::Pause));
        // In a ring, and to a key that only becomes free.
        let (keymap, problems) = rebind_all(&[
            ("experiment.activate", &["p"]),
            ("experiment.pause", &["?"]),
            ("help", &["a"]),
        ]);
        assert_eq!(problems, []);
        assert_eq!(keymap.command(&list, key("a")), Some(Command::Help));
        assert_eq!(keymap.command(&list, key("?")), Some(Command::Pause));
    }

    #[test]
    fn one_that_cannot_be_has_its_own_keys_back() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        let key = |text: &str| text.parse::<Key>().expect("a key");
        // Pause cannot have the key of leaving, so that it keeps p, and activate cannot have that.
        let (keymap, problems) = rebind_all(&[("experiment.activate", &["p"]), ("experiment.pause", &["q"])]);
        let named: Vec<&str> = problems.iter().map(|p| p.command.as_str()).collect();
        assert_eq!(named, ["experiment.activate", "experiment.pause"], "{problems:?}");
        assert_eq!(keymap.command(&list, key("a")), Some(Command::Activate));
        assert_eq!(keymap.command(&list, key("p")), Some(Command::Pause));
        assert_eq!(keymap.command(&list, key("q")), Some(Command::Quit));
        // Of two that ask for the same, one has it.
        let (keymap, problems) = rebind_all(&[("help", &["f9"]), ("palette", &["f9"])]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].why.contains("f9 already is help"), "{problems:?}");
        assert_eq!(keymap.command(&list, key("f9")), Some(Command::Help));
        assert_eq!(keymap.command(&list, key(":")), Some(Command::Palette));
    }

    #[test]
    fn a_bad_entry_is_said_and_the_default_stays() {
        let list = [Context::List, Context::Rows, Context::Global, Context::Always];
        for (name, keys, says) in [
            ("help", &["hlep"][..], "no key"),
            ("hlep", &["f2"], "no such command"),
            ("help", &["f2", ":"], ": already is palette"),
            // On the list the step goes first, and would be taken for leaving.
            ("quit", &["a"], "a already is experiment.activate"),
            // And the other way round: the list goes before what works everywhere.
            ("experiment.activate", &["q"], "q already is quit"),
            ("help", &["ctrl-c"], "ctrl-c already is quit"),
            ("help", &["ctrl-h"], "terminals send backspace for it"),
            ("help", &["f2", "ctrl-m"], "terminals send enter for it"),
            ("help", &["alt-enter"], "keep it for themselves"),
            ("experiment.activate", &["ctrl-A"], "small letter"),
            ("help", &["f2", "esc"], "it goes back, or does nothing"),
            // Nothing could be closed any more, nor a field be left.
            ("back", &[], "it needs a key"),
            ("back", &["b"], "there b is text"),
            ("field.next", &["N", "M"], "there N is text"),
        ] {
            let (keymap, problems) = rebind(name, keys);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].why.contains(says), "{problems:?}");
            // One that is no command has none.
            let stay = problems[0].to_string().ends_with("its own keys stay");
            assert_eq!(stay, name != "hlep", "{problems:?}");
            for (key, command) in [
                ("?", Command::Help),
                ("q", Command::Quit),
                ("a", Command::Activate),
                ("esc", Command::Back),
            ] {
                let key = key.parse().expect("a key");
                assert_eq!(keymap.command(&list, key), Some(command));
            }
            assert_eq!(keymap.command(&list, "f2".parse().expect("a key")), None);
        }
    }
}
