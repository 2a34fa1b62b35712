//! Every key that a text names is the one that is bound.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use serde_json::{from_value, json};
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::keymap::{COMMANDS, Command, Context, Keymap};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Service, Slot};
use splitdeck::cockpit::state::ask::Ask;
use splitdeck::cockpit::state::form::Purpose;
use splitdeck::cockpit::state::overlay::DEAF_FOR;
use splitdeck::cockpit::state::preferences::{Mistake, Read};
use splitdeck::cockpit::state::{Overlay, Settings};
use splitdeck::cockpit::{Action, Effect};

use crate::screens::more_worlds::{counted, reviewed, running, unfinished};
use crate::screens::worlds::worlds;
use crate::support::cockpit::{World, override_page, settings, with_keys};

/// The configuration that gives each command a key that no other one has and no text contains.
fn unusual() -> BTreeMap<String, Vec<String>> {
    let letters = ('\u{e0}'..='\u{24f}').filter(|c| c.is_lowercase());
    let keys: BTreeMap<String, Vec<String>> = COMMANDS
        .iter()
        .zip(letters)
        .map(|(entry, c)| (entry.name.to_owned(), vec![format!("alt-{c}")]))
        .collect();
    assert_eq!(keys.len(), COMMANDS.len());
    keys
}

/// What a text may name though it is no key of the registry, or cannot be given to something else.
const FIXED: [&str; 1] = [
    // Leaves whatever is bound.
    "ctrl-c",
];

/// Words behind a key that say what it does: verbs in the third person, but for what only looks like one.
fn is_verb(word: &str) -> bool {
    const NO_VERBS: [&str; 16] = [
        "is", "as", "was", "has", "this", "its", "us", "less", "across", "always", "users", "events",
        "chunks", "subjects", "days", "ids",
    ];
    word.len() > 3
        && word.ends_with('s')
        && word.chars().all(|c| c.is_ascii_lowercase())
        && !NO_VERBS.contains(&word)
}

/// Verbs behind a digit; counted things look like them.
const BEHIND_DIGITS: [&str; 4] = ["shows", "edits", "opens", "leads"];

/// A word without what stands around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| "(),.;\"".contains(c))
}

/// The keys that are built in: how each may be written, and what the footer says behind it.
struct BuiltIn {
    keys: BTreeMap<String, BTreeSet<&'static str>>,
}

impl BuiltIn {
    fn new() -> Self {
        let mut keys: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        for binding in Keymap::default().bindings() {
            let entry = binding.command.entry().expect("an entry");
            let label = entry.label.split(' ').next().unwrap_or_default();
            let key = binding.key.to_string();
            let ways = [key.clone(), key.to_uppercase(), "Esc".to_owned(), "⏎".to_owned()];
            let named = match key.as_str() {
                "esc" => &ways[2..3],
                "enter" => &ways[..1],
                key if key.len() > 1 && key.starts_with('f') => &ways[..2],
                _ => &ways[..1],
            };
            for way in named {
                keys.entry(way.clone()).or_default().insert(label);
            }
            if key == "enter" {
                keys.entry("⏎".to_owned()).or_default().insert(label);
            }
        }
        Self { keys }
    }

    /// The keys that a line names. What lies over it cuts it in pieces.
    fn named(&self, line: &str) -> Vec<String> {
        let pieces = line.split(['│', '─', '╭', '╮', '╰', '╯', '‹', '›', '▏', '↓', '↑']);
        pieces.flat_map(|piece| self.named_in(piece)).collect()
    }

