//! Numbers and times as the cockpit writes them: one format for each kind, everywhere.
//!
//! All functions are total: no input panics, and each gives text without leading or trailing blanks.
//! Widths are made stable by the tables, which right-align; decimals are fixed here.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use crate::api::banners::{format_p as p_value, group as count, p_text};
use crate::api::results::{Interval, WINNER_PROBABILITY};
use crate::domain::Status;

/// What stands where there is no value.
pub const NONE: &str = "–";

/// Whether a character of somebody else's text would steer the terminal, or turn the rest of its line around: control
/// characters, and those of bidirectional text.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number of subjects that need not be whole, such as an expected one: rounded, as [`count`] writes it.
#[must_use]
pub fn rounded(number: f64) -> String {
    if !number.is_finite() {
        return NONE.to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded, and as saturates at both ends"
    )]
    let whole = number.round() as u64;
    count(whole)
}

/// A count in at most five characters, for axes and narrow columns: `950`, `4.5k`, `90k`, `1.2M`.
///
/// Rounded down, so that it never claims more than there is.
#[must_use]
pub fn short_count(count: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (1_000_000_000_000_000_000, "E"),
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    for (size, unit) in UNITS {
        if count >= size {
            let (whole, tenth) = (count / size, count % size * 10 / size);
            return match tenth {
                0 => format!("{whole}{unit}"),
                _ if whole >= 100 => format!("{whole}{unit}"),
                _ => format!("{whole}.{tenth}{unit}"),
            };
        }
    }
    count.to_string()
}

/// A rate, 0 to 1, in percent with two decimals and its unit: `19.02 %`.
#[must_use]
pub fn rate(rate: f64) -> String {
    format!("{} %", bare_rate(rate))
}

/// A rate, 0 to 1, in percent with two decimals, for columns whose heading has the unit: `19.02`.
#[must_use]
pub fn bare_rate(rate: f64) -> String {
    fixed(rate * 100.0, 2)
}

/// An interval of rates in percent, unit in the heading: `18.66 – 19.39`.
#[must_use]
pub fn rate_interval(low: f64, high: f64) -> String {
    format!("{} – {}", bare_rate(low), bare_rate(high))
}

/// A probability of being best, 0 to 1, with one decimal: `97.2 %`.
///
/// What would round to enough for a winner and is not enough is `94.9 %`. What would round to certainty is `<0.1 %` or `>99.9 %`: no finite data make anybody certain, whatever the last
/// digits of a quadrature say.
#[must_use]
pub fn prob_best(p: f64) -> String {
    if p < 0.0005 {
        "<0.1 %".to_owned()
    } else if p > 0.9995 {
        ">99.9 %".to_owned()
    } else if p < WINNER_PROBABILITY && p > WINNER_PROBABILITY - 0.000_5 {
        format!("{} %", fixed(p * 100.0 - 0.05, 1))
    } else {
        format!("{} %", fixed(p * 100.0, 1))
    }
}

/// A relative change, 0.1 for 10 % more, with its sign and one decimal: `+4.3 %`, `0.0 %`.
#[must_use]
pub fn uplift(relative: f64) -> String {
    format!("{} %", signed(relative * 100.0, 1))
}

/// An interval of relative changes in percent, unit in the heading: `-6.8 – +1.7`.
///
/// A bound that rounds to zero keeps its sign, because on which side of zero it lies is what the interval
/// is read for: `-3.4 – -0.0` lies below, `-3.4 – +0.0` does not.
#[must_use]
pub fn uplift_interval(low: f64, high: f64) -> String {
    format!("{} – {}", bound(low * 100.0, 1), bound(high * 100.0, 1))
}

/// A difference of two rates, 0 to 1, in percentage points: `-0.82`.
#[must_use]
pub fn points(difference: f64) -> String {
    signed(difference * 100.0, 2)
}

/// An interval of differences in percentage points: `-1.90 – +0.26`; zeros as in [`uplift_interval`].
#[must_use]
pub fn points_interval(low: f64, high: f64) -> String {
    format!("{} – {}", bound(low * 100.0, 2), bound(high * 100.0, 2))
}

/// A share that is already in percent, with one decimal, unit in the heading: `49.6`.
#[must_use]
pub fn share(percent: f64) -> String {
    fixed(percent, 1)
}

/// A difference of two shares that are already in percent, in points: `-0.4`.
#[must_use]
pub fn share_delta(points: f64) -> String {
    signed(points, 1)
}

