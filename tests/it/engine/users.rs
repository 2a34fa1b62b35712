//! What the engine's three users may do. Each refusal is asked of the real engine.

use splitdeck::engine::Login;

use crate::support::engine::{fresh_database, query, shared};

async fn server(sql: &str) -> Result<String, String> {
    query(&shared().http_url, &shared().server, sql).await
}

async fn cockpit(sql: &str) -> Result<String, String> {
    query(&shared().http_url, &shared().cockpit, sql).await
}

/// A database with the two tables the cockpit reads and one it does not.
async fn database() -> String {
    let db = fresh_database();
    server(&format!("CREATE DATABASE {db}")).await.unwrap();
    for table in ["events", "experiment_events", "spool_state"] {
        server(&format!(
            "CREATE TABLE {db}.{table} (n UInt64, ts DateTime) ENGINE = ReplacingMergeTree ORDER BY n"
        ))
        .await
        .unwrap();
    }
    server(&format!(
        "INSERT INTO {db}.events SELECT number, 0 FROM numbers(1000)"
    ))
    .await
    .unwrap();
    db
}

#[tokio::test]
async fn the_server_writes_and_the_cockpit_reads() {
    let db = database().await;
    let read = cockpit(&format!("SELECT sum(n), min(ts) FROM {db}.events")).await;
    assert_eq!(read.unwrap(), "499500\t1970-01-01 00:00:00");
    assert_eq!(
        cockpit(&format!("SELECT count() FROM {db}.experiment_events"))
            .await
            .unwrap(),
        "0"
    );
    assert_eq!(
        server("SELECT timezone(), serverTimezone()").await.unwrap(),
        "UTC\tUTC"
    );
}

