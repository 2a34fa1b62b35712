//! Tables into files: every one from its key, long ones page by page.

use std::time::Duration;

use splitdeck::api::openapi;
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::Of;
use splitdeck::cockpit::effect::File;
use splitdeck::cockpit::export::{Order, Source, Told, any};
use splitdeck::cockpit::keymap::Command;
use splitdeck::cockpit::ports::{Failure, FailureKind, Service, Slot};
use splitdeck::cockpit::state::Overlay;
use splitdeck::cockpit::state::preferences::Connected;
use splitdeck::cockpit::update::contexts;
use splitdeck::cockpit::{Action, Effect};

use crate::screens::worlds::worlds;
use crate::support::cockpit::{World, settings};

fn list() -> World {
    World::list_of(Role::Admin, false)
}

/// The files that a key asked for.
#[track_caller]
fn files(world: &mut World, key: &str) -> Vec<File> {
    world.effects.clear();
    world.keys(&[key]);
    let saved = world.effects.iter().find_map(|effect| match effect {
        Effect::Save(files) => Some(files.clone()),
        _ => None,
    });
    saved.unwrap_or_else(|| panic!("nothing is saved: {:?}", world.state.notice))
}

/// The export that a key began.
#[track_caller]
fn begun(world: &mut World, key: &str) -> Order {
    world.effects.clear();
    world.keys(&[key]);
    let order = world.effects.iter().find_map(|effect| match effect {
        Effect::Export(order) => Some(order.clone()),
        _ => None,
    });
    order.unwrap_or_else(|| panic!("nothing begins: {:?}", world.state.notice))
}

fn records(csv: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let texts = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let titles = texts(reader.headers().expect("titles"));
    let rows = reader.records().map(|row| texts(&row.expect("a row")));
    (titles, rows.collect())
}

#[test]
fn every_list_is_exported_as_its_filter_shows_it() {
    for (keys, key, what) in [
        (&[][..], "e", "experiments"),
        (&["F"], "ctrl-e", "flags"),
        (&["D"], "ctrl-e", "deployments"),
        (&["P"], "ctrl-e", "projects"),
        (&["T"], "ctrl-e", "tokens"),
        (&["B"], "ctrl-e", "labs"),
    ] {
        let mut world = list();
        world.keys(keys).answer_all(Role::Admin, false);
        let screen = world.screen(200, 50);
        assert!(screen.contains(&format!("{key} export")), "{what}: {screen}");
        let [csv, json] = &files(&mut world, key)[..] else {
            panic!("two files of {what}")
        };
        assert!(
            csv.name.contains(what) && csv.name.ends_with("Z.csv"),
            "{}",
            csv.name
        );
        assert!(
            json.name.contains(what) && json.name.ends_with("Z.json"),
            "{}",
            json.name
        );
        let (_, rows) = records(&csv.content);
        let wire: serde_json::Value = serde_json::from_str(&json.content).expect("JSON");
        assert_eq!(wire[what].as_array().map(Vec::len), Some(rows.len()), "{what}");
        assert!(!rows.is_empty(), "{what}: nothing to see");
        for file in [csv, json] {
            assert!(
                !file.content.contains("sd_"),
                "{what}: no key, no token: {}",
                file.content
            );
        }
        // What the filter hides is in no file.
        world.keys(&["/"]).text("zzzz").keys(&["enter"]);
        let filtered = files(&mut world, key);
        assert_eq!(records(&filtered[0].content).1.len(), 0, "{what}");
    }
}

#[test]
fn the_numbers_of_the_list_are_in_its_file_and_times_are_utc() {
    let mut world = list();
    let exported = files(&mut world, "e");
    let (titles, rows) = records(&exported[0].content);
    let at = |name: &str| titles.iter().position(|title| title == name).expect("a column");
    let (key, subjects, created) = (at("key"), at("overview.subjects"), at("createdAt"));
    let known = rows.iter().filter(|row| !row[subjects].is_empty()).count();
    assert!(known > 0, "{rows:?}");
    for row in &rows {
        let experiment = world.state.list.all().iter().find(|e| e.key.as_str() == row[key]);
        let experiment = experiment.expect("such an experiment");
        assert_eq!(row[created], experiment.created_at.to_string());
        assert!(row[created].ends_with('Z'), "{}", row[created]);
        let overview = world.state.list.overview(experiment.id);
        let told = overview.map_or_else(String::new, |o| o.subjects.to_string());
        assert_eq!(row[subjects], told);
    }
}

