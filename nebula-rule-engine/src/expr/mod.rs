//! Expressions: conditions and amounts over facts.

mod check;
mod eval;
mod functions;
mod guard;
mod ir;
mod lower;

use std::fmt;
use std::sync::Arc;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind, Problem, Result};
use crate::facts::Facts;
use crate::schema::Schema;
use crate::types::Type;
use crate::value::{Val, Value};

pub(crate) use self::check::assign;
pub(crate) use self::eval::{Scope, evaluate, order as value_order, same};
pub(crate) use self::functions::overflow;
pub(crate) use self::ir::{Arith, Cmp, Function, Ir};

/// A compiled expression.
///
/// # Contract
///
/// - Evaluation depends on the facts alone: not on a clock, randomness, files, networks or earlier evaluations.
/// - It ends within the meter's budget, and every operation is paid for before it is done.
/// - The result is of the type [`ty`](Self::ty).
/// - It reads no facts but those that [`reads`](Self::reads) names.
/// - It may be evaluated from several threads at once.
pub trait Expr: fmt::Debug + Send + Sync {
    /// The text it was compiled from.
    fn source(&self) -> &str;

    /// The type of every result.
    fn ty(&self) -> &Type;

    /// The names of the facts that it may read, sorted.
    fn reads(&self) -> Vec<&str>;

    /// Evaluates it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Overflow`], [`ErrorKind::DivisionByZero`] or [`ErrorKind::EmptyList`] for what depends on the facts;
    /// the kinds of the budget; [`ErrorKind::BadFact`] for facts of another schema.
    fn evaluate(&self, facts: &Facts, meter: &mut Meter) -> Result<Value>;
}

/// An expression in the language of `zen-expression`, which parses it. It is then checked against a schema and kept in a
/// form of our own, since that crate's values cannot be shared between threads and its evaluation has no budget.
///
/// Stricter than the language's own evaluation: there is no `null`, values of different types do not compare, `^` is
/// refused because it may compute in floating point, and so is every function that is not pure.
///
/// ```
/// use nebula_rule_engine::{Budget, Expr, Expression, Schema, Type, Value};
///
/// let schema = Schema::builder().fact("total", Type::Money("CNY".parse()?)).fact("seats", Type::Int).build()?;
/// let expression = Expression::compile("total >= 100 and seats in [2..6]", &schema)?;
/// assert_eq!((expression.ty(), expression.reads()), (&Type::Bool, vec!["seats", "total"]));
///
/// let facts = schema.facts_from_json(&serde_json::json!({ "total": "100.00 CNY", "seats": 2 }))?;
/// assert_eq!(expression.evaluate(&facts, &mut Budget::default().start())?, Value::Bool(true));
///
/// let error = Expression::compile("totel >= 100", &schema).unwrap_err();
/// assert!(error.to_string().contains("at @1: there is no fact `totel`, only `total`"));
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Expression {
    source: Arc<str>,
    schema: Arc<Schema>,
    ir: Ir,
    ty: Type,
    reads: Arc<[usize]>,
}

impl Expression {
    /// Compiles `source` against `schema`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with all problems and where they are: unknown names, types that do not fit, functions that
    /// are not allowed, constants that overflow; [`ErrorKind::TooLarge`] and [`ErrorKind::TooDeep`] for hostile sources.
    pub fn compile(source: &str, schema: &Arc<Schema>) -> Result<Self> {
        Self::with_input(source, schema, None, false)
    }

    /// Compiles what has to have the type `ty`; a plain number may stand for money, text for a value of an enumeration.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn compile_as(source: &str, schema: &Arc<Schema>, ty: &Type) -> Result<Self> {
        let mut expression = Self::compile(source, schema)?;
        let literal = matches!(expression.ir, Ir::Const(_));
        match assign(expression.ir, &expression.ty, literal, ty) {
            Ok(ir) => expression.ir = ir,
            Err(message) => return Err(Error::invalid("an expression", vec![Problem::error("", message)])),
        }
        expression.ty = ty.clone();
        Ok(expression)
    }

    /// Compiles with `$` standing for an input of the type `input`; `unary` for the test of a cell.
    pub(crate) fn with_input(source: &str, schema: &Arc<Schema>, input: Option<&Type>, unary: bool) -> Result<Self> {
        guard::check(source)?;
        let lowered = lower::lower(source, schema, input, unary)?;
        let mut reads = Vec::new();
        lowered.ir.visit(&mut |ir| {
            if let Ir::Fact(place) = ir {
                reads.push(*place);
            }
        });
        reads.sort_unstable();
        reads.dedup();
        Ok(Self {
            source: source.into(),
            schema: Arc::clone(schema),
            ir: lowered.ir,
            ty: lowered.ty,
            reads: reads.into(),
        })
    }

    /// A part of it as an expression of its own, under the same text.
    pub(crate) fn part(&self, ir: Ir, ty: Type) -> Self {
        Self {
            ir,
            ty,
            source: Arc::clone(&self.source),
            schema: Arc::clone(&self.schema),
            reads: Arc::clone(&self.reads),
        }
    }

    pub(crate) const fn ir(&self) -> &Ir {
        &self.ir
    }

    pub(crate) fn read_places(&self) -> &[usize] {
        &self.reads
    }

    /// Evaluates over facts that are known to be of the right schema.
    #[inline]
    pub(crate) fn run(&self, facts: &[Val], input: Option<&Val>, meter: &mut Meter) -> Result<Val> {
        evaluate(&self.ir, &mut Scope::new(facts, input), meter)
    }
}

impl Expr for Expression {
    fn source(&self) -> &str {
        &self.source
    }

    fn ty(&self) -> &Type {
        &self.ty
    }

    fn reads(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.reads.iter().map(|place| self.schema.fields()[*place].name()).collect();
        names.sort_unstable();
        names
    }

    fn evaluate(&self, facts: &Facts, meter: &mut Meter) -> Result<Value> {
        same_schema(&self.schema, facts)?;
        self.run(facts.values(), None, meter).map(|value| value.to_value(&self.ty))
    }
}

/// Facts are addressed by position, so those of another schema would be misread.
pub(crate) fn same_schema(schema: &Arc<Schema>, facts: &Facts) -> Result<()> {
    if Arc::ptr_eq(schema, facts.schema()) || schema == facts.schema() {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::BadFact, "the facts are of another schema than the rules"))
    }
}
