//! Themes, keys, contexts, calls and the mouse on a real terminal.

use std::path::Path;

use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::terminal::{Pty, Seen};
use crate::support::server::{ADMIN, EDITOR, TestServer};

fn write(dir: &Path, name: &str, text: &str) {
    let file = dir.join(name);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    std::fs::write(file, text).expect("written");
}

fn with_config(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Pty {
    let dir = dir.to_str().expect("text");
    let env = [&[("SPLITDECK_CONFIG_DIR", dir), ("COLORTERM", "truecolor")], env].concat();
    Pty::start(args, &env, (120, 30))
}

/// The background of a cell where nothing is drawn.
fn ground(seen: &Seen) -> vt100::Color {
    seen.terminal.screen().cell(20, 100).expect("a cell").bgcolor()
}

const DARK: vt100::Color = vt100::Color::Rgb(0x10, 0x14, 0x1b);

#[test]
fn themes_and_keys_are_read_again_while_it_runs_and_mistakes_leave_what_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    write(at, "config.toml", "[cockpit]\ntheme = \"dark\"\n");
    let mut pty = with_config(at, &[], &[]);
    pty.wait_for("the dark theme", |seen| (ground(seen) == DARK).then_some(()));
    write(
        at,
        "themes/mine.toml",
        "inherits = \"dark\"\nbackground = \"#112233\"\n",
    );
    write(
        at,
        "config.toml",
        "[cockpit]\ntheme = \"mine\"\n[keys]\nhelp = [\"f2\"]\n",
    );
    let mine = |pty: &Pty, rgb: (u8, u8, u8)| {
        pty.wait_for(&format!("{rgb:?}"), |seen| {
            (ground(seen) == vt100::Color::Rgb(rgb.0, rgb.1, rgb.2)).then_some(())
        });
    };
    mine(&pty, (0x11, 0x22, 0x33));
    // The theme's own file.
    write(
        at,
        "themes/mine.toml",
        "inherits = \"dark\"\nbackground = \"#445566\"\n# longer\n",
    );
    mine(&pty, (0x44, 0x55, 0x66));
    pty.send("\x1bOQ");
    pty.wait_for_text("Keys that work here");
    pty.send("\x1b");
    // Mistakes: said with their lines, and nothing else happens.
    write(
        at,
        "themes/mine.toml",
        "inherits = \"dark\"\n\nbackground = \"mauve\"\n",
    );
    pty.wait_for_text("mine.toml, line 3");
    write(at, "config.toml", "[cockpit]\nthemme = \"light\"\n");
    pty.wait_for_text("config.toml, line 2: cockpit.themme");
    mine(&pty, (0x44, 0x55, 0x66));
    write(
        at,
        "themes/mine.toml",
        "inherits = \"dark\"\nbackground = \"#445566\"\n",
    );
    write(
        at,
        "config.toml",
        "[cockpit]\ntheme = \"mine\"\n[keys]\nhelp = [\"f2\"]\nquit = [\"Q!\"]\n",
    );
    pty.wait_for_text("line 5: keys.quit");
    pty.send("q");
    assert!(pty.ended().success(), "its own keys stay");
    pty.is_restored();
    let kept = std::fs::read_to_string(at.join("config.toml")).expect("there");
    assert!(kept.contains("Q!"), "user files are never written");
}

#[test]
fn a_file_that_is_wrong_in_looks_keeps_nobody_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let wrong = "[cockpit]\ntheme = \"nonesuch\"\nglyfs = 3\n[keys]\nhelp = \"f1\"\n";
    write(dir.path(), "config.toml", wrong);
    let mut pty = with_config(dir.path(), &[], &[]);
    pty.wait_for_text("Experiments");
    pty.wait_for_text("3 mistakes");
    write(dir.path(), "config.toml", "[cockpit]\ntheme = \"dark\"\n");
    pty.wait_for("the dark theme", |seen| {
        (ground(seen) == DARK && !seen.text().contains("mistake")).then_some(())
    });
    pty.send("q");
    assert!(pty.ended().success());
    // What is asked for now is refused, and so is what decides where one is.
    let mut pty = with_config(dir.path(), &["--theme", "nonesuch"], &[]);
    assert_eq!(pty.ended().exit_code(), 2);
    write(dir.path(), "config.toml", "[cockpit]\nread_only = \"yes\"\n");
    let mut pty = with_config(dir.path(), &[], &[]);
    assert_eq!(pty.ended().exit_code(), 2);
}