    fn named_in(&self, piece: &str) -> Vec<String> {
        let words: Vec<&str> = piece.split_whitespace().collect();
        let mut found = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let key = match word.trim_end_matches([',', ';', '.', ':', ')']) {
                "" => word,
                key => key,
            };
            let key = if key.len() > 1 {
                key.trim_start_matches('(')
            } else {
                key
            };
            if FIXED.contains(&key) {
                continue;
            }
            let Some(labels) = self.keys.get(key) else {
                continue;
            };
            let next = words.get(at + 1).map_or("", |word| bare(word));
            let before = at
                .checked_sub(1)
                .and_then(|at| words.get(at))
                .map_or("", |w| bare(w));
            // Nothing else is written like these.
            let unmistakable = ["ctrl-", "alt-", "shift-", "page"]
                .iter()
                .any(|p| key.starts_with(p))
                || matches!(key, "Esc" | "⏎" | "space" | "enter")
                || (key.len() > 1 && key[1..].parse::<u8>().is_ok());
            let does = match key.parse::<u8>() {
                Ok(_) => BEHIND_DIGITS.contains(&next),
                Err(_) => is_verb(next),
            };
            let labelled = labels.contains(next);
            let digit = key.parse::<u8>().is_ok();
            let asked = matches!(before, "press" | "Press" | "then") && !digit && !word.ends_with(':');
            let alone =
                word.starts_with('(') && word.ends_with([')', ',']) && key.len() == 1 && word.len() <= 3;
            if unmistakable || does || labelled || asked || alone {
                found.push(format!("{before} [{key}] {next}"));
            }
        }
        found
    }
}

/// Screens that are drawn in snapshots, and those where nothing is yet, or something went wrong.
fn all() -> Vec<(&'static str, World)> {
    let mut all = worlds();
    all.extend(empty());
    all.extend(failed());
    all.extend(said());
    all
}

/// As one presses keys, with the dialogs that open armed and everything answered.
fn press(mut world: World, keys: &[&str]) -> World {
    for key in keys {
        world.keys(&[key]).answer_all(Role::Admin, false);
        world.wait(DEAF_FOR);
    }
    world
}

fn checkout(keys: &[&str]) -> World {
    press(World::experiment("checkout-cta"), keys)
}

/// Where nothing is yet.
fn empty() -> Vec<(&'static str, World)> {
    let list = |key: &str, slot, answer: Answer| {
        let mut world = World::list_of(Role::Admin, false);
        world.keys(&[key]).reply(slot, Ok(answer));
        world.answer_all(Role::Admin, false);
        world
    };
    let none = |what: &str| json!({ what: [] });
    let flags = Answer::Flags(from_value(none("flags")).expect("flags"));
    let deployments = Answer::Deployments(from_value(none("deployments")).expect("deployments"));
    let labs = Answer::Labs(from_value(none("labs")).expect("labs"));
    let tokens = Answer::Tokens(from_value(none("tokens")).expect("tokens"));
    let mut overrides = World::experiment("checkout-cta");
    overrides.keys(&["4"]);
    let page = override_page(0, 0, false);
    overrides.reply(Slot::Overrides, Ok(Answer::Overrides(page.clone())));
    overrides.answer_all(Role::Admin, false);
    let mut no_match = World::experiment("checkout-cta");
    no_match.keys(&["4", "/"]).text("zzz").keys(&["enter"]);
    no_match.reply(Slot::Overrides, Ok(Answer::Overrides(page.clone())));
    let mut of_flag = press(World::list_of(Role::Admin, false), &["F", "j", "enter", "G"]);
    of_flag.keys(&["enter"]);
    of_flag.reply(Slot::FlagOverrides, Ok(Answer::FlagOverrides(page)));
    let mut imports = checkout(&["4"]);
    imports.keys(&["I"]).answer_all(Role::Admin, false);
    let mut rows = reviewed();
    rows.keys(&["f", "/"]).text("zzz").keys(&["enter"]);
    let mut no_metric = World::experiment("pricing-page-v3");
    no_metric.keys(&["5"]).answer_all(Role::Admin, false);
    let mut waiting = World::experiment("pricing-page-v3");
    waiting.keys(&["5"]);
    let mut held = checkout(&["5"]);
    held.keys(&["space"]).wait(Duration::from_secs(10));
    let mut filtered = checkout(&["5", "/"]);
    filtered.text("today").keys(&["enter"]);
    let mut no_results = World::experiment("checkout-cta");
    no_results
        .keys(&["6"])
        .reply(Slot::Insight, Ok(Answer::Insight(None)));
    vec![
        ("flags_none", list("F", Slot::Flags, flags)),
        ("deployments_none", list("D", Slot::Deployments, deployments)),
        ("labs_none", list("B", Slot::Labs, labs)),
        ("tokens_none", list("T", Slot::Tokens, tokens)),
        ("overrides_none", overrides),
        ("overrides_no_match", no_match),
        ("flag_overrides_none", of_flag),
        ("imports_none", imports),
        ("import_no_rows", rows),
        ("analytics", checkout(&["5"])),
        ("analytics_of_draft", no_metric),
        ("analytics_waiting", waiting),
        ("analytics_held", held),
        ("analytics_filtered", filtered),
        ("analytics_prompt", checkout(&["5", "s"])),
        (
            "metric_sheet",
            checkout(&[
                "j", "j", "j", "j", "j", "j", "j", "j", "j", "j", "j", "j", "j", "j", "enter",
            ]),
        ),
        ("insights_asked", no_results),
    ]
}

