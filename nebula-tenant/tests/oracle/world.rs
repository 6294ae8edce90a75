//! Two databases with the same rows of one tenant, one of them with others' rows as well.

use async_trait::async_trait;
use nebula_tenant::TenantContext;
use nebula_tenant::db::{TenantDatabase, TenantPool, query};
use nebula_tenant::wall::{SqlDialect, Wall};
use sqlx::pool::PoolOptions;
use sqlx::{AssertSqlSafe, Column as _, Pool, Row as _, TypeInfo as _, ValueRef as _};

pub(crate) const OWN: &str = "own";
const OTHERS: [&str; 3] = ["alpha", "own2", "zeta"];
const TENANT_TABLES: [&str; 3] = ["customers", "orders", "order_lines"];

/// A database whose answers can be compared as texts.
#[async_trait]
pub(crate) trait Answers: TenantDatabase {
    async fn run(pool: &Pool<Self>, sql: &str) -> sqlx::Result<u64>;
    async fn ask(pool: &Pool<Self>, sql: &str) -> sqlx::Result<Vec<String>>;
    fn answers(rows: &[Self::Row]) -> Vec<String>;
    fn changed(result: &Self::QueryResult) -> u64;
}

macro_rules! answers {
    ($database:ty) => {
        #[async_trait]
        impl Answers for $database {
            async fn run(pool: &Pool<Self>, sql: &str) -> sqlx::Result<u64> {
                Ok(sqlx::query(AssertSqlSafe(sql)).execute(pool).await?.rows_affected())
            }

            async fn ask(pool: &Pool<Self>, sql: &str) -> sqlx::Result<Vec<String>> {
                Ok(Self::answers(&sqlx::query(AssertSqlSafe(sql)).fetch_all(pool).await?))
            }

            fn answers(rows: &[Self::Row]) -> Vec<String> {
                let mut texts: Vec<_> = rows
                    .iter()
                    .map(|row| {
                        let cell = |place: usize| {
                            let value = row.try_get_raw(place).unwrap();
                            if value.is_null() {
                                return "NULL".to_owned();
                            }
                            row.try_get::<i64, _>(place)
                                .or_else(|_| row.try_get::<i32, _>(place).map(i64::from))
                                .map(|number| number.to_string())
                                .or_else(|_| row.try_get::<String, _>(place))
                                .or_else(|_| row.try_get::<bool, _>(place).map(|truth| i32::from(truth).to_string()))
                                .unwrap_or_else(|_| {
                                    panic!("{}: {}", row.columns()[place].name(), value.type_info().name())
                                })
                        };
                        (0..row.columns().len()).map(cell).collect::<Vec<_>>().join("|")
                    })
                    .collect();
                texts.sort_unstable();
                texts
            }

            fn changed(result: &Self::QueryResult) -> u64 {
                result.rows_affected()
            }
        }
    };
}

answers!(sqlx::Sqlite);
answers!(sqlx::Postgres);
answers!(sqlx::MySql);

pub(crate) struct World<DB: Answers> {
    shared: Pool<DB>,
    behind: TenantPool<DB>,
    alone: Pool<DB>,
}

impl<DB: Answers> World<DB> {
    pub(crate) async fn new(shared: &str, alone: &str) -> Self {
        let one = || PoolOptions::<DB>::new().max_connections(1);
        let shared = one().connect(shared).await.unwrap();
        let alone = one().connect(alone).await.unwrap();
        for (pool, is_alone) in [(&shared, false), (&alone, true)] {
            for sql in tables(is_alone) {
                DB::run(pool, &sql).await.unwrap();
            }
            for row in shared_rows() {
                DB::run(pool, &row).await.unwrap();
            }
        }
        for (number, tenant) in OTHERS.iter().enumerate() {
            for row in rows(tenant, 10 * (number as i64 + 1)) {
                DB::run(&shared, &row).await.unwrap();
            }
        }
        let wall = TENANT_TABLES.iter().fold(Wall::builder(DB::DIALECT), |wall, table| wall.tenant_table(table));
        let behind = TenantPool::new(shared.clone(), wall.shared_table("products").build().unwrap()).unwrap();
        let world = Self { shared, behind, alone };
        world.refill().await;
        world
    }

    /// The tenant's first rows again.
    pub(crate) async fn refill(&self) {
        for pool in [&self.shared, &self.alone] {
            for table in TENANT_TABLES {
                DB::run(pool, &format!("DELETE FROM {table} WHERE tenant_id = '{OWN}'")).await.unwrap();
            }
            for row in rows(OWN, 0) {
                DB::run(pool, &row).await.unwrap();
            }
        }
    }

