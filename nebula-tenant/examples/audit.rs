//! `tenant audit`: looks for leaks in a database, for continuous integration and for production.
//!
//! `audit sqlite://app.db orders lines` looks at the tables `orders` and `lines`, and ends with 1 if it finds something. Tenants are read from the
//! registry (`nebula_tenants`), if it is in the same database. Without arguments it shows what it finds in a small database with leaks.

use std::process::ExitCode;

use nebula_tenant::db::{LeakAudit, TenantDatabase, TenantPool};
use nebula_tenant::wall::Wall;
use nebula_tenant::{TenantId, as_host};
use sqlx::{Pool, Row as _};

type Failed = Box<dyn std::error::Error>;

macro_rules! audit {
    ($database:ty, $plain:expr, $tables:expr) => {{
        let plain: Pool<$database> = $plain;
        let known = sqlx::query("SELECT tenant FROM nebula_tenants").fetch_all(&plain).await;
        let wall = Wall::builder(<$database as TenantDatabase>::DIALECT);
        let wall = $tables.iter().fold(wall, |wall, table| wall.tenant_table(table)).build()?;
        let pool = TenantPool::new(plain, wall)?;
        let mut audit = LeakAudit::of(&pool);
        if let Ok(rows) = known {
            let tenants: Result<Vec<TenantId>, Failed> =
                rows.iter().map(|row| Ok(row.try_get::<String, _>(0)?.parse()?)).collect();
            audit = audit.with_tenants(tenants?);
        }
        as_host("an audit", audit.run()).await??
    }};
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failed> {
    let mut arguments = std::env::args().skip(1);
    let Some(url) = arguments.next() else {
        show().await?;
        return Ok(ExitCode::SUCCESS);
    };
    let tables: Vec<String> = arguments.collect();
    let leaks = match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => audit!(sqlx::Sqlite, Pool::connect(&url).await?, tables),
        Some("postgres" | "postgresql") => audit!(sqlx::Postgres, Pool::connect(&url).await?, tables),
        Some("mysql" | "mariadb") => audit!(sqlx::MySql, Pool::connect(&url).await?, tables),
        _ => return Err("the address of a database begins with sqlite:, postgres: or mysql:".into()),
    };
    for leak in &leaks {
        println!("{leak}");
    }
    println!("{} leaks in {} tables", leaks.len(), tables.len());
    Ok(if leaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn show() -> Result<(), Failed> {
    let plain = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    for sql in [
        "CREATE TABLE nebula_tenants (tenant TEXT NOT NULL PRIMARY KEY)",
        "INSERT INTO nebula_tenants VALUES ('star'), ('moon')",
        "CREATE TABLE halls (tenant_id TEXT, id BIGINT NOT NULL PRIMARY KEY)",
        "CREATE TABLE seats (tenant_id TEXT NOT NULL, id BIGINT NOT NULL, hall BIGINT REFERENCES halls (id), PRIMARY KEY (tenant_id, id))",
        "INSERT INTO seats VALUES ('star', 1, NULL), ('forgotten', 1, NULL)",
    ] {
        sqlx::query(sql).execute(&plain).await?;
    }
    let leaks = audit!(sqlx::Sqlite, plain, ["halls", "seats"]);
    for leak in &leaks {
        println!("{leak}");
    }
    if leaks.len() == 4 { Ok(()) } else { Err("four leaks were planted".into()) }
}
