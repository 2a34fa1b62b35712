//! `splitdeck calc`: numbers in, numbers out, and what is said about wrong ones.

#![allow(
    clippy::excessive_precision,
    reason = "references are quoted as they were computed"
)]

use std::process::{Command, Output};

use serde_json::Value;

fn calc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_splitdeck"))
        .arg("calc")
        .args(arguments)
        .output()
        .expect("the binary runs")
}

#[track_caller]
fn text(arguments: &[&str]) -> String {
    let output = calc(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert_eq!(errors, "");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn json(arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&text(&arguments)).expect("JSON and nothing else")
}

#[track_caller]
fn close(found: &Value, expected: f64, tolerance: f64) {
    let found = found.as_f64().expect("a number");
    assert!(
        (found - expected).abs() <= tolerance,
        "{found:e} instead of {expected:e}"
    );
}

/// The arguments are refused with exit code 2, nothing on standard output, and all of `said` in the message.
#[track_caller]
fn refused(arguments: &[&str], said: &[&str]) {
    let output = calc(arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    for part in said {
        assert!(message.contains(part), "{arguments:?}: no `{part}` in: {message}");
    }
}

#[test]
fn bayes_has_every_digit_in_json() {
    let found = json(&["bayes", "--arm", "10/100", "--arm", "15/100"]);
    assert_eq!(found["prior"], serde_json::json!({"a": 1.0, "b": 1.0}));
    let (control, treatment) = (&found["arms"][0], &found["arms"][1]);
    assert_eq!(found["arms"].as_array().map(Vec::len), Some(2));
    assert_eq!(control["conversions"], 10);
    assert_eq!(control["n"], 100);
    assert_eq!(control["rate"], 0.1);
    for name in ["upliftLow", "upliftMedian", "upliftHigh", "upliftMean"] {
        assert_eq!(control[name], Value::Null, "{name}");
    }
    assert_eq!(treatment["rate"], 0.15);
    close(&treatment["probBest"], 0.853283789933966, 1e-14);
    close(&treatment["expectedLoss"], 0.0035780881307110478, 1e-14);
    close(&treatment["ciLow"], 0.093346619468418139, 1e-13);
    close(&treatment["ciHigh"], 0.23309690385334931, 1e-13);
    close(&treatment["upliftLow"], -0.28125240302355808, 1e-11);
    close(&treatment["upliftMedian"], 0.46755648700228319, 1e-11);
    close(&treatment["upliftHigh"], 2.1298371266716989, 1e-11);
    close(&treatment["upliftMean"], 0.58431372549019608, 1e-13);
}

#[test]
fn bayes_takes_a_prior_and_many_arms() {
    let found = json(&[
        "bayes",
        "--arm",
        "1580/31500",
        "--arm",
        "1700/32000",
        "--arm=1550/31000",
        "--prior",
        "0.5,0.5",
    ]);
    assert_eq!(found["prior"], serde_json::json!({"a": 0.5, "b": 0.5}));
    for (arm, best) in [0.0411975419, 0.9254342402, 0.0333682179].into_iter().enumerate() {
        close(&found["arms"][arm]["probBest"], best, 1e-10);
    }
}

#[test]
fn bayes_on_cookie_cats() {
    let found = json(&["bayes", "--arm", "8502/44700", "--arm", "8279/45489"]);
    close(&found["arms"][1]["probBest"], 0.0007773386645762, 1e-15);
    // What does not exist is null: a rate without subjects, a mean that is infinite.
    let found = json(&["bayes", "--arm", "0/0", "--arm", "1/2"]);
    assert_eq!(found["arms"][0]["rate"], Value::Null);
    assert_eq!(found["arms"][1]["upliftMean"], Value::Null);
}

#[test]
fn bayes_prints_a_table() {
    let found = text(&["bayes", "--arm", "8502/44700", "--arm", "8279/45489"]);
    let lines: Vec<&str> = found.lines().collect();
    let row = |name: &str| {
        let row = lines.iter().find(|line| line.starts_with(name));
        row.unwrap_or_else(|| panic!("no row {name} in\n{found}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        row("control"),
        "control 8,502 44,700 19.02 % 18.66 % – 19.39 % 99.9 % 5.5e-5 points — —"
    );
    assert_eq!(
        row("arm 2"),
        "arm 2 8,279 45,489 18.20 % 17.85 % – 18.56 % 0.1 % 0.82 points -4.31 % -6.89 % – -1.66 %"
    );
    assert!(found.starts_with("Prior Beta(1, 1)"), "{found}");
    assert!(found.contains("P(best) is not a stopping rule"), "{found}");
    // The columns line up.
    let widths: Vec<usize> = lines
        .iter()
        .filter(|line| line.starts_with("control") || line.starts_with("arm"))
        .map(|line| line.find("8,").expect("a count"))
        .collect();
    assert_eq!(widths[0], widths[1]);
}

#[test]
fn srm_has_every_digit_in_json() {
    let found = json(&["srm", "--counts", "1000,1200", "--weights", "50,50"]);
    close(&found["chiSquare"], 18.181818181818182, 1e-12);
    assert_eq!(found["df"], 1);
    close(&found["p"], 2.0078656124264846e-5, 1e-16);
    close(&found["eValue"], 389.73938287234, 1e-9);
    close(&found["logEValue"], 5.96547826670051058, 1e-12);
    close(&found["alwaysValidP"], 0.00256581716897606, 1e-13);
    assert_eq!(found["alarm"], true);
    assert_eq!(found["alwaysValidAlarm"], false);
    assert_eq!(found["whyNot"], Value::Null);
    assert_eq!(found["counts"], serde_json::json!([1000, 1200]));
    assert_eq!(found["weights"], serde_json::json!([0.5, 0.5]));
    assert_eq!(found["expected"], serde_json::json!([1100.0, 1100.0]));
    assert_eq!(found["leaks"], serde_json::json!([]));
}

#[test]
fn weights_are_equal_unless_given_and_on_any_scale() {
    let plain = json(&["srm", "--counts", "1000,1200"]);
    for weights in ["50,50", "0.5,0.5", "7,7", "1e300,1e300"] {
        assert_eq!(
            json(&["srm", "--counts", "1000,1200", "--weights", weights]),
            plain,
            "{weights}"
        );
    }
    let uneven = json(&["srm", "--counts", "4072,2035", "--weights", "80,20"]);
    close(&uneven["p"], 2.4020031111532784e-149, 1e-160);
}

#[test]
fn srm_reports_leaks_and_says_why_it_cannot_test() {
    let found = json(&["srm", "--counts", "1,2,3", "--weights", "1,1,0"]);
    assert_eq!(found["p"], Value::Null);
    assert_eq!(found["chiSquare"], Value::Null);
    assert_eq!(found["leaks"], serde_json::json!([{"arm": 2, "count": 3}]));
    assert!(
        found["whyNot"]
            .as_str()
            .is_some_and(|why| why.contains("at least 5 subjects")),
        "{found}"
    );
    let printed = text(&["srm", "--counts", "1,2,3", "--weights", "1,1,0"]);
    assert!(printed.contains("Leak: 3 subjects in arm 3"), "{printed}");
    assert!(
        printed.contains("not tested: chi-square needs at least 5 subjects"),
        "{printed}"
    );
    let found = json(&["srm", "--counts", "9,0", "--weights", "1,0"]);
    assert!(
        found["whyNot"]
            .as_str()
            .is_some_and(|why| why.contains("only one arm")),
        "{found}"
    );
}

#[test]
fn srm_prints_both_verdicts() {
    let printed = text(&["srm", "--counts", "1000,1200"]);
    assert!(
        printed.contains("p = 2.0e-5 (chi-square 18.1818, 1 df): sample ratio mismatch, for p < 0.001"),
        "{printed}"
    );
    assert!(
        printed.contains("p = 0.0026 (E = 390): no alarm, which takes E ≥ 1,000"),
        "{printed}"
    );
}

#[test]
fn power_has_its_sentence() {
    let arguments = ["power", "--baseline", "0.05", "--lift", "0.2"];
    let printed = text(&arguments);
    assert!(
        printed.ends_with("≈ 8,158 events per arm × 2 arms = 16,316 total.\n"),
        "{printed}"
    );
    let printed = text(&[&arguments[..], &["--traffic", "6000", "--arms", "3"]].concat());
    assert!(
        printed.ends_with(
            "≈ 8,158 events per arm × 3 arms = 24,474 total at 6,000 events/week, that's 4.1 weeks.\n"
        ),
        "{printed}"
    );
}

#[test]
fn power_has_every_digit_in_json() {
    let found = json(&["power", "--baseline", "0.05", "--lift", "0.2"]);
    assert_eq!(found["perArm"], 8158);
    assert_eq!(found["total"], 16_316);
    assert_eq!(found["weeks"], Value::Null);
    close(&found["perArmExact"], 8157.7314478492733, 1e-8);
    let found = json(&[
        "power",
        "--baseline",
        "0.5",
        "--lift",
        "0.5",
        "--power",
        "0.9",
        "--alpha",
        "0.05",
        "--traffic",
        "100.5",
    ]);
    assert_eq!(found["perArm"], 77);
    close(&found["weeks"], 154.0 / 100.5, 1e-14);
    assert_eq!(
        json(&["power", "--baseline", "0.05", "--lift", "-0.2"])["perArm"],
        6745
    );
}

#[test]
fn wrong_numbers_are_named_with_what_is_allowed() {
    for (arguments, said) in [
        (&["bayes"][..], &["--arm"][..]),
        (
            &["bayes", "--arm", "11/10"],
            &["--arm", "11/10", "11 conversions of 10 subjects"],
        ),
        (
            &["bayes", "--arm", "ten"],
            &["--arm", "ten", "conversions/subjects"],
        ),
        (&["bayes", "--arm", "-1/10"], &["--arm", "`-1`", "whole number"]),
        (&["bayes", "--arm", "1.5/10"], &["--arm", "`1.5`", "whole number"]),
        (
            &["bayes", "--arm", "1/18446744073709551616"],
            &["--arm", "whole number from 0 to 1000000000000"],
        ),
        (
            &["bayes", "--arm", "1/2", "--prior", "0,1"],
            &["--prior", "prior's a is 0", "from 0.01"],
        ),
        (
            &["bayes", "--arm", "1/2", "--prior", "1,-2"],
            &["--prior", "prior's b is -2"],
        ),
        (
            &["bayes", "--arm", "1/2", "--prior", "1,nan"],
            &["--prior", "`nan` is not a finite number"],
        ),
        (
            &["bayes", "--arm", "1/2", "--prior", "1"],
            &["--prior", "as in 1,1"],
        ),
        (&["srm", "--counts", "5"], &["--counts", "at least two"]),
        (&["srm", "--counts", "5,-5"], &["--counts", "`-5`"]),
        (
            &["srm", "--counts", "5,5", "--weights", "1"],
            &["--counts", "2 arms", "--weights 1"],
        ),
        (
            &["srm", "--counts", "5,5", "--weights", "0,0"],
            &["--weights", "all weights are zero"],
        ),
        (
            &["srm", "--counts", "5,5", "--weights", "-1,2"],
            &["--weights", "`-1` is negative"],
        ),
        (
            &["srm", "--counts", "5,5", "--weights", "inf,2"],
            &["--weights", "not a finite number"],
        ),
        (
            &["srm", "--counts", "5,5", "--weights", "1,1e-13"],
            &["--weights", "at least 1e-12"],
        ),
        (&["power", "--lift", "0.2"], &["--baseline"]),
        (
            &["power", "--baseline", "5", "--lift", "0.2"],
            &["--baseline", "`5`", "0.05 for 5 %"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "1"],
            &["--lift 1", "--baseline 0.5", "between 0 and 1"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "-1"],
            &["--lift", "above -1"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "0"],
            &["--lift", "never be detected"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "1e-12"],
            &["--lift", "10^15"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "0.1", "--traffic", "0"],
            &["--traffic", "positive"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "0.1", "--arms", "1"],
            &["--arms", "from 2"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "0.1", "--power", "80"],
            &["--power", "`80`"],
        ),
        (
            &["power", "--baseline", "0.5", "--lift", "0.1", "--alpha", "0"],
            &["--alpha", "`0`"],
        ),
        (&["nothing"], &["nothing"]),
    ] {
        refused(arguments, said);
    }
}

#[test]
fn help_says_what_weights_may_be() {
    let help = text(&["srm", "--help"]);
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("in percent (50,50), as fractions (0.5,0.5) or on any other positive scale"),
        "{help}"
    );
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_splitdeck"))
        .args(["calc", "power", "--baseline", "0.05", "--lift", "0.2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
