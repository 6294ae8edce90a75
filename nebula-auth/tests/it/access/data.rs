//! Records and fields: in statements, in memory, and in answers.

use std::{collections::BTreeSet, time::Duration};

use nebula_auth::{
    access::DeclaredPermission as _,
    data::{Column, DataAccess, Entity, Field, Mask, Placeholders, RowKey},
    rbac::{
        Actor, DataRule, Department, DepartmentId, EntityName, EvaluatorOptions, FieldAccess, MemoryRbacStore,
        PermissionEvaluator, PermissionPattern, Role, RoleName, RowScope, UserId,
    },
    sqlx::{self, AssertSqlSafe, MySqlPool, PgPool, SqlitePool},
};
use nebula_test_support::{mariadb_database, postgres_database};
use serde_json::json;

use super::{context, order};

static ORDERS: Entity = Entity {
    name: "order",
    read: order::Read::PERMISSION,
    write: order::Delete::PERMISSION,
    owner: Some(Column::text("user_id")),
    department: Some(Column::text("department")),
    fields: &[
        Field::plain("id"),
        Field::sensitive("phone", Mask::KeepLast(4)),
        Field::sensitive("cost", Mask::All),
        Field::sensitive("name", Mask::KeepFirst(1)),
    ],
};

/// Nobody's records, which have no owner and no department.
static ORPHANS: Entity = Entity { owner: None, department: None, ..ORDERS };

const TABLE: [(i64, &str, Option<&str>); 8] = [
    (1, "ann", Some("north")),
    (2, "ann", Some("south")),
    (3, "bob", Some("north")),
    (4, "bob", Some("north-1")),
    (5, "cid", Some("south")),
    (6, "cid", None),
    (7, "o'neil\" OR 1=1 --", Some("north")),
    (8, "Ann", Some("North")),
];

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn role(name: &str) -> RoleName {
    RoleName::new(name).unwrap()
}

fn department(id: &str) -> DepartmentId {
    DepartmentId::new(id).unwrap()
}

fn rule(entity: &str, rows: RowScope, fields: &[(&str, FieldAccess)]) -> DataRule {
    let fields = fields.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect();
    DataRule { entity: EntityName::new(entity).unwrap(), rows, fields }
}

/// A user in a department with one role per rule.
async fn office(people: &[(&str, Option<&str>, Vec<DataRule>)]) -> PermissionEvaluator {
    let options = EvaluatorOptions::new().lease(Duration::from_secs(120)).timeout(Duration::from_secs(60));
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), options).await.unwrap();
    let (service, setup) = (evaluator.service(), Actor::system("test"));
    for (id, parent) in [("all", None), ("north", Some("all")), ("north-1", Some("north")), ("south", Some("all"))] {
        let new = Department { id: department(id), title: String::new(), parent: parent.map(department) };
        service.put_department(&setup, new).await.unwrap().into_result().unwrap();
    }
    for (number, (id, place, rules)) in people.iter().enumerate() {
        let place = place.map(department);
        service.set_department(&setup, &user(id), place.as_ref()).await.unwrap().into_result().unwrap();
        for (which, rule) in rules.iter().enumerate() {
            let name = role(&format!("r{number}-{which}"));
            service
                .create_role(&setup, Role::new(name.clone()).with_data(rule.clone()))
                .await
                .unwrap()
                .into_result()
                .unwrap();
            service.assign_role(&setup, &user(id), &name, None).await.unwrap().into_result().unwrap();
        }
    }
    evaluator
}

async fn sqlite() -> SqlitePool {
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::query("CREATE TABLE orders (id INTEGER, user_id TEXT, department TEXT)").execute(&pool).await.unwrap();
    for (id, owner, place) in TABLE {
        let insert = sqlx::query("INSERT INTO orders VALUES (?, ?, ?)").bind(id).bind(owner).bind(place);
        insert.execute(&pool).await.unwrap();
    }
    pool
}

async fn selected(pool: &SqlitePool, access: &DataAccess, condition: &str) -> Vec<i64> {
    let scope = access.predicate(Placeholders::Question, 1);
    let sql = format!("SELECT id FROM orders WHERE {} ORDER BY id", scope.within(condition));
    let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
    for value in scope.values {
        query = query.bind(value);
    }
    query.fetch_all(pool).await.unwrap()
}

/// The same table where `Ann` and `ann` are equal to the database.
async fn mariadb() -> MySqlPool {
    let pool = MySqlPool::connect(&mariadb_database().await).await.unwrap();
    let create = "CREATE TABLE orders (id BIGINT, user_id VARCHAR(190), department VARCHAR(190), KEY (user_id)) \
                  CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";
    sqlx::query(create).execute(&pool).await.unwrap();
    for (id, owner, place) in TABLE {
        let insert = sqlx::query("INSERT INTO orders VALUES (?, ?, ?)").bind(id).bind(owner).bind(place);
        insert.execute(&pool).await.unwrap();
    }
    pool
}

