#![allow(
    clippy::excessive_precision,
    reason = "references are quoted as they were computed"
)]

use proptest::prelude::*;

use super::*;

const UNIFORM: Prior = Prior { a: 1.0, b: 1.0 };
const JEFFREYS: Prior = Prior { a: 0.5, b: 0.5 };

fn arms(counts: &[(u64, u64)]) -> Vec<Arm> {
    counts
        .iter()
        .map(|&(conversions, n)| Arm { conversions, n })
        .collect()
}

fn compared(counts: &[(u64, u64)], prior: Prior) -> Vec<ArmPosterior> {
    compare(&arms(counts), prior).unwrap()
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found:e} instead of {expected:e}"
    );
}

#[track_caller]
fn close(found: f64, expected: f64, relative: f64) {
    near(found, expected, relative * expected.abs());
}

#[track_caller]
fn all_near(found: impl Iterator<Item = f64>, expected: &[f64], relative: f64) {
    let found: Vec<f64> = found.collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        close(*found, *expected, relative);
    }
}

/// One row of the table below.
struct Case {
    counts: &'static [(u64, u64)],
    prior: Prior,
    best: &'static [f64],
    loss: &'static [f64],
    interval: &'static [(f64, f64)],
}

/// Made with mpmath at 40 digits: Gauss-Legendre over log-odds, 30 nodes on each of 40 panels of each posterior. The first seven are those of the
/// design, which come from elsewhere and agree in all digits they have.
const CASES: &[Case] = &[
    Case {
        counts: &[(10, 100), (15, 100)],
        prior: UNIFORM,
        best: &[0.14671621006603387, 0.85328378993396613],
        loss: &[0.052597695973848303, 0.0035780881307110478],
        interval: &[
            (0.055637223835302983, 0.17455282607711905),
            (0.093346619468418139, 0.23309690385334931),
        ],
    },
    Case {
        counts: &[(500, 10_000), (600, 10_000)],
        prior: UNIFORM,
        best: &[0.0009608032600577492, 0.99903919673994225],
        loss: &[0.0099988566678805468, 8.5626796053078435e-7],
        interval: &[
            (0.045901268594915435, 0.054449094899610097),
            (0.055514796918024457, 0.064827784692359265),
        ],
    },
    Case {
        counts: &[(1580, 31_500), (1700, 32_000), (1550, 31_000)],
        prior: JEFFREYS,
        best: &[0.041197541867963787, 0.92543424021519251, 0.033368217916843706],
        loss: &[
            0.0030211287351625389,
            5.5174708423106304e-5,
            0.0031796234550002403,
        ],
        interval: &[
            (0.047789527533663749, 0.052610591729697865),
            (0.050707949976049453, 0.055622881112958715),
            (0.047615759117845542, 0.05246826256221192),
        ],
    },
    Case {
        counts: &[(80, 100), (160, 200)],
        prior: JEFFREYS,
        best: &[0.49588802468999005, 0.50411197531000995],
        loss: &[0.020191446068811323, 0.018713686352541189],
        interval: &[
            (0.71372042717268258, 0.86920958458131518),
            (0.74049231119663397, 0.85089913005486266),
        ],
    },
    Case {
        counts: &[(77, 100)],
        prior: JEFFREYS,
        best: &[1.0],
        loss: &[0.0],
        // The design's six digits; all of them are in `beta`'s tests.
        interval: &[(0.6806028443963, 0.8440298234789)],
    },
    // The cookie-cats file, retention on day 7 and on day 1.
    Case {
        counts: &[(8502, 44_700), (8279, 45_489)],
        prior: UNIFORM,
        best: &[0.99922266133542379, 0.00077733866457621167],
        loss: &[5.4781316064081173e-7, 0.0082017259602110051],
        interval: &[
            (0.18659016021785564, 0.19386650058394412),
            (0.17848156884862693, 0.18557296329590953),
        ],
    },
    Case {
        counts: &[(20_034, 44_700), (20_119, 45_489)],
        prior: UNIFORM,
        best: &[0.96279397482461746, 0.037206025175382538],
        loss: &[4.9177179641570023e-5, 0.0059541275532386433],
        interval: &[
            (0.44358240510042848, 0.4528024610648285),
            (0.43772379368092062, 0.44685158735935523),
        ],
    },
    // 10⁹ subjects: at 19 %, at 50 %, at 10⁻⁶, with nearly none and with nearly all converted.
    Case {
        counts: &[(190_000_000, 1_000_000_000), (190_020_000, 1_000_000_000)],
        prior: UNIFORM,
        best: &[0.12715294460037186, 0.87284705539962814],
        loss: &[2.1111810310085232e-5, 1.1118103500852316e-6],
        interval: &[
            (0.18997568659204765, 0.19002431582242199),
            (0.18999568561248494, 0.19004431680182892),
        ],
    },
    Case {
        counts: &[(500_000_000, 1_000_000_000), (500_030_000, 1_000_000_000)],
        prior: UNIFORM,
        best: &[0.089856247443126775, 0.91014375255687323],
        loss: &[3.0931166189511502e-5, 9.3116624951150164e-7],
        interval: &[
            (0.49996901024843778, 0.50003098975156222),
            (0.49999901024837673, 0.50006098975138961),
        ],
    },
    Case {
        counts: &[(1000, 1_000_000_000), (1060, 1_000_000_000)],
        prior: UNIFORM,
        best: &[0.093137737664969332, 0.90686226233503067],
        loss: &[6.1973986327564097e-8, 1.9739864475640966e-9],
        interval: &[
            (9.3994206103801055e-7, 1.0639521009313364e-6),
            (9.9811049993214122e-7, 1.1257836692696629e-6),
        ],
    },
    Case {
        counts: &[(0, 1_000_000_000), (3, 1_000_000_000)],
        prior: UNIFORM,
        best: &[0.0624999998125, 0.9375000001875],
        loss: &[3.0624999935625e-9, 6.2499999562500002e-11],
        interval: &[
            (2.5317807958651572e-11, 3.6888794436211411e-9),
            (1.0898653735773543e-9, 8.7672730356934241e-9),
        ],
    },
    Case {
        counts: &[(1_000_000_000, 1_000_000_000), (999_999_997, 1_000_000_000)],
        prior: UNIFORM,
        best: &[0.9375000001875, 0.0624999998125],
        loss: &[6.2499999562500002e-11, 3.0624999935625e-9],
        interval: &[
            (0.99999999631112056, 0.99999999997468219),
            (0.99999999123272696, 0.99999999891013463),
        ],
    },
    // Nothing known, of some arms or of all.
    Case {
        counts: &[(0, 0), (0, 0), (0, 0)],
        prior: UNIFORM,
        best: &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0],
        loss: &[0.25, 0.25, 0.25],
        interval: &[(0.025, 0.975), (0.025, 0.975), (0.025, 0.975)],
    },
    Case {
        counts: &[(0, 0), (300_000_000, 1_000_000_000)],
        prior: UNIFORM,
        best: &[0.6999999996, 0.3000000004],
        loss: &[0.045000000225, 0.244999999825],
        interval: &[(0.025, 0.975), (0.2999715982023919, 0.30002840335533045)],
    },
    Case {
        counts: &[(0, 0), (0, 100)],
        prior: JEFFREYS,
        best: &[0.96415728531846635, 0.035842714681533653],
        loss: &[0.00023549369861272511, 0.49528499864910777],
        interval: &[
            (0.0015413331334360119, 0.99845866686656399),
            (4.8980731043974849e-6, 0.0247452700152699),
        ],
    },
    Case {
        counts: &[(0, 0), (0, 3), (2, 2)],
        prior: Prior { a: 0.05, b: 0.05 },
        best: &[0.23984274628092191, 7.2655173544640447e-5, 0.76008459854553345],
        loss: &[0.48690344344926747, 0.97077441119120296, 0.010712967258791283],
        interval: &[
            (8.8328521112271338e-27, 1.0),
            (2.0517509844799861e-33, 0.19603897091558831),
            (0.70359574167394473, 1.0),
        ],
    },
    // Ten alike, and ten that differ in width by nine orders of magnitude.
    Case {
        counts: &[
            (1000, 20_000),
            (1017, 20_100),
            (1034, 20_200),
            (1051, 20_300),
            (1068, 20_400),
            (1085, 20_500),
            (1102, 20_600),
            (1119, 20_700),
            (1136, 20_800),
            (1153, 20_900),
        ],
        prior: UNIFORM,
        best: &[
            0.00049227906780416794,
            0.0015026566152326714,
            0.0041088973009258275,
            0.010136360802502777,
            0.022731017924773181,
            0.04670845308796918,
            0.08866755845204005,
            0.15677481505050633,
            0.26024286028573041,
            0.4086351014125154,
        ],
        loss: &[
            0.0061900722017246119,
            0.0055933405108503206,
            0.0050025164696233344,
            0.0044175127814770987,
            0.0038382438613746453,
            0.0032646257940680407,
            0.0026965762935734602,
            0.0021340146638207847,
            0.0015768617604381954,
            0.0010250399536337574,
        ],
        interval: &[],
    },
    Case {
        counts: &[
            (0, 0),
            (0, 1_000_000_000),
            (1_000_000_000, 1_000_000_000),
            (5, 10),
            (50, 100),
            (500, 1000),
            (50_000, 100_000),
            (5_000_000, 10_000_000),
            (500_000_000, 1_000_000_000),
            (500_020_000, 1_000_000_000),
        ],
        prior: UNIFORM,
        best: &[
            9.99999998e-10,
            0.0,
            0.999999999,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
        ],
        loss: &[
            0.499999999,
            0.999999998,
            9.9999999499999706e-19,
            0.499999999,
            0.499999999,
            0.499999999,
            0.499999999,
            0.499999999,
            0.499999999,
            0.49997999900004,
        ],
        interval: &[],
    },
];

