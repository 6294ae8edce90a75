//! SeaORM behind the wall.

use nebula_tenant::db::{Databases, Schemas};
use nebula_tenant::sea::TenantConnection;
use nebula_tenant::seal::{Encrypted, LocalMasterKey, MemoryKeyStore, Place, TenantCipher};
use nebula_tenant::wall::{SqlDialect, Wall};
use nebula_tenant::{ErrorKind, TenantContext, as_host};
use nebula_test_support::{mariadb_database, postgres_database};
use sea_orm::entity::prelude::*;
use sea_orm::{
    ActiveValue::Set, DatabaseConnection, QueryOrder as _, Statement, TransactionSession as _, TransactionTrait as _,
};

mod buyer {
    use super::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "buyers")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) id: i64,
        pub(super) name: String,
        pub(super) phone: Option<Encrypted<String>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn tenant(name: &str) -> TenantContext {
    TenantContext::of(name.parse().unwrap())
}

const PHONE: Place<'static> = Place::column("buyers", "phone");

async fn behind_the_wall(plain: DatabaseConnection, dialect: SqlDialect, bytes: &str) {
    let table = format!(
        "CREATE TABLE buyers (tenant_id VARCHAR(63) NOT NULL, id BIGINT NOT NULL, name VARCHAR(80) NOT NULL, phone {bytes}, \
         PRIMARY KEY (tenant_id, id))"
    );
    plain.execute_unprepared(&table).await.unwrap();
    let wall = Wall::builder(dialect).tenant_table("buyers").build().unwrap();
    let connection = TenantConnection::new(plain.clone(), wall).unwrap();
    let cipher = TenantCipher::new(MemoryKeyStore::new(), LocalMasterKey::new("k", &vec![7; 32].into()).unwrap());

    for name in ["star", "moon"] {
        let work = async {
            let phone = Encrypted::seal(&cipher, PHONE.row("1"), &format!("+86 {name}")).await.unwrap();
            let buyer = buyer::ActiveModel { id: Set(1), name: Set(name.to_owned()), phone: Set(Some(phone)) };
            buyer::Entity::insert(buyer).exec_without_returning(&connection).await.unwrap();
            let second = buyer::ActiveModel { id: Set(2), name: Set(format!("{name} 2")), phone: Set(None) };
            buyer::Entity::insert(second).exec_without_returning(&connection).await.unwrap();
        };
        tenant(name).scope(work).await.unwrap();
    }
    let work = async {
        let all = buyer::Entity::find().order_by_asc(buyer::Column::Id).all(&connection).await.unwrap();
        let names: Vec<_> = all.iter().map(|buyer| buyer.name.as_str()).collect();
        assert_eq!(names, ["star", "star 2"]);
        let phone = all[0].phone.as_ref().unwrap();
        assert_eq!(phone.open(&cipher, PHONE.row("1")).await.unwrap(), "+86 star");
        assert_eq!(phone.open(&cipher, PHONE.row("2")).await.unwrap_err().kind(), ErrorKind::Altered);
        assert_eq!(
            buyer::Entity::find().filter(buyer::Column::Name.contains("moon")).count(&connection).await.unwrap(),
            0
        );
        let done = buyer::Entity::update_many()
            .col_expr(buyer::Column::Name, Expr::value("renamed"))
            .exec(&connection)
            .await
            .unwrap();
        assert_eq!(done.rows_affected, 2);

        // A transaction that is rolled back, one that is made, and a nested one.
        let transaction = connection.begin().await.unwrap();
        buyer::Entity::delete_many().exec(&transaction).await.unwrap();
        assert_eq!(buyer::Entity::find().count(&transaction).await.unwrap(), 0);
        transaction.rollback().await.unwrap();
        let result = connection
            .transaction::<_, (), DbErr>(|transaction| {
                Box::pin(async move {
                    buyer::Entity::delete_by_id(2).exec(transaction).await?;
                    let inner = transaction.begin().await?;
                    buyer::Entity::delete_by_id(1).exec(&inner).await?;
                    inner.rollback().await
                })
            })
            .await;
        result.unwrap();
        assert_eq!(buyer::Entity::find().count(&connection).await.unwrap(), 1);

        // By hand, around, and in another's hands.
        let raw = |sql: &str| Statement::from_string(connection.get_database_backend(), sql);
        for sql in
            ["SELECT * FROM secrets", "UPDATE buyers SET tenant_id = 'moon'", "SELECT 1; SELECT 2", "DROP TABLE buyers"]
        {
            assert!(connection.execute_raw(raw(sql)).await.is_err(), "{sql}");
            assert!(connection.query_all_raw(raw(sql)).await.is_err(), "{sql}");
            assert!(connection.query_one_raw(raw(sql)).await.is_err(), "{sql}");
            assert!(connection.execute_unprepared(sql).await.is_err(), "{sql}");
        }
        assert_eq!(connection.as_host().map(drop).unwrap_err().kind(), ErrorKind::Conflict);
        connection.begin().await.unwrap()
    };
    let of_star = tenant("star").scope(work).await.unwrap();
    assert!(tenant("moon").scope(buyer::Entity::find().all(&of_star)).await.unwrap().is_err(), "star's transaction");
    assert!(tenant("moon").scope(of_star.commit()).await.unwrap().is_err(), "star's transaction");
    assert!(buyer::Entity::find().all(&connection).await.is_err(), "nobody said whose");
    let moon = tenant("moon").scope(buyer::Entity::find().count(&connection)).await.unwrap();
    assert_eq!(moon.unwrap(), 2, "nothing of moon was changed");
    assert!(as_host("a test", async { connection.as_host().is_ok() }).await.unwrap());
}

