//! Colours: by meaning, always beside a glyph and a word, and gone where they must be.

use std::collections::HashMap;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier, Style};
use splitdeck::tui::theme::{Theme, profile};

use super::worlds::worlds;
use crate::support::cockpit::{World, theme};

/// The first cell of the first place where `text` stands.
fn cell<'a>(buffer: &'a Buffer, text: &str) -> &'a Cell {
    let area = buffer.area;
    for y in 0..area.height {
        for x in 0..area.width {
            let matches = text.chars().enumerate().all(|(n, c)| {
                let x = x + u16::try_from(n).expect("short");
                x < area.width && buffer[(x, y)].symbol() == c.to_string()
            });
            if matches {
                return &buffer[(x, y)];
            }
        }
    }
    panic!("{text:?} is not on the screen");
}

/// Whether the cell has what the style asks for.
fn has(cell: &Cell, style: Style) -> bool {
    style.fg.is_none_or(|fg| cell.fg == fg)
        && style.bg.is_none_or(|bg| cell.bg == bg)
        && cell.modifier.contains(style.add_modifier)
}

fn world(name: &str) -> World {
    let found = worlds().into_iter().find(|(other, _)| *other == name);
    found.expect("such a world").1
}

#[test]
fn what_needs_a_person_is_red_and_what_is_well_is_not() {
    let theme = theme();
    let mut list = world("list");
    list.keys(&["G"]);
    let buffer = list.buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "auto-paused"), theme.danger));
    assert!(has(cell(&buffer, "SRM 2.4e-149"), theme.danger));
    assert!(has(cell(&buffer, "● active"), theme.ok));
    assert!(has(cell(&buffer, "PRODUCTION"), theme.production));
    assert!(has(cell(&buffer, "1 needs you"), theme.danger));
    assert!(
        has(cell(&buffer, "● 97.2 %"), theme.arm(1)),
        "the leader in the colour of its arm"
    );
}

#[test]
fn the_selected_row_is_marked_as_a_whole() {
    let theme = theme();
    let buffer = world("list").buffer(120, 40, &theme);
    let row = (0..buffer.area.height)
        .find(|y| (0..30).any(|x| has(&buffer[(x, *y)], theme.selection)))
        .expect("a marked row");
    for x in 0..120 {
        assert!(has(&buffer[(x, row)], theme.selection), "column {x}");
    }
    assert!(!has(&buffer[(0, row + 1)], theme.selection));
}

#[test]
fn the_focus_is_on_the_button_that_changes_nothing() {
    let theme = theme();
    let buffer = world("pause").buffer(100, 30, &theme);
    assert!(has(cell(&buffer, "‹ Keep running ›"), theme.selection));
    assert!(!has(cell(&buffer, "  Pause  "), theme.selection));
}

#[test]
fn what_is_unsaved_refused_and_disagreed_about_has_its_colour() {
    let theme = theme();
    let changed = world("edit_changed").buffer(120, 40, &theme);
    assert!(has(cell(&changed, "Checkout button for"), theme.dirty));
    assert!(
        has(cell(&changed, "Checkout button →"), theme.dim),
        "what it was, quieter"
    );
    assert!(!has(cell(&changed, "A button twice"), theme.dirty));
    let refused = world("edit_refused").buffer(120, 40, &theme);
    assert!(has(cell(&refused, "holdout: got"), theme.danger));
    let save = world("save").buffer(120, 40, &theme);
    assert!(has(cell(&save, "! 20.00 % of the subjects stop"), theme.warn));
    assert!(has(cell(&save, "‹ Go on editing ›"), theme.selection));
    let conflict = world("conflict").buffer(120, 40, &theme);
    assert!(has(cell(&conflict, "! deploy-bot saved v18"), theme.info));
    assert!(has(cell(&conflict, "! Both of you changed"), theme.warn));
    let offered = world("draft_offered").buffer(120, 40, &theme);
    assert!(has(cell(&offered, "~ 1 unsaved change"), theme.dirty));
    let variants = world("edit_variants").buffer(120, 40, &theme);
    assert!(has(cell(&variants, "◆ control"), theme.arm(0)));
    assert!(has(cell(&variants, "traffic 40.00 %"), theme.dirty));
}

#[test]
fn stale_data_is_faded_and_the_header_is_not() {
    let theme = theme();
    let fresh = world("list").buffer(120, 40, &theme);
    let stale = world("list_lost").buffer(120, 40, &theme);
    assert!(!has(cell(&fresh, "90,189"), theme.stale));
    assert!(has(cell(&stale, "90,189"), theme.stale));
    assert!(has(cell(&stale, "stale "), theme.warn));
    assert!(has(cell(&stale, "PRODUCTION"), theme.production));
}

#[test]
fn what_an_import_and_a_flag_do_has_a_colour_beside_its_sign() {
    let theme = theme();
    let buffer = world("import_review").buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "+ added"), theme.ok));
    assert!(has(cell(&buffer, "~ changed"), theme.warn));
    assert!(has(cell(&buffer, "! already exposed"), theme.warn));
    assert!(has(cell(&buffer, "◆ control"), theme.arm(0)));
    let buffer = world("import_apply").buffer(120, 40, &theme);
    assert!(
        has(cell(&buffer, "‹ Not yet ›"), theme.selection),
        "the focus is on what changes nothing"
    );
    let buffer = world("import_running").buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "█"), theme.accent));
    let buffer = world("flags").buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "✕ old-banner"), theme.dim));
    let mut draft = world("flag_draft");
    draft.keys(&["k"]);
    let buffer = draft.buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "~ 12.50 % → 50.00 %"), theme.dirty));
    let buffer = world("flag_both_changed").buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "▲ srm-guard changed"), theme.warn));
    let buffer = world("deployments").buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "revoked 3 d ago"), theme.danger));
    let buffer = world("deployment_key").buffer(120, 40, &theme);
    assert!(has(cell(&buffer, "This key is shown only now"), theme.warn));
}

#[test]
fn without_colours_the_selection_and_the_focus_can_still_be_seen() {
    struct Tty;
    impl termprofile::IsTerminal for Tty {
        fn is_terminal(&self) -> bool {
            true
        }
    }
    let vars = HashMap::from([("NO_COLOR", "1"), ("TERM", "xterm-256color")]);
    let plain: Theme = theme().adapted(profile(&vars, &Tty));
    for (name, mut world) in worlds() {
        let buffer = world.buffer(120, 40, &plain);
        for cell in &buffer.content {
            assert!(
                cell.fg == Color::Reset && cell.bg == Color::Reset,
                "{name}: {cell:?} has a colour"
            );
        }
    }
    let list = world("list").buffer(120, 40, &plain);
    assert!(
        cell(&list, "search-ranking")
            .modifier
            .contains(Modifier::REVERSED)
    );
    assert!(!cell(&list, "checkout-cta").modifier.contains(Modifier::REVERSED));
    let dialog = world("pause").buffer(120, 40, &plain);
    assert!(
        cell(&dialog, "‹ Keep running ›")
            .modifier
            .contains(Modifier::REVERSED)
    );
}
