use super::words::style;
use super::*;
use crate::tui::svg;
use std::collections::{BTreeSet, HashMap};

fn all() -> Vec<Theme> {
    Theme::names()
        .into_iter()
        .map(|name| Theme::built_in(name).expect("built in"))
        .collect()
}

/// Red, green and blue as light, 0 to 1.
fn linear(color: Color) -> Option<[f64; 3]> {
    let Color::Rgb(r, g, b) = color else { return None };
    Some([r, g, b].map(|c| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    }))
}

/// WCAG 2: contrast ratio of two colours, 1 to 21.
fn contrast(a: Color, b: Color) -> f64 {
    let light = |color| {
        let [r, g, b] = linear(color).expect("an RGB colour");
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (light(a) + 0.05, light(b) + 0.05);
    a.max(b) / a.min(b)
}

/// Distance in OKLab, where 0.02 is just noticeable, of two colours in linear light.
fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let oklab = |[r, g, b]: [f64; 3]| {
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        [
            0.210_454_255_3 * l + 0.793_617_785 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766 * s,
        ]
    };
    let (a, b) = (oklab(a), oklab(b));
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Full protanopia and deuteranopia after Machado, Oliveira and Fernandes (2009), in linear light.
const VISION: [(&str, [[f64; 3]; 3]); 3] = [
    (
        "full colour vision",
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
];

fn seen(color: Color, matrix: &[[f64; 3]; 3]) -> [f64; 3] {
    let rgb = linear(color).expect("an RGB colour");
    matrix.map(|row| {
        let sum: f64 = row.iter().zip(rgb).map(|(m, c)| m * c).sum();
        sum.clamp(0.0, 1.0)
    })
}

#[test]
fn text_of_the_rgb_themes_stands_out_from_its_ground() {
    for theme in all().iter().filter(|theme| theme.name != "default") {
        let least = if theme.name == "high-contrast" { 7.0 } else { 4.5 };
        for (key, style) in theme.styles() {
            let ratio = contrast(
                style.fg.expect("every key of an RGB theme names its colour"),
                style.bg.unwrap_or(theme.background),
            );
            // A rule is decoration: visible, and quieter than anything that is read.
            let least = if key == "rule" && theme.name != "high-contrast" {
                1.5
            } else {
                least
            };
            assert!(
                ratio >= least,
                "{}: {key} has a contrast of {ratio:.2}:1",
                theme.name
            );
        }
    }
}

/// The palette of a terminal is a person's own, so that the grounds are declared: Modus Vivendi and Operandi
/// (Protesilaos Stavrou), whose sixteen colours are legible on black and on white. Dim is drawn as the terminals
/// of this day draw it, at two thirds or a little less.
#[test]
fn text_of_the_default_theme_stands_out_from_the_declared_grounds() {
    const DIM: f64 = 0.62;
    let theme = Theme::built_in("default").expect("built in");
    for (name, ground) in [("dark", svg::DARK), ("light", svg::LIGHT)] {
        let shown = |color: Color, behind: bool| {
            let (r, g, b) = svg::rgb(color, &ground, behind);
            Color::Rgb(r, g, b)
        };
        for (key, style) in theme.styles() {
            let (fg, bg) = (
                shown(style.fg.unwrap_or(Color::Reset), false),
                shown(style.bg.unwrap_or(Color::Reset), true),
            );
            let fg = match (style.add_modifier.contains(Modifier::DIM), fg, bg) {
                (true, Color::Rgb(r, g, b), Color::Rgb(x, y, z)) => {
                    let mix = |a: u8, b: u8| (f64::from(a) * DIM + f64::from(b) * (1.0 - DIM)) as u8;
                    Color::Rgb(mix(r, x), mix(g, y), mix(b, z))
                }
                _ => fg,
            };
            let ratio = contrast(fg, bg);
            assert!(ratio >= 4.5, "{key} has a contrast of {ratio:.2}:1 on {name}");
        }
    }
}

#[test]
fn the_default_theme_trusts_no_colour_that_a_background_may_swallow() {
    let theme = Theme::built_in("default").expect("built in");
    assert_eq!(theme.background, Color::Reset);
    let hues = [
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
    ];
    for (key, style) in theme.styles() {
        assert!(style.bg.is_none(), "{key} paints a background");
        let safe = style.fg.is_none_or(|fg| fg == Color::Reset || hues.contains(&fg));
        assert!(safe, "{key} is {:?}", style.fg);
    }
}

#[test]
fn arms_differ_in_every_theme_on_every_terminal() {
    for theme in all() {
        for profile in [TermProfile::TrueColor, TermProfile::Ansi256, TermProfile::Ansi16] {
            let adapted = theme.adapted(profile);
            let arms: BTreeSet<_> = (0..4).map(|slot| format!("{:?}", adapted.arm(slot).fg)).collect();
            assert_eq!(arms.len(), 4, "{} as {profile:?}: {arms:?}", theme.name);
            let split = (adapted.configured.fg, adapted.observed.fg);
            assert_ne!(
                split.0, split.1,
                "{} as {profile:?}: configured and observed",
                theme.name
            );
            assert_eq!(adapted.arm(4), adapted.arm(0));
        }
    }
}

#[test]
fn the_colour_blind_theme_is_told_apart_with_protanopia_and_deuteranopia() {
    let theme = Theme::built_in("colour-blind").expect("built in");
    let color = |style: Style| style.fg.expect("RGB");
    let arms = [theme.arm_1, theme.arm_2, theme.arm_3, theme.arm_4];
    let mut pairs = vec![
        ("ok and danger", theme.ok, theme.danger),
        ("ok and warn", theme.ok, theme.warn),
        ("warn and danger", theme.warn, theme.danger),
        ("configured and observed", theme.configured, theme.observed),
    ];
    for i in 0..4 {
        for j in 0..i {
            pairs.push(("two arms", arms[i], arms[j]));
        }
    }
    for (vision, matrix) in &VISION {
        for (what, a, b) in &pairs {
            let apart = distance(seen(color(*a), matrix), seen(color(*b), matrix));
            assert!(
                apart >= 0.1,
                "{what} are {apart:.3} apart with {vision}: {:?} {:?}",
                a.fg,
                b.fg
            );
        }
    }
}

#[test]
fn without_colour_nothing_is_coloured_and_nothing_vanishes() {
    for theme in all() {
        let plain = theme.adapted(TermProfile::NoColor);
        assert_eq!(plain.base(), Style::default());
        for (key, style) in plain.styles() {
            assert_eq!((style.fg, style.bg), (None, None), "{key}");
        }
        assert!(
            plain.selection.add_modifier.contains(Modifier::REVERSED),
            "{}",
            theme.name
        );
        assert!(
            plain.danger.add_modifier.contains(Modifier::BOLD),
            "{}",
            theme.name
        );
        assert!(plain.dim.add_modifier.contains(Modifier::DIM), "{}", theme.name);
    }
}

#[test]
fn colours_come_down_to_what_the_terminal_has() {
    let dark = Theme::built_in("dark").expect("built in");
    assert_eq!(dark.adapted(TermProfile::TrueColor), dark);
    for (key, style) in dark.adapted(TermProfile::Ansi256).styles() {
        assert!(
            matches!(style.fg, Some(Color::Indexed(_))),
            "{key}: {:?}",
            style.fg
        );
    }
    let default = Theme::built_in("default").expect("built in");
    for theme in all() {
        let sixteen = theme.adapted(TermProfile::Ansi16);
        assert_eq!(sixteen.styles(), default.styles(), "{}", theme.name);
        assert_eq!((sixteen.name, sixteen.background), (theme.name, Color::Reset));
    }
}

#[test]
fn the_environment_says_what_the_terminal_shows() {
    struct Tty;
    impl IsTerminal for Tty {
        fn is_terminal(&self) -> bool {
            true
        }
    }
    let of =
        |pairs: &[(&'static str, &'static str)]| profile(&HashMap::from_iter(pairs.iter().copied()), &Tty);
    assert_eq!(of(&[("TERM", "xterm-256color")]), TermProfile::Ansi256);
    assert_eq!(of(&[("TERM", "vt100")]), TermProfile::NoColor);
    assert_eq!(
        of(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]),
        TermProfile::TrueColor
    );
    assert_eq!(
        of(&[("TERM", "xterm-256color"), ("NO_COLOR", "whatever")]),
        TermProfile::NoColor
    );
    assert_eq!(
        of(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]),
        TermProfile::Ansi256
    );
}