async fn selected_by_mariadb(pool: &MySqlPool, access: &DataAccess, condition: &str) -> Vec<i64> {
    let scope = access.predicate(Placeholders::MySql, 1);
    let sql = format!("SELECT id FROM orders WHERE {} ORDER BY id", scope.within(condition));
    let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
    for value in scope.values {
        query = query.bind(value);
    }
    query.fetch_all(pool).await.unwrap()
}

fn reached(access: &DataAccess) -> Vec<i64> {
    let row = |owner, department| RowKey { owner: Some(owner), department };
    TABLE.iter().filter(|(_, owner, place)| access.reaches(row(owner, *place))).map(|(id, ..)| *id).collect()
}

#[tokio::test]
async fn statements_and_memory_agree_on_what_is_reached() {
    let some = RowScope::Departments(BTreeSet::from([department("south"), department("north-1")]));
    let evaluator = office(&[
        ("none", Some("north"), vec![]),
        ("ann", None, vec![rule("order", RowScope::Own, &[])]),
        ("bob", Some("north"), vec![rule("order", RowScope::Department, &[])]),
        ("tree", Some("north"), vec![rule("order", RowScope::DepartmentTree, &[])]),
        ("top", Some("all"), vec![rule("order", RowScope::DepartmentTree, &[])]),
        (
            "homeless",
            None,
            vec![rule("order", RowScope::Department, &[]), rule("order", RowScope::DepartmentTree, &[])],
        ),
        ("some", None, vec![rule("order", some.clone(), &[])]),
        ("cid", None, vec![rule("order", RowScope::Own, &[]), rule("order", some, &[])]),
        ("every", None, vec![rule("*", RowScope::All, &[])]),
        ("other", None, vec![rule("invoice", RowScope::All, &[])]),
        ("o'neil\" OR 1=1 --", None, vec![rule("order", RowScope::Own, &[])]),
    ])
    .await;
    let (pool, forgiving) = (sqlite().await, mariadb().await);
    for (id, expected) in [
        ("none", vec![]),
        ("nobody", vec![]),
        ("ann", vec![1, 2]),
        ("bob", vec![1, 3, 7]),
        ("tree", vec![1, 3, 4, 7]),
        ("top", vec![1, 2, 3, 4, 5, 7]),
        ("homeless", vec![]),
        ("some", vec![2, 4, 5]),
        ("cid", vec![2, 4, 5, 6]),
        ("every", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ("other", vec![]),
        ("o'neil\" OR 1=1 --", vec![7]),
    ] {
        let access = evaluator.data(&user(id), &ORDERS).await.unwrap();
        assert_eq!(reached(&access), expected, "{id}");
        assert_eq!(selected(&pool, &access, "1 = 1").await, expected, "{id}");
        // The caller's own OR does not get around the scope.
        assert_eq!(selected(&pool, &access, "id < 0 OR id > 0").await, expected, "{id}");
        assert_eq!(selected_by_mariadb(&forgiving, &access, "id < 0 OR id > 0").await, expected, "{id}");
        assert!(!access.predicate(Placeholders::Dollar, 1).sql.contains("neil"), "values are bound");
        let orphans = evaluator.data(&user(id), &ORPHANS).await.unwrap();
        assert_eq!(orphans.predicate(Placeholders::Question, 1).sql == "(1 = 1)", id == "every", "{id}");
    }
}

#[tokio::test]
async fn writes_stay_within_the_scope_on_numbered_placeholders() {
    let evaluator = office(&[(
        "bob",
        Some("north"),
        vec![rule("order", RowScope::DepartmentTree, &[]), rule("order", RowScope::Own, &[])],
    )])
    .await;
    let access = evaluator.data(&user("bob"), &ORDERS).await.unwrap();
    let pool = PgPool::connect(&postgres_database().await).await.unwrap();
    sqlx::query("CREATE TABLE orders (id BIGINT, user_id TEXT, department TEXT)").execute(&pool).await.unwrap();
    for (id, owner, place) in TABLE {
        let insert = sqlx::query("INSERT INTO orders VALUES ($1, $2, $3)").bind(id).bind(owner).bind(place);
        insert.execute(&pool).await.unwrap();
    }
    let scope = access.predicate(Placeholders::Dollar, 2);
    assert_eq!(scope.sql, "(user_id IN ($2) OR department IN ($3, $4))");
    for (id, expected) in [(3i64, 1), (4, 1), (5, 0), (99, 0)] {
        let sql = format!("DELETE FROM orders WHERE {}", scope.within("id = $1"));
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(id);
        for value in &scope.values {
            query = query.bind(value);
        }
        assert_eq!(query.execute(&pool).await.unwrap().rows_affected(), expected, "{id}");
    }
}

#[tokio::test]
async fn fields_are_as_open_as_the_rules_that_reach_the_record() {
    use FieldAccess::{Full, Masked, ReadOnly};

    let evaluator = office(&[
        (
            "ann",
            Some("north"),
            vec![
                rule("order", RowScope::Own, &[("phone", Full), ("cost", ReadOnly)]),
                rule("order", RowScope::Department, &[("phone", Masked), ("name", Masked)]),
            ],
        ),
        ("every", None, vec![rule("*", RowScope::All, &[("*", Full)])]),
    ])
    .await;
    let access = evaluator.data(&user("ann"), &ORDERS).await.unwrap();
    let record = json!({ "id": 1, "phone": "13812345678", "cost": 12.5, "name": "Berta", "secret": true });
    let seen = |access: &DataAccess, owner, place| {
        let mut record = record.clone();
        access.mask(RowKey { owner: Some(owner), department: Some(place) }, &mut record);
        record
    };
    assert_eq!(seen(&access, "ann", "north"), json!({ "id": 1, "phone": "13812345678", "cost": 12.5, "name": "B***" }));
    assert_eq!(seen(&access, "ann", "south"), json!({ "id": 1, "phone": "13812345678", "cost": 12.5 }));
    // Full elsewhere does not open it here.
    assert_eq!(seen(&access, "bob", "north"), json!({ "id": 1, "phone": "***5678", "name": "B***" }));
    assert_eq!(seen(&access, "bob", "south"), json!({}));

    let every = evaluator.data(&user("every"), &ORDERS).await.unwrap();
    assert_eq!(seen(&every, "bob", "south")["cost"], json!(12.5));
    assert!(seen(&every, "bob", "south").get("secret").is_none(), "what is not declared is not shown");

    // Sorting and filtering tell as much as showing.
    access.check_query(["id"]).unwrap();
    for name in ["phone", "cost", "name", "secret", "id; DROP TABLE orders"] {
        let refusal = access.check_query(["id", name]).unwrap_err();
        assert_eq!(refusal.code(), "field_denied", "{name}");
    }
    every.check_query(["id", "phone", "cost"]).unwrap();

    let (own, other) = (
        RowKey { owner: Some("ann"), department: Some("south") },
        RowKey { owner: Some("bob"), department: Some("north") },
    );
    // In one record the other way round: what rules open here may be looked for here, whatever holds elsewhere.
    access.check_search(own, "phone").unwrap();
    for (row, name) in [(other, "phone"), (own, "name"), (own, "secret"), (other, "cost")] {
        assert_eq!(access.check_search(row, name).unwrap_err().code(), "field_denied", "{name}");
    }
    // One field alone, wherever it stands.
    let (mut phone, mut cost) = (json!("13812345678"), json!(12.5));
    assert!(access.cover(other, "phone", &mut phone) && !access.cover(other, "cost", &mut cost));
    assert_eq!(phone, "***5678");
    assert_eq!(ORDERS.sensitive().collect::<Vec<_>>(), ["phone", "cost", "name"]);
    access.check_write(own, ["id", "phone"]).unwrap();
    assert_eq!(access.check_write(own, ["cost"]).unwrap_err().code(), "field_denied", "read-only");
    assert_eq!(access.check_write(other, ["phone"]).unwrap_err().code(), "field_denied");
    let foreign = RowKey { owner: Some("bob"), department: Some("south") };
    assert_eq!(access.check_write(foreign, ["id"]).unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn one_declaration_feeds_endpoint_statement_and_menu() {
    let evaluator = office(&[("ann", None, vec![rule("order", RowScope::Own, &[])])]).await;
    let (service, setup) = (evaluator.service(), Actor::system("test"));
    let menu = ORDERS.menu("Orders", "/orders").unwrap();
    service.put_resource(&setup, menu).await.unwrap().into_result().unwrap();
    let ann = context(&evaluator, nebula_auth::AccessGrant::new("ann")).await;
    assert_eq!(ann.readable(&ORDERS).await.unwrap_err().code(), "permission_denied");
    assert!(evaluator.menu(&user("ann")).await.unwrap().is_empty());
    let read = PermissionPattern::new("order:read").unwrap();
    service.grant(&setup, &user("ann"), &read, None).await.unwrap().into_result().unwrap();
    let access = ann.readable(&ORDERS).await.unwrap();
    assert_eq!(access.predicate(Placeholders::Question, 1).sql, "(user_id IN (?))");
    assert_eq!(ann.writable(&ORDERS).await.unwrap_err().code(), "permission_denied");
    assert_eq!(evaluator.menu(&user("ann")).await.unwrap().len(), 1);
}

const UUID: &str = "01939c1c-7e2b-7cc2-a3f5-0123456789ab";

static NUMBERED: Entity = Entity { owner: Some(Column::integer("number")), department: None, ..ORDERS };
static IDENTIFIED: Entity = Entity { owner: Some(Column::uuid("uuid")), ..NUMBERED };

/// Owners in columns of their own types, on every database: what is reached is what is selected, updated and deleted.
#[tokio::test]
async fn owners_are_compared_in_the_type_of_their_column() {
    let own = || vec![rule("order", RowScope::Own, &[])];
    let evaluator =
        office(&[("42", None, own()), ("042", None, own()), ("ann", None, own()), (UUID, None, own())]).await;
    let access = async |id: &str, entity| evaluator.data(&user(id), entity).await.unwrap();
    let cases = [
        (access("42", &NUMBERED).await, vec![1]),
        (access("042", &NUMBERED).await, vec![]),
        (access("ann", &NUMBERED).await, vec![]),
        (access(UUID, &NUMBERED).await, vec![]),
        (access(UUID, &IDENTIFIED).await, vec![2]),
        (access("42", &IDENTIFIED).await, vec![]),
    ];
    macro_rules! on {
        ($pool:expr, $create:literal, $other:literal, $style:expr) => {{
            let pool = $pool;
            sqlx::query($create).execute(&pool).await.unwrap();
            sqlx::query($other).execute(&pool).await.unwrap();
            for (access, expected) in &cases {
                let scope = access.predicate($style, 1);
                for statement in ["SELECT id FROM typed WHERE ", "UPDATE typed SET id = id + 0 WHERE "] {
                    let sql = format!("{statement}{}", scope.within("1 = 1"));
                    let mut query = sqlx::query(AssertSqlSafe(sql));
                    for value in &scope.values {
                        query = query.bind(value);
                    }
                    if statement.starts_with("SELECT") {
                        use sqlx::Row as _;

                        let rows = query.fetch_all(&pool).await.unwrap();
                        let ids: Vec<i64> = rows.iter().map(|row| row.get("id")).collect();
                        assert_eq!(ids, *expected, "{scope:?}");
                    } else {
                        query.execute(&pool).await.unwrap();
                    }
                }
            }
        }};
    }
    on!(
        sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap(),
        "CREATE TABLE typed (id INTEGER, number INTEGER, uuid BLOB)",
        "INSERT INTO typed VALUES (1, 42, x'00'), (2, 7, x'01939c1c7e2b7cc2a3f50123456789ab'), (3, NULL, NULL)",
        Placeholders::Question
    );
    on!(
        PgPool::connect(&postgres_database().await).await.unwrap(),
        "CREATE TABLE typed (id BIGINT, number BIGINT, uuid UUID)",
        "INSERT INTO typed VALUES (1, 42, NULL), (2, 7, '01939c1c-7e2b-7cc2-a3f5-0123456789ab'), (3, NULL, NULL)",
        Placeholders::Dollar
    );
    on!(
        MySqlPool::connect(&mariadb_database().await).await.unwrap(),
        "CREATE TABLE typed (id BIGINT, number BIGINT, uuid BINARY(16))",
        "INSERT INTO typed VALUES (1, 42, NULL), (2, 7, UNHEX('01939C1C7E2B7CC2A3F50123456789AB')), (3, NULL, NULL)",
        Placeholders::MySql
    );
}

#[tokio::test]
async fn it_is_explained_which_records_are_reached_and_why() {
    let evaluator = office(&[(
        "ann",
        None,
        vec![
            rule("order", RowScope::Own, &[("phone", FieldAccess::Masked)]),
            rule("*", RowScope::Department, &[]),
            rule("invoice", RowScope::All, &[]),
        ],
    )])
    .await;
    let explained = evaluator.explain(&user("ann"), &ORDERS).await.unwrap();
    assert!(!explained.granted, "records without a permission to read them");
    let by: Vec<_> = explained.data.iter().map(|way| (way.path[0].as_str(), &way.rows, way.reach.is_some())).collect();
    assert_eq!(by, [("r0-0", &RowScope::Own, true), ("r0-1", &RowScope::Department, false)]);
    assert_eq!(explained.data[0].fields["phone"], FieldAccess::Masked);
    let text = explained.to_string();
    assert!(text.contains("records `order`: Own by role r0-0, field \"phone\" Masked"), "{text}");
    assert!(text.contains("records `*`: Department by role r0-1, which is none"), "{text}");
    // By the name of the permission as well.
    let read = nebula_auth::rbac::Permission::new("order:read").unwrap();
    assert_eq!(evaluator.explain(&user("ann"), &read).await.unwrap().data, explained.data);
    let nobody = evaluator.explain(&user("nobody"), &ORDERS).await.unwrap();
    assert_eq!((nobody.data.len(), nobody.state), (0, "unknown"));
}