/// How long, in at most two units: `42 s`, `5 min`, `4 h`, `6 d 4 h`, `120 d`. Never negative.
///
/// Cut, not rounded: something is `2 min` old until it is three.
#[must_use]
pub fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{hours} h"),
        _ if hours == 0 || days >= 100 => format!("{} d", grouped(days)),
        _ => format!("{days} d {hours} h"),
    }
}

/// How long ago `then` was at `now`, as [`span`] writes it; a `then` in the future is `0 s` ago.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(then))
}

/// An [`age`] in minutes or longer: it stays what it is while nothing happens.
#[must_use]
pub fn since(then: Timestamp, now: Timestamp) -> String {
    if now.duration_since(then).as_secs() < 60 {
        "< 1 min".to_owned()
    } else {
        age(then, now)
    }
}

/// How long an answer took: `12 ms`, `1.4 s`. Of less than five milliseconds no more is told: what is left of them is noise.
#[must_use]
pub fn latency(took: std::time::Duration) -> String {
    match took.as_millis() {
        0..5 => "<5 ms".to_owned(),
        ms @ 5..1_000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

/// A moment in full: `2026-11-18 02:00:09`.
#[must_use]
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// A moment on a time axis, as fine as its buckets: `14:05`, `18 Nov 14:00`, `18 Nov`.
#[must_use]
pub fn tick(at: Timestamp, interval: Interval, zone: &TimeZone) -> String {
    let format = match interval {
        Interval::Minute => "%H:%M",
        Interval::Hour => "%-d %b %H:%M",
        Interval::Day | Interval::Week => "%-d %b",
    };
    at.to_zoned(zone.clone()).strftime(format).to_string()
}

/// The word of a status; the guard's pause is told from a person's.
#[must_use]
pub fn status(status: Status, auto_paused: bool) -> &'static str {
    match status {
        Status::Paused if auto_paused => "auto-paused",
        status => status.as_str(),
    }
}

/// The count in so many columns: `9,999,999`, and in millions where it is longer, `2,469 M`.
#[must_use]
pub fn count_within(n: u64, width: u16) -> String {
    let text = count(n);
    if text.len() <= usize::from(width) {
        return text;
    }
    let millions = format!("{} M", count(n / 1_000_000));
    if millions.len() <= usize::from(width) {
        millions
    } else {
        short_count(n)
    }
}

/// An estimate: no more than three digits of it are told, as it knows no more.
#[must_use]
pub fn about(n: u64) -> String {
    let unit = 10_u64.pow(n.checked_ilog10().unwrap_or(0).saturating_sub(2));
    // Half a unit more never makes the rounded number longer than the type holds, but for its last values.
    count(n.saturating_add(unit / 2) / unit * unit)
}

/// `1 subject`, `2 subjects`: the count with its noun.
#[must_use]
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// What somebody else said, as the end of a sentence: with a full stop unless it has its own end.
#[must_use]
pub fn ended(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '?', '!', '…']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

fn grouped(number: i64) -> String {
    count(number.unsigned_abs())
}

/// Fixed decimals without a negative zero; what is no number is [`NONE`].
fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

/// As [`fixed`], with a plus in front of what is above zero after rounding.
fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    if value > 0.0 && value.is_finite() && !zero {
        format!("+{text}")
    } else {
        text
    }
}

