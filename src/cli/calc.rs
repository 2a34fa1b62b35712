//! `splitdeck calc`: the statistics of [`crate::stats`] on numbers typed in.
//!
//! Each calculator prints a table for people, or with `--json` one object at full precision. In the JSON a number that does not exist (the
//! rate of an arm without subjects, an infinite mean) is `null`.

use clap::Subcommand;
use serde::Serialize;

use super::CliError;
use super::output::{Align, Table, print, print_json};
use crate::api::banners::{group, p_text};
use crate::cockpit::format::prob_best;
use crate::stats::posterior::{self, Arm, ArmPosterior, MAX_SUBJECTS, Prior};
use crate::stats::sequential::EValue;
use crate::stats::srm::{self, Cohort, CohortTest, MIN_EXPECTED};
use crate::stats::{StatsError, power, sequential};

/// Arguments of `splitdeck calc`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which calculator.
    #[command(subcommand)]
    pub calculator: Calculator,
}

/// The calculators.
#[derive(Debug, Subcommand)]
pub enum Calculator {
    /// Bayesian results of conversion rates: intervals, P(best), expected loss, uplift over the first arm.
    Bayes(Bayes),
    /// Sample ratio mismatch: whether counts fit the split, for one look and for looking all the time.
    Srm(Srm),
    /// How many events each arm needs to detect a lift.
    Power(Power),
}

/// Arguments of `splitdeck calc bayes`.
#[derive(Debug, clap::Args)]
pub struct Bayes {
    /// An arm as conversions/subjects, as in 10/100; once for each arm, control first.
    #[arg(long, required = true, value_name = "CONVERSIONS/N", value_parser = parse_arm, allow_hyphen_values = true)]
    pub arm: Vec<Arm>,
    /// The prior Beta(A, B) of every arm: two numbers from 0.01 to 1000000000.
    #[arg(long, value_name = "A,B", default_value = "1,1", value_parser = parse_prior, allow_hyphen_values = true)]
    pub prior: Prior,
    /// Print JSON at full precision.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `splitdeck calc srm`.
#[derive(Debug, clap::Args)]
pub struct Srm {
    /// How many subjects each arm got, as in 1000,1200.
    #[arg(
        long,
        required = true,
        value_name = "N,N,…",
        value_parser = parse_count,
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub counts: Vec<u64>,
    /// The weight of each arm, in percent (50,50), as fractions (0.5,0.5) or on any other positive scale (2,1): they are
    /// divided by their sum. An arm of weight 0 should get nobody; who is in it is reported as a leak and left out of the
    /// test. Without this all arms weigh the same.
    #[arg(
        long,
        value_name = "W,W,…",
        value_parser = parse_weight,
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub weights: Option<Vec<f64>>,
    /// Print JSON at full precision.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `splitdeck calc power`.
#[derive(Debug, clap::Args)]
pub struct Power {
    /// The conversion rate of control, a fraction: 0.05 is 5 %.
    #[arg(long, value_name = "RATE", value_parser = parse_probability, allow_hyphen_values = true)]
    pub baseline: f64,
    /// The relative lift to detect, a fraction: 0.2 is 20 % more, -0.1 is 10 % less.
    #[arg(long, value_name = "LIFT", value_parser = parse_lift, allow_hyphen_values = true)]
    pub lift: f64,
    /// How many events come in each week, in all arms together; gives the weeks it takes.
    #[arg(long, value_name = "EVENTS", value_parser = parse_traffic, allow_hyphen_values = true)]
    pub traffic: Option<f64>,
    /// How many arms there are, control included. Each is compared with control at the full alpha.
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = parse_arms, allow_hyphen_values = true)]
    pub arms: usize,
    /// The chance of seeing the lift when it is there.
    #[arg(long, value_name = "CHANCE", default_value = "0.8", value_parser = parse_probability, allow_hyphen_values = true)]
    pub power: f64,
    /// The chance of seeing one that is not there, two-sided.
    #[arg(long, value_name = "CHANCE", default_value = "0.05", value_parser = parse_probability, allow_hyphen_values = true)]
    pub alpha: f64,
    /// Print JSON at full precision.
    #[arg(long)]
    pub json: bool,
}

