//! What happens, in whatever order.

use proptest::prelude::*;
use splitdeck::cockpit::action::{Mouse, Target};
use splitdeck::cockpit::ports::{FailureKind, Service};
use splitdeck::cockpit::state::Tab;

/// One thing that happens. What proptest prints of a failure can be pasted into [`super::run`] as it is.
#[derive(Debug, Clone)]
pub enum Step {
    Key(&'static str),
    Text(char),
    /// A word, as somebody types it.
    Type(&'static str),
    /// The way to the button of the dialog on top: what is required is filled in, then the button is pressed.
    Confirm,
    Paste(String),
    Resize(u16, u16),
    Wait(u64),
    Answer(usize),
    /// Everything that waits now is answered.
    AnswerAll,
    Fail(usize, FailureKind, Option<Service>),
    Focus(bool),
    /// Somebody else changes an experiment or a flag.
    Elsewhere(usize, u8),
    Mouse(Mouse),
    /// The disk and the ids that are taken in answer what they were asked; how ids end is up to them.
    Disk(bool),
    /// Another server is reached, asked for or not.
    Connected(bool),
    /// The files of the configuration were changed.
    Read(bool),
    Continued,
    Draw,
}

use Step::{
    Answer, AnswerAll, Confirm, Connected, Continued, Disk, Draw, Elsewhere, Fail, Focus, Key, Paste, Read,
    Resize, Text, Type, Wait,
};

/// Keys of all screens.
const KEYS: &[&str] = &[
    "enter",
    "esc",
    "tab",
    "shift-tab",
    "up",
    "down",
    "left",
    "right",
    "pageup",
    "pagedown",
    "home",
    "end",
    "space",
    "backspace",
    "delete",
    "ctrl-r",
    "ctrl-u",
    "ctrl-l",
    "ctrl-w",
    "ctrl-x",
    "ctrl-t",
    "ctrl-o",
    "ctrl-a",
    "ctrl-e",
    "f1",
    "f2",
    "f5",
    "f12",
    "/",
    ":",
    "?",
    ",",
    "@",
    "[",
    "]",
    "=",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "i",
    "j",
    "k",
    "l",
    "m",
    "n",
    "o",
    "p",
    "r",
    "s",
    "t",
    "u",
    "v",
    "w",
    "x",
    "y",
    "z",
    "A",
    "C",
    "D",
    "E",
    "F",
    "G",
    "H",
    "I",
    "J",
    "K",
    "L",
    "M",
    "N",
    "O",
    "P",
    "R",
    "S",
    "T",
    "U",
    "V",
    "W",
    "X",
    "Z",
    "alt-j",
    "alt-m",
];

/// Those that work where one is, more often: to move, to open, to change, to decide.
const OFTEN: &[&str] = &[
    "enter", "esc", "tab", "j", "k", "down", "n", "e", "d", "u", "S", "M", "left", "right", "H", "x",
];

const WORDS: &[&str] = &[
    "u-1",
    "12.5",
    "name",
    "new-key",
    "{\"a\":1}",
    "plan is pro",
    "shop-prod",
    "-",
];

/// Where one may begin: keys, each with its answers.
pub const PLACES: &[&[&str]] = &[
    &[],
    &["j", "enter"],
    &["j", "enter", "2"],
    &["j", "enter", "3", "enter"],
    &["j", "enter", "4"],
    &["j", "enter", "5"],
    &["j", "enter", "6"],
    &["j", "enter", "4", "i"],
    &["j", "enter", "4", "I", "enter"],
    &["j", "enter", "M"],
    &["G", "enter", "2"],
    &["n"],
    &["F"],
    &["F", "enter"],
    &["F", "j", "enter"],
    &["F", "j", "enter", "G", "enter"],
    &["F", "j", "enter", "G", "enter", "I", "enter"],
    &["D"],
    &["P"],
    &["T"],
    &["L"],
    &[","],
    &[":"],
];

/// Where drafts are made.
pub const EDITED: &[&[&str]] = &[
    &["j", "enter"],
    &["j", "enter", "2"],
    &["j", "enter", "3", "enter"],
    &["G", "enter", "2"],
    &["n"],
    &["F", "j", "enter"],
    &["F", "j", "enter", "j", "j", "j"],
    &["j", "enter", "4", "i"],
];

/// Where both can change the same.
pub const DISPUTED: &[&[&str]] = &[
    &["j", "enter", "j"],
    &["j", "enter", "j", "enter", "x", "enter"],
    &["j", "enter", "2"],
    &["G", "enter", "2"],
    &["F", "enter"],
    &["F", "j", "enter"],
    &["F", "j", "enter", "j"],
    &["F", "j", "enter", "j", "enter"],
];

/// Where ids are taken in, and imports are worked on.
pub const CARDS: &[&[&str]] = &[
    &["j", "enter", "4", "i"],
    &["j", "enter", "4", "i"],
    &["j", "enter", "4", "I", "enter"],
    &["j", "enter", "4", "I", "j", "enter"],
    &["F", "j", "enter", "G", "enter", "i"],
    &["F", "j", "enter", "G", "enter", "I", "enter"],
];

/// Where one object after the other is looked at.
pub const PANELS: &[&[&str]] = &[
    &[],
    &["j", "enter"],
    &["F"],
    &["F", "j", "enter"],
    &["D"],
    &["D", "n"],
    &["P"],
    &["T"],
    &["T", "n"],
];

/// Two who change the same: one here, one elsewhere.
pub fn disputes() -> impl Strategy<Value = Step> {
    let keys = vec![
        "enter", "enter", "j", "k", "esc", "u", "U", "M", "left", "right", "m", "t", "S", "X", "R", "tab",
        "2", "1",
    ];
    prop_oneof![
        10 => proptest::sample::select(keys).prop_map(Key),
        4 => proptest::sample::select(vec!["9", "x", "5"]).prop_map(Type),
        4 => Just(Confirm),
        5 => (0_usize..7, 0_u8..5).prop_map(|(n, what)| Elsewhere(n, what)),
        3 => (2_000_u64..4_000).prop_map(Wait),
        5 => Just(AnswerAll),
        2 => (0_usize..8).prop_map(Answer),
        1 => Just(Fail(0, FailureKind::Lost, None)),
        1 => any::<bool>().prop_map(Disk),
    ]
}

/// Ids and their imports.
pub fn imports() -> impl Strategy<Value = Step> {
    let keys = vec![
        "enter", "enter", "down", "down", "up", "tab", "esc", "ctrl-x", "ctrl-t", "u", "delete", "i", "I",
        "j", "right",
    ];
    prop_oneof![
        10 => proptest::sample::select(keys).prop_map(Key),
        3 => proptest::sample::select(vec!["u-1", "ids", ","]).prop_map(Type),
        2 => "u-[0-9]{1,3}\n".prop_map(Paste),
        4 => Just(Confirm),
        2 => (0_u64..4_000).prop_map(Wait),
        3 => (0_usize..4).prop_map(Answer),
        3 => Just(AnswerAll),
        1 => Just(Fail(0, FailureKind::Lost, None)),
        2 => any::<bool>().prop_map(Disk),
        1 => Just(Connected(true)),
    ]
}

/// What is opened, asked and closed, one after the other.
pub fn panels() -> impl Strategy<Value = Step> {
    let keys = vec![
        "enter", "esc", "esc", "j", "k", "H", "H", "x", "n", "r", "F", "D", "T", "P", "E", "4", "5", "6",
        "L", "y", "e",
    ];
    prop_oneof![
        12 => proptest::sample::select(keys).prop_map(Key),
        3 => proptest::sample::select(vec!["u-1", "u-2"]).prop_map(Type),
        4 => Just(Confirm),
        5 => (0_usize..4).prop_map(Answer),
        2 => Just(AnswerAll),
        1 => Just(Fail(0, FailureKind::Refused, None)),
        2 => (0_u64..4_000).prop_map(Wait),
        1 => any::<bool>().prop_map(Connected),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let kinds = vec![
        FailureKind::Lost,
        FailureKind::Refused,
        FailureKind::Limit,
        FailureKind::Configuration,
    ];
    prop_oneof![
        12 => proptest::sample::select(KEYS).prop_map(Key),
        10 => proptest::sample::select(OFTEN).prop_map(Key),
        1 => any::<char>().prop_map(Text),
        3 => proptest::sample::select(WORDS).prop_map(Type),
        6 => Just(Confirm),
        1 => ".{0,40}".prop_map(Paste),
        1 => (0_u16..210, 0_u16..60).prop_map(|(w, h)| Resize(w, h)),
        4 => (0_u64..4_000).prop_map(Wait),
        6 => (0_usize..8).prop_map(Answer),
        3 => Just(AnswerAll),
        2 => (0_usize..8, proptest::sample::select(kinds), proptest::sample::select(vec![None, Some(Service::Api)]))
            .prop_map(|(n, kind, service)| Fail(n, kind, service)),
        1 => any::<bool>().prop_map(Focus),
        4 => (0_usize..8, any::<u8>()).prop_map(|(n, what)| Elsewhere(n, what)),
        2 => mouse().prop_map(Step::Mouse),
        3 => any::<bool>().prop_map(Disk),
        1 => prop_oneof![
            any::<bool>().prop_map(Connected),
            any::<bool>().prop_map(Read),
            Just(Continued),
        ],
        1 => Just(Draw),
    ]
}

fn mouse() -> impl Strategy<Value = Mouse> {
    prop_oneof![
        (-8_isize..8).prop_map(|by| Mouse::Click(Target::Row(by))),
        (0_usize..6).prop_map(|at| Mouse::Click(Target::Tab(Tab::ALL[at]))),
        (0_usize..12, 0_usize..5).prop_map(|(row, column)| Mouse::Click(Target::Field(row, column))),
        Just(Mouse::WheelUp),
        Just(Mouse::WheelDown),
    ]
}
