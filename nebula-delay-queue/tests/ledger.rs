//! The ledgers of a broker's messages keep their contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::sync::Arc;

use nebula_delay_queue::{
    MemoryLedger, MessageLedger, RedisLedger, SqlDatabase, SqlLedger, ledger_suite,
    nebula_redis::RedisConfig,
    sqlx::{MySql, Postgres},
};
use nebula_test_support::{mariadb_database, postgres_database, redis_url, unique};

mod memory {
    use super::*;

    ledger_suite!(async { MemoryLedger::new() });
}

mod redis {
    use super::*;

    async fn ledger() -> impl MessageLedger {
        let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
        RedisLedger::new(connection).with_key_prefix(&unique("ledger"))
    }

    ledger_suite!(ledger());
}

async fn sql<DB: SqlDatabase>(url: String) -> SqlLedger<DB> {
    let pool = common::connect(&url).await;
    SqlLedger::migrate(&pool).await.unwrap();
    SqlLedger::new(pool)
}

mod sqlite {
    use super::*;

    async fn ledger() -> impl MessageLedger {
        let folder = tempfile::tempdir().unwrap().keep();
        let pool = common::pool(&folder.join("ledger.db")).await;
        SqlLedger::migrate(&pool).await.unwrap();
        SqlLedger::new(pool)
    }

    ledger_suite!(ledger());
}

mod postgres {
    use super::*;

    ledger_suite!(async { sql::<Postgres>(postgres_database().await).await });
}

mod mariadb {
    use super::*;

    ledger_suite!(async { sql::<MySql>(mariadb_database().await).await });
}

mod erased {
    use super::*;

    ledger_suite!(async { Arc::new(MemoryLedger::new()) as Arc<dyn MessageLedger> });
}
