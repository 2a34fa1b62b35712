//! The way to ClickHouse: where it is now, whether it answers, and what it said last.
//!
//! ClickHouse may be away when the server starts and at any time after: configuration and assignment do
//! without it. Its address may change while the server runs (an embedded engine that was restarted).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::api::problem::Code;
use crate::api::system::WarehouseLogin;
use crate::warehouse::{Login, Warehouse};

use super::error::ApiError;

/// How to reach ClickHouse.
#[derive(Debug, Clone)]
pub struct Access {
    /// For the server: creates the tables and inserts.
    pub server: Login,
    /// For the cockpit: reads, and nothing else. None where the operator named no such user.
    pub cockpit: Option<WarehouseLogin>,
}

/// Where ClickHouse is.
#[derive(Debug, Clone)]
pub enum Whereabouts {
    /// Nowhere, and why: it is being installed, it could not be started, none is configured.
    Nowhere(String),
    /// Here, whether it answers or not.
    At(Box<Access>),
}

/// Where ClickHouse is, now and whenever it moves.
pub type WhereaboutsWatch = watch::Receiver<Whereabouts>;

/// For a server that never has a ClickHouse, and `why`.
#[must_use]
pub fn nowhere(why: impl Into<String>) -> WhereaboutsWatch {
    watch::channel(Whereabouts::Nowhere(why.into())).1
}

/// The first and the longest pause between two attempts to set up the tables.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// The connection to ClickHouse.
#[derive(Debug)]
pub struct Link {
    whereabouts: WhereaboutsWatch,
    /// Set while the tables are known to be there.
    warehouse: watch::Sender<Option<Warehouse>>,
    trouble: Mutex<Option<String>>,
}

impl Link {
    /// A link to wherever `whereabouts` says; [`Self::keep`] makes the connection.
    #[must_use]
    pub fn new(whereabouts: WhereaboutsWatch) -> Arc<Self> {
        Arc::new(Self {
            whereabouts,
            warehouse: watch::Sender::new(None),
            trouble: Mutex::new(None),
        })
    }

    /// ClickHouse with its tables.
    ///
    /// # Errors
    /// [`Code::WarehouseUnavailable`] with the reason while it is not there.
    pub fn warehouse(&self) -> Result<Warehouse, ApiError> {
        let warehouse = self.warehouse.borrow().clone();
        warehouse.ok_or_else(|| self.unavailable())
    }

    /// ClickHouse with its tables, for those who wait for it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Warehouse>> {
        self.warehouse.subscribe()
    }

    /// The login with which the cockpit reads ClickHouse.
    ///
    /// # Errors
    /// [`Code::WarehouseUnavailable`] when there is none.
    pub fn cockpit_login(&self) -> Result<WarehouseLogin, ApiError> {
        let cockpit = match &*self.whereabouts.borrow() {
            Whereabouts::Nowhere(why) => return Err(ApiError::new(Code::WarehouseUnavailable, why)),
            Whereabouts::At(access) => access.cockpit.clone(),
        };
        cockpit.ok_or_else(|| {
            ApiError::new(
                Code::WarehouseUnavailable,
                "the server knows no ClickHouse user that only reads; name one as read_user in its configuration",
            )
        })
    }

    /// Asks ClickHouse for a sign of life.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn ping(&self) -> Result<(), String> {
        let warehouse = self.warehouse.borrow().clone();
        match warehouse {
            Some(warehouse) => warehouse.ping().await.map_err(|error| error.to_string()),
            None => Err(self.trouble()),
        }
    }

    fn unavailable(&self) -> ApiError {
        ApiError::new(Code::WarehouseUnavailable, self.trouble())
    }

    fn trouble(&self) -> String {
        if let Whereabouts::Nowhere(why) = &*self.whereabouts.borrow() {
            return why.clone();
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || "ClickHouse is being connected".to_owned();
        trouble.clone().unwrap_or_else(first)
    }

    /// Notes what went wrong, and says whether that is news.
    fn set_trouble(&self, trouble: Option<String>) -> bool {
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *last != trouble;
        *last = trouble;
        news
    }

    /// Connects, sets up the tables, and again whenever ClickHouse moves. Never ends by itself, and can be
    /// dropped at any time.
    pub async fn keep(self: Arc<Self>) {
        let mut whereabouts = self.whereabouts.clone();
        loop {
            let target = whereabouts.borrow_and_update().clone();
            match target {
                Whereabouts::Nowhere(_) => {
                    self.warehouse.send_replace(None);
                    moved(&mut whereabouts).await;
                }
                Whereabouts::At(access) => {
                    let connected = tokio::select! {
                        () = moved(&mut whereabouts) => false,
                        () = self.connect(&access.server) => true,
                    };
                    if connected {
                        moved(&mut whereabouts).await;
                    }
                }
            }
        }
    }

    /// Sets up the tables, as often as it takes.
    async fn connect(&self, login: &Login) {
        self.warehouse.send_replace(None);
        let (mut pause, longest) = PAUSES;
        loop {
            let attempt = async {
                let warehouse = Warehouse::new(login)?;
                warehouse.migrate().await?;
                Ok::<_, crate::warehouse::WarehouseError>(warehouse)
            };
            match attempt.await {
                Ok(warehouse) => {
                    tracing::info!(url = login.url, "ClickHouse is connected");
                    self.set_trouble(None);
                    self.warehouse.send_replace(Some(warehouse));
                    return;
                }
                Err(error) => {
                    // Once for each reason: it is tried again until it is there.
                    if self.set_trouble(Some(error.to_string())) {
                        tracing::warn!(url = login.url, %error, "ClickHouse cannot be set up; trying again");
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}

/// Ready when ClickHouse has moved; never, where nobody can say so any more.
async fn moved(whereabouts: &mut WhereaboutsWatch) {
    if whereabouts.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Whereabouts {
        Whereabouts::At(Box::new(Access {
            server: Login::new(format!("http://127.0.0.1:{port}"), "splitdeck", "u", "p"),
            cockpit: None,
        }))
    }

    /// Waits until pings fail for a reason with this text in it.
    async fn troubled(link: &Link, text: &str) {
        let wait = async {
            while !link.ping().await.is_err_and(|why| why.contains(text)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait)
            .await
            .expect("in time");
    }

    #[tokio::test]
    async fn it_tries_although_nobody_can_say_where_else_clickhouse_may_be() {
        let link = Link::new(watch::channel(at(1)).1);
        let keeping = tokio::spawn(Arc::clone(&link).keep());
        troubled(&link, "Connection refused").await;
        assert!(link.warehouse().is_err());
        assert!(!keeping.is_finished());
        keeping.abort();
    }

    #[tokio::test]
    async fn it_says_why_clickhouse_is_nowhere() {
        let (sender, whereabouts) = watch::channel(Whereabouts::Nowhere("npm is missing".into()));
        let link = Link::new(whereabouts);
        let keeping = tokio::spawn(Arc::clone(&link).keep());
        troubled(&link, "npm is missing").await;
        sender.send_replace(at(1));
        troubled(&link, "Connection refused").await;
        sender.send_replace(Whereabouts::Nowhere("it crashed".into()));
        troubled(&link, "it crashed").await;
        keeping.abort();
    }
}