fn failure(kind: FailureKind, code: Code) -> Failure {
    let why = "the server does not want to";
    let mut failure = Failure::new(Service::Api, kind, why);
    failure.problem = Some(Box::new(Problem::new(code, why)));
    failure
}

/// Where something went wrong.
fn failed() -> Vec<(&'static str, World)> {
    let mut all = Vec::new();
    for (name, kind, code) in [
        ("lost", FailureKind::Lost, Code::Timeout),
        ("refused", FailureKind::Refused, Code::NotFound),
        ("stopped", FailureKind::Configuration, Code::Unauthorized),
    ] {
        let fail = || Err(failure(kind, code));
        let mut list = World::start(settings(), (120, 40));
        list.reply(Slot::Experiments, fail());
        all.push((name, list));
        let mut flags = World::list_of(Role::Admin, false);
        flags.keys(&["F"]).reply(Slot::Flags, fail());
        all.push((name, flags));
        let mut open = World::start(
            Settings {
                experiment: Some("gone".to_owned()),
                ..settings()
            },
            (120, 40),
        );
        if open.waiting_for(Slot::Experiment).is_some() {
            open.reply(Slot::Experiment, fail());
        }
        open.answer_all(Role::Admin, false);
        all.push((name, open));
        let mut overrides = World::experiment("checkout-cta");
        overrides.keys(&["4"]).reply(Slot::Overrides, fail());
        all.push((name, overrides));
        let mut gone = World::experiment("checkout-cta");
        gone.wait(Duration::from_secs(2)).reply(Slot::Experiment, fail());
        all.push((name, gone));
        let mut insights = World::experiment("checkout-cta");
        insights.keys(&["6"]).reply(Slot::Results, fail());
        all.push((name, insights));
        let mut history = World::experiment("checkout-cta");
        history.keys(&["H"]);
        if history.waiting_for(Slot::History).is_some() {
            history.reply(Slot::History, fail());
        }
        all.push((name, history));
        let mut renewing = World::list();
        renewing.state.settings.token_from_file = true;
        renewing
            .wait(Duration::from_secs(2))
            .reply(Slot::Experiments, fail());
        all.push((name, renewing));
    }
    let mut files = World::list();
    files.act(Action::Read(Box::new(Read {
        mistakes: vec![Mistake {
            file: "~/.config/splitdeck/config.toml".to_owned(),
            what: "line 5: there is no such theme".to_owned(),
        }],
        again: true,
        ..Read::default()
    })));
    all.push(("files", files));
    all
}