#[test]
fn the_settings_show_a_theme_as_it_is_chosen_and_esc_takes_it_off() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut pty = with_config(dir.path(), &[], &[]);
    pty.wait_for_text("Experiments");
    pty.send(",");
    pty.wait_for_text("Settings");
    pty.send("j");
    pty.wait_for("the dark theme", |seen| (ground(seen) == DARK).then_some(()));
    pty.send("\x1b");
    pty.wait_for("the theme from before", |seen| {
        (ground(seen) == vt100::Color::Default && !seen.text().contains("Settings")).then_some(())
    });
    pty.send(",j\r");
    pty.wait_for_text("To keep it, write theme = \"dark\" below [cockpit]");
    pty.wait_for("the dark theme", |seen| (ground(seen) == DARK).then_some(()));
    assert!(
        !dir.path().join("config.toml").exists(),
        "user files are never written"
    );
    // Without a pause: a file that appears is no reason to forget what was chosen.
    write(dir.path(), "config.toml", "[keys]\nhelp = [\"f2\"]\n");
    pty.wait_for_text("were read again");
    pty.look(|seen| assert_eq!(ground(seen), DARK));
    pty.send("\x03");
    pty.ended();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_switched_while_it_runs() {
    let (one, two) = (TestServer::start().await, TestServer::start().await);
    one.post("/experiments", &json!({"name": "In the first"}))
        .await
        .expect(201);
    two.post("/experiments", &json!({"name": "In the second"}))
        .await
        .expect(201);
    let dir = tempfile::tempdir().expect("a directory");
    let text = format!(
        "[cockpit]\ncontext = \"one\"\n\
         [contexts.one]\napi = \"{}\"\ntoken_command = [\"/bin/echo\", \"{ADMIN}\"]\n\
         [contexts.two]\napi = \"{}\"\ntoken_command = [\"/bin/echo\", \"{EDITOR}\"]\nread_only = true\n\
         [contexts.locked]\napi = \"{}\"\ntoken_command = [\"/bin/sh\", \"-c\", \"echo vault is locked >&2; exit 1\"]\n",
        one.base, two.base, two.base
    );
    write(dir.path(), "config.toml", &text);
    tokio::task::spawn_blocking(move || {
        let none = [("SPLITDECK_API", ""), ("SPLITDECK_TOKEN", "")];
        let mut pty = with_config(dir.path(), &[], &none);
        pty.wait_for_text("in-the-first");
        pty.wait_for_text("@one");
        pty.send(":context two\r");
        pty.wait_for_text("in-the-second");
        pty.wait_for_text("@two");
        pty.wait_for_text("read-only");
        pty.look(|seen| assert!(!seen.text().contains("in-the-first"), "{}", seen.text()));
        pty.send("a");
        pty.wait_for_text("nothing can be changed");
        // What cannot be had leaves everything as it is.
        pty.send(":context locked\r");
        pty.wait_for_text("vault is locked");
        pty.wait_for_text("@two");
        pty.send(":context one\r");
        pty.wait_for_text("in-the-first");
        // Written into the file, it is in force at once, for this context and for all.
        write(
            dir.path(),
            "config.toml",
            &text.replace("[contexts.two]", "read_only = true\n[contexts.two]"),
        );
        pty.wait_for_text("Read-only from now on");
        pty.send("a");
        pty.wait_for_text("nothing can be changed");
        write(dir.path(), "config.toml", &text);
        pty.wait_for_text("Changes are possible from now on");
        write(
            dir.path(),
            "config.toml",
            &text.replace("[cockpit]", "[cockpit]\nread_only = true\nmouse = true"),
        );
        pty.wait_for_text("read again; mouse takes effect at the next start");
        pty.send("a");
        pty.wait_for_text("nothing can be changed");
        pty.leave_by("\x03");
    })
    .await
    .expect("no panic");
}

/// A theme is a file of its own: it is read as it is saved, whatever is wrong in another file.
#[test]
fn a_theme_is_read_again_beside_a_mistake_in_the_configuration() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    let theme = |background: &str| format!("inherits = \"dark\"\nbackground = \"{background}\"\n");
    write(at, "themes/mine.toml", &theme("#112233"));
    write(at, "config.toml", "[cockpit]\ntheme = \"mine\"\nglyfs = \"x\"\n");
    let mut pty = with_config(at, &[], &[]);
    let is = |pty: &Pty, blue: u8| {
        pty.wait_for("the ground of the theme", |seen| {
            (ground(seen) == vt100::Color::Rgb(0x11, 0x22, blue)).then_some(())
        });
    };
    is(&pty, 0x33);
    pty.wait_for_text("1 mistake");
    write(at, "themes/mine.toml", &(theme("#112244") + "# longer\n"));
    is(&pty, 0x44);
    pty.wait_for_text("1 mistake");
    pty.send("q");
    assert!(pty.ended().success());
}

