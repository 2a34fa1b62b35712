//! Values of `[server]`, `[guard]` and `[clickhouse]` with which no server starts: refused by `splitdeck serve`, and named
//! by `splitdeck config check`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::Config;
use crate::config::file::{GuardConfig, ServerConfig};
use crate::domain::{Environment, Key};
use crate::server::jobs::schedule::{Schedule, ScheduleError};
use crate::server::store::PostgresUrl;
use crate::warehouse::Login;

/// The store in the data directory.
pub(super) const SQLITE: &str = "sqlite";

/// How often the guard may look: every look counts all subjects of all active experiments.
const GUARD_INTERVALS: RangeInclusive<u64> = 10..=86_400;

/// What `max_variants` may be; more than that the results cannot tell apart.
const VARIANTS: RangeInclusive<u64> = 2..=62;

/// A value, and why it cannot be.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Its section and its key.
    pub(super) path: [&'static str; 2],
    /// What was given, and what is allowed.
    pub(super) why: String,
}

/// The address to listen on.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text}: it is no address with a port, such as 127.0.0.1:8620"))
}

/// The environment of the first project.
pub(super) fn environment(text: &str) -> Result<Environment, String> {
    let all = [
        Environment::Development,
        Environment::Staging,
        Environment::Production,
    ];
    let known = all.into_iter().find(|e| e.as_str() == text);
    known.ok_or_else(|| format!("{text}: allowed are development, staging and production"))
}

/// When the guard looks at night. Checked also where it is turned off: a typo should not wait for the day it is turned on.
pub(super) fn schedule(guard: &GuardConfig) -> Result<Schedule, Wrong> {
    Schedule::new(&guard.schedule, &guard.time_zone).map_err(|error| Wrong {
        path: match error {
            ScheduleError::Expression { .. } => ["guard", "schedule"],
            ScheduleError::TimeZone(_) => ["guard", "time_zone"],
        },
        why: error.to_string(),
    })
}

/// How often the guard looks in between.
pub(super) fn interval(guard: &GuardConfig) -> Duration {
    Duration::from_secs(guard.interval_s)
}

/// Numbers and origins, which no argument replaces.
pub(super) fn limits(config: &Config) -> Vec<Wrong> {
    let server = &config.server;
    let mut wrong = Vec::new();
    let mut number = |path: [&'static str; 2], given: u64, allowed: RangeInclusive<u64>| {
        if !allowed.contains(&given) {
            let (least, most) = (allowed.start(), allowed.end());
            let why = match *most {
                u64::MAX => format!("{given}: allowed is {least} or more"),
                most => format!("{given}: allowed are {least} to {most}"),
            };
            wrong.push(Wrong { path, why });
        }
    };
    number(["server", "max_variants"], server.max_variants as u64, VARIANTS);
    number(["server", "max_spool_mib"], server.max_spool_mib, 1..=u64::MAX);
    number(["server", "max_import_ids"], server.max_import_ids, 1..=u64::MAX);
    number(["server", "max_import_mib"], server.max_import_mib, 1..=u64::MAX);
    number(["guard", "interval_s"], config.guard.interval_s, GUARD_INTERVALS);
    let origins = server.web_origins.iter().filter(|origin| !is_origin(origin));
    wrong.extend(origins.map(|origin| Wrong {
        path: ["server", "web_origins"],
        why: format!(
            "{origin}: allowed are \"*\" and origins as browsers send them, scheme and host in small letters and \
             nothing behind, such as \"https://shop.example\""
        ),
    }));
    wrong
}

/// Whether a browser could send it: `scheme://host[:port]`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return text == "*";
    };
    let plain = |part: &str| {
        let fits = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase() && !"/?#@\\".contains(c);
        !part.is_empty() && part.chars().all(fits)
    };
    plain(scheme) && plain(host)
}

/// Everything in a file that a server would refuse.
pub(super) fn wrong(config: &Config) -> Vec<Wrong> {
    let ServerConfig {
        listen: address,
        project,
        environment: stage,
        store,
        ..
    } = &config.server;
    let mut wrong = limits(config);
    let mut say = |key: &'static str, refused: Option<String>| {
        wrong.extend(refused.map(|why| Wrong {
            path: ["server", key],
            why,
        }));
    };
    say("listen", listen(address).err());
    say("environment", environment(stage).err());
    let key = Key::new(project.as_str());
    say("project", key.err().map(|error| error.to_string()));
    let postgres = (store != SQLITE).then(|| PostgresUrl::new(store, None));
    say(
        "store",
        postgres.and_then(Result::err).map(|error| error.to_string()),
    );
    let guard = &config.guard;
    // Each by itself: the first mistake is not to hide the second.
    let in_utc = GuardConfig {
        time_zone: "UTC".to_owned(),
        ..guard.clone()
    };
    wrong.extend(schedule(&in_utc).err());
    let ever = GuardConfig {
        schedule: "0 2 * * *".to_owned(),
        ..guard.clone()
    };
    wrong.extend(schedule(&ever).err());
    let clickhouse = &config.clickhouse;
    if let Some(url) = &clickhouse.url {
        let mut login = Login::new(url, &clickhouse.database, &clickhouse.user, "");
        login.allow_plain_http = clickhouse.allow_plain_http;
        wrong.extend(login.check().err().map(|error| Wrong {
            path: ["clickhouse", "url"],
            why: error.to_string(),
        }));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::check;

    fn named(text: &str) -> Vec<String> {
        let (config, mistakes) = check(text);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        wrong(&config).iter().map(|w| w.path.join(".")).collect()
    }

    #[test]
    fn every_value_that_keeps_a_server_from_starting_is_named() {
        assert!(named("").is_empty());
        for (section, line, key) in [
            ("server", "listen = \"xx\"", "server.listen"),
            ("server", "store = \"mysql://x\"", "server.store"),
            ("server", "environment = \"prod\"", "server.environment"),
            ("server", "project = \"a b\"", "server.project"),
            ("server", "max_variants = 1", "server.max_variants"),
            ("server", "max_spool_mib = 0", "server.max_spool_mib"),
            ("server", "max_import_ids = 0", "server.max_import_ids"),
            ("server", "max_import_mib = 0", "server.max_import_mib"),
            ("server", "web_origins = [\"nonsense\"]", "server.web_origins"),
            (
                "server",
                "web_origins = [\"https://shop.example/\"]",
                "server.web_origins",
            ),
            ("guard", "schedule = \"nope\"", "guard.schedule"),
            ("guard", "time_zone = \"Mars/X\"", "guard.time_zone"),
            ("guard", "interval_s = 0", "guard.interval_s"),
            ("clickhouse", "url = \"ftp://x\"", "clickhouse.url"),
        ] {
            assert_eq!(named(&format!("[{section}]\n{line}\n")), [key], "{line}");
        }
        let both = "[guard]\nschedule = \"nope\"\ntime_zone = \"Mars/X\"\n";
        assert_eq!(named(both), ["guard.schedule", "guard.time_zone"]);
        let fine = "[server]\nweb_origins = [\"https://shop.example:8443\", \"capacitor://localhost\"]\n";
        assert!(named(fine).is_empty());
    }
}
