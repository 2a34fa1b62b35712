//! The configuration: what is wrong is named, what is right is used in its order; completions and manual pages.

use std::path::{Path, PathBuf};

use super::{run, splitdeck};
use crate::support::server::{ADMIN, EDITOR, TestServer};

/// The folder of configurations with mistakes. Each says in its first lines what is expected:
/// `# expect LINE: WORDS`.
fn invalid() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cli/configs");
    let entries = std::fs::read_dir(dir).expect("the folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_mistake_is_named_with_file_line_and_key() {
    let files = invalid();
    assert!(files.len() >= 15, "{files:?}");
    for file in files {
        let path = file.to_str().expect("text");
        let ran = run(splitdeck(&["config", "check", path]), "").await;
        assert_eq!(ran.code, 1, "{path}: {}", ran.out);
        assert!(ran.err.contains("mistake"), "{}", ran.err);
        let text = std::fs::read_to_string(&file).expect("text");
        let expected: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# expect ")?.split_once(": "))
            .collect();
        assert!(!expected.is_empty(), "{path} expects nothing");
        for (line, words) in &expected {
            let place = format!("{path}:{line}: ");
            let found = ran
                .out
                .lines()
                .any(|l| l.starts_with(&place) && l.contains(words));
            assert!(found, "{path}: no {words:?} at line {line} in\n{}", ran.out);
        }
        let mut lines: Vec<&str> = expected.iter().map(|(line, _)| *line).collect();
        lines.dedup();
        assert_eq!(
            ran.out.lines().count(),
            lines.len(),
            "{path} says more:\n{}",
            ran.out
        );
        let json = run(splitdeck(&["config", "check", "--json", path]), "").await;
        let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
        assert_eq!(json.as_array().expect("a list").len(), lines.len());
    }
}

#[tokio::test]
async fn every_mistake_of_the_themes_beside_it_is_named_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let themes = dir.path().join("themes");
    std::fs::create_dir(&themes).expect("made");
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[cockpit]\ntheme = \"dark\"\n").expect("written");
    let mine = themes.join("mine.toml");
    let text = "inherits = \"dark\"\nwarn = \"beige\"\nblink = \"red\"\ntext = 5\nok = \"#56b4e9\"\n";
    std::fs::write(&mine, text).expect("written");
    std::fs::write(themes.join("few.toml"), "text = \"white\"\n").expect("written");
    let checked = run(splitdeck(&["config", "check", &file.display().to_string()]), "").await;
    assert_eq!(checked.code, 1, "{}", checked.out);
    let (told, message) = (checked.out, checked.err);
    for said in [
        format!("{}:2: warn: \"beige\" is neither a colour", mine.display()),
        format!("{}:3: blink: there is no such setting", mine.display()),
        format!("{}:4: text: got 5, allowed is a text in quotes", mine.display()),
        format!(
            "{}:1: missing: background, dim, rule, heading",
            themes.join("few.toml").display()
        ),
    ] {
        assert!(told.contains(&said), "{said}: {told}");
    }
    assert!(!told.contains(": ok"), "{told}");
    assert!(
        message.contains("4 mistakes in the themes beside it"),
        "{message}"
    );
}

/// A mistake in the theme that is chosen stands in its file, once, and is not said of the configuration as well.
#[tokio::test]
async fn a_mistake_of_the_chosen_theme_is_named_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let themes = dir.path().join("themes");
    std::fs::create_dir(&themes).expect("made");
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[cockpit]\ntheme = \"mine\"\n").expect("written");
    let mine = themes.join("mine.toml");
    std::fs::write(&mine, "inherits = \"dark\"\nok = \"red\"\nok = \"blue\n").expect("written");
    let checked = run(splitdeck(&["config", "check", &file.display().to_string()]), "").await;
    assert_eq!(checked.code, 1, "{}", checked.out);
    assert_eq!(checked.out.lines().count(), 1, "{}", checked.out);
    let place = format!("{}:3: ", mine.display());
    assert!(checked.out.starts_with(&place), "{}", checked.out);
    assert!(
        checked.err.contains("a theme beside it cannot be used"),
        "{}",
        checked.err
    );
}

#[tokio::test]
async fn the_example_and_no_file_at_all_are_fine() {
    let dir = tempfile::tempdir().expect("a directory");
    let example = run(splitdeck(&["config", "example"]), "").await.ok();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, &example).expect("written");
    let path = file.to_str().expect("text");
    let said = run(splitdeck(&["config", "check", path]), "").await.ok();
    assert!(said.contains("no mistakes"), "{said}");
    let mut command = splitdeck(&["config", "check"]);
    command.env("SPLITDECK_CONFIG_DIR", dir.path().join("none"));
    assert!(run(command, "").await.ok().contains("is not there"));
    let message = run(splitdeck(&["config", "check", "/no/such.toml"]), "")
        .await
        .failed(2);
    assert!(message.contains("/no/such.toml"), "{message}");
}