/// The largest number of arms.
const MAX_ARMS: usize = 1000;

/// What P(best) must not be used for; the number comes from design/statistics: 28 looks, one a night, at two equal arms.
const NOT_A_STOPPING_RULE: &str = "P(best) is not a stopping rule. With no real difference, looking every night and \
                                   stopping at P(best) > 95 % names a winner in 46 % of experiments after 28 nights.";

/// Runs `splitdeck calc`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: &Args) -> Result<(), CliError> {
    match &args.calculator {
        Calculator::Bayes(args) => bayes(args),
        Calculator::Srm(args) => srm(args),
        Calculator::Power(args) => power(args),
    }
}

/// What `calc bayes --json` prints.
#[derive(Serialize)]
struct BayesJson {
    prior: Prior,
    /// Control first.
    arms: Vec<ArmJson>,
}

/// One arm of [`BayesJson`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArmJson {
    conversions: u64,
    n: u64,
    /// `null` without subjects.
    rate: Option<f64>,
    ci_low: f64,
    ci_high: f64,
    prob_best: f64,
    expected_loss: f64,
    /// This and the next three: `null` for control.
    uplift_low: Option<f64>,
    uplift_median: Option<f64>,
    uplift_high: Option<f64>,
    /// Also `null` where it is infinite.
    uplift_mean: Option<f64>,
}

impl From<&ArmPosterior> for ArmJson {
    fn from(result: &ArmPosterior) -> Self {
        let uplift = result.uplift;
        ArmJson {
            conversions: result.arm.conversions,
            n: result.arm.n,
            rate: result.arm.rate(),
            ci_low: result.ci_low,
            ci_high: result.ci_high,
            prob_best: result.prob_best,
            expected_loss: result.expected_loss,
            uplift_low: uplift.map(|u| u.low),
            uplift_median: uplift.map(|u| u.median),
            uplift_high: uplift.map(|u| u.high),
            uplift_mean: uplift.and_then(|u| u.mean),
        }
    }
}

fn bayes(args: &Bayes) -> Result<(), CliError> {
    let results = posterior::compare(&args.arm, args.prior).map_err(|error| usage("--arm", &error))?;
    if args.json {
        return print_json(&BayesJson {
            prior: args.prior,
            arms: results.iter().map(ArmJson::from).collect(),
        });
    }
    let mut table = Table::new(&[
        ("", Align::Left),
        ("converted", Align::Right),
        ("subjects", Align::Right),
        ("rate", Align::Right),
        ("95 % interval", Align::Right),
        ("P(best)", Align::Right),
        ("expected loss", Align::Right),
        ("uplift", Align::Right),
        ("95 % interval", Align::Right),
    ]);
    for (i, result) in results.iter().enumerate() {
        let (uplift, uplift_range) = result.uplift.map_or_else(
            || ("—".to_owned(), "—".to_owned()),
            |u| {
                (
                    signed(u.median),
                    format!("{} – {}", signed(u.low), signed(u.high)),
                )
            },
        );
        table.row([
            if i == 0 {
                "control".to_owned()
            } else {
                format!("arm {}", i + 1)
            },
            group(result.arm.conversions),
            group(result.arm.n),
            result.arm.rate().map_or_else(|| "—".to_owned(), percent),
            format!("{} – {}", percent(result.ci_low), percent(result.ci_high)),
            prob_best(result.prob_best),
            points(result.expected_loss),
            uplift,
            uplift_range,
        ]);
    }
    print(&format!(
        "Prior Beta({}, {}). Uplift is the posterior median, relative to control; loss is how many points of the \
         rate are given away on average.\n\n\
         {}\n{NOT_A_STOPPING_RULE}\n",
        args.prior.a,
        args.prior.b,
        table.text()
    ))
}