#[test]
fn overrides_are_exported_whole_with_progress_and_can_be_stopped() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]).answer_all(Role::Editor, false);
    world.keys(&["]"]).answer_all(Role::Editor, false);
    let order = begun(&mut world, "e");
    let Source::Overrides { of, query, .. } = &order.source else {
        panic!("{order:?}")
    };
    assert_eq!(
        (*of, query.after.as_deref(), query.limit),
        (Of::Experiment, None, Some(1_000))
    );
    let page = world.state.detail().and_then(|d| d.overrides.page.value.as_ref());
    let total = page.map(|page| page.fixed + page.manual).expect("a page");
    let export = world.state.export.as_ref().expect("under way");
    assert_eq!(export.total, Some(total));
    assert_eq!(
        world.state.notice, None,
        "nothing stands where it is told how far it is"
    );
    world.act(Action::Export(Told::Written {
        id: order.id,
        rows: 2_000,
    }));
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("exporting overrides,") && screen.contains("2,000 of"),
        "{screen}"
    );
    assert!(screen.contains("ctrl-x stop the export"), "{screen}");
    // One at a time.
    world.effects.clear();
    world.keys(&["e"]);
    assert!(
        !world
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Export(_)))
    );
    // Leaving asks first.
    world.keys(&["q"]);
    assert!(!world.state.quitting);
    world.keys(&["ctrl-x"]);
    assert!(world.effects.contains(&Effect::StopExport(order.id)));
    assert_eq!(world.state.export, None);
    let notice = world.state.notice.as_ref().expect("said").text.clone();
    assert_eq!(
        notice,
        "The export of overrides is stopped after 2,000 rows: no file is kept"
    );
    // What it tells after that is about nothing.
    let late = Told::Ended {
        id: order.id,
        outcome: Ok((3, vec!["/a.csv".to_owned()])),
    };
    world.act(Action::Export(late));
    assert_eq!(world.state.notice.as_ref().expect("said").text, notice);
}

/// It takes a minute, and whoever began it does something else meanwhile.
#[test]
fn a_failed_export_stands_on_the_screen_until_it_was_seen() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]).answer_all(Role::Editor, false);
    world.keys(&["]"]).answer_all(Role::Editor, false);
    let order = begun(&mut world, "e");
    let why = "The export of overrides ended after 23,000 rows, and no file is kept: connection reset";
    world.act(Action::Export(Told::Ended {
        id: order.id,
        outcome: Err(why.to_owned()),
    }));
    world.wait(Duration::from_secs(60)).keys(&["1", "j", "4"]);
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let screen = world.screen(width, height);
        assert!(
            screen.contains("Esc: seen · The export of overrides ended"),
            "{screen}"
        );
        assert!(screen.contains("connection reset"), "{screen}");
    }
    world.keys(&["esc"]);
    let screen = world.screen(80, 24);
    assert!(!screen.contains("connection reset"), "{screen}");
    assert!(world.state.detail().is_some(), "nothing else comes of it");
}