#[tokio::test]
async fn a_context_has_its_server_its_token_and_nobody_elses() {
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, EDITOR).expect("written");
    let text = format!(
        "[cockpit]\ncontext = \"file\"\n\
         [contexts.file]\napi = \"{base}\"\ntoken_file = \"{token}\"\n\
         [contexts.command]\napi = \"{base}\"\ntoken_command = [\"/bin/echo\", \"{ADMIN}\"]\n\
         [contexts.broken]\napi = \"{base}\"\ntoken_command = [\"/bin/sh\", \"-c\", \"echo locked >&2; exit 4\"]\n\
         [contexts.elsewhere]\napi = \"http://127.0.0.1:1\"\ntoken_file = \"{token}\"\nproject = \"none\"\n",
        base = server.base,
        token = token.display()
    );
    std::fs::write(dir.path().join("config.toml"), text).expect("written");
    let list = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = splitdeck(&[&["experiments", "list"], args].concat());
        command.env("SPLITDECK_CONFIG_DIR", dir.path());
        for (name, value) in env {
            command.env(name, value);
        }
        run(command, "")
    };
    list(&[], &[]).await.ok();
    list(&["--context", "command"], &[]).await.ok();
    list(&[], &[("SPLITDECK_CONTEXT", "command")]).await.ok();
    // The flag goes before the variable, and its context before an address that lies about.
    list(
        &["--context", "file"],
        &[
            ("SPLITDECK_CONTEXT", "elsewhere"),
            ("SPLITDECK_API", "http://127.0.0.1:1"),
        ],
    )
    .await
    .ok();
    let message = list(&["--context", "broken"], &[]).await.failed(2);
    assert!(
        message.contains("locked") && message.contains("/bin/sh"),
        "{message}"
    );
    let message = list(&["--context", "elsewhere"], &[]).await.failed(1);
    assert!(message.contains("http://127.0.0.1:1"), "{message}");
    let message = list(&["--context", "prd"], &[]).await.failed(2);
    assert!(
        message.contains("there are broken, command, elsewhere, file"),
        "{message}"
    );
}

#[tokio::test]
async fn the_project_goes_with_every_request() {
    use wiremock::matchers::{header, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};
    let server = MockServer::start().await;
    Mock::given(path("/experiments"))
        .and(header("x-splitdeck-project", "shop-prod"))
        .respond_with(ResponseTemplate::new(200).set_body_json(serde_json::json!({"experiments": []})))
        .mount(&server)
        .await;
    let list = |args: &[&str], variable: Option<&str>| {
        let mut command = splitdeck(&[&["experiments", "list"], args].concat());
        command
            .env("SPLITDECK_API", server.uri())
            .env("SPLITDECK_TOKEN", "t");
        if let Some(project) = variable {
            command.env("SPLITDECK_PROJECT", project);
        }
        run(command, "")
    };
    list(&["--project", "shop-prod"], None).await.ok();
    list(&[], Some("shop-prod")).await.ok();
    list(&["--project", "shop-prod"], Some("other")).await.ok();
    list(&[], None).await.failed(1);
}

#[tokio::test]
async fn shells_and_man_are_served() {
    for (shell, word) in [
        ("bash", "_splitdeck()"),
        ("zsh", "#compdef splitdeck"),
        ("fish", "complete -c splitdeck"),
    ] {
        let script = run(splitdeck(&["completions", shell]), "").await.ok();
        assert!(script.contains(word), "{shell}");
        for noun in ["experiments", "--context", "token-that-is-no-word"] {
            let there = noun != "token-that-is-no-word";
            assert_eq!(
                script.contains(noun.trim_start_matches('-')),
                there,
                "{shell}: {noun}"
            );
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    let man = dir.path().join("man");
    run(splitdeck(&["man", man.to_str().expect("text")]), "")
        .await
        .ok();
    let page = |name: &str| std::fs::read_to_string(man.join(name)).expect("a page");
    assert!(page("splitdeck.1").contains("context"));
    assert!(page("splitdeck-config-check.1").contains("mistake"));
    assert!(page("splitdeck-experiments.1").starts_with(".ie"));
    // The head of each page has its title twice and the manual between them, in the 78 columns that `man` gives them.
    let mut pages = 0;
    for entry in std::fs::read_dir(&man).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a page");
        let head = text.lines().find_map(|line| line.strip_prefix(".TH "));
        let head = head.unwrap_or_else(|| panic!("{}: no head", path.display()));
        let rest = concat!(" 1 \" \" \"splitdeck ", env!("CARGO_PKG_VERSION"), "\" splitdeck");
        let title = head.strip_suffix(rest).unwrap_or_else(|| panic!("{head}"));
        let (title, manual) = (title.len() + "(1)".len(), "splitdeck".len());
        assert!(2 * title + manual + 2 <= 78, "{head}");
        pages += 1;
    }
    assert!(pages > 50, "{pages}");
    let message = run(splitdeck(&["man", "/proc/no/such"]), "").await.failed(1);
    assert!(message.contains("/proc/no/such"), "{message}");
}

/// Bash reads the script, and the function that it defines finds a command.
#[tokio::test]
async fn bash_takes_the_completions() {
    let script = run(splitdeck(&["completions", "bash"]), "").await.ok();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("splitdeck.bash");
    std::fs::write(&file, script).expect("written");
    let probe = format!(
        ". {}; COMP_WORDS=(splitdeck exp); COMP_CWORD=1; _splitdeck splitdeck exp splitdeck; echo ${{COMPREPLY[*]}}",
        file.display()
    );
    let output = tokio::process::Command::new("bash")
        .args(["-c", &probe])
        .output()
        .await;
    let output = output.expect("bash is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("experiments") && said.contains("explain"),
        "{said} {output:?}"
    );
}