/// A token file below `[cockpit]`, without any context: another token in it needs no new start.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_of_the_file_is_read_anew() {
    let server = TestServer::start().await;
    server
        .post("/experiments", &json!({"name": "In the list"}))
        .await
        .expect(201);
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, "sd_nobody-knows-this-one").expect("written");
    let text = format!(
        "[cockpit]\napi = \"{}\"\ntoken_file = \"{}\"\n",
        server.base,
        token.display()
    );
    write(dir.path(), "config.toml", &text);
    tokio::task::spawn_blocking(move || {
        let none = [("SPLITDECK_API", ""), ("SPLITDECK_TOKEN", "")];
        let mut pty = with_config(dir.path(), &[], &none);
        pty.wait_for_text("the token below [cockpit] in the configuration is refused");
        std::fs::write(&token, EDITOR).expect("written");
        pty.send("\x12");
        pty.wait_for_text("in-the-list");
        pty.leave_by("\x03");
    })
    .await
    .expect("no panic");
}

/// A token that ends while ids are coming in: with the new one they are one list still.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_read_anew_leaves_the_ids_that_are_coming_in() {
    let server = TestServer::start().await;
    let body = json!({ "name": "Checkout button" });
    server.post("/experiments", &body).await.expect(201);
    let body = json!({ "name": "short", "roles": { "default": "editor" } });
    let made = server.post("/tokens", &body).await.expect(201);
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, made["token"].as_str().expect("a token")).expect("written");
    let text = format!(
        "[cockpit]\napi = \"{}\"\ntoken_file = \"{}\"\n",
        server.base,
        token.display()
    );
    write(dir.path(), "config.toml", &text);
    let state = dir.path().join("state");
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let env = [
            ("SPLITDECK_API", ""),
            ("SPLITDECK_TOKEN", ""),
            ("SPLITDECK_STATE_DIR", state.to_str().expect("text")),
        ];
        let mut pty = with_config(dir.path(), &["--experiment", "checkout-button"], &env);
        pty.wait_for_text("editor");
        pty.send("4");
        pty.wait_for_text("No overrides");
        pty.send("i");
        pty.wait_for_text("paste here");
        pty.send("u-1\r");
        pty.wait_for_text("received 1 ");
        std::fs::write(&token, EDITOR).expect("written");
        let short = format!("/tokens/{}", made["id"].as_str().expect("an id"));
        runtime.block_on(server.delete(&short));
        pty.wait_for_text("were read anew");
        pty.send("u-2\r");
        pty.wait_for_text("received 2   unique 2");
        pty.leave_by("\x03");
    })
    .await
    .expect("no panic");
}