/// A token of the configuration that ends meanwhile is read anew: the export is of this server still.
#[test]
fn an_export_goes_on_while_the_token_is_read_anew_and_not_with_another_server() {
    for stays in [true, false] {
        let mut world = World::experiment("checkout-cta");
        world.state.settings.token_from_file = true;
        world.keys(&["4"]).answer_all(Role::Editor, false);
        let order = begun(&mut world, "e");
        world.wait(Duration::from_secs(3));
        let why = "the server does not know this token";
        let mut refused = Failure::new(Service::Api, FailureKind::Configuration, why);
        refused.problem = Some(Box::new(Problem::new(Code::Unauthorized, why)));
        world.reply(Slot::Experiment, Err(refused));
        assert!(world.effects.contains(&Effect::Reconnect));
        world.act(Action::Export(Told::Written {
            id: order.id,
            rows: 2_000,
        }));
        let api = settings().api;
        world.act(Action::Connected(Box::new(Connected {
            api: if stays {
                api
            } else {
                "http://elsewhere:1".to_owned()
            },
            context: None,
            token_from_file: true,
            read_only: false,
        })));
        let stopped = world.effects.contains(&Effect::StopExport(order.id));
        assert_eq!((world.state.export.is_some(), stopped), (stays, !stays));
        let written = 3_000;
        world.act(Action::Export(Told::Written {
            id: order.id,
            rows: written,
        }));
        if stays {
            world.answer_all(Role::Editor, false);
            world.wait(Duration::from_secs(7));
            assert!(world.screen(120, 40).contains("exporting overrides,  3,000 of"));
            let files = vec!["/a.csv".to_owned(), "/a.json".to_owned()];
            world.act(Action::Export(Told::Ended {
                id: order.id,
                outcome: Ok((40_012, files)),
            }));
            let notice = &world.state.notice.as_ref().expect("said").text;
            assert!(notice.starts_with("Saved 40,012 rows of overrides"), "{notice}");
        }
        assert!(world.state.export.is_none());
    }
}

/// The token of an export is refused at a page: it waits for what the configuration gives by now, once.
#[test]
fn an_export_whose_token_is_refused_goes_on_with_another_one_or_says_why_not() {
    let refused = |id| {
        Action::Export(Told::Refused {
            id,
            why: "the server does not know this token".to_owned(),
        })
    };
    let connected = || {
        Action::Connected(Box::new(Connected {
            api: settings().api,
            context: None,
            token_from_file: true,
            read_only: false,
        }))
    };
    let started = |renewable: bool| {
        let mut world = World::experiment("checkout-cta");
        world.state.settings.token_from_file = renewable;
        world.keys(&["4"]).answer_all(Role::Editor, false);
        let order = begun(&mut world, "e");
        world.act(Action::Export(Told::Written {
            id: order.id,
            rows: 2_000,
        }));
        world.act(refused(order.id));
        (world, order.id)
    };
    let ended = |world: &World, why: &str| {
        assert_eq!(world.state.export, None);
        assert_eq!(
            world.state.failures.last().expect("said"),
            &format!("The export of overrides ended after 2,000 rows, and no file is kept: {why}")
        );
    };
    let (mut world, id) = started(true);
    assert!(world.effects.contains(&Effect::Reconnect));
    world.act(connected());
    // What comes with the new one is taken as ever, and its end is one more that is asked about.
    world.act(Action::Export(Told::Written { id, rows: 3_000 }));
    assert_eq!(world.state.export.as_ref().expect("under way").rows, 3_000);
    world.effects.clear();
    world.act(refused(id));
    assert!(world.effects.contains(&Effect::Reconnect) && world.state.export.is_some());

    let (mut world, id) = started(true);
    world.act(connected());
    world.act(refused(id));
    assert!(world.effects.contains(&Effect::StopExport(id)));
    ended(
        &world,
        "the token below [cockpit] in the configuration is refused: mend it",
    );

    let (mut world, id) = started(true);
    world.act(Action::Failed(
        "Cannot read the token anew: no such file".to_owned(),
    ));
    assert!(world.effects.contains(&Effect::StopExport(id)));
    ended(&world, "Cannot read the token anew: no such file");

    let (world, id) = started(false);
    assert!(world.effects.contains(&Effect::StopExport(id)));
    ended(&world, "the server does not know this token");
}

#[test]
fn only_what_is_searched_for_is_exported() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]).answer_all(Role::Editor, false);
    world.keys(&["/"]).text("u-00").keys(&["enter"]);
    let order = begun(&mut world, "e");
    let Source::Overrides { query, .. } = &order.source else {
        panic!("{order:?}")
    };
    assert_eq!(query.search.as_deref(), Some("u-00"));
    assert_eq!(world.state.export.as_ref().expect("under way").total, None);
    world.act(Action::Export(Told::Ended {
        id: order.id,
        outcome: Ok((12, vec!["/tmp/a.csv".to_owned(), "/tmp/a.json".to_owned()])),
    }));
    let notice = &world.state.notice.as_ref().expect("said").text;
    assert_eq!(notice, "Saved 12 rows of overrides: a.csv and .json");
}

