//! Checks, tests and tries rules in a file: `check`, `test`, `explain`, `diff`, `bench`.
//!
//! `cargo run -p nebula-rule-engine --features yaml --example rulectl -- explain nebula-rule-engine/examples/tickets.yaml`
//!
//! `explain` shows how the price of each test in the file comes about, `diff` what another file would make of them, and
//! `bench` how long they take.

use std::error::Error;
use std::time::Instant;

use nebula_rule_engine::{Basket, Budget, Detail, Facts, Line, RuleSet, RuleSetDef};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "rulectl check|test|explain|bench FILE, or rulectl diff FILE OTHER";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["check", file] => check(&load(file)?),
        ["test", file] => test(&load(file)?)?,
        ["explain", file] => explain(&load(file)?)?,
        ["bench", file] => bench(&load(file)?)?,
        ["diff", file, other] => diff(&load(file)?, &load(other)?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn load(file: &str) -> Result<RuleSet> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let def = if file.ends_with(".json") { RuleSetDef::from_json(&text)? } else { RuleSetDef::from_yaml(&text)? };
    Ok(RuleSet::compile(&def)?)
}

fn check(set: &RuleSet) {
    for warning in set.warnings() {
        println!("{warning}");
    }
    println!("`{}` is sound: {} rules, version {}", set.definition().name, set.definition().rules.len(), set.version());
}

fn test(set: &RuleSet) -> Result<()> {
    set.test()?;
    println!("{} tests passed", set.definition().tests.len());
    Ok(())
}

/// The purchases of the tests in the file.
fn purchases(set: &RuleSet) -> Result<Vec<(&str, Facts, Basket)>> {
    let mut purchases = Vec::new();
    for test in &set.definition().tests {
        let lines = test
            .lines
            .iter()
            .map(|line| Line::new(line.id.clone(), line.price, line.quantity).with_json(line.facts.clone()));
        purchases.push((test.name.as_str(), set.schema().facts_from_json(&test.facts)?, Basket::new(lines)));
    }
    Ok(purchases)
}

fn explain(set: &RuleSet) -> Result<()> {
    for (name, facts, basket) in purchases(set)? {
        let priced = set.price(&facts, &basket, &mut Budget::default().start(), Detail::Full)?;
        println!("{name}\n{}", set.explain(&priced));
    }
    Ok(())
}

fn diff(set: &RuleSet, other: &RuleSet) -> Result<()> {
    let mut recorded = Vec::new();
    for (_, facts, basket) in purchases(set)? {
        recorded.push(set.prove(&facts, &basket, &mut Budget::default().start())?);
    }
    let shadow = other.shadow(&recorded, Budget::default())?;
    for changed in &shadow.examples {
        let name = &set.definition().tests[changed.place].name;
        match &changed.after {
            Ok(after) => println!("{name}: {} -> {after}", changed.before),
            Err(error) => println!("{name}: {} -> {error}", changed.before),
        }
    }
    println!(
        "{} of {} differ: {} -> {}",
        shadow.changed + shadow.failed,
        shadow.decisions,
        shadow.before,
        shadow.after
    );
    Ok(())
}

fn bench(set: &RuleSet) -> Result<()> {
    const TIMES: u32 = 10_000;
    for (name, facts, basket) in purchases(set)? {
        let started = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(set.price(&facts, &basket, &mut Budget::default().start(), Detail::Fired)?);
        }
        println!("{name}: {:?} each", started.elapsed() / TIMES);
    }
    Ok(())
}
