//! Fencing a statement in: the first time, against `sqlparser` reading and printing it (the limit), and afterwards, against
//! a map of texts; asking whose work it is, against a bare task-local; and sealing values, against the bare AEAD.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod sealing;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use nebula_tenant::wall::{SqlDialect, Wall};
use nebula_tenant::{TenantContext, TenantId, current};
use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

const STATEMENTS: [(&str, &str); 3] = [
    ("simple", "SELECT id, total, code FROM orders WHERE customer_id = $1 AND total > $2 ORDER BY id LIMIT 20"),
    (
        "join",
        "SELECT o.id, c.name, (SELECT count(*) FROM order_lines l WHERE l.order_id = o.id) FROM orders o \
         JOIN customers c ON c.id = o.customer_id WHERE o.total > $1 AND c.city IN ($2, $3)",
    ),
    (
        "union",
        "WITH big AS (SELECT id, total FROM orders WHERE total > $1) SELECT id FROM big UNION ALL \
         SELECT order_id FROM order_lines WHERE total IS NULL",
    ),
];

fn wall(remembered: usize) -> Wall {
    let wall = Wall::builder(SqlDialect::Postgres).with_remembered(remembered);
    wall.tenant_table("orders").tenant_table("order_lines").tenant_table("customers").build().unwrap()
}

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    for (name, sql) in STATEMENTS {
        first(name, sql, effort).await;
        known(name, sql, effort).await;
    }
    context(effort).await;
    sealing::run(effort).await;
}

async fn first(name: &str, sql: &str, effort: Effort) {
    // Never the same text twice.
    let wall = wall(16);
    let times = effort.pick(1_000, 10_000);
    let mut number = 0;
    let mut text = || {
        number += 1;
        format!("{sql} -- {number}")
    };
    let mut texts: Vec<String> = Vec::new();
    let mut versus = Versus::new(&format!("rewrite first {name}")).unit(Unit::Nanos);
    for _ in 0..rounds(effort) {
        texts.clear();
        texts.extend((0..times).map(|_| text()));
        let ours = async || {
            Unit::Nanos
                .time(times, async { texts.iter().for_each(|sql| drop(black_box(wall.rewrite(sql).unwrap()))) })
                .await
        };
        let limit = async || {
            let print = |sql: &String| black_box(Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap()[0].to_string());
            Unit::Nanos.time(times, async { texts.iter().for_each(|sql| drop(print(sql))) }).await
        };
        versus.round("sqlparser (limit)", ours, limit).await;
    }
    versus.print();
}

async fn known(name: &str, sql: &str, effort: Effort) {
    let wall = wall(4096);
    let rewritten = wall.rewrite(sql).unwrap();
    let map: HashMap<String, Arc<str>> = HashMap::from([(sql.to_owned(), rewritten.sql().into())]);
    let times = effort.pick(100_000, 1_000_000);
    let mut versus = Versus::new(&format!("rewrite known {name}")).unit(Unit::Nanos);
    for _ in 0..rounds(effort) {
        let ours = async || {
            Unit::Nanos
                .time(times, async { (0..times).for_each(|_| drop(black_box(wall.rewrite(black_box(sql)).unwrap()))) })
                .await
        };
        let limit = async || {
            Unit::Nanos
                .time(times, async { (0..times).for_each(|_| drop(black_box(map.get(black_box(sql)).cloned()))) })
                .await
        };
        versus.round("HashMap (limit)", ours, limit).await;
    }
    versus.print();
}

tokio::task_local! {
    static BARE: TenantId;
}

async fn context(effort: Effort) {
    let tenant: TenantId = "star-cinema".parse().unwrap();
    let times = effort.pick(1_000_000, 10_000_000);
    let mut versus = Versus::new("whose work it is").unit(Unit::Nanos);
    for _ in 0..rounds(effort) {
        let ours = async || {
            let all = async { (0..times).for_each(|_| drop(black_box(current().unwrap()))) };
            TenantContext::of(tenant.clone()).scope(Unit::Nanos.time(times, all)).await.unwrap()
        };
        let limit = async || {
            let all = async { (0..times).for_each(|_| drop(black_box(BARE.with(TenantId::clone)))) };
            BARE.scope(tenant.clone(), Unit::Nanos.time(times, all)).await
        };
        versus.round("task-local (limit)", ours, limit).await;
    }
    versus.print();
}
