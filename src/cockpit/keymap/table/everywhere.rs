//! What works everywhere.

use super::{Command, Entry, In, entry, in_palette};

/// In the order of help and docs.
pub const COMMANDS: &[Entry] = &[
    entry(
        Command::Back,
        "back",
        &[(In::Always, "esc")],
        "back",
        20,
        "Close what is on top, clear the filter, back to the list; never changes anything",
    ),
    entry(
        Command::Palette,
        "palette",
        &[(In::Global, ":"), (In::Global, "ctrl-p")],
        "commands",
        21,
        "The command palette: everything by name",
    ),
    in_palette(entry(
        Command::Settings,
        "settings",
        &[(In::Global, ",")],
        "settings",
        0,
        "Theme and glyphs, shown as you choose; which keys are yours",
    )),
    in_palette(entry(
        Command::Contexts,
        "context",
        &[(In::Global, "@")],
        "context",
        0,
        "Go to another server or project of the configuration",
    )),
    in_palette(entry(
        Command::Picture,
        "screen.svg",
        &[(In::Global, "f12")],
        "picture",
        0,
        "This screen as an SVG file in the working directory",
    )),
    entry(
        Command::Help,
        "help",
        &[(In::Global, "?"), (In::Global, "f1")],
        "help",
        22,
        "The keys that work here",
    ),
    entry(
        Command::Repaint,
        "repaint",
        &[(In::Always, "ctrl-l")],
        "repaint",
        0,
        "Paint the whole screen anew",
    ),
    entry(
        Command::Suspend,
        "suspend",
        &[(In::Always, "ctrl-z")],
        "suspend",
        0,
        "Back to the shell; `fg` returns",
    ),
    in_palette(entry(
        Command::Quit,
        "quit",
        &[(In::Global, "q"), (In::Always, "ctrl-c")],
        "quit",
        23,
        "Leave; experiments run on",
    )),
];
