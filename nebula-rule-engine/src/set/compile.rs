//! From a definition to a rule set: everything is checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::def::{FactDef, Limit, RuleDef, RuleSetDef, Stacking, TierStep};
use super::{Act, Action, Derived, Group, Most, Phase, Reads, Rule, RuleSet, Version};
use crate::domain::Domain;
use crate::error::{Error, ErrorKind, Problem, Result, Severity};
use crate::expr::{Cmp, Expression, Ir};
use crate::index::{Index, MAX_WORDS};
use crate::schema::Schema;
use crate::table::{DecisionTable, HitPolicy, Problems, TableDef};
use crate::text::Source;
use crate::types::Type;
use crate::value::{Moment, Val};

/// More rules than this are a mistake.
const MAX_RULES: usize = 100_000;
/// Groups of more rules are not searched for rules that can never win.
const MAX_COMPARED: usize = 1_000;
/// What the engine adds to the facts, in this order.
const BASKET: [&str; 3] = ["basket.subtotal", "basket.total", "basket.quantity"];
const LINE: [&str; 4] = ["line.id", "line.price", "line.quantity", "line.total"];

/// What expressions are compiled against.
struct Names<'a> {
    def: &'a RuleSetDef,
    inner: &'a Arc<Schema>,
    line: &'a Arc<Schema>,
    clock: Option<usize>,
}

impl Names<'_> {
    /// Whether the fact at `place` is not the same in all phases.
    fn changes(&self, place: usize, tables: &[Derived]) -> bool {
        self.inner.position(BASKET[1]) == Some(place)
            || tables.iter().any(|derived| derived.every_phase && derived.places.contains(&place))
    }
}

impl RuleSet {
    /// Checks and compiles a definition. Its tests are not run; [`test`](Self::test) does that.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with all problems and their places; [`ErrorKind::TooLarge`].
    pub fn compile(def: &RuleSetDef) -> Result<Self> {
        if def.rules.len() > MAX_RULES {
            return Err(Error::new(ErrorKind::TooLarge, format!("more than {MAX_RULES} rules")));
        }
        let context = || format!("rule set `{}`", def.name);
        let mut problems = Problems::default();
        let Some((schema, line_facts)) = schemas(def, &mut problems) else {
            return Err(Error::invalid(context(), problems.0));
        };
        table_ids(def, &mut problems);
        let wide = (|| {
            let inner = inner_schema(def, &schema)?;
            let line = line_schema(def, &inner, &line_facts)?;
            Ok((inner, line))
        })();
        let (Some((inner, line)), false) = (problems.take("", wide), problems.has_errors()) else {
            return Err(Error::invalid(context(), problems.0));
        };
        let clock = clock(def, &schema, &mut problems);
        let names = Names { def, inner: &inner, line: &line, clock };
        let tables = tables(&names, &mut problems);
        let money = Type::Money(def.currency);
        if def.phases.is_empty() {
            problems.error("phases", "there is none");
        }
        let mut bound = |place: &str, source: &Option<Source>| {
            let source = source.as_ref()?;
            let bound = problems.take(place, Expression::compile_as(source.as_str(), &inner, &money))?;
            let changing = |read: &usize| names.changes(*read, &tables);
            if bound.read_places().iter().any(changing) {
                problems.error(place, "depends on `basket.total`, which rules change");
            }
            Some(bound)
        };
        let (floor, cap) = (bound("floor", &def.floor), bound("cap", &def.cap));
        let (phases, rules) = phases(&names, &mut problems);
        if problems.0.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(Error::invalid(context(), problems.0));
        }
        let (def, version, warnings) = (def.clone(), version(def)?, problems.0);
        let reads = Reads::default();
        let mut set =
            Self { def, version, schema, inner, line_facts, tables, phases, rules, floor, cap, reads, warnings };
        set.reads = Reads::of(&set, clock);
        Ok(set)
    }

    /// Where `basket.total` stands.
    pub(super) fn total_place(&self) -> usize {
        self.schema.fields().len() + 1
    }
}

fn version(def: &RuleSetDef) -> Result<Version> {
    let mut text = String::new();
    for byte in Sha256::digest(def.to_json()?.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Version(text.into()))
}

fn schema_of(facts: &BTreeMap<String, FactDef>, place: &str, problems: &mut Problems) -> Option<Arc<Schema>> {
    let mut builder = Schema::builder();
    for (name, fact) in facts {
        builder = match fact {
            FactDef::Required(ty) => builder.fact(name.clone(), ty.clone()),
            FactDef::WithDefault(fact) => {
                let value = Val::from_json(&fact.default, &fact.ty).map(|value| value.to_value(&fact.ty));
                let value = problems.take(&format!("{place}.{name}.default"), value)?;
                builder.fact_or(name.clone(), fact.ty.clone(), value)
            }
        };
    }
    problems.take("", builder.build())
}