/// What `calc srm --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SrmJson {
    counts: Vec<u64>,
    /// Normalised: they add up to 1.
    weights: Vec<f64>,
    expected: Vec<f64>,
    /// This, `df` and `p` are `null` when `why_not` says why there is no test.
    chi_square: Option<f64>,
    df: Option<u32>,
    p: Option<f64>,
    /// p < 0.001.
    alarm: bool,
    why_not: Option<String>,
    /// At most 1.8e308; `log_e_value` has no limit.
    e_value: f64,
    log_e_value: f64,
    always_valid_p: f64,
    /// E ≥ 1,000.
    always_valid_alarm: bool,
    leaks: Vec<LeakJson>,
}

/// Subjects in an arm of weight zero.
#[derive(Serialize)]
struct LeakJson {
    /// From 0, in the order of the counts.
    arm: usize,
    count: u64,
}

fn srm(args: &Srm) -> Result<(), CliError> {
    let arms = args.counts.len();
    if arms < 2 {
        return Err(CliError::Usage(format!(
            "--counts names {arms} arm; a split has at least two, as in --counts 1000,1200"
        )));
    }
    let weights = args.weights.clone().unwrap_or_else(|| vec![1.0; arms]);
    if weights.len() != arms {
        return Err(CliError::Usage(format!(
            "--counts names {arms} arms and --weights {}; each arm needs one of both",
            weights.len()
        )));
    }
    let e = sequential::e_value(&args.counts, &weights).map_err(|error| usage("--weights", &error))?;
    let counts = args.counts.clone();
    let test = srm::test(&[Cohort { counts, weights }]).map_err(|error| usage("--weights", &error))?;
    // One cohort in, one cohort out.
    let Some(cohort) = test.cohorts.first() else {
        return Err(CliError::Failed("the test of one cohort gave none".to_owned()));
    };
    if args.json {
        print_json(&srm_json(&args.counts, &test, cohort, e))
    } else {
        print(&srm_text(&args.counts, &test, cohort, e))
    }
}

fn srm_json(counts: &[u64], test: &srm::SrmTest, cohort: &CohortTest, e: EValue) -> SrmJson {
    let leaks = test.leaks.iter();
    SrmJson {
        counts: counts.to_vec(),
        weights: cohort.shares.clone(),
        expected: cohort.expected.clone(),
        chi_square: test.p.map(|_| test.chi_square),
        df: test.p.map(|_| test.df),
        p: test.p,
        alarm: test.alarm,
        why_not: why_not(cohort),
        e_value: e.value(),
        log_e_value: e.log,
        always_valid_p: e.p(),
        always_valid_alarm: e.alarm(),
        leaks: leaks
            .map(|leak| LeakJson {
                arm: leak.arm,
                count: leak.count,
            })
            .collect(),
    }
}

fn srm_text(counts: &[u64], test: &srm::SrmTest, cohort: &CohortTest, e: EValue) -> String {
    let mut text = format!("{}\n", split_table(counts, cohort).text());
    for leak in &test.leaks {
        text.push_str(&format!(
            "Leak: {} subjects in arm {}, which has weight 0; they take no part in the test.\n",
            group(leak.count),
            leak.arm + 1
        ));
    }
    let one_look = match (test.p, why_not(cohort)) {
        (_, Some(why)) => format!("not tested: {why}"),
        (p, None) => format!(
            "{} (chi-square {:.4}, {} df): {}",
            p_text(p.unwrap_or(f64::NAN)),
            test.chi_square,
            test.df,
            verdict(test.alarm, "p < 0.001")
        ),
    };
    text.push_str(&format!("One look:        {one_look}.\n"));
    text.push_str(&format!(
        "Looking always:  {} (E = {}): {}.\n",
        p_text(e.p()),
        significant(e.value()),
        verdict(e.alarm(), "E ≥ 1,000")
    ));
    text
}

