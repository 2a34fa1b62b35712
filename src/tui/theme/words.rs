//! Styles and colours in words, as theme files write them.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// A style as a theme file writes it.
pub(super) struct StyleText(pub(super) Style);

impl<'de> Deserialize<'de> for StyleText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        style(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A colour as a theme file writes it.
pub(super) struct ColorText(pub(super) Color);

impl<'de> Deserialize<'de> for ColorText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        color(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// `[modifier…] [foreground] [on background]`
pub(super) fn style(text: &str) -> Result<Style, String> {
    let mut style = Style::default();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let modifier = match word {
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            "on" => {
                let word = words.next().ok_or("a colour must follow \"on\"")?;
                if style.bg.replace(color(word)?).is_some() {
                    return Err(format!("{text:?} has two backgrounds"));
                }
                continue;
            }
            word => {
                if style.fg.replace(color(word)?).is_some() {
                    return Err(format!(
                        "{text:?} has two colours; write \"{word}\" after \"on\"?"
                    ));
                }
                continue;
            }
        };
        style = style.add_modifier(modifier);
    }
    Ok(style)
}

pub(super) fn color(word: &str) -> Result<Color, String> {
    const NAMES: [(&str, Color); 17] = [
        ("terminal", Color::Reset),
        ("black", Color::Black),
        ("red", Color::Red),
        ("green", Color::Green),
        ("yellow", Color::Yellow),
        ("blue", Color::Blue),
        ("magenta", Color::Magenta),
        ("cyan", Color::Cyan),
        ("white", Color::Gray),
        ("bright-black", Color::DarkGray),
        ("bright-red", Color::LightRed),
        ("bright-green", Color::LightGreen),
        ("bright-yellow", Color::LightYellow),
        ("bright-blue", Color::LightBlue),
        ("bright-magenta", Color::LightMagenta),
        ("bright-cyan", Color::LightCyan),
        ("bright-white", Color::White),
    ];
    if let Some((_, color)) = NAMES.iter().find(|(name, _)| *name == word) {
        return Ok(*color);
    }
    if let Some(hex) = word.strip_prefix('#')
        && hex.len() == 6
        && let Ok(rgb) = u32::from_str_radix(hex, 16)
    {
        let [_, r, g, b] = rgb.to_be_bytes();
        return Ok(Color::Rgb(r, g, b));
    }
    if let Ok(index) = word.parse::<u8>() {
        return Ok(Color::Indexed(index));
    }
    Err(format!(
        "{word:?} is neither a colour (terminal, blue, bright-blue, 0 to 255, #rrggbb) \
         nor a modifier (bold, dim, italic, underline, reverse)"
    ))
}
