//! One table, two cinemas, and no way from one to the other.

use nebula_tenant::db::{TenantPool, query};
use nebula_tenant::wall::{SqlDialect, Wall};
use nebula_tenant::{TenantContext, TenantId};
use sqlx::Row as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One connection, since each would have a database of its own in memory.
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    sqlx::query("CREATE TABLE shows (tenant_id TEXT NOT NULL, title TEXT NOT NULL)").execute(&pool).await?;

    let wall = Wall::builder(SqlDialect::Sqlite).tenant_table("shows").build()?;
    let pool = TenantPool::new(pool, wall)?;

    for (cinema, title) in [("star", "Dune"), ("moon", "Solaris")] {
        let cinema: TenantId = cinema.parse()?;
        TenantContext::of(cinema.clone())
            .scope(async {
                query("INSERT INTO shows (title) VALUES (?)").bind(title).execute(&pool).await?;
                for row in query("SELECT title FROM shows").fetch_all(&pool).await? {
                    println!("{cinema} shows {}", row.try_get::<String, _>("title")?);
                }
                Ok::<_, Box<dyn std::error::Error>>(())
            })
            .await??;
    }

    // Without a tenant there is no answer, and around the wall there is no way.
    if let Err(error) = query("SELECT title FROM shows").fetch_all(&pool).await {
        println!("{error}");
    }
    if let Err(refusal) = pool.wall().rewrite("SELECT title FROM shows WHERE tenant_id = 'star'") {
        println!("{refusal}");
    }
    Ok(())
}
