//! A database with a session, and an inventory on it.

use std::sync::Arc;

use nebula_lock::{LockManager, MemoryLock};
use tempfile::TempDir;
use ticketing::{
    ids::{OrderId, SessionId, UserId},
    inventory::{Inventory, SeatLedger, SeatState},
    storage::{Database, Pool, sql::query},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) struct Stock {
    pub(crate) database: Database,
    pub(crate) session: SessionId,
    pub(crate) inventory: Inventory,
    pub(crate) stopping: CancellationToken,
    _stop: DropGuard,
    _folder: TempDir,
}

impl Stock {
    /// A session of `seats` seats, four to a user, on `ledger`.
    pub(crate) async fn new(ledger: Arc<dyn SeatLedger>, seats: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("t.db")).await.unwrap();
        let session = SessionId::new();
        let pool = &database.read;
        run(pool, "INSERT INTO venues (id, name, created_at) VALUES ('v', 'v', 0)").await;
        run(
            pool,
            "INSERT INTO plans (id, venue_id, name, width, height, areas, digest, created_at)
             VALUES ('p', 'v', 'p', 1, 1, '[]', '', 0)",
        )
        .await;
        query(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
             INSERT INTO plan_seats (plan_id, position, guid, zone, row, number, category, x, y)
             SELECT 'p', i, 'g' || i, '', '', '', 'c', 0, 0 FROM n",
        )
        .bind(seats)
        .execute(pool)
        .await
        .unwrap();
        run(pool, "INSERT INTO shows (id, title, title_zh, created_at) VALUES ('s', 's', 's', 0)").await;
        query(
            "INSERT INTO sessions
             (id, show_id, plan_id, starts_at, sale_opens_at, sale_closes_at, hold_ms, seats_per_user, created_at)
             VALUES ($1, 's', 'p', 0, 0, 0, 0, 4, 0)",
        )
        .bind(session)
        .execute(pool)
        .await
        .unwrap();
        let stopping = CancellationToken::new();
        let inventory = Inventory::new(ledger, locks(), database.clone(), stopping.clone());
        let stop = stopping.clone().drop_guard();
        Self { database, session, inventory, stopping, _stop: stop, _folder: folder }
    }

    /// Another process on the same database, with locks that nobody else sees: as if each had lost its own.
    pub(crate) fn process(&self, ledger: Arc<dyn SeatLedger>) -> Inventory {
        Inventory::new(ledger, locks(), self.database.clone(), self.stopping.clone())
    }

    /// Writes an order of a fresh user.
    pub(crate) async fn order(&self, state: &str, seats: &[u32]) -> (OrderId, UserId) {
        let (order, user) = (OrderId::new(), UserId::new());
        self.order_of(order, user, state, seats).await;
        (order, user)
    }

    pub(crate) async fn order_of(&self, order: OrderId, user: UserId, state: &str, seats: &[u32]) {
        let pool = &self.database.read;
        query("INSERT INTO users (id, email_index, display_name, created_at) VALUES ($1, $1, '', 0)")
            .bind(user)
            .execute(pool)
            .await
            .unwrap();
        query(
            "INSERT INTO orders (id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch, created_at,
             expires_at, updated_at) VALUES ($1, $2, $3, $4, 0, 'CNY', '', 0, 0, 0, 0)",
        )
        .bind(order)
        .bind(user)
        .bind(self.session)
        .bind(state)
        .execute(pool)
        .await
        .unwrap();
        for position in seats {
            query("INSERT INTO order_seats (order_id, position, guid, category, minor) VALUES ($1, $2, '', 'c', 0)")
                .bind(order)
                .bind(*position)
                .execute(pool)
                .await
                .unwrap();
        }
        if state == "PAID" {
            self.sold(order).await;
        }
    }

    /// Changes the state of an order; `PAID` sells its seats.
    pub(crate) async fn set(&self, order: OrderId, state: &str) {
        query("UPDATE orders SET state = $1 WHERE id = $2")
            .bind(state)
            .bind(order)
            .execute(&self.database.read)
            .await
            .unwrap();
        if state == "PAID" {
            self.sold(order).await;
        }
    }

    async fn sold(&self, order: OrderId) {
        query(
            "INSERT INTO sold_seats (session_id, position, order_id, at)
             SELECT $1, position, order_id, 0 FROM order_seats WHERE order_id = $2",
        )
        .bind(self.session)
        .bind(order)
        .execute(&self.database.read)
        .await
        .unwrap();
    }

    /// The epoch that the database accepts orders of.
    pub(crate) async fn epoch(&self) -> i64 {
        query("SELECT ledger_epoch FROM sessions WHERE id = $1")
            .bind(self.session)
            .scalar(&self.database.read)
            .await
            .unwrap()
    }

    pub(crate) async fn letters(&self) -> String {
        let snapshot = self.inventory.snapshot(self.session).await.unwrap();
        snapshot.states.iter().map(|state| SeatState::letter(*state)).collect()
    }
}

fn locks() -> LockManager {
    LockManager::new(MemoryLock::new())
}

async fn run(pool: &Pool, sql: &'static str) {
    query(sql).execute(pool).await.unwrap();
}