    /// The answers behind the wall and alone.
    pub(crate) async fn both(
        &self,
        sql: &str,
        reads: bool,
    ) -> (Result<Vec<String>, String>, Result<Vec<String>, String>) {
        let context = TenantContext::of(OWN.parse().unwrap());
        let behind = async {
            if reads {
                return query::<DB>(sql).fetch_all(&self.behind).await.map(|rows| DB::answers(&rows));
            }
            let result = query::<DB>(sql).execute(&self.behind).await?;
            Ok(vec![DB::changed(&result).to_string()])
        };
        let behind = context.scope(behind).await.unwrap();
        let alone = if reads {
            DB::ask(&self.alone, sql).await
        } else {
            DB::run(&self.alone, sql).await.map(|rows| vec![rows.to_string()])
        };
        if let Err(error @ nebula_tenant::db::DbError::Refused(_)) = &behind {
            panic!("{error}: {sql}");
        }
        (behind.map_err(|error| error.to_string()), alone.map_err(|error| error.to_string()))
    }

    pub(crate) async fn own(&self) -> Vec<String> {
        self.all(&self.shared, &format!("tenant_id = '{OWN}'")).await
    }

    pub(crate) async fn alone(&self) -> Vec<String> {
        self.all(&self.alone, "1 = 1").await
    }

    pub(crate) async fn others(&self) -> Vec<String> {
        self.all(&self.shared, &format!("tenant_id <> '{OWN}'")).await
    }

    async fn all(&self, pool: &Pool<DB>, which: &str) -> Vec<String> {
        let mut all = Vec::new();
        for table in TENANT_TABLES {
            all.push(table.to_owned());
            all.extend(DB::ask(pool, &format!("SELECT * FROM {table} WHERE {which}")).await.unwrap());
        }
        all.push("products".to_owned());
        all.extend(DB::ask(pool, "SELECT * FROM products").await.unwrap());
        all
    }
}

/// Where a tenant is alone, keys do not need its name.
fn tables(alone: bool) -> Vec<String> {
    let tenant =
        if alone { format!("VARCHAR(63) NOT NULL DEFAULT '{OWN}'") } else { "VARCHAR(63) NOT NULL".to_owned() };
    let key = |columns: &str| if alone { columns.to_owned() } else { format!("tenant_id, {columns}") };
    vec![
        "CREATE TABLE products (id BIGINT PRIMARY KEY, name VARCHAR(20) NOT NULL, price BIGINT NOT NULL)".to_owned(),
        format!(
            "CREATE TABLE customers (tenant_id {tenant}, id BIGINT NOT NULL, name VARCHAR(20) NOT NULL, city VARCHAR(20), \
             PRIMARY KEY ({}))",
            key("id")
        ),
        format!(
            "CREATE TABLE orders (tenant_id {tenant}, id BIGINT NOT NULL, customer_id BIGINT, code VARCHAR(20) NOT NULL, \
             total BIGINT NOT NULL, PRIMARY KEY ({}), UNIQUE ({}))",
            key("id"),
            key("code")
        ),
        format!(
            "CREATE TABLE order_lines (tenant_id {tenant}, id BIGINT NOT NULL, order_id BIGINT NOT NULL, \
             product_id BIGINT NOT NULL, total BIGINT, PRIMARY KEY ({}))",
            key("id")
        ),
    ]
}

fn shared_rows() -> Vec<String> {
    (0..5).map(|id| format!("INSERT INTO products (id, name, price) VALUES ({id}, 'p{id}', {})", 10 + id)).collect()
}

/// The same ids for all, and values that tell whose they are.
fn rows(tenant: &str, offset: i64) -> Vec<String> {
    let mut rows = Vec::new();
    for id in 0..6 {
        let city = if id == 4 { "NULL".to_owned() } else { format!("'c{}'", (id + offset) % 4) };
        rows.push(format!(
            "INSERT INTO customers (tenant_id, id, name, city) VALUES ('{tenant}', {id}, 'n{}', {city})",
            id + offset
        ));
    }
    for id in 0..10 {
        let customer = if id % 4 == 3 { "NULL".to_owned() } else { (id % 7).to_string() };
        rows.push(format!(
            "INSERT INTO orders (tenant_id, id, customer_id, code, total) VALUES ('{tenant}', {id}, {customer}, 'k{id}', {})",
            offset + id * 3 % 11
        ));
    }
    for id in 0..14 {
        let total = if id % 5 == 4 { "NULL".to_owned() } else { (offset + id).to_string() };
        rows.push(format!(
            "INSERT INTO order_lines (tenant_id, id, order_id, product_id, total) VALUES ('{tenant}', {id}, {}, {}, {total})",
            id * 5 % 12,
            id % 6
        ));
    }
    rows
}

pub(crate) fn integer(dialect: SqlDialect) -> &'static str {
    match dialect {
        SqlDialect::MySql => "SIGNED",
        _ => "BIGINT",
    }
}
