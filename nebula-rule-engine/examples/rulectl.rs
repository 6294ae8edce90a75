//! Checks, tests and tries rules in a file.
//!
//! `cargo run -p nebula-rule-engine --features yaml --example rulectl -- explain nebula-rule-engine/examples/tickets.yaml`
//!
//! | command | does |
//! |---|---|
//! | `check FILE` | reports what is wrong and what looks wrong, with places |
//! | `test FILE` | runs the tests in the file |
//! | `run FILE [PURCHASE]` | prices a purchase (JSON with `facts` and `lines`), or those of the tests, as JSON |
//! | `explain FILE [PURCHASE]` | the same in words, with what nearly happened |
//! | `diff FILE OTHER` | what OTHER would make of the purchases of the tests in FILE |
//! | `prove FILE` | shows for all purchases that rules stay between floor and cap, or which one passes |
//! | `bench FILE` | how long the purchases of the tests take, and how many that is in a second |

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nebula_rule_engine::{Basket, Budget, Detail, Facts, Line, RuleSet, RuleSetDef, TestLine};
use serde::Deserialize;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str =
    "rulectl check|test|prove|bench FILE, rulectl run|explain FILE [PURCHASE], or rulectl diff FILE OTHER";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&arguments, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command, and writes what it says to `out`.
pub(crate) fn command(arguments: &[&str], out: &mut impl std::io::Write) -> Result<()> {
    match arguments {
        ["check", file] => check(out, &load(file)?)?,
        ["test", file] => test(out, &load(file)?)?,
        ["run", file, purchase @ ..] if purchase.len() < 2 => run(out, &load(file)?, purchase)?,
        ["explain", file, purchase @ ..] if purchase.len() < 2 => explain(out, &load(file)?, purchase)?,
        ["diff", file, other] => diff(out, &load(file)?, &load(other)?)?,
        ["prove", file] => prove(out, &load(file)?)?,
        ["bench", file] => bench(out, &load(file)?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn load(file: &str) -> Result<RuleSet> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let def = if file.ends_with(".json") { RuleSetDef::from_json(&text)? } else { RuleSetDef::from_yaml(&text)? };
    Ok(RuleSet::compile(&def)?)
}

fn check(out: &mut impl std::io::Write, set: &RuleSet) -> Result<()> {
    for warning in set.warnings() {
        writeln!(out, "{warning}")?;
    }
    let def = set.definition();
    writeln!(out, "`{}` is sound: {} rules, version {}", def.name, def.rules.len(), set.version())?;
    Ok(())
}

fn test(out: &mut impl std::io::Write, set: &RuleSet) -> Result<()> {
    set.test()?;
    writeln!(out, "{} tests passed", set.definition().tests.len())?;
    Ok(())
}

/// Facts and lines, as in the tests of a rule file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purchase {
    #[serde(default)]
    facts: serde_json::Value,
    lines: Vec<TestLine>,
}

fn purchase<'a>(
    set: &RuleSet,
    name: &'a str,
    facts: &serde_json::Value,
    lines: &[TestLine],
) -> Result<(&'a str, Facts, Basket)> {
    let lines =
        lines.iter().map(|line| Line::new(line.id.clone(), line.price, line.quantity).with_json(line.facts.clone()));
    let none = serde_json::json!({});
    let facts = if facts.is_null() { &none } else { facts };
    Ok((name, set.schema().facts_from_json(facts)?, Basket::new(lines)))
}

/// The purchase in a file, or those of the tests.
fn purchases<'a>(set: &'a RuleSet, file: &[&'a str]) -> Result<Vec<(&'a str, Facts, Basket)>> {
    let Some(file) = file.first() else {
        let tests = set.definition().tests.iter();
        return tests.map(|test| purchase(set, &test.name, &test.facts, &test.lines)).collect();
    };
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let read: Purchase = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    Ok(vec![purchase(set, file, &read.facts, &read.lines)?])
}

fn run(out: &mut impl std::io::Write, set: &RuleSet, file: &[&str]) -> Result<()> {
    for (_, facts, basket) in purchases(set, file)? {
        let priced = set.price(&facts, &basket, &mut Budget::default().start(), Detail::Fired)?;
        writeln!(out, "{}", serde_json::to_string_pretty(&priced)?)?;
    }
    Ok(())
}

fn explain(out: &mut impl std::io::Write, set: &RuleSet, file: &[&str]) -> Result<()> {
    for (name, facts, basket) in purchases(set, file)? {
        let priced = set.price(&facts, &basket, &mut Budget::default().start(), Detail::Full)?;
        writeln!(out, "{name}\n{}", set.explain(&priced))?;
    }
    Ok(())
}

fn diff(out: &mut impl std::io::Write, set: &RuleSet, other: &RuleSet) -> Result<()> {
    let mut recorded = Vec::new();
    for (_, facts, basket) in purchases(set, &[])? {
        recorded.push(set.prove(&facts, &basket, &mut Budget::default().start())?);
    }
    let shadow = other.shadow(&recorded, Budget::default())?;
    for changed in &shadow.examples {
        let name = &set.definition().tests[changed.place].name;
        match &changed.after {
            Ok(after) => writeln!(out, "{name}: {} -> {after}", changed.before)?,
            Err(error) => writeln!(out, "{name}: {} -> {error}", changed.before)?,
        }
    }
    let differ = shadow.changed + shadow.failed;
    writeln!(out, "{differ} of {} differ: {} -> {}", shadow.decisions, shadow.before, shadow.after)?;
    Ok(())
}

fn prove(out: &mut impl std::io::Write, set: &RuleSet) -> Result<()> {
    let proof = set.prove_bounds();
    write!(out, "{proof}")?;
    if proof.holds() { Ok(()) } else { Err("not every bound is proven".into()) }
}

fn bench(out: &mut impl std::io::Write, set: &RuleSet) -> Result<()> {
    const ENOUGH: Duration = Duration::from_millis(200);
    for (name, facts, basket) in purchases(set, &[])? {
        let (started, mut times) = (Instant::now(), 0_u32);
        while started.elapsed() < ENOUGH {
            for _ in 0..50 {
                std::hint::black_box(set.price(&facts, &basket, &mut Budget::default().start(), Detail::Fired)?);
            }
            times += 50;
        }
        let each = started.elapsed() / times;
        writeln!(out, "{name}: {each:?} each, {:.0} in a second", 1.0 / each.as_secs_f64())?;
    }
    Ok(())
}