#[test]
fn agrees_with_the_reference() {
    for case in CASES {
        let results = compared(case.counts, case.prior);
        println!("{:?}", case.counts);
        for (result, best) in results.iter().zip(case.best) {
            near(result.prob_best, *best, 1e-13);
        }
        all_near(results.iter().map(|r| r.expected_loss), case.loss, 1e-11);
        for (result, (low, high)) in results.iter().zip(case.interval) {
            close(result.ci_low, *low, 1e-11);
            close(result.ci_high, *high, 1e-11);
        }
        near(results.iter().map(|r| r.prob_best).sum(), 1.0, 1e-13);
    }
}

#[test]
fn uplift_agrees_with_the_reference() {
    // mpmath at 32 digits: the integral by Gauss-Legendre over log-odds, the quantile by the secant method.
    for (counts, prior, quantiles, mean) in [
        (
            [(10, 100), (15, 100)],
            UNIFORM,
            [-0.28125240302355808, 0.46755648700228319, 2.1298371266716989],
            Some(0.58431372549019608),
        ),
        (
            [(500, 10_000), (600, 10_000)],
            UNIFORM,
            [0.069263087699688687, 0.19972981643681297, 0.34672187352158284],
            Some(0.20187982403519296),
        ),
        (
            [(8502, 44_700), (8279, 45_489)],
            UNIFORM,
            [
                -0.068890213768980358,
                -0.043116327460927318,
                -0.016634010795455488,
            ],
            Some(-0.043024121330768941),
        ),
        (
            [(500_000_000, 1_000_000_000), (500_030_000, 1_000_000_000)],
            UNIFORM,
            [-2.765104218519486e-5, 5.99999998999988e-5, 0.00014765872521016462],
            Some(6.000099994e-5),
        ),
        (
            [(1000, 1_000_000_000), (1060, 1_000_000_000)],
            UNIFORM,
            [-0.02772587412930485, 0.059960024052675439, 0.15563764491847074],
            Some(0.060999998939),
        ),
        (
            [(0, 1_000_000_000), (3, 1_000_000_000)],
            UNIFORM,
            [-0.33987597931185379, 4.2852135068025138, 156.49208812228604],
            None,
        ),
        (
            [(1_000_000_000, 1_000_000_000), (999_999_997, 1_000_000_000)],
            UNIFORM,
            [
                -8.0015514655604405e-9,
                -2.7797006777092037e-9,
                9.1629072837765868e-10,
            ],
            Some(-2.999999996e-9),
        ),
    ] {
        let uplift = compared(&counts, prior)[1].uplift.unwrap();
        println!("{counts:?} {uplift:?}");
        for (found, expected) in [uplift.low, uplift.median, uplift.high].iter().zip(quantiles) {
            // Relative to the ratio, and to the uplift where that is small.
            near(*found, expected, 1e-11 * expected.abs().max(1e-5));
        }
        match (uplift.mean, mean) {
            (Some(found), Some(expected)) => close(found, expected, 1e-13),
            (found, expected) => assert_eq!(found, expected),
        }
    }
}