/// As [`signed`], but what is not zero has a sign even where it rounds to zero.
fn bound(value: f64, decimals: usize) -> String {
    if value.is_finite() && value != 0.0 {
        format!("{value:+.decimals$}")
    } else {
        fixed(value, decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan as _;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn what_is_not_enough_for_a_winner_does_not_read_as_if_it_were() {
        for (p, text) in [
            (0.949_4, "94.9 %"),
            (0.949_62, "94.9 %"),
            (0.949_999_9, "94.9 %"),
            (0.95, "95.0 %"),
            (0.950_4, "95.0 %"),
        ] {
            assert_eq!(prob_best(p), text, "{p}");
        }
    }

    #[test]
    fn an_estimate_has_three_digits() {
        let told = [0, 7, 999, 5_726, 99_950, 1_670_533, u64::MAX].map(about);
        let expected = [
            "0",
            "7",
            "999",
            "5,730",
            "100,000",
            "1,670,000",
            "18,400,000,000,000,000,000",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn long_counts_are_in_millions() {
        for (number, text) in [
            (9_999_999, "9,999,999"),
            (10_000_000, "10 M"),
            (2_469_134_000, "2,469 M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(count_within(number, 9), text);
        }
    }

    #[test]
    fn counts_are_grouped_and_shortened() {
        assert_eq!(count(0), "0");
        assert_eq!(count(45_489), "45,489");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (4_599, "4.5k"),
            (90_189, "90.1k"),
            (999_999, "999k"),
            (1_200_000, "1.2M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short_count(number), text);
            assert!(short_count(number).len() <= 5);
        }
        assert_eq!(rounded(45_094.5), "45,095");
        assert_eq!(rounded(-3.0), "0");
        assert_eq!(rounded(f64::INFINITY), NONE);
        assert_eq!(counted(1, "subject", "subjects"), "1 subject");
        assert_eq!(counted(1_200, "subject", "subjects"), "1,200 subjects");
    }

    #[test]
    fn what_ends_by_itself_gets_no_second_end() {
        for (said, ended_as) in [
            ("the disk is full", "the disk is full."),
            ("is it running?", "is it running?"),
            ("It was deleted. ", "It was deleted."),
        ] {
            assert_eq!(ended(said), ended_as);
        }
    }

    #[test]
    fn rates_have_two_decimals() {
        assert_eq!(rate(8_502.0 / 44_700.0), "19.02 %");
        assert_eq!(bare_rate(1.0), "100.00");
        assert_eq!(bare_rate(-0.0), "0.00");
        assert_eq!(rate_interval(0.18659016, 0.1938665), "18.66 – 19.39");
        assert_eq!(rate(f64::NAN), "– %");
    }

    #[test]
    fn the_probability_of_being_best_has_one_and_never_pretends_certainty() {
        for (p, text) in [
            (0.0, "<0.1 %"),
            (1e-9, "<0.1 %"),
            (0.000_777_338, "0.1 %"),
            (0.5, "50.0 %"),
            (0.972_1, "97.2 %"),
            (0.999_222_7, "99.9 %"),
            (0.999_999, ">99.9 %"),
            (1.0, ">99.9 %"),
        ] {
            assert_eq!(prob_best(p), text);
        }
    }

    #[test]
    fn changes_carry_their_sign() {
        assert_eq!(uplift(-0.043_1), "-4.3 %");
        assert_eq!(uplift(0.2), "+20.0 %");
        assert_eq!(uplift(0.0), "0.0 %");
        assert_eq!(uplift(-0.000_1), "0.0 %");
        assert_eq!(uplift(0.000_1), "0.0 %");
        assert_eq!(uplift_interval(-0.068, 0.017), "-6.8 – +1.7");
        assert_eq!(points(-0.008_2), "-0.82");
        assert_eq!(points_interval(-0.019, 0.002_6), "-1.90 – +0.26");
        assert_eq!(points_interval(-0.016_4, -0.000_04), "-1.64 – -0.00");
        assert_eq!(uplift_interval(0.0, 0.000_04), "0.0 – +0.0");
        assert_eq!(share(49.562), "49.6");
        assert_eq!(share_delta(-0.44), "-0.4");
        assert_eq!(share_delta(16.66), "+16.7");
    }

    #[test]
    fn spans_have_at_most_two_units_and_are_never_negative() {
        for (seconds, text) in [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (86_399, "23 h"),
            (86_400, "1 d"),
            (6 * 86_400 + 4 * 3_600 + 59, "6 d 4 h"),
            (123 * 86_400 + 4 * 3_600, "123 d"),
            (4_000 * 86_400, "4,000 d"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
        let now = at("2026-11-18T02:00:09Z");
        assert_eq!(age(now - 42.seconds(), now), "42 s");
        assert_eq!(age(now + 42.seconds(), now), "0 s");
        assert_eq!(age(Timestamp::MIN, Timestamp::MAX).split(' ').count(), 2);
    }

    #[test]
    fn times_are_as_fine_as_their_buckets() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let then = at("2026-11-18T01:05:09Z");
        assert_eq!(moment(then, &zone), "2026-11-18 02:05:09");
        assert_eq!(tick(then, Interval::Minute, &zone), "02:05");
        assert_eq!(tick(then, Interval::Hour, &zone), "18 Nov 02:05");
        assert_eq!(tick(then, Interval::Day, &zone), "18 Nov");
        assert_eq!(latency(std::time::Duration::from_micros(12_400)), "12 ms");
        assert_eq!(latency(std::time::Duration::from_micros(4_999)), "<5 ms");
        assert_eq!(latency(std::time::Duration::from_millis(5)), "5 ms");
        assert_eq!(latency(std::time::Duration::from_millis(1_440)), "1.4 s");
    }

    #[test]
    fn the_guards_pause_has_its_own_word() {
        assert_eq!(status(Status::Paused, true), "auto-paused");
        assert_eq!(status(Status::Paused, false), "paused");
        assert_eq!(status(Status::Active, true), "active");
    }
}
