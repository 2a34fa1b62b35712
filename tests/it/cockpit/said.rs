//! What is said and offered: never what is refused anyway, never what is not so.

use splitdeck::api::experiments::ExperimentList;
use splitdeck::api::system::Role;
use splitdeck::cockpit::ports::{Answer, ImportStep, Request, Slot};
use splitdeck::cockpit::state::overlay::DEAF_FOR;
use splitdeck::cockpit::state::preferences::{ContextEntry, Mistake, Read};
use splitdeck::cockpit::state::{Level, Overlay};
use splitdeck::cockpit::update;
use splitdeck::cockpit::{Action, Effect};
use splitdeck::domain::{Experiment, Status};

use crate::support::cockpit::{CHECKOUT, World, experiments, id, results, settings};
use crate::support::objects;

fn notice(world: &World) -> &str {
    world.state.notice.as_ref().map_or("", |notice| &notice.text)
}

fn footer(world: &mut World) -> String {
    let screen = world.screen(250, 40);
    screen.lines().last().unwrap_or_default().to_owned()
}

/// A cockpit that shows one experiment, changed like this.
fn changed(key: &str, change: impl Fn(&mut Experiment)) -> World {
    let mut world = World::experiment(key);
    let mut all = experiments();
    for e in all.iter_mut().filter(|e| e.key.as_str() == key) {
        change(e);
        e.resource_version += 1;
    }
    world.wait(std::time::Duration::from_secs(2));
    let list = ExperimentList { experiments: all };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    world
}

#[test]
fn without_contexts_it_is_said_where_they_go() {
    let mut world = World::list();
    world.state.preferences.file = "~/.config/splitdeck/config.toml".to_owned();
    let says = "No other contexts: add [contexts.NAME] to ~/.config/splitdeck/config.toml";
    world.keys(&["@"]);
    assert_eq!((notice(&world), world.state.overlays.len()), (says, 0));
    world.keys(&["x", "esc", ":"]).text("context");
    assert!(world.screen(160, 40).contains("No other contexts"));
    world.keys(&["enter"]);
    assert_eq!((notice(&world), world.state.overlays.len()), (says, 0));
}

#[test]
fn contexts_are_listed_and_nothing_else() {
    for keys in [&["@"][..], &[":", "c", "o", "n", "t", "e", "x", "t"]] {
        let mut world = World::list();
        let context = |name: &str| ContextEntry {
            name: name.to_owned(),
            api: format!("https://{name}.example.com"),
            project: None,
        };
        world.state.preferences.contexts = vec![context("prod"), context("staging")];
        world.keys(keys);
        let Some(Overlay::Palette(palette)) = world.state.overlays.last() else {
            panic!("{keys:?}");
        };
        let items = update::palette::items(&world.state, palette.input.text());
        let context = update::palette::PaletteItem::Context;
        assert_eq!(items, [context(0), context(1)], "{keys:?}");
        world.keys(&["space"]).text("stag").keys(&["enter"]);
        assert!(notice(&world).contains("Going to staging"), "{}", notice(&world));
    }
}

/// What comes in while one looks at the palette moves nothing under the cursor.
#[test]
fn enter_in_the_palette_runs_the_line_that_stood_there() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&[":"]).text("ch");
    let line = |world: &World| {
        let Some(Overlay::Palette(palette)) = world.state.overlays.last() else {
            panic!("no palette");
        };
        let items = update::palette::items(&world.state, palette.input.text());
        (items.len(), items[palette.selected])
    };
    world.keys(&["down", "down"]);
    let (lines, before) = line(&world);
    // Somebody else makes an experiment that is found first.
    let mut all = experiments();
    let mut new = all[1].clone();
    new.id = id(77);
    new.key = "ch".parse().expect("a key");
    all.push(new);
    world.wait(std::time::Duration::from_secs(3));
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(ExperimentList { experiments: all })),
    );
    let (now, after) = line(&world);
    assert_eq!(now, lines + 1);
    assert_eq!(after, before);
    world.text("e");
    let Some(Overlay::Palette(palette)) = world.state.overlays.last() else {
        panic!("no palette");
    };
    assert_eq!(palette.selected, 0, "what is typed anew begins at the best match");
}

