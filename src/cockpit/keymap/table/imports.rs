//! Bulk import.

use super::{Command, Entry, In, entry, in_palette, writing};

/// In the order of help and docs.
pub const COMMANDS: &[Entry] = &[
    writing(in_palette(entry(
        Command::Import,
        "overrides.import",
        &[(In::Overrides, "i"), (In::FlagOverrides, "i")],
        "import",
        1,
        "Force many ids into a variant: pasted or from a file, with a dry run first",
    ))),
    in_palette(entry(
        Command::Imports,
        "overrides.imports",
        &[(In::Overrides, "I"), (In::FlagOverrides, "I")],
        "imports",
        6,
        "The bulk imports: go on with one, or undo it",
    )),
    entry(
        Command::ImportComplete,
        "import.complete",
        &[(In::Collect, "tab")],
        "next",
        2,
        "To the next field; in a path, complete it",
    ),
    entry(
        Command::ImportDiscard,
        "import.discard",
        &[(In::Collect, "ctrl-x")],
        "throw away",
        4,
        "Throw the ids of the card away",
    ),
    entry(
        Command::ImportLeft,
        "import.kept",
        &[(In::Collect, "ctrl-t")],
        "take kept ids",
        3,
        "Take up the ids that were not sent the last time",
    ),
    entry(
        Command::ImportMalformed,
        "import.malformed",
        &[(In::Collect, "f2"), (In::Review, "v")],
        "malformed",
        5,
        "Show the ids that were refused, each with its line, and back",
    ),
    entry(
        Command::ImportEffect,
        "import.effect",
        &[(In::Review, "f")],
        "added/changed",
        4,
        "Show all ids, only added, only changed, only unchanged ones",
    ),
    writing(entry(
        Command::ImportUndo,
        "import.undo",
        &[(In::Review, "u"), (In::Imports, "u")],
        "undo",
        3,
        "Take back what is in force of the import",
    )),
    writing(entry(
        Command::ImportForget,
        "import.forget",
        &[(In::Review, "delete"), (In::Imports, "delete")],
        "forget",
        6,
        "Forget an import of which nothing is in force",
    )),
];
