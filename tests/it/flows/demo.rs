//! The demo without its screen: real data arrives whole, the healthy experiment finds its winner, the
//! broken one its mismatch.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use splitdeck::api::problem::Code;
use splitdeck::api::results::{INCONCLUSIVE, Results, ResultsQuery};
use splitdeck::cli::demo::Ready;
use splitdeck::client::{Client, Options};

/// How long anything may take; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A demo without a screen. Dropping it kills it.
struct Demo {
    child: Child,
    ready: Ready,
    client: Client,
}

impl Demo {
    fn start(data: &std::path::Path, rate: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_splitdeck"))
            .args(["demo", "--headless", "--rate", rate, "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("reads");
        let Ok(ready) = serde_json::from_str::<Ready>(&line) else {
            let mut said = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut said);
            panic!("no line of JSON but {line:?}; it said {said}");
        };
        let client = Client::new(&ready.api, &ready.token, Options::default()).expect("a client");
        Self { child, ready, client }
    }

    /// Waits until the results of an experiment fulfil a condition.
    async fn results(&self, key: &str, what: &str, holds: impl Fn(&Results) -> bool) -> Results {
        let until = Instant::now() + PATIENCE;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let results = match self.client.results(key, &ResultsQuery::default()).await {
                // It is being made.
                Err(error) if error.code() == Some(Code::NotFound) && Instant::now() < until => continue,
                results => results.expect("results"),
            };
            if holds(&results) {
                return results;
            }
            assert!(
                Instant::now() < until,
                "{key}: waited for {what}; there is {results:#?}"
            );
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_experiments_show_what_they_promise() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let demo = Demo::start(&data, "400");
    assert_eq!(demo.ready.project, "demo");

    let real = demo
        .results("cookie-cats", "all players and their returns", |r| {
            r.arms.iter().map(|a| a.subjects).sum::<u64>() == 90_189
                && r.arms.iter().map(|a| a.conversions).sum::<u64>() == 8_502 + 8_279
        })
        .await;
    let counts: Vec<_> = real
        .arms
        .iter()
        .map(|a| (a.variant.as_str(), a.subjects, a.conversions))
        .collect();
    assert_eq!(counts, [("gate_30", 44_700, 8_502), ("gate_40", 45_489, 8_279)]);
    let posterior = real.arms[1].posterior.expect("a posterior");
    assert!(
        (posterior.prob_best - 0.000_777_338_664_576_2).abs() < 1e-9,
        "{posterior:?}"
    );
    let srm = real.srm.test.expect("a test");
    assert!(
        (srm.p - 0.008_607_987_810_836).abs() < 1e-9 && !real.srm.alarm,
        "{srm:?}"
    );

    let healthy = demo
        .results("checkout-cta", "a winner", |r| r.winner != INCONCLUSIVE)
        .await;
    assert!(!healthy.srm.alarm, "{:?}", healthy.srm);
    let broken = demo
        .results("search-ranking", "a mismatch", |r| r.srm.alarm)
        .await;
    // It is the treatment that is short.
    assert!(
        broken.srm.observed[1] < broken.srm.observed[0],
        "{:?}",
        broken.srm
    );

    // Killed without a chance to clean up, it leaves nothing running, and goes on from there.
    drop(demo);
    let again = Demo::start(&data, "0");
    let real = again.results("cookie-cats", "all players", |_| true).await;
    assert_eq!(real.arms.iter().map(|a| a.subjects).sum::<u64>(), 90_189);
}

#[test]
fn a_second_demo_on_the_same_data_is_refused_and_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let _first = Demo::start(&data, "0");
    let second = Command::new(env!("CARGO_BIN_EXE_splitdeck"))
        .args(["demo", "--headless", "--data-dir"])
        .arg(&data)
        .output()
        .expect("runs");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use") && said.contains("data"), "{said}");
}

#[test]
fn a_rate_that_is_none_is_refused_by_its_name() {
    for rate in ["-1", "many", "NaN", "1e9"] {
        let output = Command::new(env!("CARGO_BIN_EXE_splitdeck"))
            .args(["demo", "--headless", &format!("--rate={rate}")])
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(2), "{rate}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("--rate") && said.contains("10000"), "{said}");
    }
}
