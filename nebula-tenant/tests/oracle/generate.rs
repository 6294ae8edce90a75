//! Statements that mean something: joins of every kind, sub-queries everywhere, names that hide others.

use nebula_tenant::wall::SqlDialect;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::world::integer;

pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) reads: bool,
}

pub(crate) struct Generator {
    random: StdRng,
    dialect: SqlDialect,
    names: usize,
    /// Whether something is called as a table already: two of a name in one place are refused.
    hidden: bool,
}

/// A table in sight: what it is called, and its columns (numbers, texts).
#[derive(Clone)]
struct Source {
    name: String,
    numbers: Vec<String>,
    texts: Vec<String>,
}

impl Source {
    fn new(name: &str, numbers: &[&str], texts: &[&str]) -> Self {
        let own = |columns: &[&str]| columns.iter().map(|&column| column.to_owned()).collect();
        Self { name: name.to_owned(), numbers: own(numbers), texts: own(texts) }
    }
}

fn table(number: usize) -> Source {
    match number {
        0 => Source::new("customers", &["id"], &["name", "city"]),
        1 => Source::new("orders", &["id", "customer_id", "total"], &["code"]),
        2 => Source::new("order_lines", &["id", "order_id", "product_id", "total"], &[]),
        _ => Source::new("products", &["id", "price"], &["name"]),
    }
}

impl Generator {
    pub(crate) fn new(seed: u64, dialect: SqlDialect) -> Self {
        Self { random: StdRng::seed_from_u64(seed), dialect, names: 0, hidden: false }
    }

    pub(crate) fn statement(&mut self) -> Statement {
        (self.names, self.hidden) = (0, false);
        match self.below(10) {
            0..6 => Statement { sql: self.read(), reads: true },
            6 => Statement { sql: self.insert(), reads: false },
            7 => Statement { sql: self.upsert(), reads: false },
            8 => Statement { sql: self.update(), reads: false },
            _ => Statement { sql: self.delete(), reads: false },
        }
    }

