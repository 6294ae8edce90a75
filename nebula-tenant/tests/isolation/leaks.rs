//! Leaks that were planted are found, and sound tables have none.

use nebula_tenant::db::{DbError, Gap, Leak, LeakAudit, TenantDatabase, TenantPool, rls};
use nebula_tenant::wall::Wall;
use nebula_tenant::{TenantId, as_host};
use nebula_test_support::{mariadb_database, postgres_database};
use sqlx::pool::PoolOptions;
use sqlx::{AssertSqlSafe, PgPool, Pool};

const SOUND: [&str; 2] = [
    "CREATE TABLE orders (tenant_id VARCHAR(63) NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (tenant_id, id))",
    "CREATE TABLE order_lines (tenant_id VARCHAR(63) NOT NULL, id BIGINT NOT NULL, order_id BIGINT NOT NULL, \
     PRIMARY KEY (tenant_id, id), CONSTRAINT of_order FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id))",
];

const LEAKY: [&str; 5] = [
    "CREATE TABLE halls (tenant_id VARCHAR(63), id BIGINT NOT NULL PRIMARY KEY)",
    "CREATE TABLE seats (tenant_id VARCHAR(63) NOT NULL, id BIGINT NOT NULL, hall_id BIGINT NOT NULL, \
     PRIMARY KEY (tenant_id, id), CONSTRAINT of_hall FOREIGN KEY (hall_id) REFERENCES halls (id))",
    "CREATE TABLE films (id BIGINT NOT NULL PRIMARY KEY)",
    "INSERT INTO orders VALUES ('star', 1), ('star', 2), ('moon', 1), ('stranger', 1), ('stranger', 2)",
    "INSERT INTO halls VALUES (NULL, 1), ('star', 2)",
];

fn tenants() -> [TenantId; 2] {
    ["star", "moon"].map(|name| name.parse().unwrap())
}

async fn found<DB: TenantDatabase>(audit: LeakAudit<'_, DB>) -> Vec<Leak> {
    as_host("an audit", audit.run()).await.unwrap().unwrap()
}

macro_rules! planted {
    ($database:ty, $plain:expr) => {{
        let plain: Pool<$database> = $plain;
        for sql in SOUND {
            sqlx::query(sql).execute(&plain).await.unwrap();
        }
        let wall = Wall::builder(<$database as TenantDatabase>::DIALECT);
        let sound = wall.clone().tenant_table("orders").tenant_table("order_lines").build().unwrap();
        let sound = TenantPool::new(plain.clone(), sound).unwrap();
        assert_eq!(found(LeakAudit::of(&sound).with_tenants(tenants())).await, []);
        let outside = LeakAudit::of(&sound).run().await;
        assert!(matches!(outside, Err(DbError::Tenant(_))), "it is the platform's own work");

        for sql in LEAKY {
            sqlx::query(sql).execute(&plain).await.unwrap();
        }
        let all = ["orders", "order_lines", "halls", "seats", "films", "gone"];
        let wall = all.into_iter().fold(wall, |wall, table| wall.tenant_table(table)).build().unwrap();
        let leaky = TenantPool::new(plain, wall).unwrap();
        let mut leaks = found(LeakAudit::of(&leaky).with_tenants(tenants())).await;
        leaks.sort();
        let table = |name: &str| name.to_owned();
        let key = leaks.iter().find_map(|leak| match leak {
            Leak::ForeignKey { key, .. } => Some(key.clone()),
            _ => None,
        });
        let unknown = |name: &str, tenant: &str, rows| Leak::UnknownTenant {
            table: table(name),
            tenant: tenant.to_owned(),
            rows,
        };
        assert_eq!(
            leaks,
            [
                Leak::NoColumn { table: table("films") },
                Leak::NoColumn { table: table("gone") },
                Leak::Nullable { table: table("halls") },
                Leak::NotIndexed { table: table("halls") },
                Leak::ForeignKey { table: table("seats"), key: key.unwrap_or_default(), to: table("halls") },
                unknown("halls", "NULL", 1),
                unknown("orders", "stranger", 2),
            ]
        );
        assert!(leaks.iter().all(|leak| !leak.to_string().is_empty()));
    }};
}

#[tokio::test]
async fn on_sqlite() {
    let one = PoolOptions::new().max_connections(1);
    planted!(sqlx::Sqlite, one.connect("sqlite::memory:").await.unwrap());
}

#[tokio::test]
async fn on_postgres() {
    planted!(sqlx::Postgres, PgPool::connect(&postgres_database().await).await.unwrap());
}

#[tokio::test]
async fn on_mariadb() {
    planted!(sqlx::MySql, sqlx::MySqlPool::connect(&mariadb_database().await).await.unwrap());
}

#[tokio::test]
async fn behind_row_level_security() {
    let admin = PgPool::connect(&postgres_database().await).await.unwrap();
    let pool = super::second_wall(admin.clone()).await;
    sqlx::query("INSERT INTO notes VALUES ('star', 1, 'x'), ('stranger', 1, 'x')").execute(&admin).await.unwrap();
    let audit = || LeakAudit::of(&pool).with_tenants(tenants());
    assert_eq!(found(audit()).await, [], "the role sees no rows");
    let stranger = Leak::UnknownTenant { table: "notes".to_owned(), tenant: "stranger".to_owned(), rows: 1 };
    assert_eq!(found(audit().with_rows(admin.clone())).await, [stranger]);

    sqlx::query("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY").execute(&admin).await.unwrap();
    assert_eq!(found(audit()).await, [Leak::RowLevelSecurity(Gap::NotForced("notes".to_owned()))]);
    sqlx::query("ALTER TABLE notes FORCE ROW LEVEL SECURITY").execute(&admin).await.unwrap();
    let role: String = sqlx::query_scalar("SELECT 'tenants_' || current_database()").fetch_one(&admin).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("ALTER TABLE notes OWNER TO {role}"))).execute(&admin).await.unwrap();
    assert_eq!(found(audit()).await, [Leak::RowLevelSecurity(Gap::Owner("notes".to_owned()))]);
    assert_eq!(as_host("gaps", rls::audit(&pool)).await.unwrap().unwrap(), [Gap::Owner("notes".to_owned())]);
}