fn schemas(def: &RuleSetDef, problems: &mut Problems) -> Option<(Arc<Schema>, Arc<Schema>)> {
    for (name, _) in def.facts.iter().filter(|(name, _)| name.starts_with("basket.") || name.starts_with("line.")) {
        problems.error(&format!("facts.{name}"), "`basket` and `line` are the engine's own");
    }
    for name in def.line_facts.keys().filter(|name| LINE.contains(&format!("line.{name}").as_str())) {
        problems.error(&format!("line-facts.{name}"), "is the engine's own");
    }
    let facts = schema_of(&def.facts, "facts", problems);
    let line_facts = schema_of(&def.line_facts, "line-facts", problems);
    facts.zip(line_facts).filter(|_| !problems.has_errors())
}

/// The facts that a table's outputs become.
fn outputs(table: &TableDef) -> Vec<(String, Type)> {
    if table.hit_policy == HitPolicy::Count {
        return vec![(format!("{}.count", table.id), Type::Int)];
    }
    let many = !table.hit_policy.is_single() && !table.hit_policy.is_aggregate();
    let outputs = table.outputs.iter();
    outputs
        .map(|output| {
            let ty = if many { Type::list(output.ty.clone()) } else { output.ty.clone() };
            (format!("{}.{}", table.id, output.name), ty)
        })
        .collect()
}

fn inner_schema(def: &RuleSetDef, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
    let mut builder = Schema::builder();
    for field in schema.fields() {
        builder = builder.fact(field.name(), field.ty().clone());
    }
    let [subtotal, total, quantity] = BASKET;
    let money = Type::Money(def.currency);
    builder = builder.fact(subtotal, money.clone()).fact(total, money).fact(quantity, Type::Int);
    for (name, ty) in def.tables.iter().flat_map(outputs) {
        builder = builder.fact(name, ty);
    }
    builder.build()
}

fn line_schema(def: &RuleSetDef, inner: &Arc<Schema>, line_facts: &Arc<Schema>) -> Result<Arc<Schema>> {
    let mut builder = Schema::builder();
    for field in inner.fields() {
        builder = builder.fact(field.name(), field.ty().clone());
    }
    let [id, price, quantity, total] = LINE;
    let money = Type::Money(def.currency);
    builder = builder.fact(id, Type::Text).fact(price, money.clone()).fact(quantity, Type::Int).fact(total, money);
    for field in line_facts.fields() {
        builder = builder.fact(format!("line.{}", field.name()), field.ty().clone());
    }
    builder.build()
}

fn clock(def: &RuleSetDef, schema: &Schema, problems: &mut Problems) -> Option<usize> {
    let name = def.clock.as_ref()?;
    match schema.position(name) {
        Some(place) if *schema.fields()[place].ty() == Type::DateTime => Some(place),
        _ => {
            problems.error("clock", format!("`{name}` is no fact of the type date-time"));
            None
        }
    }
}

fn table_ids(def: &RuleSetDef, problems: &mut Problems) {
    let mut ids = HashSet::new();
    for (number, table) in def.tables.iter().enumerate().filter(|(_, table)| !ids.insert(&table.id)) {
        problems.error(&format!("tables[{number}]"), format!("`{}` stands twice", table.id));
    }
}

/// The tables, each after those that it reads: by what was compiled, since a name can be written in several ways.
fn tables(names: &Names<'_>, problems: &mut Problems) -> Vec<Derived> {
    let mut waiting = Vec::new();
    for def in &names.def.tables {
        let place = format!("tables.{}", def.id);
        let Some(table) = problems.take(&place, DecisionTable::compile(def, names.inner)) else { continue };
        if !table.is_complete() && (def.hit_policy.is_single() || def.hit_policy.is_aggregate()) {
            problems.error(&place, "some facts may find no row: give every output a default, or add the rows");
        }
        problems.0.extend(table.warnings().iter().cloned().map(|problem| problem.within(&place)));
        let places: Vec<usize> = outputs(def).iter().filter_map(|(name, _)| names.inner.position(name)).collect();
        let reads: HashSet<usize> = table.read_places().into_iter().collect();
        waiting.push((table, places, reads));
    }
    let mut unknown: HashSet<usize> = waiting.iter().flat_map(|(_, places, _)| places.iter().copied()).collect();
    let mut changed: HashSet<usize> = names.inner.position(BASKET[1]).into_iter().collect();
    let mut tables = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let Some(next) = waiting.iter().position(|(.., reads)| reads.is_disjoint(&unknown)) else {
            let ids: Vec<String> = waiting.iter().map(|(table, ..)| format!("`{}`", table.definition().id)).collect();
            problems.error("tables", format!("{} depend on one another in a circle", ids.join(", ")));
            break;
        };
        let (table, places, reads) = waiting.remove(next);
        for place in &places {
            unknown.remove(place);
        }
        let every_phase = !reads.is_disjoint(&changed);
        if every_phase {
            changed.extend(&places);
        }
        tables.push(Derived { table, places, every_phase });
    }
    tables
}

