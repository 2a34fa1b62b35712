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

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Connects, sets up the tables, and again whenever ClickHouse moves. Ends when nobody can say any
    /// more where it is, and can be dropped at any time.
    pub async fn keep(self: Arc<Self>) {
        let mut whereabouts = self.whereabouts.clone();
        loop {
            let target = whereabouts.borrow_and_update().clone();
            let moved = match target {
                Whereabouts::Nowhere(_) => {
                    self.warehouse.send_replace(None);
                    whereabouts.changed().await
                }
                Whereabouts::At(access) => tokio::select! {
                    moved = whereabouts.changed() => moved,
                    () = self.connect(&access.server) => whereabouts.changed().await,
                },
            };
            if moved.is_err() {
                return;
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
                    tracing::warn!(url = login.url, %error, "ClickHouse cannot be set up; trying again");
                    self.set_trouble(Some(error.to_string()));
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}