#[test]
fn uplift_where_it_can_be_written_down() {
    // Two uniform rates: P(x_T/x_C ≤ v) is v/2 up to 1, then 1 − 1/2v.
    let uplift = compared(&[(0, 0), (0, 0)], UNIFORM)[1].uplift.unwrap();
    close(uplift.low, -0.95, 1e-12);
    near(uplift.median, 0.0, 1e-12);
    close(uplift.high, 19.0, 1e-12);
    assert_eq!(uplift.mean, None);
    // A known rate t over a uniform one: P = 1 − E[t]/v above, E[t] = 300000001/1000000002.
    let uplift = compared(&[(0, 0), (300_000_000, 1_000_000_000)], UNIFORM)[1]
        .uplift
        .unwrap();
    let t = 300_000_001.0 / 1_000_000_002.0;
    close(uplift.low, t / 0.975 - 1.0, 1e-12);
    close(uplift.median, t / 0.5 - 1.0, 1e-12);
    close(uplift.high, t / 0.025 - 1.0, 1e-12);
}

#[test]
fn far_apart_there_is_nothing_left_to_decide() {
    let results = compared(&[(100_000, 1_000_000), (120_000, 1_000_000)], UNIFORM);
    assert!(results[0].prob_best < 1e-30);
    assert_eq!(results[1].prob_best, 1.0);
    close(results[0].expected_loss, 0.01999996000008, 1e-11);
    assert!(results[1].expected_loss < 1e-30);
    // From one end of the line to the other, and of very different widths.
    let results = compared(
        &[(0, 1_000_000_000), (1_000_000_000, 1_000_000_000), (3, 7)],
        UNIFORM,
    );
    near(results[1].prob_best, 1.0, 1e-13);
    assert!(results[0].prob_best < 1e-30);
}

