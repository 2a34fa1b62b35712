//! Dialogs.

use super::{Command, Entry, In, entry};

/// In the order of help and docs.
pub const COMMANDS: &[Entry] = &[
    entry(
        Command::NextField,
        "dialog.next",
        &[(In::Dialog, "tab"), (In::Dialog, "down"), (In::Collect, "down")],
        "next",
        2,
        "To the next field or button",
    ),
    entry(
        Command::PreviousField,
        "dialog.previous",
        &[
            (In::Dialog, "shift-tab"),
            (In::Dialog, "up"),
            (In::Collect, "shift-tab"),
            (In::Collect, "up"),
        ],
        "previous",
        3,
        "To the field or button before",
    ),
    entry(
        Command::Less,
        "dialog.less",
        &[(In::Dialog, "left"), (In::Collect, "left")],
        "less",
        0,
        "The choice before, or the other button",
    ),
    entry(
        Command::More,
        "dialog.more",
        &[(In::Dialog, "right"), (In::Collect, "right")],
        "more",
        0,
        "The next choice, or the other button",
    ),
    entry(
        Command::Toggle,
        "dialog.toggle",
        &[(In::Dialog, "space")],
        "tick",
        4,
        "Tick the box, or take the next choice",
    ),
    entry(
        Command::Press,
        "dialog.press",
        &[
            (In::Dialog, "enter"),
            (In::Collect, "enter"),
            (In::Review, "enter"),
            (In::Imports, "enter"),
        ],
        "press",
        1,
        "Press the button that has the focus; from a field on to the next",
    ),
    entry(
        Command::ScrollUp,
        "dialog.scroll-up",
        &[(In::Dialog, "pageup")],
        "scroll up",
        0,
        "Scroll a dialog that is taller than the screen",
    ),
    entry(
        Command::ScrollDown,
        "dialog.scroll-down",
        &[(In::Dialog, "pagedown")],
        "scroll down",
        0,
        "Scroll a dialog that is taller than the screen",
    ),
    entry(
        Command::DetailsDown,
        "history.scroll-down",
        &[(In::Log, "pagedown"), (In::Log, "J")],
        "details",
        1,
        "Scroll down in the entry under the cursor",
    ),
    entry(
        Command::DetailsUp,
        "history.scroll-up",
        &[(In::Log, "pageup"), (In::Log, "K")],
        "back",
        2,
        "Scroll up in the entry under the cursor",
    ),
];
