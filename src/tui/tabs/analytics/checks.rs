//! What was checked about the data, and what was left out of the results.

use super::View;
use crate::api::results::{MultiVariant, Srm};
use crate::cockpit::format;
use crate::cockpit::state::analytics::Panel;
use crate::tui::glyphs::Tone;
use crate::tui::widgets::Pen;
use crate::tui::widgets::heading::Heading;
use crate::tui::widgets::pen::wrap;

/// One finding: how it is meant, and what it is.
pub fn findings(view: &View<'_>) -> Vec<(Tone, String)> {
    let results = view.results;
    let mut findings = Vec::new();
    let subjects = |n: u64| format::counted(n, "subject", "subjects");
    match (&results.srm.test, &results.srm.why_not) {
        (Some(test), _) => {
            let (tone, verdict) = if results.srm.alarm {
                (Tone::Warn, "mismatch")
            } else {
                (Tone::Ok, "no mismatch")
            };
            findings.push((
                tone,
                format!(
                    "sample ratio: {verdict} · chi-square {:.2}, df {}, {} · always-valid {}",
                    test.chi_square,
                    test.df,
                    format::p_text(test.p),
                    format::p_text(test.always_valid_p)
                ),
            ));
        }
        (None, Some(why)) => findings.push((Tone::Info, format!("sample ratio: not tested, {why}"))),
        (None, None) => findings.push((Tone::Info, "sample ratio: not tested".to_owned())),
    }
    findings.extend(view.page.guarded.and_then(|srm| guard(view, srm)));
    if results.multi_variant_subjects > 0 {
        let done = match results.query.multi_variant {
            MultiVariant::Exclude => "left out of the results",
            MultiVariant::FirstSeen => "counted for the variant seen first",
        };
        let who = subjects(results.multi_variant_subjects);
        findings.push((Tone::Warn, format!("{who} saw more than one variant: {done}")));
    }
    for leak in &results.srm.leaks {
        let who = subjects(leak.subjects);
        findings.push((
            Tone::Warn,
            format!(
                "{who} in {}, which has no share of the traffic: kept out of the sample ratio test",
                leak.variant
            ),
        ));
    }
    for unknown in &results.unknown_variants {
        let who = subjects(unknown.subjects);
        findings.push((
            Tone::Warn,
            format!(
                "{who} with variant {:?}, which the experiment does not have: in no arm",
                unknown.variant
            ),
        ));
    }
    if results.forced_subjects > 0 {
        let who = subjects(results.forced_subjects);
        findings.push((
            Tone::Info,
            format!("{who} forced by an override or a rule: in the results, not in the sample ratio test"),
        ));
    }
    if results.outside_subjects > 0 {
        let who = subjects(results.outside_subjects);
        findings.push((
            Tone::Info,
            format!("{who} took no part or came after the decision: in no arm"),
        ));
    }
    findings
}

/// What the guard saw at its looks: evidence that may be looked at any time, at its highest.
fn guard(view: &View<'_>, srm: &Srm) -> Option<(Tone, String)> {
    let watch = srm.watch?;
    // The guard's own threshold for what is looked at again and again.
    let alarm = watch.highest_e_value >= 1_000.0;
    let of = watch.checked_from.map_or_else(String::new, |from| {
        format!(
            ", of subjects first seen since {}",
            format::moment(from, &view.zone)
        )
    });
    let text = format!(
        "guard: always-valid {} after {}{of}; last look {}",
        format::p_text(watch.always_valid_p),
        format::counted(watch.looks, "look", "looks"),
        format::moment(watch.last_look_at, &view.zone)
    );
    Some((if alarm { Tone::Warn } else { Tone::Ok }, text))
}

/// All findings in lines of this width.
fn lines(view: &View<'_>, width: u16) -> Vec<(Option<Tone>, String)> {
    let glyphs = view.theme.glyphs;
    let mut lines = Vec::new();
    for (tone, text) in findings(view) {
        for (row, line) in wrap(&glyphs.text(&text), width.saturating_sub(4), 4, glyphs)
            .into_iter()
            .enumerate()
        {
            lines.push(((row == 0).then_some(tone), line));
        }
    }
    lines
}

pub fn height(view: &View<'_>, width: u16) -> u16 {
    u16::try_from(lines(view, width).len())
        .unwrap_or(u16::MAX)
        .saturating_add(1)
}

pub fn draw(view: &View<'_>, pen: &mut Pen<'_>) {
    let theme = pen.theme;
    let glyphs = pen.glyphs();
    let as_of = view
        .results
        .data_as_of
        .map(|at| format!("newest event {}", format::moment(at, &view.zone)));
    let heading = Heading {
        title: "Checks",
        detail: "",
        right: as_of.as_deref().unwrap_or_default(),
        focused: view.focused(Panel::Checks),
    };
    heading.draw(pen);
    let width = pen.width();
    for (y, (tone, line)) in (1..).zip(lines(view, width)) {
        if let Some(tone) = tone {
            pen.text(1, y, glyphs.tone(tone), theme.tone(tone));
        }
        pen.text(3, y, &line, theme.text);
    }
}
