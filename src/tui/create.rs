//! A new experiment: its steps, and how long it will take, live beside them.

use jiff::Timestamp;
use ratatui::style::Modifier;

use super::page::{Drawn, Page, Span, draw_spans, width_of};
use super::sheet::{self, View};
use super::tabs;
use super::widgets::Pen;
use crate::cockpit::edit::wizard::{REVIEW, STEPS, daily_traffic};
use crate::cockpit::edit::{Path, Sheet};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::lifecycle::basis;
use crate::cockpit::state::{Creation, Laid, State};
use crate::cockpit::update::{create, save};
use crate::domain::{Experiment, Status};

/// The second line: the steps.
pub fn title(pen: &mut Pen<'_>, state: &State) {
    let theme = pen.theme;
    let Some(create) = state.create.as_deref() else {
        return;
    };
    let name = create::thought(state)
        .filter(|e| !e.name.is_empty())
        .map_or_else(|| "New experiment".to_owned(), |e| e.key.to_string());
    let left: Vec<Span> = vec![(name, theme.heading), ("  new".to_owned(), theme.dim)];
    draw_spans(pen, 1, 0, &left);
    let steps = |short: bool| -> Vec<Span> {
        let names = STEPS.iter().map(|(_, name)| *name).chain([REVIEW]);
        let mut spans = Vec::new();
        for (at, name) in names.enumerate() {
            let open = at == create.wizard.step;
            if at > 0 {
                spans.push((if short { " " } else { "  " }.to_owned(), theme.dim));
            }
            let text = if short && !open {
                (at + 1).to_string()
            } else {
                format!("{} {name}", at + 1)
            };
            let style = if open {
                theme.accent.add_modifier(Modifier::UNDERLINED)
            } else {
                theme.dim
            };
            spans.push((text, style));
        }
        spans
    };
    for short in [false, true] {
        let spans = steps(short);
        let width = width_of(&spans);
        if width_of(&left) + 3 + width < pen.width() {
            let x = pen.width() - width - 1;
            draw_spans(pen, x, 0, &spans);
            return;
        }
    }
}

/// The step.
pub fn draw(pen: &mut Pen<'_>, state: &State, now: Timestamp, drawn: &mut Drawn) -> Laid {
    let Some(create) = state.create.as_deref() else {
        return Laid::default();
    };
    let (width, height) = (pen.width(), pen.height());
    let Some(e) = create::thought(state) else {
        return Laid::default();
    };
    let mut power = Page::new(pen.theme, width);
    estimate(&mut power, state, create, e);
    // The estimate stands below every step, where there is room for both.
    let below = u16::try_from(power.len()).unwrap_or(u16::MAX);
    let room = if height > below + 9 { below + 1 } else { 0 };
    let mut above = pen.part(0, 0, width, height - room);
    let laid = match View::of(state, now) {
        Some(view) if view.sheet == Sheet::Arms => tabs::variants::draw(&mut above, &view, drawn),
        Some(view) => sheet::draw(&mut above, &view, drawn),
        None => review(&mut above, state, e),
    };
    if room > 0 {
        power.draw(&mut pen.part(0, height - below, width, below), 0);
    }
    laid
}

/// The sample that is needed, and how long it takes with the traffic there is.
fn estimate(page: &mut Page<'_>, state: &State, create: &Creation, e: &Experiment) {
    let theme = page.theme;
    page.heading("Power", "80 % power, two-sided alpha 0.05, of a conversion rate");
    match create.wizard.sample(e) {
        Err(why) => page.text(&why, theme.warn),
        Ok(sample) => {
            let arms: Vec<String> = sample.per_arm.iter().map(|n| format::count(*n)).collect();
            let equal = sample.per_arm.windows(2).all(|pair| pair[0] == pair[1]);
            let text = if equal {
                format!(
                    "≈ {} subjects per arm × {} arms = {} in all",
                    arms.first().map_or("", String::as_str),
                    arms.len(),
                    format::count(sample.total)
                )
            } else {
                format!(
                    "≈ {} subjects = {} in all",
                    arms.join(" + "),
                    format::count(sample.total)
                )
            };
            page.line(vec![
                (
                    format!(
                        "{} % → {:+} % : ",
                        create.wizard.baseline.text().trim(),
                        create.wizard.lift.text().trim().parse::<f64>().unwrap_or(0.0)
                    ),
                    theme.dim,
                ),
                (text, theme.heading),
            ]);
            let allocated: u32 = e.variants.iter().map(|v| v.traffic_pct.basis_points()).sum();
            let list = &state.list;
            let all = list.all().iter();
            let all = all.filter_map(|e| Some((&**e, list.overview(e.id)?)));
            match daily_traffic(all) {
                Some((daily, overview)) if allocated > 0 => {
                    let basis = basis(overview);
                    let daily = daily * u64::from(allocated) / 10_000;
                    #[expect(clippy::cast_precision_loss, reason = "days need no 53 bits")]
                    let days = sample.total as f64 / daily.max(1) as f64;
                    let text = format!(
                        "{} with the new subjects of the busiest experiment ({} a day, {}.{:02} % of them allocated)",
                        duration(days),
                        format::count(daily * 10_000 / u64::from(allocated)),
                        allocated / 100,
                        allocated % 100
                    );
                    page.text(&text, theme.text);
                    if let Some(basis) = basis {
                        page.text(&basis, theme.warn);
                    }
                }
                _ => {
                    let running = list.all().iter().any(|e| e.status == Status::Active);
                    let why = if allocated == 0 {
                        "nobody is allocated"
                    } else if running {
                        "what runs is too young, or had no new subjects in the last day"
                    } else {
                        "nothing runs yet"
                    };
                    page.text(
                        &format!("How many days that takes is not known: {why}."),
                        theme.dim,
                    );
                }
            }
        }
    }
}