#[tokio::test]
async fn on_sqlite() {
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    behind_the_wall(pool.into(), SqlDialect::Sqlite, "BLOB").await;
}

#[tokio::test]
async fn on_postgres() {
    let pool = sqlx::PgPool::connect(&postgres_database().await).await.unwrap();
    behind_the_wall(pool.into(), SqlDialect::Postgres, "BYTEA").await;
}

#[tokio::test]
async fn on_mariadb() {
    let pool = sqlx::MySqlPool::connect(&mariadb_database().await).await.unwrap();
    behind_the_wall(pool.into(), SqlDialect::MySql, "BLOB").await;
}

#[tokio::test]
async fn with_row_level_security() {
    let admin = sqlx::PgPool::connect(&postgres_database().await).await.unwrap();
    let pool = super::second_wall(admin.clone()).await;
    sqlx::query("INSERT INTO notes VALUES ('star', 1, 'of star'), ('moon', 1, 'of moon')")
        .execute(&admin)
        .await
        .unwrap();
    let plain = as_host("a test", async { pool.as_host().unwrap().clone() }).await.unwrap();
    let wall = || Wall::builder(SqlDialect::Postgres).tenant_table("notes").build().unwrap();
    let connection = TenantConnection::new(plain.clone(), wall()).unwrap();
    let ask = Statement::from_string(connection.get_database_backend(), "SELECT text FROM notes");
    // Without the setting, the second wall shows nothing.
    assert_eq!(tenant("star").scope(connection.query_all_raw(ask.clone())).await.unwrap().unwrap().len(), 0);
    let connection = connection.with_row_level_security().unwrap();
    for name in ["star", "moon"] {
        let rows = tenant(name).scope(connection.query_all_raw(ask.clone())).await.unwrap().unwrap();
        let texts: Vec<String> = rows.iter().map(|row| row.try_get("", "text").unwrap()).collect();
        assert_eq!(texts, [format!("of {name}")]);
    }
    let wrong = TenantConnection::new(plain, Wall::builder(SqlDialect::MySql).tenant_table("notes").build().unwrap());
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Config);
}

/// Each tenant has its own table, at home; `tables` makes it there.
async fn apart(connection: TenantConnection) {
    for name in ["star", "moon"] {
        let work = async {
            for id in 1..=2 {
                let buyer = buyer::ActiveModel { id: Set(id), name: Set(format!("{name} {id}")), phone: Set(None) };
                buyer::Entity::insert(buyer).exec_without_returning(&connection).await.unwrap();
            }
            let transaction = connection.begin().await.unwrap();
            buyer::Entity::delete_by_id(2).exec(&transaction).await.unwrap();
            let inner = transaction.begin().await.unwrap();
            buyer::Entity::delete_many().exec(&inner).await.unwrap();
            inner.rollback().await.unwrap();
            transaction.commit().await.unwrap();
            let left = buyer::Entity::find().all(&connection).await.unwrap();
            assert_eq!(left.into_iter().map(|buyer| buyer.name).collect::<Vec<_>>(), [format!("{name} 1")]);
        };
        tenant(name).scope(work).await.unwrap();
    }
    let nowhere = tenant("nobody").scope(buyer::Entity::find().all(&connection)).await.unwrap();
    assert!(nowhere.is_err(), "nobody has a table: {nowhere:?}");
    assert!(buyer::Entity::find().all(&connection).await.is_err(), "nobody said whose");
    let wrong = connection.with_row_level_security().unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Config);
}

const OWN: &str = "(id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(80) NOT NULL, phone";

fn wall_apart(dialect: SqlDialect) -> Wall {
    Wall::builder(dialect).apart_table("buyers").build().unwrap()
}

#[tokio::test]
async fn in_schemas() {
    let pool = sqlx::PgPool::connect(&postgres_database().await).await.unwrap();
    for name in ["star", "moon"] {
        let table = format!("CREATE SCHEMA t_{name}; CREATE TABLE t_{name}.buyers {OWN} BYTEA)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&pool).await.unwrap();
    }
    let schemas = || Schemas::with_prefix("t_").unwrap();
    let fenced = Wall::builder(SqlDialect::Postgres).tenant_table("buyers").build().unwrap();
    let wrong = TenantConnection::schemas(pool.clone(), schemas(), fenced).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Config);
    let memory = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
    let wrong = TenantConnection::schemas(memory, schemas(), wall_apart(SqlDialect::Sqlite)).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Config);
    apart(TenantConnection::schemas(pool, schemas(), wall_apart(SqlDialect::Postgres)).unwrap()).await;
}

#[tokio::test]
async fn in_databases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let options = move |name: &str| {
        sqlx::sqlite::SqliteConnectOptions::new().filename(path.join(format!("{name}.db"))).create_if_missing(true)
    };
    for name in ["star", "moon"] {
        let pool = sqlx::SqlitePool::connect_with(options(name)).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE TABLE buyers {OWN} BLOB)"))).execute(&pool).await.unwrap();
        pool.close().await;
    }
    // One pool at a time, so that each tenant's is closed for the next.
    let databases = Databases::<sqlx::Sqlite>::new(move |tenant| Ok(options(tenant.as_str())));
    let databases = databases.with_connections(1).with_each(1);
    apart(TenantConnection::databases(databases, wall_apart(SqlDialect::Sqlite)).unwrap()).await;
}