#[tokio::test]
async fn the_server_does_all_in_its_own_databases() {
    let db = database().await;
    for sql in [
        "CREATE TABLE {db}.counts (n UInt64) ENGINE = MergeTree ORDER BY n",
        "CREATE MATERIALIZED VIEW {db}.counting TO {db}.counts AS SELECT n FROM {db}.events",
        "INSERT INTO {db}.events SELECT number, 0 FROM numbers(5)",
        "ALTER TABLE {db}.events UPDATE ts = 1 WHERE n < 3 SETTINGS mutations_sync = 1",
        "ALTER TABLE {db}.events ADD COLUMN name LowCardinality(String)",
        "ALTER TABLE {db}.counts DELETE WHERE n = 4 SETTINGS mutations_sync = 1",
        "OPTIMIZE TABLE {db}.events FINAL",
        "EXCHANGE TABLES {db}.events AND {db}.spool_state",
        "EXCHANGE TABLES {db}.events AND {db}.spool_state",
        "CREATE TABLE {db}.copy (n UInt64) ENGINE = MergeTree ORDER BY n",
        "INSERT INTO {db}.copy SELECT n FROM {db}.counts",
        "TRUNCATE TABLE {db}.copy",
        "DROP TABLE {db}.copy",
    ] {
        let sql = sql.replace("{db}", &db);
        server(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    assert_eq!(
        server(&format!("SELECT count(), sum(n) FROM {db}.counts"))
            .await
            .unwrap(),
        "4\t6"
    );
    let parts = server(&format!(
        "SELECT count() > 0 FROM system.parts WHERE database = '{db}'"
    ))
    .await;
    assert_eq!(parts.unwrap(), "1");
}

#[tokio::test]
async fn the_server_has_no_right_beyond_its_databases() {
    let db = database().await;
    for sql in [
        "CREATE DATABASE elsewhere",
        "CREATE USER other",
        "GRANT SELECT ON {db}.spool_state TO splitdeck_cockpit",
        "SELECT * FROM system.users",
        "SYSTEM SHUTDOWN",
        "SYSTEM STOP LISTEN HTTP",
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "INSERT INTO FUNCTION file('/tmp/splitdeck-test', 'CSV', 'a String') VALUES ('a')",
        "CREATE TABLE {db}.f (s String) ENGINE = File(LineAsString, '/etc/passwd')",
        "CREATE TABLE {db}.u (s String) ENGINE = URL('http://127.0.0.1:1/', LineAsString)",
        "BACKUP TABLE {db}.events TO File('/tmp/splitdeck-test.zip')",
    ] {
        let sql = sql.replace("{db}", &db);
        let said = server(&sql).await.expect_err(&sql);
        // Where to back up to is configured nowhere.
        let refused = [
            "ACCESS_DENIED",
            "'backups.allowed_path' configuration parameter is not set",
        ];
        assert!(refused.iter().any(|why| said.contains(why)), "{sql}: {said}");
    }
}

#[tokio::test]
async fn the_cockpit_cannot_write_anything() {
    let db = database().await;
    for sql in [
        "INSERT INTO {db}.events VALUES (1, 0)",
        "CREATE TABLE {db}.mine (n UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE mine (n UInt8)",
        "ALTER TABLE {db}.events DELETE WHERE 1",
        "TRUNCATE TABLE {db}.events",
        "DROP TABLE {db}.events",
        "DROP DATABASE {db}",
        "OPTIMIZE TABLE {db}.events",
        "SYSTEM STOP LISTEN HTTP",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
        "INSERT INTO FUNCTION file('/tmp/splitdeck-test', 'CSV', 'a String') VALUES ('a')",
        "SELECT 1 INTO OUTFILE '/tmp/splitdeck-test'",
    ] {
        let sql = sql.replace("{db}", &db);
        let said = cockpit(&sql).await.expect_err(&sql);
        assert!(
            ["ACCESS_DENIED", "READONLY", "INTO_OUTFILE_NOT_ALLOWED"]
                .iter()
                .any(|code| said.contains(code)),
            "{sql}: {said}"
        );
    }
    assert_eq!(
        cockpit(&format!("SELECT count() FROM {db}.events"))
            .await
            .unwrap(),
        "1000"
    );
}

#[tokio::test]
async fn the_cockpit_reads_its_tables_and_nothing_else() {
    let db = database().await;
    for sql in [
        "SELECT * FROM {db}.spool_state",
        "SELECT * FROM mergeTreeIndex({db}, spool_state)",
        "SELECT * FROM system.users",
        "SELECT * FROM system.processes",
        "SELECT * FROM system.server_settings",
        "SELECT * FROM system.stack_trace",
        "SHOW CREATE TABLE {db}.spool_state",
        "SHOW CREATE USER splitdeck_server",
        "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM sqlite('/etc/passwd', 'a')",
        "SELECT * FROM executable('id', TSV, 'a String')",
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "DESCRIBE TABLE file('/etc/passwd')",
    ] {
        let sql = sql.replace("{db}", &db);
        let said = cockpit(&sql).await.expect_err(&sql);
        assert!(said.contains("ACCESS_DENIED"), "{sql}: {said}");
    }
    let sql = format!("SELECT count() FROM system.columns WHERE database = '{db}' AND table = 'spool_state'");
    assert_eq!(cockpit(&sql).await.unwrap(), "0");
}

/// The scalar function needs no grant: only the confinement of the process stands before it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_reads_files_of_the_host_by_the_function_file() {
    let own = std::env::current_exe().unwrap();
    let paths = [
        "/etc/passwd",
        "/etc/hostname",
        "/proc/1/cmdline",
        own.to_str().unwrap(),
        "/root/.bashrc",
    ];
    for path in paths.iter().filter(|path| std::path::Path::new(path).exists()) {
        for sql in [
            format!("SELECT file('{path}')"),
            format!("SELECT file(materialize('{path}'))"),
            format!("EXPLAIN SELECT file('{path}')"),
            format!("SELECT file('../../../../../../../../../..{path}')"),
        ] {
            for said in [cockpit(&sql).await, server(&sql).await] {
                let said = said.expect_err(&sql);
                assert!(said.contains("Permission denied"), "{sql}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn the_cockpit_cannot_lift_its_limits() {
    for sql in [
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT 1 SETTINGS max_execution_time = 3600",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "SELECT 1 SETTINGS max_result_rows = 0",
        "SELECT 1 SETTINGS max_result_bytes = 0",
    ] {
        let said = cockpit(sql).await.expect_err(sql);
        assert!(said.contains("SETTING_CONSTRAINT_VIOLATION"), "{sql}: {said}");
    }
    let said = cockpit("SELECT 1 SETTINGS readonly = 0").await.unwrap_err();
    assert!(said.contains("READONLY"), "{said}");
    assert_eq!(
        cockpit("SELECT 1 SETTINGS max_execution_time = 5").await.unwrap(),
        "1"
    );
    let whole = format!("{}/?wait_end_of_query=1", shared().http_url);
    let said = query(&whole, &shared().cockpit, "SELECT number FROM numbers(2000000)")
        .await
        .unwrap_err();
    assert!(said.contains("TOO_MANY_ROWS_OR_BYTES"), "{said}");
    let said = cockpit("SELECT sum(number) FROM numbers(100000000000000) SETTINGS max_execution_time = 1")
        .await
        .unwrap_err();
    assert!(said.contains("TIMEOUT_EXCEEDED"), "{said}");
}

#[tokio::test]
async fn the_user_without_a_password_can_do_nothing() {
    let default = Login {
        user: "default".to_owned(),
        password: String::new(),
    };
    for sql in [
        "SELECT 1",
        "SELECT file('/etc/passwd')",
        "SHOW DATABASES",
        "SYSTEM STOP LISTEN HTTP",
        "SYSTEM START LISTEN TCP",
        "CREATE TEMPORARY TABLE t (n UInt8)",
        "EXPLAIN SELECT 1",
        "SET max_query_size = 100000",
        "1",
        ";",
    ] {
        query(&shared().http_url, &default, sql).await.expect_err(sql);
        // Nor by raising its limits in the address.
        let raised = format!(
            "{}/?max_query_size=100000&max_parser_depth=1000",
            shared().http_url
        );
        let said = query(&raised, &default, sql).await.expect_err(sql);
        assert!(said.contains("READONLY"), "{sql}: {said}");
    }
    assert_eq!(server("SELECT 1").await.unwrap(), "1", "the port is still open");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_refused() {
    let logins = [
        Login {
            user: shared().server.user.clone(),
            password: "wrong".to_owned(),
        },
        Login {
            user: shared().cockpit.user.clone(),
            password: String::new(),
        },
        Login {
            user: "admin".to_owned(),
            password: String::new(),
        },
    ];
    for login in logins {
        let said = query(&shared().http_url, &login, "SELECT 1").await.unwrap_err();
        assert!(
            said.contains("AUTHENTICATION_FAILED") || said.contains("REQUIRED_PASSWORD"),
            "{said}"
        );
    }
}