fn phases(names: &Names<'_>, problems: &mut Problems) -> (Vec<Phase>, Vec<Rule>) {
    let def = names.def;
    let mut ids = HashSet::new();
    for (number, rule) in def.rules.iter().enumerate().filter(|(_, rule)| !ids.insert(rule.id.as_str())) {
        problems.error(&format!("rules[{number}]"), format!("`{}` stands twice", rule.id));
    }
    let mut groups: HashMap<&str, Vec<&RuleDef>> = HashMap::new();
    for group in def.phases.iter().flat_map(|phase| &phase.groups) {
        if groups.insert(&group.id, Vec::new()).is_some() {
            problems.error(&format!("groups.{}", group.id), "stands twice");
        }
    }
    for rule in &def.rules {
        match groups.get_mut(rule.group.as_str()) {
            Some(group) => group.push(rule),
            None => problems.error(&format!("rules.{}.group", rule.id), format!("there is no group `{}`", rule.group)),
        }
    }
    let (mut phases, mut rules) = (Vec::new(), Vec::new());
    for phase in &def.phases {
        let start = rules.len();
        let mut compiled = Vec::new();
        for group in &phase.groups {
            let place = format!("groups.{}", group.id);
            let limit = limit(names, &place, group.stacking, group.limit.as_ref(), problems);
            let begin = rules.len();
            let mut members = groups.remove(group.id.as_str()).unwrap_or_default();
            members.sort_by_key(|rule| rule.order);
            for pair in members.windows(2).filter(|pair| pair[0].order == pair[1].order) {
                let message = format!("has the order {} of `{}` in the same group", pair[1].order, pair[0].id);
                problems.error(&format!("rules.{}.order", pair[1].id), message);
            }
            for def in members {
                let place = format!("rules.{}", def.id);
                let rule = rule(names, &place, def, problems);
                if let Some(rule) = rule.filter(|_| def.enabled) {
                    if group.stacking == Stacking::Cap && rule.act.may_raise() {
                        problems.error(&place, "may raise prices, which a group with a limit on discounts cannot do");
                    }
                    rules.push(rule);
                }
            }
            if matches!(group.stacking, Stacking::First | Stacking::Exclusive) {
                shadowed(names, &rules[begin..], problems);
            }
            let (id, stacking) = (group.id.as_str().into(), group.stacking);
            compiled.push(Group { id, stacking, limit, rules: begin..rules.len() });
        }
        let (id, index) = (phase.id.as_str().into(), index(names, &mut rules[start..]));
        phases.push(Phase { id, groups: compiled, rules: start..rules.len(), index });
    }
    (phases, rules)
}

fn limit(
    names: &Names<'_>,
    place: &str,
    stacking: Stacking,
    limit: Option<&Limit>,
    problems: &mut Problems,
) -> Option<Most> {
    let place = format!("{place}.limit");
    match (stacking, limit) {
        (Stacking::Cap, None) => problems.error(&place, "is missing"),
        (Stacking::Cap, Some(_)) | (_, None) => {}
        (_, Some(_)) => problems.error(&place, "only groups that stack by `cap` have one"),
    }
    match limit? {
        Limit::Amount(amount) => problems.take(&place, amount_of(names, amount)).map(Most::Amount),
        Limit::Percent(percent) => problems.take(&place, percent_of(names, percent, Some(100))).map(Most::Percent),
    }
}

fn constant(expression: &Expression, holds: impl FnOnce(rust_decimal::Decimal) -> bool, message: &str) -> Result<()> {
    match expression.ir() {
        Ir::Const(Val::Num(number)) if !holds(*number) => {
            Err(Error::invalid("an amount", vec![Problem::error("", format!("{number} {message}"))]))
        }
        _ => Ok(()),
    }
}

