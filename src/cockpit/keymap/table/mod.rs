//! The registry: every command once, with its keys, where they work, and what is said about it. One file an area.

mod dialogs;
mod editing;
mod everywhere;
mod experiment;
mod imports;
mod moving;
mod objects;

use super::{Command, Context as In, Entry};

const fn entry(
    command: Command,
    name: &'static str,
    keys: &'static [(In, &'static str)],
    label: &'static str,
    priority: u8,
    help: &'static str,
) -> Entry {
    Entry {
        command,
        name,
        keys,
        label,
        help,
        priority,
        writes: false,
        palette: false,
    }
}

const fn in_palette(mut entry: Entry) -> Entry {
    entry.palette = true;
    entry
}

const fn writing(mut entry: Entry) -> Entry {
    entry.writes = true;
    entry
}

/// The areas, in the order of help and docs.
const AREAS: [&[Entry]; 7] = [
    moving::COMMANDS,
    editing::COMMANDS,
    experiment::COMMANDS,
    dialogs::COMMANDS,
    everywhere::COMMANDS,
    objects::COMMANDS,
    imports::COMMANDS,
];

const COUNT: usize = {
    let (mut area, mut count) = (0, 0);
    while area < AREAS.len() {
        count += AREAS[area].len();
        area += 1;
    }
    count
};

/// All commands, in the order of help and docs.
pub const COMMANDS: &[Entry] = &{
    let mut all = [AREAS[0][0]; COUNT];
    let (mut area, mut at) = (0, 0);
    while area < AREAS.len() {
        let mut row = 0;
        while row < AREAS[area].len() {
            all[at] = AREAS[area][row];
            row += 1;
            at += 1;
        }
        area += 1;
    }
    all
};
