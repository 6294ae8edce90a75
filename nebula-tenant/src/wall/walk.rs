//! The way through a statement.
//!
//! Every field of every node is named, without `..`: what a newer parser adds fails to compile here, and what is not
//! listed is refused.

use sqlparser::ast::{BinaryOperator, Expr, Ident, Statement, Value};

use super::lex::MARK;
use super::policy::{Policy, plain};
use super::refusal::{Refusal, RefusalKind};

/// So deep may queries and expressions be nested. Each level takes a few frames of the stack.
const DEPTH: usize = 64;

/// Where the tenant stands among the placeholders.
pub(super) const TENANT: usize = 0;

pub(super) struct Walk<'a> {
    pub(super) policy: &'a Policy,
    /// Common table expressions in sight, innermost last: what they are called, and what they are called now.
    pub(super) scopes: Vec<Vec<(String, Ident)>>,
    pub(super) expressions: usize,
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        Self { policy, scopes: Vec::new(), expressions: 0, depth: 0 }
    }

    pub(super) fn statement(&mut self, statement: &mut Statement) -> Result<(), Refusal> {
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => Err(Refusal::construct("only SELECT, INSERT, UPDATE and DELETE pass")),
        }
    }

    pub(super) fn deeper<R>(&mut self, work: impl FnOnce(&mut Self) -> Result<R, Refusal>) -> Result<R, Refusal> {
        if self.depth == DEPTH {
            return Err(Refusal::new(RefusalKind::Size, format!("nested deeper than {DEPTH}")));
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }

    /// What the name means if it is a common table expression.
    pub(super) fn common(&self, name: &sqlparser::ast::ObjectName) -> Option<Ident> {
        let key = self.policy.key(plain(name).ok()?);
        let mut all = self.scopes.iter().rev().flat_map(|scope| scope.iter().rev());
        all.find(|(known, _)| *known == key).map(|(_, now)| now.clone())
    }

    pub(super) fn tenant() -> Expr {
        Expr::value(Value::Placeholder(format!("{MARK}{TENANT}{MARK}")))
    }

    pub(super) fn column(&self) -> Ident {
        Ident::new(self.policy.column.clone())
    }

    /// `of.tenant_id = <tenant>`
    pub(super) fn belongs(&self, of: &Ident) -> Expr {
        let column = Expr::CompoundIdentifier(vec![bare(of), self.column()]);
        Expr::BinaryOp { left: Box::new(column), op: BinaryOperator::Eq, right: Box::new(Self::tenant()) }
    }

    /// Lets pass what passed before and belongs to the tenant.
    pub(super) fn restrict(selection: &mut Option<Expr>, fences: Vec<Expr>) {
        for fence in fences {
            *selection = Some(match selection.take() {
                None => fence,
                Some(present) => both(present, fence),
            });
        }
    }
}

fn both(present: Expr, fence: Expr) -> Expr {
    use BinaryOperator as Op;
    let binds_tighter = match &present {
        Expr::BinaryOp { op, .. } => {
            matches!(op, Op::And | Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq)
        }
        other => matches!(other, Expr::Nested(_)),
    };
    let present = if binds_tighter { present } else { Expr::Nested(Box::new(present)) };
    Expr::BinaryOp { left: Box::new(present), op: Op::And, right: Box::new(fence) }
}

/// The name without its place in the text.
pub(super) fn bare(name: &Ident) -> Ident {
    Ident { value: name.value.clone(), quote_style: name.quote_style, span: sqlparser::tokenizer::Span::empty() }
}
