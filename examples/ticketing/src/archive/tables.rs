//! What an order takes along, and the statements that move it.

use crate::storage::sql::Sql;

/// A table, with its rows of some orders.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static str,
    /// Which rows: `{orders}` becomes the list of the orders.
    rows: &'static str,
}

/// The orders themselves come first, since all others refer to them.
pub(super) const TABLES: [Table; 13] = [
    Table {
        name: "orders",
        columns: "id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch, created_at, expires_at, \
                  updated_at, version, tenant_id",
        rows: "id IN ({orders})",
    },
    Table { name: "order_seats", columns: "order_id, position, guid, category, minor", rows: OF_ORDERS },
    Table { name: "order_history", columns: "order_id, version, from_state, to_state, reason, at", rows: OF_ORDERS },
    Table {
        name: "order_prices",
        columns: "order_id, tenant_id, revision, subtotal, steps, proof, coupon_id, coupon",
        rows: OF_ORDERS,
    },
    Table {
        name: "counter_sales",
        columns: "order_id, tenant_id, clerk_id, channel, commission_bp, name_sealed, email_sealed, language, at",
        rows: OF_ORDERS,
    },
    Table {
        name: "order_attendees",
        columns: "order_id, position, tenant_id, identity_index, name_index, number_index, person_sealed, verified, has_grams",
        rows: OF_ORDERS,
    },
    Table { name: "refused_names", columns: "order_id, at, consequence", rows: OF_ORDERS },
    Table { name: "sold_seats", columns: "session_id, position, order_id, at", rows: OF_ORDERS },
    Table {
        name: "payments",
        columns: "id, order_id, provider, state, minor, currency, provider_txn, created_at, updated_at",
        rows: OF_ORDERS,
    },
    Table { name: "charges", columns: "provider, txn, payment_id, order_id, minor, currency, at", rows: OF_ORDERS },
    Table {
        name: "refunds",
        columns: "id, kind, payment_id, order_id, provider_txn, minor, fee_minor, currency, reason, state, asked_by, \
                  from_state, note, created_at, updated_at",
        rows: OF_ORDERS,
    },
    Table {
        name: "tickets",
        columns: "id, order_id, session_id, position, state, used_at, used_gate, issued_at",
        rows: OF_ORDERS,
    },
    Table {
        name: "ticket_scans",
        columns: "id, session_id, ticket_id, result, gate, staff_id, at, received_at",
        rows: "ticket_id IN (SELECT id FROM tickets WHERE order_id IN ({orders}))",
    },
];

const OF_ORDERS: &str = "order_id IN ({orders})";

/// Places for so many values, from the first one on.
pub(super) fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

impl Table {
    fn rows(&self, orders: usize) -> String {
        self.rows.replace("{orders}", &places(1, orders))
    }

    /// Copies the rows of so many orders. An order itself is given the time, as the last parameter.
    pub(super) fn copy(&self, orders: usize) -> Sql {
        let Self { name, columns, .. } = self;
        let rows = self.rows(orders);
        Sql::Built(if self.is_dated() {
            let at = orders + 1;
            format!(
                "INSERT INTO archived_{name} ({columns}, archived_at) \
                 SELECT {columns}, CAST(${at} AS BIGINT) FROM {name} WHERE {rows}"
            )
        } else {
            format!("INSERT INTO archived_{name} ({columns}) SELECT {columns} FROM {name} WHERE {rows}")
        })
    }

    /// Removes the rows of so many orders.
    pub(super) fn remove(&self, orders: usize) -> Sql {
        Sql::Built(format!("DELETE FROM {} WHERE {}", self.name, self.rows(orders)))
    }

    /// Whether the archive remembers when it came.
    pub(super) fn is_dated(&self) -> bool {
        self.name == "orders"
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::storage::{Database, sql::query};

    /// Whoever adds a column to one of the tables is told here that its archive needs it as well.
    #[tokio::test]
    async fn every_column_is_archived_and_shown_by_the_view() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("ticketing.db")).await.unwrap();
        for table in &TABLES {
            let mut listed: BTreeSet<String> = table.columns.split(", ").map(str::to_owned).collect();
            for (prefix, dated) in [("", false), ("archived_", table.is_dated()), ("all_", table.is_dated())] {
                let of = format!("{prefix}{}", table.name);
                let sql = "SELECT name FROM pragma_table_info($1)";
                let columns: Vec<String> = query(sql).bind(&of).scalars(&database.read).await.unwrap();
                if dated {
                    listed.insert("archived_at".to_owned());
                }
                assert_eq!(columns.into_iter().collect::<BTreeSet<_>>(), listed, "{of}");
            }
        }
    }

    /// What refers to an order and is not moved with it would keep it from being moved.
    #[tokio::test]
    async fn everything_that_refers_to_an_order_goes_along() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("ticketing.db")).await.unwrap();
        let sql = "SELECT DISTINCT tables.name FROM sqlite_master AS tables, pragma_foreign_key_list(tables.name) AS keys \
                   WHERE tables.type = 'table' AND keys.\"table\" IN ('orders', 'payments', 'tickets', 'refunds')";
        let referring: Vec<String> = query(sql).scalars(&database.read).await.unwrap();
        assert!(referring.len() > 5, "{referring:?}");
        for name in referring {
            assert!(TABLES.iter().any(|table| table.name == name), "{name} is not archived");
        }
    }
}