#[test]
fn histories_and_the_audit_log_are_exported_to_their_first_entry() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["H"]).answer_all(Role::Editor, false);
    let order = begun(&mut world, "e");
    assert!(matches!(order.source, Source::History { .. }), "{order:?}");
    assert!(order.name.starts_with("checkout-cta-history-"), "{}", order.name);

    let mut world = list();
    world.keys(&["F"]).answer_all(Role::Admin, false);
    world.keys(&["H"]).answer_all(Role::Admin, false);
    let order = begun(&mut world, "e");
    let Source::Audit(query) = &order.source else {
        panic!("{order:?}")
    };
    assert!(query.object_id.is_some() && query.before.is_none(), "{query:?}");
    assert!(order.name.contains("-history-"), "{}", order.name);

    let mut world = list();
    world.keys(&[":"]).text("audit").keys(&["enter"]);
    world.answer_all(Role::Admin, false);
    let order = begun(&mut world, "e");
    assert!(
        matches!(&order.source, Source::Audit(query) if query.object_id.is_none()),
        "{order:?}"
    );
    assert!(order.name.contains("-audit-"), "{}", order.name);
}

#[test]
fn variants_and_rules_have_files_of_their_own() {
    let mut world = World::experiment("checkout-cta");
    for (tab, what) in [("2", "variants"), ("3", "rules")] {
        world.keys(&[tab]);
        let exported = files(&mut world, "e");
        assert!(exported[0].name.starts_with(&format!("checkout-cta-{what}-")));
    }
    let mut world = list();
    world.keys(&["F"]).answer_all(Role::Admin, false);
    world.keys(&["enter"]).answer_all(Role::Admin, false);
    let exported = files(&mut world, "ctrl-e");
    let names: Vec<&str> = exported.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(
        names[0].contains("-rules-") && names[2].contains("-variants-"),
        "{names:?}"
    );
}

#[test]
fn where_there_is_no_table_that_is_said() {
    let mut world = World::experiment("checkout-cta");
    world.effects.clear();
    world.keys(&["1"]).act(Action::Command(Command::Export));
    assert!(
        !world
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Save(_)))
    );
    let notice = &world.state.notice.as_ref().expect("said").text;
    assert_eq!(notice, "There is no table here to export");
}

/// A key for it is told, by help and by `docs/keys.md`, only where there is a table.
#[test]
fn where_there_is_a_key_for_it_there_is_a_table() {
    for (name, world) in worlds() {
        let keymap = &world.state.keymap;
        let told = keymap.keys(&contexts(&world.state), Command::Export).next();
        let asks = matches!(
            world.state.overlays.last(),
            Some(Overlay::Import(panel)) if panel.import.is_none()
        );
        assert!(told.is_none() || asks || any(&world.state), "{name}: {told:?}");
    }
}

/// The columns are names of the wire: a field that is renamed there is found here.
#[test]
fn every_column_is_a_field_of_the_wire() {
    use splitdeck::cockpit::export::{Shape, shapes};

    let document = serde_json::to_value(openapi::document()).expect("JSON");
    let schemas = &document["components"]["schemas"];
    fn has(schemas: &serde_json::Value, schema: &serde_json::Value, path: &str) -> bool {
        let (name, rest) = path
            .split_once('.')
            .map_or((path, None), |(name, rest)| (name, Some(rest)));
        if let Some(reference) = schema["$ref"].as_str() {
            let of = reference.rsplit('/').next().unwrap_or_default();
            return has(schemas, &schemas[of], path);
        }
        let parts = ["allOf", "oneOf", "anyOf"]
            .into_iter()
            .filter_map(|of| schema[of].as_array());
        if parts.flatten().any(|part| has(schemas, part, path)) {
            return true;
        }
        let field = &schema["properties"][name];
        !field.is_null() && rest.is_none_or(|rest| has(schemas, field, rest))
    }
    for (Shape { what, columns, .. }, schema) in shapes() {
        for column in columns {
            let (schema, column) = match column.strip_prefix("overview.") {
                Some(column) => ("Overview", column),
                None => (schema, *column),
            };
            assert!(!schemas[schema].is_null(), "{what}: no schema {schema}");
            assert!(
                has(schemas, &schemas[schema], column),
                "{what}: {schema} has no {column}"
            );
        }
    }
}