/// The observed split beside the configured one.
fn split_table(counts: &[u64], cohort: &CohortTest) -> Table {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("subjects", Align::Right),
        ("observed", Align::Right),
        ("configured", Align::Right),
        ("expected", Align::Right),
    ]);
    for (i, count) in counts.iter().enumerate() {
        let observed = if cohort.shares[i] > 0.0 && cohort.n > 0 {
            percent(*count as f64 / cohort.n as f64)
        } else {
            "—".to_owned()
        };
        table.row([
            format!("arm {}", i + 1),
            group(*count),
            observed,
            percent(cohort.shares[i]),
            format!("{:.1}", cohort.expected[i]),
        ]);
    }
    table
}

/// Why there is no chi-square.
fn why_not(cohort: &CohortTest) -> Option<String> {
    if cohort.tested {
        return None;
    }
    if cohort.df == 0 {
        return Some("only one arm has a weight above 0, so there is no split to test".to_owned());
    }
    let smallest = cohort
        .expected
        .iter()
        .zip(&cohort.shares)
        .filter(|(_, share)| **share > 0.0)
        .map(|(expected, _)| *expected)
        .fold(f64::INFINITY, f64::min);
    Some(format!(
        "chi-square needs at least {MIN_EXPECTED} subjects expected in each arm, and the smallest number expected is \
         {smallest:.1}"
    ))
}

fn verdict(alarm: bool, rule: &str) -> String {
    if alarm {
        format!("sample ratio mismatch, for {rule}")
    } else {
        format!("no alarm, which takes {rule}")
    }
}

/// What `calc power --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PowerJson {
    baseline: f64,
    lift: f64,
    power: f64,
    alpha: f64,
    arms: usize,
    per_arm: u64,
    /// Before rounding up.
    per_arm_exact: f64,
    total: u64,
    /// This and `weeks` are `null` unless the traffic was given.
    traffic_per_week: Option<f64>,
    weeks: Option<f64>,
}

fn power(args: &Power) -> Result<(), CliError> {
    let design = power::Design {
        power: args.power,
        alpha: args.alpha,
        ..power::Design::new(args.baseline, args.lift).arms(args.arms)
    };
    let lifted = args.baseline * (1.0 + args.lift);
    if !(lifted > 0.0 && lifted < 1.0) {
        return Err(CliError::Usage(format!(
            "--lift {} takes --baseline {} to {lifted}; a rate must stay between 0 and 1, both excluded",
            args.lift, args.baseline
        )));
    }
    let size = power::sample_size(&design).map_err(|error| usage("--lift", &error))?;
    let per_arm = size.per_arm.first().copied().unwrap_or_default();
    let weeks = args
        .traffic
        .map(|traffic| size.weeks(traffic).map_err(|error| usage("--traffic", &error)))
        .transpose()?;
    if args.json {
        return print_json(&PowerJson {
            baseline: args.baseline,
            lift: args.lift,
            power: args.power,
            alpha: args.alpha,
            arms: args.arms,
            per_arm,
            per_arm_exact: size.exact,
            total: size.total,
            traffic_per_week: args.traffic,
            weeks,
        });
    }
    let sizes = format!(
        "≈ {} events per arm × {} arms = {} total",
        group(per_arm),
        args.arms,
        group(size.total)
    );
    let time = match (args.traffic, weeks) {
        (Some(traffic), Some(weeks)) => {
            format!(
                " at {} events/week, that's {} weeks.",
                count(traffic),
                decimals(weeks)
            )
        }
        _ => ".".to_owned(),
    };
    print(&format!(
        "To detect {} → {} ({} relative) with {} power at alpha {}, two-sided:\n\n{sizes}{time}\n",
        percent(args.baseline),
        percent(lifted),
        signed(args.lift),
        percent(args.power),
        args.alpha
    ))
}

/// A wrong argument that only showed when everything was put together.
fn usage(argument: &str, error: &StatsError) -> CliError {
    CliError::Usage(format!("{argument}: {error}"))
}