/// A notice that names a key is made with the keys of then: where others are read, something newer stands in its place,
/// also where the rest of the file cannot be used.
#[test]
fn no_notice_names_keys_that_were_bound_before() {
    let file = |keys: &[(&str, &str)], wrong: bool| {
        let keys = keys.iter();
        let mistake = Mistake {
            file: "config.toml".to_owned(),
            what: "line 5: there is no such theme".to_owned(),
        };
        Action::Read(Box::new(Read {
            keys: keys
                .map(|(name, key)| ((*name).to_owned(), vec![(*key).to_owned()]))
                .collect(),
            mistakes: wrong.then_some(mistake).into_iter().collect(),
            again: true,
            ..Read::default()
        }))
    };
    for wrong in [false, true] {
        let mut world = World::experiment("checkout-cta");
        world.keys(&["1", "X"]);
        let before = notice(&world).to_owned();
        world.act(file(&[], true));
        assert_eq!(notice(&world), before, "the same keys: it says what is so");
        let text = "The unsaved changes are thrown away; u brings them back";
        update::notify(&mut world.state, Level::Ok, text, world.now);
        world.act(file(&[("edit.undo", "f7")], wrong));
        assert!(notice(&world).contains("were read again"), "{}", notice(&world));
    }
}

/// A safety switch is in force as soon as it is acknowledged, and a dialog that is open changes nothing any more.
#[test]
fn read_only_of_the_files_is_in_force_at_once() {
    let read = |read_only, mistakes: Vec<Mistake>| {
        Action::Read(Box::new(Read {
            read_only: Some(read_only),
            mistakes,
            again: true,
            ..Read::default()
        }))
    };
    let mut world = World::list();
    world.keys(&["j", "p"]).wait(DEAF_FOR);
    assert_eq!(world.state.overlays.len(), 1);
    world.act(read(true, Vec::new()));
    assert!(
        notice(&world).starts_with("Read-only from now on"),
        "{}",
        notice(&world)
    );
    world.keys(&["tab", "enter"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("nothing can be changed"), "{screen}");
    assert!(!world.effects.iter().any(Effect::writes));
    world.keys(&["esc", "p"]);
    assert!(world.state.overlays.is_empty());
    // Nothing is said of it by a file that says the same.
    world.act(read(true, Vec::new()));
    assert_eq!(notice(&world), "Configuration and themes were read again");
    // Also where something else in the file is wrong.
    let mistake = Mistake {
        file: "config.toml".to_owned(),
        what: "line 5".to_owned(),
    };
    world.act(read(false, vec![mistake]));
    assert!(
        notice(&world).starts_with("Changes are possible"),
        "{}",
        notice(&world)
    );
    world.keys(&["p"]);
    assert_eq!(world.state.overlays.len(), 1);
}

#[test]
fn mistakes_of_the_files_stay_until_they_are_seen_or_mended() {
    let read = |whys: &[&str]| {
        let mistake = |why: &&str| Mistake {
            file: "~/a/long/way/to/the/configuration/of/splitdeck/config.toml".to_owned(),
            what: format!("line 5: keys.help: {why}"),
        };
        Action::Read(Box::new(Read {
            mistakes: whys.iter().map(mistake).collect(),
            again: true,
            ..Read::default()
        }))
    };
    let why = "ctrl-h cannot be one of its keys: terminals send backspace for it";
    let mut world = World::list();
    world.act(read(&[why, "two", "three"]));
    for (width, height) in [(80, 24), (120, 40)] {
        world.keys(&["j"]);
        let screen = world.screen(width, height);
        assert!(screen.contains("3 mistakes"), "{screen}");
        assert!(screen.contains("`splitdeck config check` lists them"), "{screen}");
        assert!(screen.contains("/config.toml, line 5: keys.help"), "{screen}");
        let words: Vec<&str> = screen.split_whitespace().collect();
        assert!(
            words.join(" ").contains("terminals send backspace for it"),
            "{screen}"
        );
    }
    // A connection that is lost does not hide them.
    world
        .wait(std::time::Duration::from_secs(2))
        .lose(Slot::Experiments);
    let screen = world.screen(80, 24);
    assert!(
        screen.contains("retried") && screen.contains("3 mistakes"),
        "{screen}"
    );
    world
        .wait(std::time::Duration::from_secs(60))
        .answer_all(Role::Editor, false);
    // Esc has seen them, and does nothing else.
    world.keys(&["enter", "esc"]);
    assert!(!world.screen(80, 24).contains("mistakes"));
    assert!(world.state.detail().is_some(), "still there");
    world.act(read(&["one"]));
    assert!(world.screen(80, 24).contains("1 mistake in your files"));
    world.act(read(&[]));
    assert!(!world.screen(80, 24).contains("in your files"));
    assert_eq!(notice(&world), "Configuration and themes were read again");
}

#[test]
fn the_settings_name_the_whole_file() {
    let mut world = World::list();
    let file = "~/projects/of/this/year/and/the/last/one/config/splitdeck/config.toml";
    world.state.preferences.file = file.to_owned();
    world.keys(&[","]);
    assert!(world.screen(80, 24).contains(file), "{}", world.screen(80, 24));
}

#[test]
fn an_undo_says_how_many_and_what_was_undone() {
    let mut import = objects::import("applied", 100);
    import["chunks"] = serde_json::json!(100);
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]);
    let all = serde_json::json!({ "imports": [import] });
    let list = serde_json::from_value(all).expect("imports");
    let of = splitdeck::cockpit::edit::Of::Experiment;
    world.reply(Slot::Imports, Ok(Answer::Imports(of, id(CHECKOUT), list)));
    world.answer_all(Role::Editor, false);
    world.keys(&["I", "u"]).wait(DEAF_FOR);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("812,004 users have no override again."),
        "{screen}"
    );
    assert!(
        screen.contains("186,391 users go back from treatment to control."),
        "{screen}"
    );
    world.keys(&["right", "enter"]);
    let mut undone = objects::import("undone", 0);
    undone["undone"] = serde_json::json!(998_390);
    undone["kept"] = serde_json::json!(5);
    let undone = serde_json::from_value(undone).expect("an import");
    let asked = world.waiting_for(Slot::ImportStep);
    assert!(
        matches!(asked, Some(Request::ImportStep { step, .. }) if matches!(**step, ImportStep::Undo { .. })),
        "{asked:?}"
    );
    world.reply(Slot::ImportStep, Ok(Answer::Import(Some(undone))));
    world.answer_all(Role::Editor, false);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("taken back: 998,390 users have what they had before"),
        "{screen}"
    );
    assert!(
        screen.contains("left alone, changed by somebody else: 5"),
        "{screen}"
    );
    assert!(!screen.contains("step 2 of 3"), "{screen}");
    assert!(!screen.contains("+ "), "nothing is added any more:\n{screen}");
    assert!(screen.contains("no override"), "{screen}");
}

