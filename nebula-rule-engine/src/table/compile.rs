//! From a definition to a table: everything is checked, and what an index can answer goes into it.

use std::collections::HashSet;
use std::sync::Arc;

use super::{DecisionTable, HitPolicy, Input, Output, TableDef, analyse};
use crate::domain::Domain;
use crate::error::{Error, ErrorKind, Problem, Result, Severity};
use crate::expr::{Expr, Expression, Ir, same};
use crate::index::{Index, MAX_WORDS};
use crate::schema::{Schema, is_word};
use crate::text::Source;
use crate::types::Type;
use crate::value::Val;

/// More rows than this are a mistake.
const MAX_ROWS: usize = 100_000;
/// And more columns.
pub(super) const MAX_COLUMNS: usize = 64;

/// Collects problems and goes on.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// Takes over the problems of `error`, which happened at `place`.
    pub(crate) fn take<T>(&mut self, place: &str, result: Result<T>) -> Option<T> {
        match result {
            Ok(it) => return Some(it),
            Err(error) if error.problems().is_empty() => self.error(place, error.to_string()),
            Err(error) => self.0.extend(error.problems().iter().cloned().map(|problem| problem.within(place))),
        }
        None
    }

    pub(crate) fn error(&mut self, place: &str, message: impl Into<String>) {
        self.0.push(Problem::error(place, message));
    }

    pub(crate) fn warn(&mut self, place: &str, message: impl Into<String>) {
        self.0.push(Problem::warning(place, message));
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Whether a cell lets everything through.
pub(crate) fn is_any(cell: &Source) -> bool {
    matches!(cell.as_str().trim(), "" | "-")
}

impl DecisionTable {
    /// Checks and compiles a table over the facts of `schema`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with all problems and their places: cells that do not compile, rows that cannot apply, rows
    /// that overlap under `unique` or contradict one another under `any`; [`ErrorKind::TooLarge`].
    pub fn compile(def: &TableDef, schema: &Arc<Schema>) -> Result<Self> {
        if def.rows.len() > MAX_ROWS || def.inputs.len() + def.outputs.len() > MAX_COLUMNS {
            let context = format!("table `{}`: more than {MAX_ROWS} rows or {MAX_COLUMNS} columns", def.id);
            return Err(Error::new(ErrorKind::TooLarge, context));
        }
        let mut problems = Problems::default();
        if !is_word(&def.id) {
            problems.error("id", "a name is one word of ASCII letters, digits and `_`");
        }
        let inputs = inputs(def, schema, &mut problems);
        let outputs = outputs(def, schema, &mut problems);
        shape(def, &mut problems);
        let (Some(inputs), Some(outputs), false) = (inputs, outputs, problems.has_errors()) else {
            return Err(refused(def, problems));
        };

        let mut domains: Vec<Vec<Domain>> = vec![Vec::with_capacity(def.rows.len()); inputs.len()];
        let mut rest: Vec<Vec<(usize, Expression)>> = vec![Vec::new(); def.rows.len()];
        let mut compiled: Vec<Vec<Option<Expression>>> = vec![Vec::new(); def.rows.len()];
        for (number, (row, rest)) in def.rows.iter().zip(&mut rest).enumerate() {
            for (column, (cell, input)) in row.when.iter().zip(&inputs).enumerate() {
                let place = format!("rows[{number}].{}", input.name);
                let ty = input.expression.ty();
                let everything = Domain::all(ty).unwrap_or(Domain::Bools { no: true, yes: true });
                if is_any(cell) {
                    domains[column].push(everything);
                    compiled[number].push(None);
                    continue;
                }
                let Some(cell) = problems.take(&place, test(cell, schema, ty)) else {
                    domains[column].push(everything);
                    compiled[number].push(None);
                    continue;
                };
                match Domain::of(cell.ir(), &Ir::Input, ty) {
                    Some(domain) => {
                        if domain.is_empty(ty) {
                            problems.error(&place, "lets no value through, so the row never applies");
                        }
                        domains[column].push(domain);
                    }
                    None => {
                        domains[column].push(everything);
                        rest.push((column, cell.clone()));
                    }
                }
                compiled[number].push(Some(cell));
            }
        }
        let cells = cells(def, schema, &outputs, &mut problems);
        let columns = inputs.iter().zip(domains).enumerate();
        let columns =
            columns.map(|(place, (input, domains))| (place, input.expression.ty().clone(), domains)).collect();
        let (index, refused_columns) = Index::build(def.rows.len(), columns, MAX_WORDS);
        for column in refused_columns {
            for (row, cells) in compiled.iter_mut().enumerate() {
                if let Some(cell) = cells.get_mut(column).and_then(Option::take)
                    && !rest[row].iter().any(|(known, _)| *known == column)
                {
                    rest[row].push((column, cell));
                }
            }
        }
        let Some(cells) = cells.filter(|_| !problems.has_errors()) else { return Err(refused(def, problems)) };
        let plain = inputs.iter().all(|input| input.fact.is_some());
        let mut table = Self {
            def: def.clone(),
            schema: Arc::clone(schema),
            inputs,
            outputs,
            index,
            rest,
            cells,
            warnings: Vec::new(),
            complete: false,
            plain,
        };
        let gapless = analyse::check(&table, &mut problems);
        if problems.has_errors() {
            return Err(refused(def, problems));
        }
        table.complete = match table.policy() {
            HitPolicy::Sum | HitPolicy::Count => true,
            _ => gapless || table.outputs.iter().all(|output| output.default.is_some()),
        };
        table.warnings = problems.0;
        Ok(table)
    }
}

fn refused(def: &TableDef, problems: Problems) -> Error {
    Error::invalid(format!("table `{}`", def.id), problems.0)
}

/// The test of a cell, on an input of the type `ty`: a unary test, or a condition on `$` that the language for unary tests
/// cannot say.
fn test(cell: &Source, schema: &Arc<Schema>, ty: &Type) -> Result<Expression> {
    let bool = |test: Expression| {
        let problem = || vec![Problem::error("", format!("a test is wanted, not {}", test.ty()))];
        if *test.ty() == Type::Bool { Ok(test) } else { Err(Error::invalid("a cell", problem())) }
    };
    let unary = Expression::with_input(cell.as_str(), schema, Some(ty), true).and_then(bool);
    unary.or_else(|error| {
        Expression::with_input(cell.as_str(), schema, Some(ty), false).and_then(bool).map_err(|_| error)
    })
}

fn inputs(def: &TableDef, schema: &Arc<Schema>, problems: &mut Problems) -> Option<Vec<Input>> {
    let mut inputs = Vec::new();
    for (place, input) in def.inputs.iter().enumerate() {
        let expression =
            problems.take(&format!("inputs[{place}]"), Expression::compile(input.expression.as_str(), schema));
        let Some(expression) = expression else { continue };
        let fact = if let Ir::Fact(fact) = expression.ir() { Some(*fact) } else { None };
        let name = input.name.clone().unwrap_or_else(|| input.expression.to_string());
        inputs.push(Input { name, expression, fact });
    }
    (inputs.len() == def.inputs.len()).then_some(inputs)
}

fn outputs(def: &TableDef, schema: &Arc<Schema>, problems: &mut Problems) -> Option<Vec<Output>> {
    let mut outputs = Vec::new();
    let mut names = HashSet::new();
    for (number, output) in def.outputs.iter().enumerate() {
        let place = format!("outputs[{number}]");
        if !is_word(&output.name) {
            problems.error(&place, "a name is one word of ASCII letters, digits and `_`");
        }
        if !names.insert(&output.name) {
            problems.error(&place, "the name stands twice");
        }
        let compile = |source: &Source| Expression::compile_as(source.as_str(), schema, &output.ty);
        let default =
            output.default.as_ref().map(|default| problems.take(&format!("{place}.default"), compile(default)));
        let mut priorities = Vec::new();
        for value in &output.priorities {
            let place = format!("{place}.priorities");
            let Some(value) = problems.take(&place, compile(value)) else { continue };
            match value.ir() {
                Ir::Const(value) => priorities.push(value.clone()),
                _ => problems.error(&place, "priorities are constants"),
            }
        }
        let default = match default {
            Some(None) => continue,
            Some(default) => default,
            None => None,
        };
        outputs.push(Output { name: output.name.as_str().into(), ty: output.ty.clone(), default, priorities });
    }
    (outputs.len() == def.outputs.len()).then_some(outputs)
}

fn shape(def: &TableDef, problems: &mut Problems) {
    if def.outputs.is_empty() && def.hit_policy != HitPolicy::Count {
        problems.error("outputs", "there is none");
    }
    for (number, row) in def.rows.iter().enumerate() {
        let place = format!("rows[{number}]");
        if row.when.len() != def.inputs.len() {
            problems.error(&place, format!("{} tests for {} inputs", row.when.len(), def.inputs.len()));
        }
        if row.then.len() != def.outputs.len() {
            problems.error(&place, format!("{} results for {} outputs", row.then.len(), def.outputs.len()));
        }
    }
    let numeric = |ty: &Type| ty.is_numeric() || *ty == Type::Duration;
    match (def.hit_policy, def.outputs.as_slice()) {
        (HitPolicy::Sum, [output]) if !numeric(&output.ty) => problems.error("outputs[0]", "has no sum"),
        (HitPolicy::Min | HitPolicy::Max, [output]) if !output.ty.is_ordered() => {
            problems.error("outputs[0]", "has no order");
        }
        (HitPolicy::Sum | HitPolicy::Min | HitPolicy::Max, outputs) if outputs.len() != 1 => {
            problems.error("outputs", format!("the hit policy `{}` takes exactly one", def.hit_policy));
        }
        (HitPolicy::Priority | HitPolicy::OutputOrder, outputs)
            if outputs.iter().all(|it| it.priorities.is_empty()) =>
        {
            problems.error("outputs", format!("the hit policy `{}` needs `priorities`", def.hit_policy));
        }
        _ => {}
    }
}

fn cells(
    def: &TableDef,
    schema: &Arc<Schema>,
    outputs: &[Output],
    problems: &mut Problems,
) -> Option<Vec<Vec<Expression>>> {
    let mut rows = Vec::with_capacity(def.rows.len());
    for (number, row) in def.rows.iter().enumerate() {
        let mut cells = Vec::with_capacity(outputs.len());
        for (cell, output) in row.then.iter().zip(outputs) {
            let place = format!("rows[{number}].{}", output.name);
            let compiled = Expression::compile_as(cell.as_str(), schema, &output.ty);
            let Some(cell) = problems.take(&place, compiled) else { continue };
            if !output.priorities.is_empty()
                && let Ir::Const(value) = cell.ir()
                && !output.priorities.iter().any(|known| same(known, value))
            {
                problems.error(&place, "is none of the output's `priorities`");
            }
            cells.push(cell);
        }
        rows.push(cells);
    }
    rows.iter().all(|cells| cells.len() == outputs.len()).then_some(rows)
}

/// Whether two cells say the same for all facts.
pub(super) fn surely_differ(one: &[Expression], other: &[Expression]) -> bool {
    one.iter().zip(other).any(|(one, other)| match (one.ir(), other.ir()) {
        (Ir::Const(one), Ir::Const(other)) => !same(one, other),
        _ => false,
    })
}

/// The value of an input.
pub(super) fn plain<'a>(input: &Input, facts: &'a [Val]) -> Option<&'a Val> {
    input.fact.and_then(|place| facts.get(place))
}