#[test]
fn wrong_input_is_named() {
    let good = Arm {
        conversions: 1,
        n: 10,
    };
    assert_eq!(compare(&[], UNIFORM).unwrap_err(), StatsError::NoArms);
    let error = compare(&arms(&[(1, 10), (11, 10)]), UNIFORM).unwrap_err();
    assert_eq!(
        error.to_string(),
        "arm 1 has 11 conversions of 10 subjects; there can be at most as many conversions as subjects"
    );
    let error = compare(&arms(&[(0, MAX_SUBJECTS + 1)]), UNIFORM).unwrap_err();
    assert!(matches!(error, StatsError::TooManySubjects { arm: 0, .. }));
    for (a, b, name) in [
        (0.0, 1.0, "a"),
        (1.0, -1.0, "b"),
        (f64::NAN, 1.0, "a"),
        (1.0, f64::INFINITY, "b"),
        (0.0099, 1.0, "a"),
        (1.0, 1.1e9, "b"),
    ] {
        let error = compare(&[good], Prior { a, b }).unwrap_err();
        assert!(
            matches!(error, StatsError::Prior { name: found, .. } if found == name),
            "{error}"
        );
    }
    let posterior = Posterior::new(good, UNIFORM).unwrap();
    for p in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(posterior.quantile(p).is_err());
    }
}

#[test]
fn the_density_has_its_limits_at_the_ends_and_is_nothing_beyond() {
    let at = |conversions, n, prior, x| density(Arm { conversions, n }, prior, x).unwrap();
    assert_eq!(at(0, 0, JEFFREYS, 0.0), f64::INFINITY);
    assert_eq!(at(0, 0, JEFFREYS, 1.0), f64::INFINITY);
    assert_eq!(at(0, 9, UNIFORM, 0.0), 10.0);
    assert_eq!(at(9, 9, UNIFORM, 1.0), 10.0);
    assert_eq!(at(1, 9, UNIFORM, 0.0), 0.0);
    close(at(0, 9, UNIFORM, 1e-12), 10.0, 1e-10);
    close(at(3, 10, UNIFORM, 0.3), 2.935107252, 1e-9);
    for x in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(at(3, 10, UNIFORM, x), 0.0);
    }
}

