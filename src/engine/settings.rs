//! The engine's configuration: its users, what they may do, its limits, and the arguments it starts with.
//!
//! Anyone on the machine can reach a port on loopback, so each user here is given the least it needs:
//!
//! - `default` has no password, because the engine's own session is bound to that user. Its profile lets no
//!   query be parsed at all (`max_query_size = 1`, read-only, so that a request cannot raise it); the
//!   engine's own session gets the usual values on its command line.
//! - [`SERVER`] owns the databases of splitdeck and nothing else.
//! - [`COCKPIT`] reads some tables of them, within limits on time, memory and result that it cannot lift.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::archive::hex;

/// The user that writes.
pub const SERVER: &str = "splitdeck_server";

/// The user that only reads.
pub const COCKPIT: &str = "splitdeck_cockpit";

/// Kinds of tables the server may create: those that keep their data here, and nothing that reaches out to
/// files, addresses or programs.
const TABLE_ENGINES: &[&str] = &[
    "AggregatingMergeTree",
    "Buffer",
    "CollapsingMergeTree",
    "Join",
    "Memory",
    "Merge",
    "MergeTree",
    "Null",
    "ReplacingMergeTree",
    "Set",
    "SummingMergeTree",
    "VersionedCollapsingMergeTree",
];

/// System tables the server may read, to tell how it is doing.
const SYSTEM_TABLES: &[&str] = &[
    "asynchronous_metrics",
    "clusters",
    "detached_parts",
    "disks",
    "dropped_tables",
    "errors",
    "events",
    "merge_tree_settings",
    "merges",
    "metrics",
    "mutations",
    "parts",
    "parts_columns",
    "processes",
    "server_settings",
    "view_refreshes",
];

/// Limits of the cockpit: setting, value, and the bounds within which a query may set it.
const COCKPIT_LIMITS: &[(&str, u64, u64, u64)] = &[
    ("max_execution_time", 30, 1, 60),
    ("max_memory_usage", 4_000_000_000, 1, 4_000_000_000),
    ("max_result_rows", 1_000_000, 1, 1_000_000),
    ("max_result_bytes", 256_000_000, 1, 256_000_000),
];

/// A user and its password. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Name of the user.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// The user with a new random password of 256 bits.
    ///
    /// # Errors
    /// The system's random numbers cannot be read.
    pub(super) fn random(user: &str) -> io::Result<Self> {
        let mut bytes = [0_u8; 32];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self {
            user: user.to_owned(),
            password: hex(&bytes),
        })
    }
}

/// Where the engine keeps what, below its data directory.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The data directory itself.
    pub root: PathBuf,
}

impl Layout {
    /// ClickHouse's own path: databases and tables.
    pub(super) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// ClickHouse's log.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Files of the present run: configuration, users (digests of passwords only), port.
    pub(super) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Locked by the process that supervises.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Locked by the engine's process, which may outlive a killed supervisor by some seconds.
    pub(super) fn child_lock(&self) -> PathBuf {
        self.root.join("engine.lock")
    }

    /// The engine writes its port here.
    pub(super) fn port(&self) -> PathBuf {
        self.run().join("port")
    }

    /// The supervisor writes the address here; nothing in it is secret.
    pub(super) fn address(&self) -> PathBuf {
        self.run().join("address.json")
    }

    /// Creates the directories, readable by the user only.
    pub(super) fn create(&self) -> Result<(), (PathBuf, io::Error)> {
        for dir in [self.root.clone(), self.store(), self.log(), self.run()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)))
                .map_err(|error| (dir.clone(), error))?;
        }
        Ok(())
    }
}

/// What goes into the two files.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    /// Where things are.
    pub layout: &'a Layout,
    /// The user that writes.
    pub server: &'a Login,
    /// The user that reads.
    pub cockpit: &'a Login,
    /// Databases the server owns.
    pub databases: &'a [String],
    /// Tables in each of them that the cockpit reads.
    pub cockpit_tables: &'a [String],
    /// The most memory of the whole engine, bytes; half of the machine's where it is missing.
    pub memory: Option<u64>,
}