/// What is said after a key, each in the line of notices or in a dialog.
fn said() -> Vec<(&'static str, World)> {
    let mut all: Vec<(&'static str, World)> = vec![
        ("archived_too", press(World::list(), &["v"])),
        ("beside", press(World::list(), &["p", "Q"])),
        (
            "beside_text",
            checkout(&["4", "n", "tab", "tab", "tab", "tab", "Q"]),
        ),
        ("not_a_flag", press(World::list(), &["j", "V"])),
        ("winner_of_list", press(World::list(), &["j", "W"])),
        ("rule_removed", checkout(&["3", "d"])),
        ("nothing_to_remove", checkout(&["d"])),
        ("discarded", checkout(&["2", "n", "X", "tab", "enter"])),
    ];
    for row in 0..40 {
        let mut world = World::experiment("checkout-cta");
        for _ in 0..row {
            world.keys(&["j"]);
        }
        world.keys(&["enter"]).answer_all(Role::Admin, false);
        if world.state.notice.is_some() {
            all.push(("fixed", world));
        }
    }
    all.push(("key_fixed", checkout(&["2", "enter"])));
    let mut flag = press(World::list_of(Role::Admin, false), &["F", "j", "enter", "G"]);
    flag.keys(&["k", "k", "d", "X"])
        .wait(DEAF_FOR)
        .keys(&["tab", "enter"]);
    all.push(("flag_discarded", flag));
    let secret = || {
        press(
            World::list_of(Role::Admin, false),
            &["D", "j", "r", "tab", "tab", "enter"],
        )
    };
    all.push(("secret", secret()));
    let mut kept = secret();
    kept.keys(&["esc"]);
    all.push(("secret_kept", kept));
    let mut client = press(
        World::list_of(Role::Admin, false),
        &["D", "r", "tab", "tab", "enter"],
    );
    client.keys(&["y"]);
    all.push(("client_key", client));
    let mut sending = counted();
    sending.keys(&["down", "down", "down", "down", "right", "enter"]);
    all.push(("import_sending", sending));
    let mut left = counted();
    left.keys(&["down", "down", "down", "down", "right", "enter", "esc"]);
    all.push(("import_left", left));
    let mut thrown = counted();
    thrown.keys(&["ctrl-x"]);
    all.push(("import_thrown", thrown));
    let mut chosen = counted();
    chosen.keys(&["down", "down"]);
    all.push(("import_choice", chosen));
    let mut path = counted();
    path.keys(&["down"]);
    all.push(("import_path", path));
    let mut again = running();
    if again.waiting_for(Slot::ImportStep).is_some() {
        again.lose(Slot::ImportStep);
    }
    all.push(("import_again", again));
    let mut review = press(World::list(), &["n"]);
    review
        .text("Faster search")
        .keys(&["enter", "tab", "tab", "tab", "tab", "u"]);
    all.push(("review_undo", review));
    let mut decided = press(World::list(), &["n"]);
    decided.keys(&["esc"]);
    all.push(("create_left", decided));
    all
}

const SIZES: [(u16, u16); 4] = [(200, 50), (120, 40), (80, 24), (40, 10)];

