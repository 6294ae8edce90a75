//! The same rules for everybody.

use std::cell::RefCell;
use std::sync::Arc;

use nebula_rule_engine::{Budget, DecisionTable, Facts, Schema, TableDef};
use serde_json::json;
use zen_expression::variable::Variable;
use zen_expression::vm::VM;

const LEVELS: [&str; 4] = ["BASIC", "SILVER", "GOLD", "VIP"];
const CITIES: [&str; 8] = ["Beijing", "Shanghai", "Shenzhen", "Chengdu", "Wuhan", "Xi'an", "Hangzhou", "Nanjing"];

/// One rule, as somebody would write it by hand: no condition, or a condition, on each of five facts.
pub(crate) struct Rule {
    level: Option<&'static str>,
    city: Option<&'static str>,
    total: Option<(i64, i64)>,
    seats: Option<i64>,
    hour: Option<(i64, i64)>,
}

/// Five facts.
#[derive(Clone)]
pub(crate) struct Asked {
    level: &'static str,
    city: &'static str,
    total: i64,
    seats: i64,
    hour: i64,
}

/// Deterministic numbers, so that all runs measure the same rules.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn number(&mut self, end: u64) -> i64 {
        i64::try_from(self.below(end)).unwrap()
    }

    fn of(&mut self, names: &[&'static str]) -> &'static str {
        names[usize::try_from(self.below(names.len() as u64)).unwrap()]
    }
}

pub(crate) fn rules(count: usize) -> Vec<Rule> {
    let mut numbers = Numbers(7);
    let rule = |_| {
        let low = numbers.number(900);
        let hour = numbers.number(20);
        Rule {
            level: (numbers.below(4) > 0).then(|| numbers.of(&LEVELS)),
            city: (numbers.below(4) > 0).then(|| numbers.of(&CITIES)),
            total: (numbers.below(4) > 0).then(|| (low, low + 100 + numbers.number(200))),
            seats: (numbers.below(2) > 0).then(|| numbers.number(8)),
            hour: (numbers.below(2) > 0).then(|| (hour, hour + 4)),
        }
    };
    (0..count).map(rule).collect()
}

pub(crate) fn asked() -> Vec<Asked> {
    let mut numbers = Numbers(11);
    let asked = |_| Asked {
        level: numbers.of(&LEVELS),
        city: numbers.of(&CITIES),
        total: numbers.number(1_000),
        seats: numbers.number(8),
        hour: numbers.number(24),
    };
    (0..64).map(asked).collect()
}

pub(crate) trait Side {
    /// How many rules apply to the facts at this place. They are collected, not only counted.
    fn evaluate(&self, place: usize) -> usize;
}

pub(crate) struct Limit {
    rules: Vec<Rule>,
    asked: Vec<Asked>,
    found: RefCell<Vec<usize>>,
}

impl Limit {
    pub(crate) fn new(rules: &[Rule], asked: &[Asked]) -> Self {
        let copy = |rule: &Rule| Rule { ..*rule };
        Self { rules: rules.iter().map(copy).collect(), asked: asked.to_vec(), found: RefCell::default() }
    }
}

impl Side for Limit {
    fn evaluate(&self, place: usize) -> usize {
        let facts = &self.asked[place];
        let mut found = self.found.borrow_mut();
        found.clear();
        for (number, rule) in self.rules.iter().enumerate() {
            if rule.level.is_none_or(|level| level == facts.level)
                && rule.city.is_none_or(|city| city == facts.city)
                && rule.total.is_none_or(|(low, high)| facts.total >= low && facts.total < high)
                && rule.seats.is_none_or(|seats| facts.seats >= seats)
                && rule.hour.is_none_or(|(low, high)| facts.hour >= low && facts.hour <= high)
            {
                found.push(number);
            }
        }
        found.len()
    }
}

pub(crate) struct Ours {
    table: DecisionTable,
    facts: Vec<Facts>,
    found: RefCell<Vec<usize>>,
}

impl Ours {
    pub(crate) fn new(rules: &[Rule], asked: &[Asked]) -> Self {
        let types = [
            ("level", format!("enum({})", LEVELS.join(", "))),
            ("city", "text".to_owned()),
            ("total", "decimal".to_owned()),
            ("seats", "int".to_owned()),
            ("hour", "int".to_owned()),
        ];
        let schema: Arc<Schema> = types
            .iter()
            .fold(Schema::builder(), |builder, (name, ty)| builder.fact(*name, ty.parse().unwrap()))
            .build()
            .unwrap();
        let row = |rule: &Rule| {
            let text = |text: Option<&str>| text.map(|text| format!("\"{text}\"")).unwrap_or_default();
            let range = |range: Option<(i64, i64)>, end: &str| {
                range.map(|(low, high)| format!("[{low}..{high}{end}")).unwrap_or_default()
            };
            let seats = rule.seats.map(|seats| format!(">= {seats}")).unwrap_or_default();
            let when = [text(rule.level), text(rule.city), range(rule.total, ")"), seats, range(rule.hour, "]")];
            json!({ "when": when, "then": [0] })
        };
        let inputs: Vec<_> = types.iter().map(|(name, _)| json!({ "expression": name })).collect();
        let def: TableDef = serde_json::from_value(json!({
            "id": "bench", "hit-policy": "collect", "inputs": inputs, "outputs": [{ "name": "x", "type": "int" }],
            "rows": rules.iter().map(row).collect::<Vec<_>>(),
        }))
        .unwrap();
        let facts = asked.iter().map(|it| {
            let facts = schema.facts().set("level", it.level).set("city", it.city).set("total", it.total);
            facts.set("seats", it.seats).set("hour", it.hour).build().unwrap()
        });
        let facts = facts.collect();
        Self { table: DecisionTable::compile(&def, &schema).unwrap(), facts, found: RefCell::default() }
    }
}

impl Side for Ours {
    fn evaluate(&self, place: usize) -> usize {
        let mut found = self.found.borrow_mut();
        self.table.applying(&self.facts[place], &mut Budget::default().start(), &mut found).unwrap();
        found.len()
    }
}

/// The rule as an expression; the three languages agree on this much of it.
fn expression(rule: &Rule) -> String {
    let mut parts = Vec::new();
    parts.extend(rule.level.map(|level| format!("level == \"{level}\"")));
    parts.extend(rule.city.map(|city| format!("city == \"{city}\"")));
    parts.extend(rule.total.map(|(low, high)| format!("total >= {low} AND total < {high}")));
    parts.extend(rule.seats.map(|seats| format!("seats >= {seats}")));
    parts.extend(rule.hour.map(|(low, high)| format!("hour >= {low} AND hour <= {high}")));
    if parts.is_empty() { "true".to_owned() } else { parts.join(" AND ") }
}

pub(crate) struct Zen {
    rules: Vec<zen_expression::Expression<zen_expression::expression::Standard>>,
    facts: Vec<Variable>,
    state: RefCell<(VM, Vec<usize>)>,
}

impl Zen {
    pub(crate) fn new(rules: &[Rule], asked: &[Asked]) -> Self {
        let compile =
            |rule: &Rule| zen_expression::compile_expression(&expression(rule).replace("AND", "and")).unwrap();
        let facts = asked.iter().map(|it| {
            json!({ "level": it.level, "city": it.city, "total": it.total, "seats": it.seats, "hour": it.hour }).into()
        });
        let facts = facts.collect();
        Self { rules: rules.iter().map(compile).collect(), facts, state: RefCell::new((VM::new(), Vec::new())) }
    }
}

impl Side for Zen {
    fn evaluate(&self, place: usize) -> usize {
        let mut state = self.state.borrow_mut();
        let (vm, found) = &mut *state;
        found.clear();
        for (number, rule) in self.rules.iter().enumerate() {
            if rule.evaluate_with(self.facts[place].clone(), vm).unwrap().as_bool().unwrap() {
                found.push(number);
            }
        }
        found.len()
    }
}

pub(crate) struct Cel {
    rules: Vec<cel::Program>,
    facts: Vec<cel::Context<'static, 'static>>,
    found: RefCell<Vec<usize>>,
}

impl Cel {
    pub(crate) fn new(rules: &[Rule], asked: &[Asked]) -> Self {
        let compile = |rule: &Rule| cel::Program::compile(&expression(rule).replace("AND", "&&")).unwrap();
        let facts = asked.iter().map(|it| {
            let mut context = cel::Context::default();
            context.add_variable("level", it.level).unwrap();
            context.add_variable("city", it.city).unwrap();
            context.add_variable("total", it.total).unwrap();
            context.add_variable("seats", it.seats).unwrap();
            context.add_variable("hour", it.hour).unwrap();
            context
        });
        let facts = facts.collect();
        Self { rules: rules.iter().map(compile).collect(), facts, found: RefCell::default() }
    }
}

impl Side for Cel {
    fn evaluate(&self, place: usize) -> usize {
        let mut found = self.found.borrow_mut();
        found.clear();
        for (number, rule) in self.rules.iter().enumerate() {
            if rule.execute(&self.facts[place]).unwrap() == cel::Value::Bool(true) {
                found.push(number);
            }
        }
        found.len()
    }
}

pub(crate) struct Rhai {
    engine: rhai::Engine,
    rules: Vec<rhai::AST>,
    facts: Vec<RefCell<rhai::Scope<'static>>>,
    found: RefCell<Vec<usize>>,
}

impl Rhai {
    pub(crate) fn new(rules: &[Rule], asked: &[Asked]) -> Self {
        let engine = rhai::Engine::new();
        let compile = |rule: &Rule| engine.compile_expression(expression(rule).replace("AND", "&&")).unwrap();
        let rules = rules.iter().map(compile).collect();
        // `casbin`, another peer here, has rhai built with small integers.
        let int = |number: i64| rhai::INT::try_from(number).unwrap();
        let facts = asked.iter().map(|it| {
            let mut scope = rhai::Scope::new();
            scope.push("level", it.level.to_owned()).push("city", it.city.to_owned());
            scope.push("total", int(it.total)).push("seats", int(it.seats)).push("hour", int(it.hour));
            RefCell::new(scope)
        });
        let facts = facts.collect();
        Self { engine, rules, facts, found: RefCell::default() }
    }
}

impl Side for Rhai {
    fn evaluate(&self, place: usize) -> usize {
        let mut found = self.found.borrow_mut();
        found.clear();
        let mut scope = self.facts[place].borrow_mut();
        for (number, rule) in self.rules.iter().enumerate() {
            if self.engine.eval_ast_with_scope::<bool>(&mut scope, rule).unwrap() {
                found.push(number);
            }
        }
        found.len()
    }
}

pub(crate) struct DataLogic {
    engine: datalogic_rs::Engine,
    rules: Vec<datalogic_rs::Logic>,
    facts: Vec<datalogic_rs::ParsedData>,
    state: RefCell<(datalogic_rs::bumpalo::Bump, Vec<usize>)>,
}

impl DataLogic {
    pub(crate) fn new(rules: &[Rule], asked: &[Asked]) -> Self {
        let engine = datalogic_rs::Engine::new();
        let compile = |rule: &Rule| engine.compile(logic(rule).as_str()).unwrap();
        let rules = rules.iter().map(compile).collect();
        let facts = asked.iter().map(|it| {
            let facts =
                json!({ "level": it.level, "city": it.city, "total": it.total, "seats": it.seats, "hour": it.hour });
            datalogic_rs::ParsedData::from_json(&facts.to_string()).unwrap()
        });
        let facts = facts.collect();
        Self { engine, rules, facts, state: RefCell::default() }
    }
}

/// The rule in JSON logic.
fn logic(rule: &Rule) -> String {
    let var = |name: &str| json!({ "var": name });
    let mut parts = Vec::new();
    parts.extend(rule.level.map(|level| json!({ "==": [var("level"), level] })));
    parts.extend(rule.city.map(|city| json!({ "==": [var("city"), city] })));
    let total = |(low, high)| [json!({ ">=": [var("total"), low] }), json!({ "<": [var("total"), high] })];
    parts.extend(rule.total.map(total).into_iter().flatten());
    parts.extend(rule.seats.map(|seats| json!({ ">=": [var("seats"), seats] })));
    let hour = |(low, high)| [json!({ ">=": [var("hour"), low] }), json!({ "<=": [var("hour"), high] })];
    parts.extend(rule.hour.map(hour).into_iter().flatten());
    if parts.is_empty() { "true".to_owned() } else { json!({ "and": parts }).to_string() }
}

impl Side for DataLogic {
    fn evaluate(&self, place: usize) -> usize {
        let mut state = self.state.borrow_mut();
        let (arena, found) = &mut *state;
        found.clear();
        for (number, rule) in self.rules.iter().enumerate() {
            if self.engine.evaluate(rule, &self.facts[place], arena).unwrap().as_bool() == Some(true) {
                found.push(number);
            }
        }
        arena.reset();
        found.len()
    }
}