impl Settings<'_> {
    fn engine_file(&self) -> PathBuf {
        self.layout.run().join("engine.xml")
    }

    fn users_file(&self) -> PathBuf {
        self.layout.run().join("users.xml")
    }

    /// Writes both files, readable by the user only.
    pub(super) fn write(&self) -> Result<(), (PathBuf, io::Error)> {
        for (path, text) in [
            (self.engine_file(), self.engine_xml()),
            (self.users_file(), self.users_xml()),
        ] {
            write_private(&path, text.as_bytes()).map_err(|error| (path, error))?;
        }
        Ok(())
    }

    fn engine_xml(&self) -> String {
        let memory = match self.memory {
            Some(bytes) => format!("<max_server_memory_usage>{bytes}</max_server_memory_usage>"),
            None => {
                "<max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>".to_owned()
            }
        };
        // Caches and pools are those of one person's machine. No system log tables are configured, so none
        // are written. An insert is on the disk when it is acknowledged: the spool forgets it then.
        format!(
            "<clickhouse>
    <users_config>{users}</users_config>
    <logger><log>{log}</log><size>10M</size><count>2</count></logger>
    {memory}
    <mark_cache_size>134217728</mark_cache_size>
    <primary_index_cache_size>134217728</primary_index_cache_size>
    <index_mark_cache_size>16777216</index_mark_cache_size>
    <compiled_expression_cache_size>33554432</compiled_expression_cache_size>
    <max_connections>256</max_connections>
    <max_thread_pool_size>500</max_thread_pool_size>
    <max_thread_pool_free_size>32</max_thread_pool_free_size>
    <background_schedule_pool_size>8</background_schedule_pool_size>
    <background_streaming_schedule_pool_size>4</background_streaming_schedule_pool_size>
    <memory_worker_period_ms>500</memory_worker_period_ms>
    <asynchronous_metrics_update_period_s>60</asynchronous_metrics_update_period_s>
    <keep_alive_timeout>30</keep_alive_timeout>
    <merge_tree>
        <fsync_after_insert>1</fsync_after_insert>
        <fsync_part_directory>1</fsync_part_directory>
    </merge_tree>
    <access_control_improvements>
        <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
        <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
        <table_engines_require_grant>true</table_engines_require_grant>
        <users_without_row_policies_can_read_rows>true</users_without_row_policies_can_read_rows>
    </access_control_improvements>
</clickhouse>
",
            users = xml(&self.users_file().to_string_lossy()),
            log = xml(&self.layout.log().join("clickhouse.log").to_string_lossy()),
        )
    }

    fn users_xml(&self) -> String {
        let limits: String = COCKPIT_LIMITS
            .iter()
            .map(|(name, value, _, _)| format!("            <{name}>{value}</{name}>\n"))
            .collect();
        let bounds: String = COCKPIT_LIMITS
            .iter()
            .map(|(name, _, min, max)| {
                format!("                <{name}><min>{min}</min><max>{max}</max></{name}>\n")
            })
            .collect();
        let mut server = Vec::new();
        let mut cockpit = Vec::new();
        // `Engine::start` has refused every name that is no plain identifier; the other names are constants.
        for database in self.databases {
            server.push(format!("GRANT ALL ON {database}.*"));
            cockpit.extend(
                self.cockpit_tables
                    .iter()
                    .map(|table| format!("GRANT SELECT ON {database}.{table}")),
            );
        }
        server.extend(
            TABLE_ENGINES
                .iter()
                .map(|engine| format!("GRANT TABLE ENGINE ON {engine}")),
        );
        server.push("GRANT CREATE TEMPORARY TABLE ON *.*".to_owned());
        server.extend(
            SYSTEM_TABLES
                .iter()
                .map(|table| format!("GRANT SELECT ON system.{table}")),
        );
        let default = [
            "GRANT SYSTEM LISTEN ON *.*",
            "GRANT CREATE TEMPORARY TABLE ON *.*",
        ]
        .map(str::to_owned);
        format!(
            "<clickhouse>
    <profiles>
        <default>
            <async_insert>0</async_insert>
            <implicit_select>0</implicit_select>
            <allow_introspection_functions>0</allow_introspection_functions>
            <log_queries>0</log_queries>
        </default>
        <locked>
            <readonly>1</readonly>
            <max_query_size>1</max_query_size>
            <max_parser_depth>1</max_parser_depth>
        </locked>
        <cockpit>
            <profile>default</profile>
            <readonly>2</readonly>
            <cancel_http_readonly_queries_on_client_close>1</cancel_http_readonly_queries_on_client_close>
            <result_overflow_mode>throw</result_overflow_mode>
            <timeout_overflow_mode>throw</timeout_overflow_mode>
            <max_concurrent_queries_for_user>32</max_concurrent_queries_for_user>
{limits}            <constraints>
{bounds}                <max_concurrent_queries_for_user><readonly/></max_concurrent_queries_for_user>
                <allow_introspection_functions><readonly/></allow_introspection_functions>
            </constraints>
        </cockpit>
    </profiles>
    <quotas><default/></quotas>
    <users>
{default}{server}{cockpit}    </users>
</clickhouse>
",
            default = user("default", "<password></password>", "locked", &default),
            server = user(SERVER, &digest(self.server), "default", &server),
            cockpit = user(COCKPIT, &digest(self.cockpit), "cockpit", &cockpit),
        )
    }

    /// The arguments after the program's name, for a port (0: any free one).
    pub(super) fn arguments(&self, port: u16) -> Vec<String> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            format!("--config-file={}", path(self.engine_file())),
            format!("--path={}", path(self.layout.store())),
            "--listen_host=127.0.0.1".to_owned(),
            format!("--http_port={port}"),
            "--log-level=warning".to_owned(),
            // The engine's own session is of user `default`: lift what locks that user, with the usual values.
            "--readonly=0".to_owned(),
            "--max_query_size=262144".to_owned(),
            "--max_parser_depth=1000".to_owned(),
            "--query".to_owned(),
            // The last query ends when standard input closes, and with it the engine.
            format!(
                "SYSTEM START LISTEN HTTP; \
                 SELECT getServerPort('http_port') INTO OUTFILE {} FORMAT TSV; \
                 INSERT INTO FUNCTION null('s String') FROM INFILE '/dev/stdin' FORMAT LineAsString",
                literal(&path(self.layout.port()))
            ),
        ]
    }
}