#[test]
fn a_first_summary_takes_no_place() {
    let words = |world: &mut World| {
        let screen = world.screen(120, 40).replace('│', " ");
        screen.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut world = World::experiment("onboarding-copy");
    world.keys(&["6"]).reply(Slot::Insight, Ok(Answer::Insight(None)));
    world.keys(&["R"]);
    let said = words(&mut world);
    assert!(said.contains("of now, and saved with the experiment."), "{said}");
    let mut world = World::experiment("checkout-cta");
    world.keys(&["6"]).answer_all(Role::Editor, false);
    world.keys(&["R"]);
    let said = words(&mut world);
    assert!(
        said.contains("of now, and saved in the place of the one before."),
        "{said}"
    );
}

#[test]
fn what_runs_is_made_no_flag() {
    for (key, status) in [("checkout-cta", "active"), ("search-ranking", "paused")] {
        let mut world = World::experiment(key);
        assert!(!footer(&mut world).contains("V convert"));
        world.keys(&["V"]);
        let says = format!("{key} is {status}: making a flag of it would end it; complete it first (c)");
        assert_eq!((notice(&world), world.state.overlays.len()), (says.as_str(), 0));
    }
    let mut world = World::experiment("pricing-page-v3");
    world.screen(250, 40);
    world.keys(&["V"]);
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Form(_))));
    let screen = world.screen(120, 40);
    // Wherever its lines are broken.
    assert!(screen.contains("It is off"), "{screen}");
    assert!(screen.contains("is archived."), "{screen}");
}

#[test]
fn an_unread_share_is_told_by_its_name() {
    let mut world = World::experiment("checkout-cta");
    world
        .keys(&["2", "right", "enter", "ctrl-u"])
        .text("150")
        .keys(&["enter"]);
    let screen = world.screen(160, 40);
    assert!(screen.contains("control traffic: got \"150\""), "{screen}");
    assert!(!screen.contains("trafficPct"), "{screen}");
    assert!(screen.contains("traffic 50.00 % → 150 %"), "{screen}");
    assert!(screen.contains("1 unsaved change, not understood"), "{screen}");
    world.keys(&["S"]);
    assert!(
        notice(&world).contains("control traffic: got \"150\""),
        "{}",
        notice(&world)
    );
}

#[test]
fn an_experiment_that_is_over_offers_no_other_variants() {
    let mut world = changed("checkout-cta", |e| e.status = Status::Ended);
    world.keys(&["2"]);
    let keys = footer(&mut world);
    assert!(!keys.contains("n add") && !keys.contains("d remove"), "{keys}");
    world.keys(&["enter"]);
    assert_eq!(
        notice(&world),
        "The experiment is ended: its variants stay as they were"
    );
    for key in ["n", "d"] {
        world.keys(&[key]);
        assert_eq!(
            notice(&world),
            "The experiment is over: its variants stay as they were"
        );
        assert_eq!(world.state.overlays.len(), 0);
    }
    let mut world = World::experiment("checkout-cta");
    world.keys(&["2"]);
    assert!(footer(&mut world).contains("n add"));
}

