//! Files that are generated from the code are checked for drift.
//!
//! `SPLITDECK_BLESS=1 cargo test --test it generated` writes them anew.

use std::path::Path;

use splitdeck::api::system::Role;

use crate::support::cockpit::World;

/// Holds `path` (from the root of the package) to `text`.
fn is_current(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("SPLITDECK_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, text).expect("writes");
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == text,
        "{path} is not what the code generates; run `SPLITDECK_BLESS=1 cargo test --test it generated`"
    );
}

#[test]
fn config_example() {
    is_current("config.example.toml", &splitdeck::config::file::example());
}

#[test]
fn keys() {
    is_current("docs/keys.md", &splitdeck::cockpit::keymap::render_docs());
}

#[test]
fn openapi() {
    is_current("docs/openapi.json", &splitdeck::api::openapi::text());
}

/// The pictures of docs/cockpit.md: the screens as tests know them, drawn as an SVG each.
#[test]
fn screenshots() {
    use crate::screens::worlds::worlds;
    use splitdeck::tui::svg;
    use splitdeck::tui::theme::Theme;

    const SIZE: (u16, u16) = (120, 36);
    let mut names: Vec<String> = Vec::new();
    let mut picture = |file: String, title: &str, world: &mut World, theme: &str| {
        let theme = Theme::built_in(theme).expect("built in");
        // The first frame tells how much can be scrolled; what stays is the second.
        world.buffer(SIZE.0, SIZE.1, &theme);
        let buffer = world.buffer(SIZE.0, SIZE.1, &theme);
        is_current(
            &format!("docs/screens/{file}"),
            &svg::render(&buffer, &svg::DARK, title),
        );
        names.push(file);
    };
    for (name, mut world) in worlds() {
        picture(format!("{name}.svg"), &name.replace('_', " "), &mut world, "dark");
    }
    let mut analytics = World::experiment("checkout-cta");
    analytics.keys(&["5"]).answer_all(Role::Editor, false);
    picture("analytics.svg".to_owned(), "analytics", &mut analytics, "dark");
    analytics.keys(&["down", "z"]);
    picture(
        "analytics_zoomed.svg".to_owned(),
        "one panel alone",
        &mut analytics,
        "dark",
    );
    for theme in Theme::names() {
        let title = format!("the list in the theme {theme}");
        picture(format!("list_{theme}.svg"), &title, &mut World::list(), theme);
    }
    // Every picture that the tour shows is there, and none is left over from before.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tour = std::fs::read_to_string(root.join("docs/cockpit.md")).expect("the tour");
    for shown in tour.split("](screens/").skip(1) {
        let file = shown.split(')').next().expect("a name");
        assert!(
            names.iter().any(|name| name == file),
            "docs/cockpit.md shows {file}"
        );
    }
    for entry in std::fs::read_dir(root.join("docs/screens")).expect("the pictures") {
        let file = entry.expect("an entry").file_name().into_string().expect("text");
        assert!(
            names.contains(&file),
            "docs/screens/{file} is drawn by nothing: remove it"
        );
    }
}
