//! Where the store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::any::AnyConnectOptions;

use super::FILE_NAME;

/// What stands before the address of a Postgres.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// Where the store is.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum StoreUrl {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A Postgres.
    Postgres(PostgresUrl),
}

impl StoreUrl {
    /// The file of SQLite in a data directory.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self::Sqlite(dir.join(FILE_NAME))
    }

    /// How to connect.
    pub(super) fn connect_options(&self) -> Result<AnyConnectOptions, sqlx::Error> {
        match self {
            Self::Sqlite(path) => {
                let Some(path) = std::path::absolute(path)?.to_str().map(str::to_owned) else {
                    return Err(sqlx::Error::Configuration("its path is not UTF-8".into()));
                };
                let mut options = AnyConnectOptions::from_str("sqlite:///")?;
                // `set_path` encodes every other sign that has a meaning in an address.
                options.database_url.set_path(&path.replace('%', "%25"));
                Ok(options)
            }
            Self::Postgres(url) => AnyConnectOptions::from_str(&url.0),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// The address of a Postgres: `postgres://user@host:port/database?sslmode=verify-full`.
///
/// Holds the password; neither `Display` nor `Debug` shows it.
#[derive(Clone, Eq, PartialEq)]
pub struct PostgresUrl(String);

/// An address that cannot be used.
#[derive(Debug, thiserror::Error, Eq, PartialEq)]
pub enum PlaceError {
    /// It is no address of a Postgres.
    #[error("{0} is no address of a store; allowed is postgres://user@host/database")]
    NoPostgres(String),
    /// A password where others can read it.
    #[error(
        "the address holds a password, which every user of the machine could read; put it into the file that \
         store_password_file names, into SPLITDECK_STORE_PASSWORD, or into a file that PGPASSFILE names"
    )]
    Password,
}

impl PostgresUrl {
    /// Reads an address without a password, and adds `password`, where there is one.
    ///
    /// Without one, sqlx looks into `PGPASSWORD` and into the file of `PGPASSFILE` (`~/.pgpass`).
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn new(text: &str, password: Option<&str>) -> Result<Self, PlaceError> {
        let read = AnyConnectOptions::from_str(text).ok();
        let mut options = read
            .filter(|options| SCHEMES.contains(&options.database_url.scheme()))
            .ok_or_else(|| PlaceError::NoPostgres(without_user(text)))?;
        let url = &mut options.database_url;
        if url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password") {
            return Err(PlaceError::Password);
        }
        if let Some(password) = password {
            // As a parameter: an address without a host, for a socket, takes no user information.
            url.query_pairs_mut().append_pair("password", password);
        }
        Ok(Self(url.to_string()))
    }
}

/// What may be shown of something that was meant to be an address.
fn without_user(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &text[..scheme], &text[at..]),
        _ => text.to_owned(),
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = AnyConnectOptions::from_str(&self.0).map(|options| {
            let mut url = options.database_url;
            let kept: Vec<(String, String)> = url
                .query_pairs()
                .filter(|(name, _)| name != "password")
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            url.set_query(None);
            if !kept.is_empty() {
                url.query_pairs_mut().extend_pairs(kept);
            }
            url.to_string()
        });
        f.write_str(shown.as_deref().unwrap_or("postgres://…"))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_from_beside_and_never_shown() {
        for text in [
            "postgres://me@db.example:5433/splitdeck?sslmode=verify-full",
            "postgresql:///splitdeck?host=/run/postgresql&user=me",
        ] {
            let url = PostgresUrl::new(text, Some("a b&c=d%")).expect("an address");
            let shown = format!("{url} {url:?} {:?}", StoreUrl::Postgres(url.clone()));
            assert!(!shown.contains("a+b") && !shown.contains("password"), "{shown}");
            let options = StoreUrl::Postgres(url).connect_options().expect("options");
            let password = options
                .database_url
                .query_pairs()
                .find(|(name, _)| name == "password");
            assert_eq!(password.expect("a password").1, "a b&c=d%");
        }
    }

    #[test]
    fn what_is_no_address_or_shows_a_password_is_refused() {
        for text in [
            "postgres://me:secret@db/x",
            "postgres://me:@db/x?password=secret",
            "postgres:///x?password=secret",
        ] {
            let error = PostgresUrl::new(text, None).expect_err("refused");
            assert_eq!(error, PlaceError::Password, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for text in ["mysql://me:secret@db/x", "db:5432", "sqlite", "", "me:secret@db"] {
            let error = PostgresUrl::new(text, None).expect_err("refused");
            assert!(matches!(error, PlaceError::NoPostgres(_)), "{text}");
        }
        let error = PostgresUrl::new("mysql://me:secret@db/x", None).expect_err("refused");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn any_path_becomes_an_address_and_back() {
        let path = "/tmp/a b/50%25 off/x?y#z;ü/splitdeck.sqlite";
        let options = StoreUrl::Sqlite(path.into()).connect_options().expect("options");
        let options = sqlx::sqlite::SqliteConnectOptions::try_from(&options).expect("options");
        assert_eq!(options.get_filename(), Path::new(path));
    }
}