/// A server that knows one experiment, first active, then paused by the guard.
async fn pausing() -> MockServer {
    let server = MockServer::start().await;
    let experiment = |patch: serde_json::Value| {
        let mut value = json!({
            "id": "00000000-0000-0000-0000-000000000001", "key": "search-ranking", "name": "Search ranking",
            "assignmentMode": "profile", "status": "active",
            "variants": [
                {"key": "control", "isControl": true, "trafficPct": 50},
                {"key": "treatment", "trafficPct": 50, "orderIndex": 1},
            ],
            "defaultVariantId": "control", "salt": "s", "resourceVersion": 1,
            "createdAt": "2026-11-10T08:00:00Z", "updatedAt": "2026-11-14T01:00:00Z",
        });
        let fields = value.as_object_mut().expect("an object");
        fields.extend(patch.as_object().expect("an object").clone());
        ResponseTemplate::new(200).set_body_json(json!({"experiments": [value]}))
    };
    let me = json!({
        "actor": "ana", "role": "editor", "version": "0.1.0",
        "project": {"id": "00000000-0000-0000-0000-000000000009", "key": "shop", "name": "Shop",
                    "environment": "production", "protected": false},
    });
    let paused = json!({"status": "paused", "pausedBy": "srm_guard", "resourceVersion": 2});
    for (at, answer, times) in [
        ("/me", ResponseTemplate::new(200).set_body_json(me), u64::MAX),
        ("/experiments", experiment(json!({})), 1),
        ("/experiments", experiment(paused), u64::MAX),
    ] {
        Mock::given(path(at))
            .respond_with(answer)
            .up_to_n_times(times)
            .mount(&server)
            .await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_pause_calls_once_in_the_ways_that_were_asked_for() {
    for (ways, env, expected) in [
        ("off", "", None),
        ("bell", "", Some("\x07")),
        (
            "osc9",
            "",
            Some("\x1b]9;search-ranking was paused by the guard: sample ratio mismatch\x07"),
        ),
        (
            "osc777",
            "/tmp/tmux-0/default,1,0",
            Some(
                "\x1bPtmux;\x1b\x1b]777;notify;splitdeck;search-ranking was paused by the guard: sample ratio mismatch\x07\x1b\\",
            ),
        ),
    ] {
        let server = pausing().await;
        let uri = server.uri();
        tokio::task::spawn_blocking(move || {
            let dir = tempfile::tempdir().expect("a directory");
            let env = [("SPLITDECK_API", uri.as_str()), ("TMUX", env)];
            let mut pty = with_config(dir.path(), &["--notify", ways], &env);
            pty.wait_for_text("auto-paused");
            // It is asked again and again; the same is not called out twice.
            pty.send("\x12");
            pty.wait_for_text("Asking for everything anew");
            pty.send("?");
            pty.wait_for_text("Keys that work here");
            pty.look(|seen| {
                let bytes = String::from_utf8_lossy(&seen.bytes).into_owned();
                match expected {
                    None => assert!(!bytes.contains('\x07'), "{ways}"),
                    Some(call) => {
                        assert_eq!(bytes.matches(call).count(), 1, "{ways}");
                        assert_eq!(bytes.matches('\x07').count(), 1, "{ways}");
                    }
                }
            });
            pty.send("\x03");
            pty.ended();
        })
        .await
        .expect("no panic");
        drop(server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mouse_selects_rows_and_tabs_where_it_is_asked_for() {
    let server = TestServer::start().await;
    for name in ["Alpha", "Beta", "Gamma"] {
        server
            .post("/experiments", &json!({"name": name}))
            .await
            .expect(201);
    }
    let base = server.base.clone();
    tokio::task::spawn_blocking(move || {
        let dir = tempfile::tempdir().expect("a directory");
        let env = [("SPLITDECK_API", base.as_str()), ("SPLITDECK_TOKEN", EDITOR)];
        let mut pty = with_config(dir.path(), &["--mouse"], &env);
        pty.wait_for_text("gamma");
        let row_of = |seen: &Seen, text: &str| {
            let rows = seen
                .terminal
                .screen()
                .rows(0, 120)
                .position(|row| row.contains(text));
            u16::try_from(rows.expect("on the screen")).expect("small")
        };
        let selected = |seen: &Seen, text: &str| {
            let row = row_of(seen, text);
            seen.terminal
                .screen()
                .cell(row, 4)
                .is_some_and(|cell| cell.inverse())
        };
        for key in ["gamma", "alpha", "beta"] {
            let row = pty.look(|seen| row_of(seen, key));
            pty.send(&format!("\x1b[<0;10;{}M\x1b[<0;10;{}m", row + 1, row + 1));
            pty.wait_for(key, |seen| selected(seen, key).then_some(()));
        }
        // The wheel goes to the end of the three, and back.
        let (first, last) = pty.look(|seen| {
            let mut keys = ["alpha", "beta", "gamma"].map(|key| (row_of(seen, key), key));
            keys.sort_unstable();
            (keys[0].1, keys[2].1)
        });
        pty.send("\x1b[<65;10;10M");
        pty.wait_for(last, |seen| selected(seen, last).then_some(()));
        pty.send("\x1b[<64;10;10M");
        pty.wait_for(first, |seen| selected(seen, first).then_some(()));
        pty.send("\r");
        pty.wait_for_text("hypothesis");
        let column = pty.look(|seen| {
            let row = seen.terminal.screen().rows(0, 120).nth(1).expect("a row");
            row.find("4 Overrides")
                .map(|at| row[..at].chars().count())
                .expect("the tab")
        });
        pty.send(&format!("\x1b[<0;{};2M", column + 3));
        pty.wait_for_text("No overrides");
        pty.look(|seen| assert!(String::from_utf8_lossy(&seen.bytes).contains("\x1b[?1000h\x1b[?1006h")));
        pty.leave_by("\x03");
        pty.look(|seen| {
            assert_eq!(
                seen.terminal.screen().mouse_protocol_mode(),
                vt100::MouseProtocolMode::None
            );
        });
    })
    .await
    .expect("no panic");
}