#[test]
fn no_screen_names_a_key_that_was_given_away() {
    let built_in = BuiltIn::new();
    // What finds the keys finds them where they are as they were.
    let mut seen = BTreeSet::new();
    for (_, mut world) in all() {
        let screen = world.screen(200, 50);
        let named: Vec<String> = screen.lines().flat_map(|line| built_in.named(line)).collect();
        seen.extend(named);
    }
    assert!(seen.len() > 150, "{seen:?}");

    let mut wrong = BTreeMap::new();
    for (name, mut world) in with_keys(&unusual(), all) {
        for (width, height) in SIZES {
            let screen = world.screen(width, height);
            for line in screen.lines() {
                for named in built_in.named(line) {
                    wrong.entry(named).or_insert_with(|| format!("{name}: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where a key does nothing any more no text speaks of one: neither of the old one, nor of none.
#[test]
fn no_screen_names_a_key_that_is_none() {
    let built_in = BuiltIn::new();
    // What goes back always has a key.
    let nothing: BTreeMap<String, Vec<String>> = (COMMANDS.iter())
        .filter(|entry| entry.command != Command::Back)
        .map(|entry| (entry.name.to_owned(), Vec::new()))
        .collect();
    let mut wrong = BTreeMap::new();
    for (name, mut world) in with_keys(&unusual(), all) {
        // What was said before says the keys of before.
        world.state.notice = None;
        assert!(world.state.keymap.rebind(&nothing).is_empty());
        for (width, height) in SIZES {
            let screen = world.screen(width, height);
            for line in screen.lines() {
                let mut named = built_in.named(line);
                let holes = [" ()", " (,", " .", ": .", ":.", ";.", "; .", " ; ", ", ,", ",."];
                let words: Vec<&str> = line.split_whitespace().collect();
                let joined = words.join(" ").replace(" ...", "").replace(" .…", "");
                let hole = |hole: &&&str| joined.contains(**hole);
                named.extend(holes.iter().filter(hole).map(|hole| format!("{hole:?}")));
                for named in named {
                    wrong.entry(named).or_insert_with(|| format!("{name}: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Cockpits with these keys, beside those that are built in.
fn bound<T>(keys: &[(&str, &[&str])], make: impl FnOnce() -> T) -> T {
    let keys = keys.iter().map(|(name, keys)| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        ((*name).to_owned(), keys)
    });
    with_keys(&keys.collect(), make)
}

fn words(world: &mut World) -> String {
    let screen = world.screen(120, 40).replace('│', " ");
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn notice(world: &World) -> &str {
    world.state.notice.as_ref().map_or("", |notice| &notice.text)
}

#[test]
fn the_card_of_an_import_names_its_keys() {
    let keys: [(&str, &[&str]); 5] = [
        ("import.malformed", &["f6"]),
        ("import.kept", &["ctrl-g"]),
        ("dialog.less", &["ctrl-b"]),
        ("dialog.more", &["ctrl-f"]),
        ("dialog.press", &["f4"]),
    ];
    bound(&keys, || {
        let mut card = counted();
        assert!(words(&mut card).contains("and 14 more, f6 shows them"));
        card.keys(&["down", "down"]);
        let said = words(&mut card);
        assert!(
            said.contains("ctrl-b and ctrl-f choose; ids are typed above"),
            "{said}"
        );
        let mut review = reviewed();
        let said = words(&mut review);
        assert!(said.contains("f4 apply in 100 chunks of 10,000"), "{said}");
        // A letter is no key where ids are typed, and one in the difference.
        assert!(said.contains("f6 views malformed"), "{said}");
        review.keys(&["enter"]).answer_all(Role::Editor, false);
        let said = words(&mut review);
        assert!(
            said.contains("In force chunk by chunk; Esc stops after a chunk, and it can be undone."),
            "{said}"
        );
    });
    bound(&[("back", &["f8"])], || {
        let said = words(&mut running());
        assert!(
            said.contains("f8 stops after this chunk") && !said.contains("Esc"),
            "{said}"
        );
    });
}

/// However many keys a person has bound, the settings show all of them.
#[test]
fn the_settings_show_every_key_that_is_bound() {
    let many: Vec<String> = ('a'..='z').map(|c| format!("ctrl-alt-{c}")).collect();
    for commands in [1, COMMANDS.len()] {
        let mut world = World::list();
        let named = COMMANDS.iter().map(|entry| entry.name.to_owned());
        let keys = named.take(commands).map(|name| (name, many.clone()));
        world.state.preferences.keys = keys.collect();
        world.keys(&[","]);
        let mut seen = String::new();
        let mut before = String::new();
        // The cursor moves before the lines do.
        let mut still = 0;
        while still < 3 {
            let screen = world.screen(80, 24);
            still = if screen == before { still + 1 } else { 0 };
            seen.push_str(&screen);
            before = screen;
            world.keys(&["pagedown"]);
        }
        for entry in COMMANDS.iter().take(commands) {
            assert!(seen.contains(entry.name), "{}", entry.name);
        }
        let seen: BTreeSet<&str> = seen.split_whitespace().collect();
        for key in &many {
            assert!(seen.contains(key.as_str()), "{key}: {seen:?}");
        }
        // They are looked at, not chosen: what is drawn is as it was.
        assert!(before.contains("[keys]"), "{before}");
        let look = world.state.preferences.look.clone();
        world.keys(&["enter"]);
        assert_eq!(world.state.preferences.look, look);
    }
}

#[test]
fn saving_and_undoing_name_their_keys() {
    bound(&[("edit.undo", &["z"]), ("edit.discard", &["f7"])], || {
        let mut removed = checkout(&["3", "d"]);
        assert_eq!(notice(&removed), "The rule is removed, unsaved; z brings it back");
        removed.keys(&["X"]).wait(DEAF_FOR);
        let said = words(&mut removed);
        assert!(
            said.contains("z brings them back, as long as this cockpit runs."),
            "{said}"
        );
    });
    bound(&[("edit.undo", &[])], || {
        let removed = checkout(&["3", "d"]);
        assert_eq!(
            notice(&removed),
            "The rule is removed, unsaved; :edit.undo brings it back"
        );
    });
    bound(&[("edit.undo", &[]), ("palette", &[])], || {
        let mut removed = checkout(&["3", "d"]);
        assert_eq!(notice(&removed), "The rule is removed, unsaved");
        removed.keys(&["X"]).wait(DEAF_FOR);
        assert!(!words(&mut removed).contains("brings"));
        let mut settings = press(World::list(), &[]);
        settings.state.preferences.keys = [("edit.undo".to_owned(), Vec::new())].into();
        settings.keys(&[","]);
        assert!(words(&mut settings).contains("edit.undo no key"));
        // What was refused is not in force.
        let keys = [("back", vec![]), ("help", vec!["f2"])];
        let keys = keys.map(|(name, keys): (&str, Vec<&str>)| {
            (name.to_owned(), keys.into_iter().map(str::to_owned).collect())
        });
        settings.act(Action::Read(Box::new(Read {
            keys: keys.into(),
            ..Read::default()
        })));
        let said = words(&mut settings);
        assert!(
            said.contains("help f2") && !said.contains("back no key"),
            "{said}"
        );
    });
    let decide = |keys: &[(&str, &[&str])]| {
        bound(keys, || {
            let conflict = |(name, _): &(&str, World)| *name == "conflict";
            let (_, mut world) = worlds().into_iter().find(conflict).expect("there");
            let banner = words(&mut world);
            world.keys(&["S", "right", "enter"]);
            (banner, notice(&world).to_owned())
        })
    };
    let (banner, decided) = decide(&[
        ("edit.save", &["w"]),
        ("edit.decide", &["f3"]),
        ("experiment.attach", &["f2"]),
    ]);
    assert!(banner.contains("f3 decide"), "{banner}");
    assert_eq!(decided, "Decided; w shows the difference and saves");
    let (banner, decided) = decide(&[("edit.save", &["f9"]), ("edit.decide", &[])]);
    assert!(banner.contains(":edit.decide decide"), "{banner}");
    assert_eq!(decided, "Decided; f9 shows the difference and saves");
}

/// What the alert says a key does is what it does: the credentials are read anew where they can be.
#[test]
fn the_alert_of_a_refused_token_names_the_key_that_reads_it_anew() {
    let stopped = |renews: bool| {
        let mut world = World::list();
        world.state.settings.token_from_file = renews;
        world.wait(Duration::from_secs(2));
        world.reply(
            Slot::Experiments,
            Err(failure(FailureKind::Configuration, Code::Unauthorized)),
        );
        words(&mut world)
    };
    let said = stopped(true);
    assert!(said.contains("(ctrl-r reads the credentials anew)"), "{said}");
    let said = stopped(false);
    assert!(
        said.contains("the server does not want to (ctrl-r tries again)"),
        "{said}"
    );
    bound(&[("live.reload", &["f9"])], || {
        let said = stopped(true);
        assert!(said.contains("(f9 reads the credentials anew)"), "{said}");
    });
    bound(&[("live.reload", &[])], || {
        let said = stopped(false);
        assert!(said.contains("(:live.reload tries again)"), "{said}");
    });
}

#[test]
fn an_automatic_pause_names_the_key_of_its_dialog() {
    bound(
        &[("experiment.resume", &["f6"]), ("dialog.next", &["f3"])],
        || {
            let mut paused = press(World::experiment("search-ranking"), &["1"]);
            let said = paused.screen(200, 50);
            assert!(said.contains("f6 resume"), "{said}");
            assert!(said.contains("; f6 shows the evidence"), "{said}");
            // The reason is asked for first; where it is there, a letter says where text goes.
            paused.keys(&["r"]).wait(DEAF_FOR).text("x");
            paused.keys(&["shift-tab"]).text("Q");
            assert!(
                notice(&paused).is_empty()
                    || notice(&paused).starts_with("Nothing is typed here: f3 goes to"),
                "{}",
                notice(&paused)
            );
        },
    );
}

/// What the page of the keys marks is what writes: with `+` what saves the table of a draft by itself.
#[test]
fn what_saves_a_table_by_itself_is_marked() {
    // Of three variants one can go.
    let draft = || {
        let mut world = World::experiment("pricing-page-v3");
        world.keys(&["2", "n"]).answer_all(Role::Editor, false);
        world.keys(&["k", "l"]);
        world
    };
    let edited = || {
        let mut world = draft();
        world.keys(&["enter", "ctrl-u"]).text("40");
        world
    };
    let saved = || {
        let mut world = edited();
        world.keys(&["enter"]).answer_all(Role::Editor, false);
        world
    };
    let undone = || {
        let mut world = saved();
        world.keys(&["u"]).answer_all(Role::Editor, false);
        world
    };
    // A box to tick: the default.
    let default = || {
        let mut world = draft();
        world.keys(&["l", "l"]);
        world
    };
    let begun: [&dyn Fn() -> World; 5] = [&draft, &edited, &saved, &undone, &default];
    let mut writes = BTreeSet::new();
    for (at, begin) in begun.iter().enumerate() {
        let mut world = begin();
        let screen = world.screen(120, 40);
        assert!(world.state.overlays.is_empty(), "{at}: {screen}");
    }
    for entry in COMMANDS {
        for begin in begun {
            let mut world = begin();
            let effects = world.act(Action::Command(entry.command));
            let asked = matches!(world.state.overlays.last(), Some(Overlay::Ask(_)));
            if effects.iter().any(Effect::writes)
                || (asked && !entry.writes && entry.command != Command::Discard)
            {
                writes.insert(entry.command);
            }
        }
    }
    let marked = COMMANDS.iter().map(|entry| entry.command);
    let marked: BTreeSet<Command> = marked.filter(|command| command.saves_tables()).collect();
    assert_eq!(writes, marked);
}

/// What the page of the keys marks with `*` asks whether to write, and what it does not mark never does. In each place
/// one command; a dialog about what is only a draft changes nothing on the server.
#[test]
fn what_writes_is_marked() {
    let local = |form: &Purpose| {
        matches!(
            form,
            Purpose::DiscardFlag(_)
                | Purpose::FlagPart(..)
                | Purpose::FlagVariant(..)
                | Purpose::FlagRule(..)
        )
    };
    let admin = |keys: &'static [&'static str]| move || press(World::list_of(Role::Admin, false), keys);
    let flag = admin(&["F", "j", "enter"]);
    let rule = admin(&["F", "j", "enter", "G", "k", "k"]);
    let flags = admin(&["F"]);
    let deployments = admin(&["D"]);
    let projects = admin(&["P"]);
    let tokens = admin(&["T"]);
    let labs = admin(&["B"]);
    let list = || World::list();
    let active = || checkout(&["1"]);
    let changed = || {
        let mut world = checkout(&["j", "enter"]);
        world.text("x").keys(&["enter"]);
        world
    };
    let overrides = || checkout(&["4"]);
    let draft = || press(World::experiment("pricing-page-v3"), &["1"]);
    let insights = || checkout(&["6"]);
    let imports = || {
        let mut world = unfinished();
        world.keys(&["I", "j"]);
        world
    };
    let review = || reviewed();
    let of_flag = || {
        let mut world = press(
            World::list_of(Role::Admin, false),
            &["F", "j", "enter", "G", "enter"],
        );
        world.keys(&["j"]);
        world
    };
    let begun: [&dyn Fn() -> World; 16] = [
        &of_flag,
        &flag,
        &rule,
        &flags,
        &deployments,
        &projects,
        &tokens,
        &labs,
        &list,
        &active,
        &changed,
        &overrides,
        &draft,
        &insights,
        &imports,
        &review,
    ];
    let mut asks = BTreeSet::new();
    for begin in begun {
        for entry in COMMANDS.iter().filter(|entry| !GENERAL.contains(&entry.command)) {
            let mut world = begin();
            let before = world.state.overlays.len();
            world.act(Action::Command(entry.command));
            let opened = world.state.overlays.get(before..).and_then(<[Overlay]>::last);
            let writes = match opened {
                Some(Overlay::Step(_)) => true,
                Some(Overlay::Ask(dialog)) => {
                    !matches!(dialog.ask, Ask::Discard { .. } | Ask::RemoveVariant { .. })
                }
                Some(Overlay::Form(form)) => !local(&form.purpose),
                _ => false,
            };
            if writes {
                asks.insert(entry.command);
            }
            assert!(
                !writes || entry.writes || AS_ANOTHER.contains(&entry.command),
                "{}: {opened:?}",
                entry.name
            );
        }
    }
    // Where it takes more to come to it, the dialog is among the snapshots.
    for (name, command) in [
        ("end", Command::End),
        ("apply_winner", Command::ApplyWinner),
        ("flag_save", Command::FlagSave),
    ] {
        let there = worlds().into_iter().find(|(other, _)| *other == name);
        let (_, world) = there.expect("there");
        let dialog = world.state.overlays.last();
        assert!(
            matches!(
                dialog,
                Some(Overlay::Step(_) | Overlay::Ask(_) | Overlay::Form(_))
            ),
            "{name}"
        );
        asks.insert(command);
    }
    let marked: BTreeSet<Command> = COMMANDS.iter().filter(|e| e.writes).map(|e| e.command).collect();
    let silent: Vec<_> = marked.difference(&asks).collect();
    // They lead to a page of their own first; or there is nothing here to do it to.
    assert_eq!(silent, LATER.iter().collect::<Vec<_>>(), "{asks:?}");
}

/// Keys that do what the focus or the cursor says.
const GENERAL: [Command; 1] = [Command::Press];

/// Of labs there is nothing to open but the dialog that changes one: that of `object.edit`, which is marked.
const AS_ANOTHER: [Command; 1] = [Command::ObjectOpen];

/// Marked, and first there is more to fill in than a dialog holds: the card of the ids, the steps of a new experiment.
const LATER: [Command; 2] = [Command::Import, Command::Create];

/// Tabs are named by the keys that open them.
#[test]
fn the_tabs_are_named_by_their_keys() {
    bound(&[("tab.rules", &["f3"]), ("tab.setup", &[])], || {
        let said = checkout(&[]).screen(200, 50);
        assert!(said.contains("  f3 Rules"), "{said}");
        assert!(said.contains("Setup") && !said.contains("1 Setup"), "{said}");
        // At a width where only their keys stand there, one without a key has its name.
        let said = checkout(&[]).screen(60, 15);
        assert!(said.lines().take(3).any(|line| line.contains("f3")), "{said}");
    });
}

/// Each text that names a key asks the keymap for one that exists there.
#[test]
fn the_places_that_texts_name_have_those_keys() {
    let own = Keymap::default();
    for (place, command) in [
        (Context::Running, Command::Back),
        (Context::Edit, Command::Save),
        (Context::Create, Command::Save),
        (Context::Flag, Command::Restore),
        (Context::Flag, Command::Discard),
        (Context::FlagOverrides, Command::Import),
        (Context::Collect, Command::Press),
        (Context::Imports, Command::ImportForget),
    ] {
        assert!(own.key_at(place, command).is_some(), "{command:?} in {place:?}");
    }
}