/// Writes a file that only the user can read, replacing what was there.
///
/// # Errors
/// What the system says.
pub fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)
}

fn user(name: &str, password: &str, profile: &str, grants: &[String]) -> String {
    let grants: String = grants
        .iter()
        .map(|grant| format!("                <query>{grant}</query>\n"))
        .collect();
    format!(
        "        <{name}>
            {password}
            <networks><ip>127.0.0.1</ip></networks>
            <profile>{profile}</profile>
            <quota>default</quota>
            <grants>
{grants}            </grants>
        </{name}>
"
    )
}

fn digest(login: &Login) -> String {
    let digest = hex(&Sha256::digest(login.password.as_bytes()));
    format!("<password_sha256_hex>{digest}</password_sha256_hex>")
}

/// Text as the content of an XML element.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Text as a string literal of ClickHouse.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Whether a name can stand in SQL as it is.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_settings<R>(root: &str, check: impl FnOnce(&Settings<'_>) -> R) -> R {
        let layout = Layout { root: root.into() };
        let server = Login::random(SERVER).unwrap();
        let cockpit = Login::random(COCKPIT).unwrap();
        let databases = ["splitdeck".to_owned()];
        let tables = ["events".to_owned()];
        check(&Settings {
            layout: &layout,
            server: &server,
            cockpit: &cockpit,
            databases: &databases,
            cockpit_tables: &tables,
            memory: None,
        })
    }

    #[test]
    fn passwords_are_random_and_shown_nowhere() {
        let one = Login::random(SERVER).unwrap();
        let two = Login::random(SERVER).unwrap();
        assert_eq!(one.password.len(), 64);
        assert_ne!(one.password, two.password);
        assert!(!format!("{one:?}").contains(&one.password));
        with_settings("/data", |settings| {
            for login in [settings.server, settings.cockpit] {
                assert!(!settings.users_xml().contains(&login.password));
                assert!(!settings.engine_xml().contains(&login.password));
                assert!(!settings.arguments(0).concat().contains(&login.password));
            }
        });
    }

    #[test]
    fn a_path_cannot_break_out_of_the_files_or_the_query() {
        with_settings("/da'ta\\<x>&", |settings| {
            assert!(
                settings
                    .engine_xml()
                    .contains("/da'ta\\&lt;x&gt;&amp;/run/users.xml")
            );
            let query = settings.arguments(0).pop().unwrap();
            assert!(
                query.contains(r"INTO OUTFILE '/da\'ta\\<x>&/run/port'"),
                "{query}"
            );
        });
    }

    #[test]
    fn names_that_go_into_grants_are_identifiers() {
        for good in ["splitdeck", "_x9", "T1"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "9a", "a-b", "a.b", "a b", "ä", "a;", &"a".repeat(65)] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