fn amount_of(names: &Names<'_>, source: &Source) -> Result<Expression> {
    let amount = Expression::compile_as(source.as_str(), names.inner, &Type::Money(names.def.currency))?;
    constant(&amount, |amount| !amount.is_sign_negative() || amount.is_zero(), "is negative")?;
    Ok(amount)
}

fn percent_of(names: &Names<'_>, source: &Source, most: Option<u32>) -> Result<Expression> {
    let percent = Expression::compile_as(source.as_str(), names.inner, &Type::Decimal)?;
    let fits = |percent: rust_decimal::Decimal| {
        (!percent.is_sign_negative() || percent.is_zero()) && most.is_none_or(|most| percent <= most.into())
    };
    constant(&percent, fits, "% is out of range")?;
    Ok(percent)
}

fn condition_on_lines(names: &Names<'_>, source: &Source) -> Result<Expression> {
    Expression::compile_as(source.as_str(), names.line, &Type::Bool)
}

fn rule(names: &Names<'_>, place: &str, def: &RuleDef, problems: &mut Problems) -> Option<Rule> {
    let at = |field: &str| format!("{place}.{field}");
    let mut wants: BTreeMap<usize, Domain> = BTreeMap::new();
    let mut rest = Vec::new();
    if let Some(when) = &def.when {
        let when = problems.take(&at("when"), Expression::compile_as(when.as_str(), names.inner, &Type::Bool));
        if let Some(when) = when {
            split(names, &when, when.ir(), &mut wants, &mut rest);
        }
    }
    window(names, place, def, &mut wants, problems);
    for (fact, domain) in &wants {
        let field = &names.inner.fields()[*fact];
        if domain.is_empty(field.ty()) {
            problems.error(&at("when"), format!("never holds: it lets no value of `{}` through", field.name()));
        }
    }
    let lines = def.lines.as_ref().map(|lines| problems.take(&at("lines"), condition_on_lines(names, lines)));
    let act = act(names, &at("then"), &def.then, problems, true);
    let lines = match lines {
        Some(None) => return None,
        Some(lines) => lines,
        None => None,
    };
    let rounding = def.rounding.unwrap_or(names.def.rounding);
    let (id, wants) = (def.id.as_str().into(), wants.into_iter().collect());
    Some(Rule { id, wants, scan: Vec::new(), rest, lines, act: act?, rounding })
}

/// Takes a condition apart: what asks for one fact goes to the index, the rest stays.
fn split(
    names: &Names<'_>,
    whole: &Expression,
    ir: &Ir,
    wants: &mut BTreeMap<usize, Domain>,
    rest: &mut Vec<Expression>,
) {
    if let Ir::And(one, other) = ir {
        split(names, whole, one, wants, rest);
        split(names, whole, other, wants, rest);
        return;
    }
    let mut facts = Vec::new();
    ir.visit(&mut |ir| {
        if let Ir::Fact(fact) = ir {
            facts.push(*fact);
        }
    });
    facts.sort_unstable();
    facts.dedup();
    if let [fact] = facts.as_slice()
        && let Some(domain) = Domain::of(ir, &Ir::Fact(*fact), names.inner.fields()[*fact].ty())
    {
        let domain = wants.get(fact).map_or_else(|| domain.clone(), |known| known.and(&domain));
        wants.insert(*fact, domain);
        return;
    }
    if *ir != Ir::Const(Val::Bool(true)) {
        rest.push(whole.part(ir.clone(), Type::Bool));
    }
}

fn window(names: &Names<'_>, place: &str, def: &RuleDef, wants: &mut BTreeMap<usize, Domain>, problems: &mut Problems) {
    let mut domain = Domain::all(&Type::DateTime);
    for (field, text, cmp) in [("from", &def.from, Cmp::Ge), ("until", &def.until, Cmp::Lt)] {
        let Some(text) = text else { continue };
        let place = format!("{place}.{field}");
        if names.clock.is_none() {
            problems.error(&place, "rules with a window need the set's `clock`");
        }
        if let Some(moment) = problems.take(&place, text.parse::<Moment>()) {
            let half = Domain::compare(cmp, &Val::Time(moment));
            domain = domain.zip(half).map(|(domain, half)| domain.and(&half));
        }
    }
    if let (Some(clock), Some(domain)) = (names.clock, domain.filter(|domain| !domain.is_all())) {
        let domain = wants.get(&clock).map_or_else(|| domain.clone(), |known| known.and(&domain));
        wants.insert(clock, domain);
    }
}