fn duration(days: f64) -> String {
    if days < 1.0 {
        "less than a day".to_owned()
    } else if days < 100.0 {
        format!("about {days:.1} days")
    } else {
        // A number of days that an integer holds; more saturate.
        format!("about {} days", format::rounded(days))
    }
}

/// The last step: everything that will be created.
fn review(pen: &mut Pen<'_>, state: &State, e: &Experiment) -> Laid {
    let theme = pen.theme;
    let mut page = Page::new(theme, pen.width());
    let keys = [Command::Save, Command::Edit].map(|command| state.keymap.way(Context::Edit, command));
    let creates: Vec<String> = keys.into_iter().flatten().collect();
    let back = (Context::Create, Command::PreviousStep, "goes back");
    let hint = match creates.is_empty() {
        true => state.keymap.ways(&[back]),
        false => {
            let text = format!("{} creates it as a draft", creates.join(" or "));
            state.keymap.after(&text, "; ", &[back])
        }
    };
    page.heading("Review", &hint);
    page.field("name", &e.name);
    let style = if create::key_taken(state, &e.key) {
        theme.danger
    } else {
        theme.text
    };
    page.field_in("key", e.key.as_str(), style);
    page.field("mode", tabs::setup::mode_text(e.assignment_mode));
    page.field("subject", &tabs::setup::subject_text(e));
    if e.hypothesis.is_empty() {
        page.missing("hypothesis", "none: what is expected, and why?");
    } else {
        page.field("hypothesis", &e.hypothesis);
    }
    match &e.primary_metric {
        Some(metric) => page.field("primary metric", &metric.to_string()),
        None => page.missing("primary metric", "none: exposures are counted, no conversions"),
    }
    for (label, path) in [
        ("first step", Path::SecondaryEvent),
        ("tracked", Path::TrackedEvents),
        ("holdout", Path::Holdout),
        ("sticky", Path::Sticky),
        ("lab", Path::Lab),
    ] {
        page.field(label, &path.show(&path.get(e)));
    }
    match &e.linked_flag {
        Some(flag) => page.field("linked flag", flag.as_str()),
        None => page.missing("linked flag", "none: one is created with the experiment"),
    }
    for (at, variant) in e.variants.iter().enumerate() {
        let (mark, style) = sheet::arm(theme, e, variant.key.as_str()).unwrap_or(("", theme.text));
        page.line(vec![
            (
                format!("{:<16}", if at == 0 { "variants" } else { "" }),
                theme.dim,
            ),
            (format!("{mark} {:<20}", variant.key.as_str()), style),
            (format!("{:>7} %", variant.traffic_pct.to_string()), theme.text),
        ]);
    }
    for rule in &e.rules {
        let conditions: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
        page.field(
            "rule",
            &format!("{} → {}", conditions.join(" and "), rule.variant),
        );
    }
    if let Some(draft) = state.drafts.get(&uuid::Uuid::nil())
        && let Some((_, why)) = save::in_the_way(state, draft)
    {
        page.blank();
        page.text(&why, theme.danger);
    }
    page.draw(pen, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_days_are_grouped_as_every_count() {
        assert_eq!(duration(0.4), "less than a day");
        assert_eq!(duration(3.25), "about 3.2 days");
        assert_eq!(duration(16_316.4), "about 16,316 days");
    }
}