#[test]
fn a_curve_has_all_the_mass_of_its_range_even_in_a_peak_thinner_than_a_column() {
    let all = PlotRange { low: 0.0, high: 1.0 };
    for (conversions, n) in [
        (0, 0),
        (3, 10),
        (190_000_000, 1_000_000_000),
        (1_000_000_000, 1_000_000_000),
    ] {
        let posterior = Posterior::new(Arm { conversions, n }, UNIFORM).unwrap();
        let curve = posterior.curve(all, 50);
        assert_eq!(curve.len(), 50);
        near(curve.iter().sum::<f64>() / 50.0, 1.0, 1e-12);
    }
    let posterior = Posterior::new(
        Arm {
            conversions: 190_000_000,
            n: 1_000_000_000,
        },
        UNIFORM,
    )
    .unwrap();
    let curve = posterior.curve(all, 50);
    // 0.19 lies in the column from 0.18 to 0.20.
    near(curve[9], 50.0, 1e-9);
    assert!(posterior.curve(all, 0).is_empty());
}

#[test]
fn a_plot_shows_all_arms_that_have_subjects() {
    let range = plot_range(&arms(&[(8502, 44_700), (8279, 45_489), (0, 0)]), UNIFORM).unwrap();
    assert!(range.low > 0.17 && range.low < 0.1785, "{range:?}");
    assert!(range.high > 0.1939 && range.high < 0.2, "{range:?}");
    for (i, counts) in [(8502, 44_700), (8279, 45_489)].iter().enumerate() {
        let posterior = Posterior::new(arms(&[*counts])[0], UNIFORM).unwrap();
        assert!(posterior.cdf(range.low) < 0.001, "arm {i}");
        assert!(posterior.sf(range.high) < 0.001, "arm {i}");
    }
    let whole = PlotRange { low: 0.0, high: 1.0 };
    assert_eq!(plot_range(&arms(&[(0, 0), (0, 0)]), UNIFORM).unwrap(), whole);
    assert_eq!(plot_range(&[], UNIFORM).unwrap_err(), StatsError::NoArms);
    for counts in [(0, 1_000_000_000), (1_000_000_000, 1_000_000_000), (1, 1)] {
        let range = plot_range(&arms(&[counts]), UNIFORM).unwrap();
        assert!(
            range.low >= 0.0 && range.low < range.high && range.high <= 1.0,
            "{range:?}"
        );
    }
}

/// Any arm up to 10⁹, with the corners as likely as the rest.
fn any_arm() -> impl Strategy<Value = (u64, u64)> {
    let n = prop_oneof![
        Just(0_u64),
        1_u64..50,
        1_u64..100_000,
        1_u64..=1_000_000_000,
        Just(1_000_000_000)
    ];
    n.prop_flat_map(|n| {
        prop_oneof![Just(0), Just(n), 0..=n, 0..=(n / 1_000_000), (n - n / 1000)..=n]
            .prop_map(move |conversions| (conversions, n))
    })
}

