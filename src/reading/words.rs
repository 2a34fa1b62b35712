//! What serde says of a text that it cannot read, in the words of who wrote the text.

/// How alike a name has to be to one that there is, 0 to 1, to be taken for a slip of it.
const ALIKE: f64 = 0.8;

/// What may stand somewhere, in the words of JSON and TOML instead of those of the program.
#[must_use]
pub fn expected(expected: &str) -> String {
    let words = match expected {
        "f64" | "f32" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u64" | "u32" | "usize" => "a whole number, 0 or more",
        "i64" | "i32" => "a whole number",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" | "a boolean value" | "provided string was not `true` or `false`" => "true or false",
        "a string" | "a borrowed string" | "path string" => "a text",
        structure if structure.starts_with("struct ") => "an object",
        "invalid digit found in string" | "cannot parse integer from empty string" => "a whole number",
        number if number.ends_with("to fit in target type") => "a whole number that is not as large",
        uuid if uuid.starts_with("UUID parsing failed") => "an id (a UUID)",
        other => return other.replace('`', ""),
    };
    words.to_owned()
}

/// What serde says of a setting in a TOML file, for who wrote the file. What is no saying of serde's own, but a refusal
/// of this program, stays as it is.
#[must_use]
pub fn of_setting(said: &str) -> String {
    if let Some(rest) = said.strip_prefix("unknown field ") {
        let (name, known) = unknown(rest);
        return match (nearest(name, &known), known.as_slice()) {
            (Some(nearest), _) => format!("there is no such setting; did you mean {nearest}?"),
            (None, []) => "there is no such setting, nor any other".to_owned(),
            (None, known) => format!("there is no such setting; there are {}", known.join(", ")),
        };
    }
    if let Some(rest) = said.strip_prefix("unknown variant ") {
        let (name, known) = unknown(rest);
        return format!("{name:?} is none of {}", known.join(", "));
    }
    if let Some(name) = said
        .strip_prefix("missing field ")
        .and_then(|rest| quoted(rest).next())
    {
        return format!("{name} is missing");
    }
    let about = ["invalid type: ", "invalid value: "]
        .into_iter()
        .find_map(|start| said.strip_prefix(start));
    if let Some((given, wanted)) = about.and_then(|about| about.rsplit_once(", expected ")) {
        let wanted = match wanted {
            "a map" => "a section or a table".to_owned(),
            section if section.starts_with("struct ") => "a section".to_owned(),
            "a sequence" => "a list such as [\"a\", \"b\"]".to_owned(),
            "a string" | "a borrowed string" | "path string" => "a text in quotes".to_owned(),
            other => expected(other),
        };
        return format!("got {}, allowed is {wanted}", self::given(given));
    }
    said.to_owned()
}

/// What stood there, in serde's words: ``string "a"``, ``integer `5` ``, `sequence`.
fn given(unexpected: &str) -> String {
    if let Some(text) = unexpected.strip_prefix("string ") {
        return text.to_owned();
    }
    match unexpected {
        "sequence" => "a list".to_owned(),
        "map" => "a section or a table".to_owned(),
        scalar => quoted(scalar).next().unwrap_or(scalar).to_owned(),
    }
}

/// What was given, and what there is: `` `name`, expected one of `a`, `b` ``.
fn unknown(rest: &str) -> (&str, Vec<&str>) {
    let mut names = quoted(rest);
    let name = names.next().unwrap_or_default();
    (name, names.collect())
}

/// What `name` is likely to be a slip of.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let likeness = |known: &&str| strsim::jaro_winkler(known, name);
    let alike = known.iter().copied().filter(|known| likeness(known) >= ALIKE);
    alike.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// What stands between back-quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_told_in_plain_words() {
        for (said, told) in [
            (
                "invalid type: string \"four\", expected usize",
                "got \"four\", allowed is a whole number, 0 or more",
            ),
            (
                "invalid type: string \"a, expected b\", expected a sequence",
                "got \"a, expected b\", allowed is a list such as [\"a\", \"b\"]",
            ),
            (
                "invalid type: integer `5`, expected a string",
                "got 5, allowed is a text in quotes",
            ),
            (
                "invalid type: sequence, expected a boolean",
                "got a list, allowed is true or false",
            ),
            (
                "invalid value: integer `70000`, expected u16",
                "got 70000, allowed is a whole number from 0 to 65535",
            ),
            (
                "invalid type: boolean `true`, expected struct ServerConfig",
                "got true, allowed is a section",
            ),
            (
                "unknown variant `emoji`, expected one of `auto`, `braille`",
                "\"emoji\" is none of auto, braille",
            ),
            (
                "unknown field `themme`, expected one of `theme`, `keys`",
                "there is no such setting; did you mean theme?",
            ),
            (
                "unknown field `colour`, expected `api` or `project`",
                "there is no such setting; there are api, project",
            ),
            ("missing field `api`", "api is missing"),
            ("\"horn\" is none of bell, off", "\"horn\" is none of bell, off"),
        ] {
            assert_eq!(of_setting(said), told);
        }
    }

    #[test]
    fn what_is_expected_is_told_in_plain_words() {
        assert_eq!(expected("invalid digit found in string"), "a whole number");
        assert_eq!(expected("struct Metric"), "an object");
        assert_eq!(expected("one of `a`"), "one of a");
    }
}