fn parse_arm(text: &str) -> Result<Arm, String> {
    let (conversions, n) = text
        .split_once('/')
        .ok_or("write conversions/subjects, as in 10/100")?;
    let (conversions, n) = (parse_count(conversions)?, parse_count(n)?);
    if conversions > n {
        return Err(format!(
            "{conversions} conversions of {n} subjects; there can be at most as many conversions as subjects"
        ));
    }
    Ok(Arm { conversions, n })
}

fn parse_count(text: &str) -> Result<u64, String> {
    let allowed = || format!("`{text}` is not a whole number from 0 to {MAX_SUBJECTS}");
    let count: u64 = text.trim().parse().map_err(|_| allowed())?;
    if count > MAX_SUBJECTS {
        return Err(allowed());
    }
    Ok(count)
}

fn parse_prior(text: &str) -> Result<Prior, String> {
    let (a, b) = text.split_once(',').ok_or("write two numbers, as in 1,1")?;
    let prior = Prior {
        a: parse_number(a)?,
        b: parse_number(b)?,
    };
    posterior::validate_prior(prior).map_err(|error| error.to_string())?;
    Ok(prior)
}

fn parse_weight(text: &str) -> Result<f64, String> {
    let weight = parse_number(text)?;
    if weight < 0.0 {
        return Err(format!("`{text}` is negative; a weight is 0 or more"));
    }
    Ok(weight)
}

fn parse_probability(text: &str) -> Result<f64, String> {
    let p = parse_number(text)?;
    if p > 0.0 && p < 1.0 {
        return Ok(p);
    }
    Err(format!(
        "`{text}` is not between 0 and 1, both excluded; write a fraction, as in 0.05 for 5 %"
    ))
}

fn parse_lift(text: &str) -> Result<f64, String> {
    let lift = parse_number(text)?;
    if lift == 0.0 {
        return Err("a lift of 0 can never be detected; write a fraction, as in 0.2 for 20 %".to_owned());
    }
    if lift <= -1.0 {
        return Err(format!("`{text}` leaves nothing of the rate; a lift is above -1"));
    }
    Ok(lift)
}

fn parse_traffic(text: &str) -> Result<f64, String> {
    let traffic = parse_number(text)?;
    if traffic > 0.0 {
        return Ok(traffic);
    }
    Err(format!("`{text}` is not a positive number of events a week"))
}

fn parse_arms(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(arms) if (2..=MAX_ARMS).contains(&arms) => Ok(arms),
        _ => Err(format!("`{text}` is not a whole number from 2 to {MAX_ARMS}")),
    }
}

fn parse_number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("`{text}` is not a finite number")),
    }
}

/// A fraction as a percentage with two decimals; what that would round to nothing has two significant digits instead.
fn percent(fraction: f64) -> String {
    let value = 100.0 * fraction;
    if value.abs() >= 1e9 {
        format!("{value:.2e} %")
    } else if value == 0.0 || value.abs() >= 0.005 {
        format!("{value:.2} %")
    } else {
        format!("{} %", significant(value))
    }
}

/// A difference of rates: hundredths of the whole, to the digits of [`percent`].
fn points(fraction: f64) -> String {
    percent(fraction).replace(" %", " points")
}

/// [`percent`] with its sign.
fn signed(fraction: f64) -> String {
    let text = percent(fraction);
    if fraction > 0.0 { format!("+{text}") } else { text }
}

/// A number in two significant digits, from 1e-4 to 1e6 without exponent.
fn significant(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e6).contains(&size) {
        format!("{value:.1e}")
    } else if size >= 10.0 {
        count(value.round())
    } else {
        let decimals = (1.0 - size.log10().floor()).max(0.0) as usize;
        format!("{value:.decimals$}")
    }
}

/// A number of events, with its thousands grouped when it is whole.
fn count(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        group(value as u64)
    } else {
        value.to_string()
    }
}

/// One decimal, and none for what is whole; never 0.0 for something.
fn decimals(value: f64) -> String {
    if value < 0.05 {
        significant(value)
    } else if value < 1e6 {
        format!("{value:.1}")
    } else {
        count(value.round())
    }
}