#[test]
fn styles_are_read_as_they_are_written() {
    assert_eq!(style("dim"), Ok(Style::default().add_modifier(Modifier::DIM)));
    let full = Style::default()
        .fg(Color::Rgb(0xf2, 0xf5, 0xfa))
        .bg(Color::LightBlue)
        .add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
    assert_eq!(style("bold underline #f2f5fa on bright-blue"), Ok(full));
    for wrong in [
        "blue red",
        "on",
        "#12345",
        "#12345g",
        "256",
        "red on blue on green",
        "Bold",
    ] {
        assert!(style(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_bad_file_is_refused_with_its_line() {
    let good = BUILT_IN[1].1;
    let unknown = format!("{good}\nblink = \"red\"\n");
    let error = Theme::parse("mine", &unknown)
        .expect_err("an unknown key")
        .to_string();
    assert!(error.contains("mine") && error.contains("blink"), "{error}");

    let bad = good.replace("warn        = \"bold #f2c14e\"", "warn = \"bold beige\"");
    let error = Theme::parse("mine", &bad).expect_err("not a colour").to_string();
    assert!(error.contains("beige") && error.contains("line"), "{error}");

    let missing = good.replace("arm_3", "#arm_3");
    let error = Theme::parse("mine", &missing)
        .expect_err("a missing key")
        .to_string();
    assert!(error.contains("missing: arm_3;"), "{error}");

    // All that is wrong is named at once.
    let bad = "inherits = \"drak\"\nwarm = \"red\"\nwarn = \"beige\"\ntext = 5\n";
    let Err(ThemeError::Invalid { problems, .. }) = Theme::parse("mine", bad) else {
        panic!("not refused")
    };
    for (problem, words) in problems.iter().zip([
        ["line 1: inherits: ", "no theme has this name"],
        ["line 2: warm: there is no such setting", "did you mean warn?"],
        ["line 3: warn: ", "\"beige\" is neither a colour"],
        ["line 4: text: got 5", "a text in quotes"],
    ]) {
        assert!(words.iter().all(|word| problem.contains(word)), "{problems:?}");
    }
    assert_eq!(problems.len(), 4, "{problems:?}");
    let error = Theme::parse("mine", bad).expect_err("mistakes").to_string();
    assert!(error.contains("(3 more: "), "{error}");

    let error = Theme::built_in("mauve").expect_err("no such theme").to_string();
    assert!(
        error.contains("mauve") && error.contains("colour-blind"),
        "{error}"
    );
}

#[test]
fn faded_keeps_the_focus_and_drops_the_rest() {
    let dark = Theme::built_in("dark").expect("built in");
    let faded = dark.faded();
    assert_eq!(faded.accent, dark.accent);
    assert_eq!(faded.arm_1, dark.stale);
    assert_eq!(faded.danger, dark.stale);
}