fn any_prior() -> impl Strategy<Value = Prior> {
    let shape = || {
        prop_oneof![
            Just(1.0),
            Just(0.5),
            MIN_SHAPE..2.0,
            1.0..1e6,
            Just(MIN_SHAPE),
            Just(MAX_SHAPE)
        ]
    };
    (shape(), shape()).prop_map(|(a, b)| Prior { a, b })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_valid_gives_numbers_that_make_sense(
        counts in prop::collection::vec(any_arm(), 1..=10),
        prior in any_prior(),
    ) {
        let results = compared(&counts, prior);
        let sum: f64 = results.iter().map(|r| r.prob_best).sum();
        prop_assert!((sum - 1.0).abs() < 1e-10, "sum {sum}");
        for result in &results {
            prop_assert!((0.0..=1.0).contains(&result.prob_best));
            prop_assert!((0.0..=1.0).contains(&result.expected_loss));
            prop_assert!(0.0 <= result.ci_low && result.ci_low <= result.ci_high && result.ci_high <= 1.0);
            if let Some(uplift) = result.uplift {
                prop_assert!(uplift.low >= -1.0 && uplift.high.is_finite(), "{uplift:?}");
                prop_assert!(uplift.low <= uplift.median && uplift.median <= uplift.high, "{uplift:?}");
                prop_assert!(uplift.mean.is_none_or(f64::is_finite));
            }
        }
        // What is lost by the best choice is less than by any other, and someone is at the top.
        let best_mean = results.iter().map(|r| r.mean).fold(0.0, f64::max);
        for result in &results {
            for other in &results {
                let apart = (result.expected_loss - other.expected_loss) - (other.mean - result.mean);
                prop_assert!(apart.abs() < 1e-11, "losses differ as the means do: {apart:e}");
            }
            prop_assert!(result.mean <= best_mean);
        }
    }

    #[test]
    fn the_order_of_the_arms_does_not_matter(
        counts in prop::collection::vec(any_arm(), 2..=5),
        prior in any_prior(),
    ) {
        let forward = compared(&counts, prior);
        let backward = compared(&counts.iter().rev().copied().collect::<Vec<_>>(), prior);
        for (x, y) in forward.iter().zip(backward.iter().rev()) {
            prop_assert!((x.prob_best - y.prob_best).abs() < 1e-11);
            prop_assert!((x.expected_loss - y.expected_loss).abs() < 1e-11);
            prop_assert_eq!(x.ci_low, y.ci_low);
        }
    }

    #[test]
    fn like_arms_are_equally_good(arm in any_arm(), count in 2_usize..=6, prior in any_prior()) {
        for result in compared(&vec![arm; count], prior) {
            prop_assert!((result.prob_best - 1.0 / count as f64).abs() < 1e-11);
            if let Some(uplift) = result.uplift {
                // The ratio of two like arms is as likely above 1 as below, by the same factor.
                prop_assert!(uplift.median.abs() < 1e-9, "{uplift:?}");
                let product = (1.0 + uplift.low) * (1.0 + uplift.high);
                // Near -1 the lower end itself is no nearer than its last bit, which the upper end makes large.
                let rounding = f64::EPSILON * (1.0 + uplift.high);
                let apart = (product - 1.0).abs();
                prop_assert!(uplift.low <= -1.0 + 1e-12 || apart < 1e-7 + rounding, "{uplift:?}");
            }
        }
    }

    #[test]
    fn seen_from_failure_the_worst_is_best(
        x in any_arm(), y in any_arm(), prior in any_prior(),
    ) {
        let results = compared(&[x, y], prior);
        let failures = compared(
            &[(x.1 - x.0, x.1), (y.1 - y.0, y.1)],
            Prior { a: prior.b, b: prior.a },
        );
        prop_assert!((results[0].prob_best - failures[1].prob_best).abs() < 1e-11);
        // Both are E[(x₁ − x₀)⁺].
        prop_assert!((results[0].expected_loss - failures[1].expected_loss).abs() < 1e-11);
    }

    #[test]
    fn more_conversions_make_an_arm_better(
        x in any_arm(), y in any_arm(), prior in any_prior(), more in 1_u64..1000,
    ) {
        let better = ((y.0 + more).min(y.1), y.1);
        let before = compared(&[x, y], prior);
        let after = compared(&[x, better], prior);
        prop_assert!(after[1].prob_best >= before[1].prob_best - 1e-11);
        prop_assert!(after[1].expected_loss <= before[1].expected_loss + 1e-11);
        prop_assert!(after[1].ci_low >= before[1].ci_low);
        let (was, is) = (before[1].uplift.unwrap(), after[1].uplift.unwrap());
        prop_assert!((1.0 + is.median) >= (1.0 + was.median) * (1.0 - 1e-9), "{was:?} {is:?}");
    }

    #[test]
    fn the_median_uplift_and_p_best_agree_on_who_leads(x in any_arm(), y in any_arm(), prior in any_prior()) {
        let results = compared(&[x, y], prior);
        let median = results[1].uplift.unwrap().median;
        // Both say P(x_T > x_C) ≥ ½; too near to that rounding decides, as it does where both rates are 1 to all digits.
        if (results[1].prob_best - 0.5).abs() > 1e-9 && median.abs() > 1e-15 {
            prop_assert_eq!(median > 0.0, results[1].prob_best > 0.5, "{} {:?}", median, results[1].prob_best);
        }
    }

    #[test]
    fn the_same_counts_give_the_same_bits(counts in prop::collection::vec(any_arm(), 1..=4), prior in any_prior()) {
        prop_assert_eq!(compared(&counts, prior), compared(&counts, prior));
    }
}