    fn below(&mut self, most: usize) -> usize {
        self.random.random_range(0..most)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, from: &'a [String]) -> &'a str {
        let place = self.below(from.len());
        &from[place]
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        // Some names hide a table's.
        if !self.hidden && self.chance(10) {
            self.hidden = true;
            return "products".to_owned();
        }
        format!("t{}", self.names)
    }

    fn read(&mut self) -> String {
        match self.below(8) {
            0 => self.common(),
            1 => self.union(),
            2 => self.grouped(),
            3 => self.starred(),
            _ => self.select(2, 3, &[]),
        }
    }

    /// A selection of `columns` numbers, which may see `outer`.
    fn select(&mut self, columns: usize, depth: usize, outer: &[Source]) -> String {
        let (from, sources) = self.from(depth);
        let mut seen = sources.clone();
        seen.extend(outer.iter().cloned());
        let items: Vec<_> = (0..columns).map(|place| format!("{} AS v{place}", self.number(&seen, depth))).collect();
        let condition = self.condition(&seen, depth);
        let distinct = if self.chance(15) { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{} FROM {from} WHERE {condition}", items.join(", "))
    }

    fn starred(&mut self) -> String {
        let (from, sources) = self.from(1);
        let name = if self.chance(50) { "*".to_owned() } else { format!("{}.*", sources[0].name) };
        let condition = self.condition(&sources, 2);
        format!("SELECT {name} FROM {from} WHERE {condition}")
    }

    fn grouped(&mut self) -> String {
        let (from, sources) = self.from(2);
        let by = self.column(&sources);
        let condition = self.condition(&sources, 1);
        let sum = self.column(&sources);
        let having = if self.chance(50) { " HAVING count(*) > 1" } else { "" };
        let sum = self.cast(&format!("sum({sum})"));
        format!("SELECT {by} AS g, count(*) AS n, {sum} AS s FROM {from} WHERE {condition} GROUP BY {by}{having}")
    }

    fn union(&mut self) -> String {
        let word = ["UNION", "UNION ALL", "EXCEPT", "INTERSECT"][self.below(4)];
        let (left, right) = (self.select(2, 2, &[]), self.select(2, 2, &[]));
        format!("{left} {word} {right}")
    }

    fn common(&mut self) -> String {
        let name = ["orders", "mine", "customers"][self.below(3)];
        if self.chance(25) {
            return "WITH RECURSIVE steps (v0, v1) AS (SELECT id, total FROM orders WHERE id < 3 UNION ALL \
                    SELECT v0 + 3, v1 FROM steps WHERE v0 < 8) \
                    SELECT s.v0, o.total FROM steps s JOIN orders o ON o.id = s.v0"
                .to_owned();
        }
        let inner = self.select(2, 2, &[]);
        // For SQLite, an expression that reads a table of its own name reads itself.
        let name = if self.dialect == SqlDialect::Sqlite && inner.contains(name) { "mine" } else { name };
        let lines = self.condition(&[table_called(2, "l")], 1);
        format!(
            "WITH {name} AS ({inner}) SELECT {name}.v0, l.total FROM {name} JOIN order_lines l ON l.order_id = {name}.v1 WHERE {lines}"
        )
    }

    fn from(&mut self, depth: usize) -> (String, Vec<Source>) {
        let (mut text, first) = self.factor(depth);
        let mut sources = vec![first];
        let mut comma = self.chance(20);
        for _ in 0..self.below(3) {
            let (next, source) = self.factor(depth.saturating_sub(1));
            if comma {
                text = format!("{text}, {next}");
                sources.push(source);
                continue;
            }
            let mut kinds = vec!["JOIN", "INNER JOIN", "LEFT JOIN", "LEFT OUTER JOIN", "RIGHT JOIN", "CROSS JOIN"];
            // MariaDB has none.
            if self.dialect != SqlDialect::MySql {
                kinds.push("FULL JOIN");
            }
            let kind = kinds[self.below(kinds.len())];
            if kind == "CROSS JOIN" {
                text = format!("{text} CROSS JOIN {next}");
                sources.push(source);
                continue;
            }
            // PostgreSQL merges or hashes full joins, and nothing else.
            let simple = kind == "FULL JOIN";
            let left = self.column(&sources);
            let right = self.column(std::slice::from_ref(&source));
            sources.push(source);
            let more = if !simple && self.chance(20) {
                format!(" AND {}", self.condition(&sources.clone(), depth.saturating_sub(1)))
            } else {
                String::new()
            };
            text = format!("{text} {kind} {next} ON {left} = {right}{more}");
            comma = false;
        }
        (text, sources)
    }

    fn factor(&mut self, depth: usize) -> (String, Source) {
        let name = self.fresh();
        if depth > 0 && self.chance(15) {
            let inner = self.select(2, depth - 1, &[]);
            let name = if name == "products" { "derived".to_owned() + &self.names.to_string() } else { name };
            return (format!("({inner}) AS {name}"), Source::new(&name, &["v0", "v1"], &[]));
        }
        let number = self.below(4);
        let source = table_called(number, &name);
        (format!("{} AS {name}", table(number).name), source)
    }

    fn column(&mut self, sources: &[Source]) -> String {
        let place = self.below(sources.len());
        let source = &sources[place];
        let column = self.pick(&source.numbers).to_owned();
        format!("{}.{column}", source.name)
    }

    fn cast(&self, what: &str) -> String {
        format!("CAST({what} AS {})", integer(self.dialect))
    }

    fn number(&mut self, sources: &[Source], depth: usize) -> String {
        match self.below(9) {
            0 => self.below(12).to_string(),
            1 => format!("coalesce({}, 7)", self.column(sources)),
            2 => format!("({} + {})", self.column(sources), self.below(5)),
            3 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(sources, 0),
                self.column(sources),
                self.below(9)
            ),
            4 if depth > 0 => {
                let (from, inner) = self.from(depth - 1);
                let mut seen = inner.clone();
                seen.extend(sources.iter().cloned());
                let condition = self.condition(&seen, depth - 1);
                let what = self.column(&inner);
                let aggregate = ["max", "min", "count"][self.below(3)];
                format!("(SELECT {aggregate}({what}) FROM {from} WHERE {condition})")
            }
            _ => self.column(sources),
        }
    }

    fn condition(&mut self, sources: &[Source], depth: usize) -> String {
        match self.below(13) {
            0 => "1 = 1".to_owned(),
            1 => format!("{} IS NULL", self.column(sources)),
            2 => format!("{} > {}", self.column(sources), self.below(10)),
            3 => format!("{} BETWEEN {} AND {}", self.column(sources), self.below(5), 5 + self.below(8)),
            4 => format!("{} IN (1, 2, {})", self.column(sources), self.below(12)),
            5 => format!("({} OR {})", self.condition(sources, depth.saturating_sub(1)), self.condition(sources, 0)),
            6 => format!("NOT ({})", self.condition(sources, depth.saturating_sub(1))),
            7 => format!("{} AND {}", self.condition(sources, depth.saturating_sub(1)), self.condition(sources, 0)),
            8 if depth > 0 => {
                let not = if self.chance(40) { "NOT " } else { "" };
                format!("{not}EXISTS ({})", self.select(1, depth - 1, sources))
            }
            9 if depth > 0 => {
                let not = if self.chance(40) { "NOT " } else { "" };
                format!("{} {not}IN ({})", self.column(sources), self.select(1, depth - 1, sources))
            }
            10 => match sources.iter().find(|source| !source.texts.is_empty()) {
                Some(source) => {
                    let column = self.pick(&source.texts.clone()).to_owned();
                    format!("{}.{column} LIKE '%{}'", source.name, self.below(6))
                }
                None => "2 > 1".to_owned(),
            },
            _ => format!("{} <= {}", self.column(sources), self.number(sources, 0)),
        }
    }

    fn insert(&mut self) -> String {
        if self.chance(50) {
            let rows: Vec<_> = (0..=self.below(3))
                .map(|_| format!("({}, {}, 'k{}', {})", self.below(40), self.below(7), self.below(40), self.below(20)))
                .collect();
            return format!("INSERT INTO orders (id, customer_id, code, total) VALUES {}", rows.join(", "));
        }
        let (from, sources) = self.from(1);
        let id = self.column(&sources);
        let condition = self.condition(&sources, 1);
        let offset = 20 + self.below(100);
        format!(
            "INSERT INTO order_lines (id, order_id, product_id, total) SELECT DISTINCT {id} + {offset}, 1, 2, 3 FROM {from} \
             WHERE ({condition}) AND {id} IS NOT NULL"
        )
    }

    fn upsert(&mut self) -> String {
        let (id, total) = (self.below(30), self.below(50));
        let row = format!("INSERT INTO orders (id, customer_id, code, total) VALUES ({id}, 1, 'k{id}', {total})");
        match (self.dialect, self.below(3)) {
            (SqlDialect::MySql, 0) => {
                format!("INSERT IGNORE INTO orders (id, customer_id, code, total) VALUES ({id}, 1, 'k{id}', {total})")
            }
            (SqlDialect::MySql, 1) => format!("{row} ON DUPLICATE KEY UPDATE total = VALUES(total) + 1"),
            (SqlDialect::MySql, _) => {
                format!("{row} ON DUPLICATE KEY UPDATE total = orders.total + 1, customer_id = NULL")
            }
            (_, 0) => format!("{row} ON CONFLICT DO NOTHING"),
            (_, 1) => format!("{row} ON CONFLICT (id) DO UPDATE SET total = excluded.total + 1"),
            (_, _) => {
                format!(
                    "{row} ON CONFLICT (code) DO UPDATE SET total = orders.total + 1 WHERE orders.total < 30 OR 1 = 2"
                )
            }
        }
    }

    fn update(&mut self) -> String {
        let own = [table(1)];
        if self.chance(40) {
            let line = [table_called(2, "l")];
            let more = self.condition(&line, 1);
            // Each order takes the total of one line only, or which one it is would be chance.
            return match self.dialect {
                SqlDialect::MySql => format!(
                    "UPDATE orders o JOIN (SELECT order_id, max(total) AS most FROM order_lines AS l WHERE {more} \
                     GROUP BY order_id) m ON m.order_id = o.id SET o.total = coalesce(m.most, 0)"
                ),
                _ => format!(
                    "UPDATE orders SET total = coalesce(m.most, 0) FROM (SELECT order_id, max(total) AS most \
                     FROM order_lines AS l WHERE {more} GROUP BY order_id) AS m WHERE m.order_id = orders.id"
                ),
            };
        }
        // MariaDB does not read what it writes.
        let depth = usize::from(self.dialect != SqlDialect::MySql);
        let (value, condition) = (self.number(&own, depth), self.condition(&own, depth));
        format!("UPDATE orders SET total = coalesce({value}, 0) WHERE {condition}")
    }

    fn delete(&mut self) -> String {
        if self.dialect == SqlDialect::MySql && self.chance(40) {
            let condition = self.condition(&[table_called(2, "l"), table_called(1, "o")], 0);
            return format!(
                "DELETE l FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE l.id > 9 AND ({condition})"
            );
        }
        if self.dialect == SqlDialect::Postgres && self.chance(40) {
            let condition = self.condition(&[table_called(2, "l"), table_called(1, "o")], 1);
            return format!(
                "DELETE FROM order_lines AS l USING orders o WHERE o.id = l.order_id AND l.id > 9 AND ({condition})"
            );
        }
        let depth = usize::from(self.dialect != SqlDialect::MySql);
        let condition = self.condition(&[table(2)], depth);
        format!("DELETE FROM order_lines WHERE order_lines.id > 9 AND ({condition})")
    }
}

fn table_called(number: usize, name: &str) -> Source {
    Source { name: name.to_owned(), ..table(number) }
}
