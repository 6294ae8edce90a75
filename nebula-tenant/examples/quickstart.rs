//! Two cinemas on one platform: from the contract to the last byte.

use std::sync::Arc;

use http::{Request, header};
use nebula_tenant::db::{TenantPool, query};
use nebula_tenant::registry::{Lifecycle, MemoryTenants, Tenant, TenantRegistry};
use nebula_tenant::resolve::{Resolvers, Subdomain};
use nebula_tenant::seal::{LocalMasterKey, MemoryKeyStore, Place, TenantCipher};
use nebula_tenant::wall::{SqlDialect, Wall};
use nebula_tenant::{TenantContext, TenantDirectory, TenantId, as_host};
use sqlx::Row as _;

const PHONE: Place<'static> = Place::column("orders", "phone");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One connection, since each would have a database of its own in memory.
    let plain = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    let table =
        "CREATE TABLE orders (tenant_id TEXT NOT NULL, id BIGINT NOT NULL, phone BLOB, PRIMARY KEY (tenant_id, id))";
    sqlx::query(table).execute(&plain).await?;
    let orders = TenantPool::new(plain, Wall::builder(SqlDialect::Sqlite).tenant_table("orders").build()?)?;

    let registry = TenantRegistry::new(MemoryTenants::new());
    let cipher = TenantCipher::new(MemoryKeyStore::new(), LocalMasterKey::new("2026", &vec![7; 32].into())?);
    let (seeds, erases) = (orders.clone(), orders.clone());
    let lifecycle = Lifecycle::builder(registry.clone())
        .step("first order", move |_| {
            let orders = seeds.clone();
            async move { Ok(query("INSERT INTO orders (id) VALUES (0)").execute(&orders).await.map(drop)?) }
        })
        .shred(cipher.clone())
        .erasure("orders", move |_| {
            let orders = erases.clone();
            async move { Ok(query("DELETE FROM orders").execute(&orders).await.map(drop)?) }
        })
        .build();
    for name in ["star", "moon"] {
        let _ = as_host("a contract was signed", lifecycle.create(Tenant::new(name.parse()?))).await??;
    }

    // A request says whose it is, and is done as that tenant's work.
    let resolvers = Resolvers::builder(Arc::new(registry.clone())).with(Subdomain::of("tickets.example")?).build();
    let (request, ()) = Request::builder().header(header::HOST, "star.tickets.example").body(())?.into_parts();
    let star: TenantId = resolvers.resolve(&request).await?;
    TenantContext::of(star.clone())
        .scope(async {
            let phone = cipher.seal(PHONE.row("1"), b"+86 138").await?;
            query("INSERT INTO orders (id, phone) VALUES (?, ?)").bind(1_i64).bind(phone).execute(&orders).await?;
            let rows = query("SELECT id FROM orders").fetch_all(&orders).await?;
            println!("{star} has {} orders", rows.len());
            if let Err(refusal) = query("SELECT id FROM orders WHERE tenant_id = 'moon'").fetch_all(&orders).await {
                println!("refused: {refusal}");
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })
        .await??;

    let _ = registry.archive(&star).await?;
    let _ = as_host("the contract has ended", lifecycle.erase(&star)).await??;
    let left = as_host("a look at what is left", async {
        let rows = sqlx::query("SELECT tenant_id FROM orders").fetch_all(orders.as_host()?).await?;
        let tenants: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get("tenant_id")).collect();
        Ok::<_, Box<dyn std::error::Error>>(tenants?)
    })
    .await??;
    println!("{star} is {:?}, and the orders left are of {left:?}", registry.status(&star).await?);
    Ok(())
}
