//! Settings of the cockpit, and the named servers it can speak to.

use std::path::PathBuf;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Settings of the cockpit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CockpitConfig {
    /// Which of the contexts is used, when nothing else says.
    pub context: Option<String>,
    /// Address of the server.
    pub api: Option<String>,
    /// Key of the project that is worked in; the token's own without one.
    pub project: Option<String>,
    /// File that holds the token; a leading `~/` is the home directory.
    pub token_file: Option<PathBuf>,
    /// Program and arguments that print the token.
    pub token_command: Option<Vec<String>>,
    /// Whether every write is refused, whatever the token may do.
    pub read_only: bool,
    /// Whether plain HTTP to a server on another machine is allowed.
    pub allow_plain_http: bool,
    /// Name of a theme.
    pub theme: String,
    /// Which glyphs are drawn.
    pub glyphs: GlyphSetting,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// How a person is called when an experiment is paused by the guard or an alarm is raised.
    pub notify: Notify,
}

impl Default for CockpitConfig {
    fn default() -> Self {
        Self {
            context: None,
            api: None,
            project: None,
            token_file: None,
            token_command: None,
            read_only: false,
            allow_plain_http: false,
            theme: "default".to_owned(),
            glyphs: GlyphSetting::Auto,
            mouse: false,
            notify: Notify(vec![Call::Bell]),
        }
    }
}

/// A named server with a project and credentials: `[contexts.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextConfig {
    /// Address of the server; that of `[cockpit]` without one.
    pub api: Option<String>,
    /// Key of the project.
    pub project: Option<String>,
    /// File that holds the token.
    pub token_file: Option<PathBuf>,
    /// Program and arguments that print the token.
    pub token_command: Option<Vec<String>>,
    /// Whether every write is refused.
    pub read_only: bool,
    /// Whether plain HTTP to a server on another machine is allowed.
    pub allow_plain_http: bool,
}

/// Which glyphs are drawn.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GlyphSetting {
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

impl GlyphSetting {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Braille, Self::Block, Self::Ascii];

    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Braille => "braille",
            Self::Block => "block",
            Self::Ascii => "ascii",
        }
    }
}

/// One way to call a person who does not look at the terminal.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Call {
    /// The terminal's bell.
    Bell,
    /// A notification by OSC 9: iTerm2, WezTerm, Windows Terminal, ghostty, foot and others.
    Osc9,
    /// A notification by OSC 777: urxvt, foot, kitty's kin, WezTerm and others.
    Osc777,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bell, Self::Osc9, Self::Osc777];

    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bell => "bell",
            Self::Osc9 => "osc9",
            Self::Osc777 => "osc777",
        }
    }
}

/// Ways to call a person; none for `off`. Written as one word or as a list of words.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Notify(pub Vec<Call>);

impl std::str::FromStr for Notify {
    type Err = String;

    /// Words separated by commas: `bell,osc9`, or `off`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == OFF {
            return Ok(Self(Vec::new()));
        }
        text.split(',').map(call).collect::<Result<_, _>>().map(Self)
    }
}

/// The word for no way at all.
const OFF: &str = "off";

fn call(word: &str) -> Result<Call, String> {
    let word = word.trim();
    let found = Call::ALL.into_iter().find(|call| call.as_str() == word);
    found.ok_or_else(|| match word {
        OFF => "\"off\" stands alone, not in a list".to_owned(),
        _ => format!("{word:?} is none of bell, osc9, osc777, off"),
    })
}

impl<'de> Deserialize<'de> for Notify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Notify;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"bell\", \"osc9\", \"osc777\", \"off\", or a list of the first three")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Notify, E> {
                if text == OFF {
                    return Ok(Notify(Vec::new()));
                }
                call(text).map(|call| Notify(vec![call])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Notify, A::Error> {
                let mut calls = Vec::new();
                while let Some(word) = list.next_element::<String>()? {
                    calls.push(call(&word).map_err(de::Error::custom)?);
                }
                Ok(Notify(calls))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl Serialize for Notify {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => serializer.serialize_str("off"),
            [one] => serializer.serialize_str(one.as_str()),
            many => serializer.collect_seq(many.iter().map(|call| call.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_call_are_a_word_or_a_list() {
        let read = |text: &str| {
            let config: Result<CockpitConfig, _> = toml::from_str(text);
            config
                .map(|c| c.notify.0)
                .map_err(|error| error.message().to_owned())
        };
        assert_eq!(read("notify = \"osc9\""), Ok(vec![Call::Osc9]));
        assert_eq!(read("notify = \"off\""), Ok(vec![]));
        assert_eq!(
            read("notify = [\"bell\", \"osc777\"]"),
            Ok(vec![Call::Bell, Call::Osc777])
        );
        assert!(read("notify = \"horn\"").is_err_and(|e| e.contains("horn") && e.contains("osc777")));
        assert!(read("notify = 3").is_err_and(|e| e.contains("osc9")));
        assert_eq!("bell,osc9".parse(), Ok(Notify(vec![Call::Bell, Call::Osc9])));
        assert_eq!("off".parse(), Ok(Notify(vec![])));
        assert!("bel".parse::<Notify>().is_err());
        // Not "none of … off", for it is one of them.
        let beside = "bell,off".parse::<Notify>();
        assert_eq!(beside, Err("\"off\" stands alone, not in a list".to_owned()));
        assert_eq!(
            read("notify = [\"off\"]"),
            Err("\"off\" stands alone, not in a list".to_owned())
        );
    }
}