fn act(names: &Names<'_>, place: &str, action: &Action, problems: &mut Problems, outer: bool) -> Option<Act> {
    let amount = |problems: &mut Problems, source| problems.take(place, amount_of(names, source));
    let percent = |problems: &mut Problems, source, most| problems.take(place, percent_of(names, source, most));
    Some(match action {
        Action::PercentOff(it) => Act::PercentOff(percent(problems, it, Some(100))?),
        Action::PercentOn(it) => Act::PercentOn(percent(problems, it, None)?),
        Action::AmountOff(it) => Act::AmountOff(amount(problems, it)?),
        Action::AmountOn(it) => Act::AmountOn(amount(problems, it)?),
        Action::AmountOffEach(it) => Act::AmountOffEach(amount(problems, it)?),
        Action::PriceEach(it) => Act::PriceEach(amount(problems, it)?),
        Action::BuyGet(it) => {
            if it.buy == 0 || it.get == 0 {
                problems.error(place, "`buy` and `get` are at least 1");
            }
            Act::BuyGet { buy: it.buy, get: it.get, percent: percent(problems, &it.percent, Some(100))? }
        }
        Action::Tiers(_) | Action::Bundle(_) if !outer => {
            problems.error(place, "tiers and bundles do not stand inside tiers");
            return None;
        }
        Action::Tiers(it) => {
            let mut steps: Vec<(rust_decimal::Decimal, Act)> = Vec::new();
            if it.steps.is_empty() {
                problems.error(place, "there is no step");
            }
            for (number, step) in it.steps.iter().enumerate() {
                let place = format!("{place}.steps[{number}]");
                let TierStep { from, then } = step;
                let from = problems.take(&place, crate::money::decimal(from.as_str()));
                let act = act(names, &place, then, problems, false);
                let (Some(from), Some(act)) = (from, act) else { continue };
                if steps.last().is_some_and(|(below, _)| *below >= from) {
                    problems.error(&place, "thresholds rise");
                }
                steps.push((from, act));
            }
            Act::Tiers { by: it.by, steps }
        }
        Action::Bundle(it) => {
            let mut parts = Vec::new();
            for (number, part) in it.parts.iter().enumerate() {
                let place = format!("{place}.parts[{number}]");
                if part.quantity == 0 {
                    problems.error(&place, "no units");
                }
                if let Some(lines) = problems.take(&place, condition_on_lines(names, &part.lines)) {
                    parts.push((lines, part.quantity));
                }
            }
            if it.parts.is_empty() {
                problems.error(place, "there is no part");
            }
            Act::Bundle { parts, price: amount(problems, &it.price)? }
        }
    })
}

/// Rules that an earlier one of the group always takes the place of.
fn shadowed(names: &Names<'_>, rules: &[Rule], problems: &mut Problems) {
    if rules.len() > MAX_COMPARED {
        problems.warn("rules", "a group is too large to be searched for rules that never win");
        return;
    }
    for (place, rule) in rules.iter().enumerate() {
        let covers = |earlier: &&Rule| {
            // What concerns certain lines, or needs some units, may do nothing although its condition holds.
            let always = matches!(earlier.act, Act::PercentOff(_) | Act::AmountOff(_) | Act::AmountOffEach(_));
            always
                && earlier.rest.is_empty()
                && earlier.lines.is_none()
                && earlier.wants.iter().all(|(fact, domain)| {
                    let ty = names.inner.fields()[*fact].ty();
                    let own = rule.wants.iter().find(|(own, _)| own == fact).map(|(_, own)| own.clone());
                    own.or_else(|| Domain::all(ty)).is_some_and(|own| own.and(&domain.clone().not()).is_empty(ty))
                })
        };
        if let Some(earlier) = rules[..place].iter().find(covers) {
            problems
                .warn(&format!("rules.{}", rule.id), format!("never wins: `{}` applies whenever it does", earlier.id));
        }
    }
}

fn index(names: &Names<'_>, rules: &mut [Rule]) -> Index {
    let mut facts: Vec<usize> = rules.iter().flat_map(|rule| rule.wants.iter().map(|(fact, _)| *fact)).collect();
    facts.sort_unstable();
    facts.dedup();
    let columns = facts.into_iter().filter_map(|fact| {
        let ty = names.inner.fields()[fact].ty().clone();
        let all = Domain::all(&ty)?;
        let domain = |rule: &Rule| {
            rule.wants.iter().find(|(own, _)| *own == fact).map_or_else(|| all.clone(), |(_, domain)| domain.clone())
        };
        Some((fact, ty, rules.iter().map(domain).collect()))
    });
    let (index, refused) = Index::build(rules.len(), columns.collect(), MAX_WORDS);
    for rule in rules {
        rule.scan = rule.wants.iter().filter(|(fact, _)| refused.contains(fact)).cloned().collect();
    }
    index
}