#[test]
fn a_long_key_leaves_the_status_and_the_names() {
    let long = "a-key-that-is-as-long-as-a-key-may-be-and-says-everything-itself";
    let mut world = changed("checkout-cta", |e| {
        e.key = splitdeck::domain::Key::new(long).expect("a key");
    });
    let screen = world.screen(80, 24);
    assert!(screen.contains("● active"), "{screen}");
    assert!(screen.contains("a-key-that-is-as-long"), "{screen}");
    world.keys(&["esc"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("Onboarding copy"), "{screen}");
}

#[test]
fn a_line_of_wiring_is_shown_whole() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["w"]).answer_all(Role::Editor, false);
    let Some(Overlay::Wiring(panel)) = world.state.overlays.last() else {
        panic!("not opened");
    };
    let text = update::overlays::snippet(&world.state, panel).expect("a snippet");
    let longest = text
        .lines()
        .max_by_key(|line| line.len())
        .expect("a line")
        .to_owned();
    assert!(longest.len() > 60, "{text}");
    let mut seen = String::new();
    for _ in 0..20 {
        seen.push_str(&world.screen(60, 24));
        world.keys(&["down"]);
    }
    let squeezed = |text: &str| -> String {
        text.chars()
            .filter(|c| !c.is_whitespace() && !"│…↓↑".contains(*c))
            .collect()
    };
    assert!(squeezed(&seen).contains(&squeezed(&longest)), "{longest}\n{seen}");
}

#[test]
fn who_may_change_nothing_is_offered_no_draft() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["1", "j", "enter"]).text(" anew").keys(&["enter"]);
    let disk = world.disk.clone();
    let mut world = World::list_of(Role::Viewer, false);
    world.left_behind(disk);
    world.keys(&["j", "enter"]).answer_all(Role::Viewer, false);
    let screen = world.screen(120, 40);
    assert!(screen.contains("1 unsaved change from"), "{screen}");
    assert!(screen.contains("is a viewer"), "{screen}");
    assert!(!screen.contains("R restore"), "{screen}");
    world.keys(&["R"]);
    assert!(world.state.drafts.is_empty());
    assert!(notice(&world).contains("is a viewer"), "{}", notice(&world));
}

#[test]
fn a_draft_gathers_nothing() {
    let mut world = World::experiment("pricing-page-v3");
    world.keys(&["5"]);
    let draft = experiments()
        .into_iter()
        .find(|e| e.status == Status::Draft)
        .expect("a draft");
    let mut none = results(&draft, &[(0, 0), (0, 0)]);
    none.status = Status::Draft;
    none.power.gathering = true;
    let said = splitdeck::api::banners::banners(false, Some(&none));
    let texts: Vec<&str> = said.iter().map(|banner| banner.text.as_str()).collect();
    assert_eq!(texts, [splitdeck::api::banners::DRAFT]);
    let screen = world.screen(120, 40);
    assert!(!screen.contains("Still gathering"), "{screen}");
}

#[test]
fn drafts_of_the_last_time_are_marked_in_the_lists() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["1", "j", "enter"]).text(" anew").keys(&["enter"]);
    let disk = world.disk.clone();
    let mut world = World::start(settings(), (120, 40));
    world.left_behind(disk);
    world.answer_all(Role::Editor, false);
    let screen = world.screen(120, 40);
    assert!(screen.contains("checkout-cta*"), "{screen}");
    assert!(!screen.contains("onboarding-copy*"), "{screen}");
    // Restored it is that of this cockpit; thrown away it is gone.
    world.keys(&["j", "enter"]).answer_all(Role::Editor, false);
    world.keys(&["X"]).wait(DEAF_FOR).keys(&["right", "enter", "esc"]);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("checkout-cta ") && !screen.contains("checkout-cta*"),
        "{screen}"
    );
}

/// What answers a key is about what is looked at, and goes with it; what came in by itself stands wherever one goes.
#[test]
fn what_was_said_of_a_screen_does_not_stand_on_the_next_one() {
    for leaves in ["esc", "2", "tab", "H", ":", "F", "?"] {
        let mut world = World::experiment("checkout-cta");
        world.keys(&["y"]);
        assert_eq!(notice(&world), "Copied checkout-cta");
        world.keys(&["j"]);
        assert_eq!(notice(&world), "Copied checkout-cta", "it is still there");
        world.keys(&[leaves]);
        assert_eq!(notice(&world), "", "{leaves}");
        let mut world = World::experiment("checkout-cta");
        world.act(Action::Saved(Ok(vec!["a.csv".to_owned()])));
        world.keys(&[leaves]);
        assert_eq!(notice(&world), "Saved a.csv", "{leaves}");
    }
    // What the key that leads on says itself is read there.
    let mut world = World::list();
    world.keys(&["y", ":"]).text("edit.even-split").keys(&["enter"]);
    assert!(
        notice(&world).starts_with("edit.even-split"),
        "{}",
        notice(&world)
    );
}
