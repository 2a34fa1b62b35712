//! The way into ClickHouse.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::WarehouseError;
use crate::api::system::WarehouseLogin;

/// Address, database and user of a ClickHouse.
#[derive(Clone, Eq, PartialEq)]
pub struct Login {
    /// The HTTP interface, such as `http://127.0.0.1:8123`.
    pub url: String,
    /// The database of the two tables.
    pub database: String,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Whether plain HTTP to a host that is not loopback is allowed; the password and all events would go
    /// over the network readable by anyone on the way.
    pub allow_plain_http: bool,
}

impl Login {
    /// A login that keeps to loopback or HTTPS.
    pub fn new(
        url: impl Into<String>,
        database: impl Into<String>,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Self {
            url: url.into(),
            database: database.into(),
            user: user.into(),
            password: password.into(),
            allow_plain_http: false,
        }
    }

    /// Refuses what cannot work or would leak: no HTTP address, a password in the address, plain HTTP
    /// over a network, a database name that is no identifier.
    ///
    /// # Errors
    /// Of class [`super::Class::Configuration`].
    pub fn check(&self) -> Result<(), WarehouseError> {
        let refuse = |message: String| Err(WarehouseError::configuration("reading the login", message));
        let url = match Url::parse(&self.url) {
            Ok(url) => url,
            Err(error) => {
                return refuse(format!(
                    "the address is not a URL ({error}); write http://host:8123 or https://host:8443"
                ));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse(
                "the address carries a user or a password; give them apart from the address".to_owned(),
            );
        }
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) || self.allow_plain_http => {}
            "http" => {
                return refuse(format!(
                    "plain HTTP to {host} would show the password and every event to the network; \
                     use https://, or allow plain HTTP by name"
                ));
            }
            other => {
                return refuse(format!(
                    "the address begins with {other}:, allowed is http: or https: (the HTTP interface)"
                ));
            }
        }
        if !is_identifier(&self.database) {
            return refuse(format!(
                "the database is called \"{}\"; allowed are letters, digits and _, not beginning with a digit",
                self.database
            ));
        }
        Ok(())
    }
}

impl From<&WarehouseLogin> for Login {
    fn from(login: &WarehouseLogin) -> Self {
        Self::new(&login.url, &login.database, &login.user, &login.password)
    }
}

impl fmt::Debug for Login {
    /// Without the password, so that it cannot reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("url", &self.url)
            .field("database", &self.database)
            .field("user", &self.user)
            .field("allow_plain_http", &self.allow_plain_http)
            .finish_non_exhaustive()
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether `text` can stand in SQL as a name without quotes.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, database: &str) -> Result<(), String> {
        let login = Login::new(url, database, "u", "p");
        login.check().map_err(|e| e.to_string())
    }

    #[test]
    fn loopback_and_https_pass() {
        for url in [
            "http://127.0.0.1:8123",
            "http://127.9.9.9:1/",
            "http://localhost:8123",
            "http://[::1]:8123",
            "https://clickhouse.example.com:8443",
        ] {
            assert_eq!(check(url, "splitdeck"), Ok(()), "{url}");
        }
    }

    #[test]
    fn plain_http_over_a_network_must_be_allowed() {
        for url in [
            "http://10.0.0.7:8123",
            "http://clickhouse.internal:8123",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
        ] {
            let message = check(url, "splitdeck").expect_err(url);
            assert!(message.contains("plain HTTP"), "{message}");
            let mut login = Login::new(url, "splitdeck", "u", "p");
            login.allow_plain_http = true;
            login.check().expect("allowed");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_in_words() {
        for (url, database, says) in [
            ("127.0.0.1", "d", "not a URL"),
            ("tcp://127.0.0.1:9000", "d", "HTTP interface"),
            ("http://u:p@127.0.0.1", "d", "apart from the address"),
            ("http://127.0.0.1", "a b", "database"),
            ("http://127.0.0.1", "`; DROP", "database"),
            ("http://127.0.0.1", "", "database"),
        ] {
            let message = check(url, database).expect_err(url);
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn the_password_is_not_in_the_debug_text() {
        let login = Login::new("http://127.0.0.1", "d", "u", "hunter2");
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
