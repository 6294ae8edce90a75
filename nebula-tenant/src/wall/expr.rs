//! Expressions. They pass if all they do is to compute.

use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, CastFormat, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Interval, ListAggOnOverflow, MemberOf, ObjectName,
    Subscript, TypedString, UnaryOperator, Value, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

use super::refusal::{Refusal, RefusalKind};
use super::walk::Walk;

impl Walk<'_> {
    pub(super) fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e mut Expr>) -> Result<(), Refusal> {
        exprs.into_iter().try_for_each(|expr| self.expr(expr))
    }

    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<(), Refusal> {
        // A long chain of ANDs leans to the left: it is walked without descending.
        let mut expr = expr;
        while let Expr::BinaryOp { left, op, right } = expr {
            operator(op)?;
            if compares(op) {
                self.comparison(left, right)?;
            }
            self.deeper(|walk| walk.expr(right))?;
            expr = left;
        }
        self.deeper(|walk| walk.one(expr))
    }

    fn one(&mut self, expr: &mut Expr) -> Result<(), Refusal> {
        match expr {
            Expr::Identifier(name) if name.value.starts_with('@') => {
                Err(Refusal::construct("a variable of the session"))
            }
            Expr::CompoundIdentifier(names) if names.iter().any(|name| name.value.starts_with('@')) => {
                Err(Refusal::construct("a variable of the session"))
            }
            // A column has at most a table before it: a schema would name a table that is not the one in FROM.
            Expr::CompoundIdentifier(names) if names.len() > 2 => Err(Refusal::construct("a column with a schema")),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Wildcard(_) => Ok(()),
            Expr::QualifiedWildcard(name, _) => super::policy::plain(name).map(drop),
            Expr::Value(value) => literal(&value.value),
            Expr::TypedString(TypedString { data_type: _, value, uses_odbc_syntax: _ }) => literal(&value.value),
            Expr::IsFalse(it)
            | Expr::IsNotFalse(it)
            | Expr::IsTrue(it)
            | Expr::IsNotTrue(it)
            | Expr::IsNull(it)
            | Expr::IsNotNull(it)
            | Expr::IsUnknown(it)
            | Expr::IsNotUnknown(it)
            | Expr::Nested(it)
            | Expr::IsJson { expr: it, kind: _, unique_keys: _, negated: _ }
            | Expr::IsNormalized { expr: it, form: _, negated: _ }
            | Expr::Collate { expr: it, collation: _ }
            | Expr::Extract { field: _, syntax: _, expr: it }
            | Expr::Ceil { expr: it, field: _ }
            | Expr::Floor { expr: it, field: _ }
            | Expr::Convert {
                is_try: false,
                expr: it,
                data_type: _,
                charset: _,
                target_before_value: false,
                styles: _,
            } => self.expr(it),
            Expr::Cast { kind: _, expr: it, data_type: _, format } => {
                match format {
                    None | Some(CastFormat::Value(_)) => {}
                    Some(CastFormat::ValueAtTimeZone(..)) => return Err(Refusal::construct("CAST with a format")),
                }
                self.expr(it)
            }
            Expr::UnaryOp { op, expr: it } => {
                unary(op)?;
                self.expr(it)
            }
            Expr::BinaryOp { .. } => self.expr(expr),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.comparison(left, right)?;
                self.exprs([&mut **left, right])
            }
            Expr::Like { negated: _, any: _, expr: it, pattern, escape_char }
            | Expr::ILike { negated: _, any: _, expr: it, pattern, escape_char }
            | Expr::SimilarTo { negated: _, expr: it, pattern, escape_char } => {
                self.comparison(it, pattern)?;
                self.exprs([&mut **it, pattern])?;
                self.exprs(escape_char.iter_mut().map(|it| &mut **it))
            }
            Expr::RLike { negated: _, expr: it, pattern, regexp: _ } => {
                self.comparison(it, pattern)?;
                self.exprs([&mut **it, pattern])
            }
            Expr::InList { expr: it, list, negated: _ } => {
                list.iter().try_for_each(|item| self.comparison(it, item))?;
                self.expr(it)?;
                self.exprs(list)
            }
            Expr::InSubquery { expr: it, subquery, negated: _ } => {
                self.expr(it)?;
                self.query(subquery)
            }
            Expr::Between { expr: it, negated: _, low, high } => {
                self.comparison(it, low)?;
                self.comparison(it, high)?;
                self.exprs([&mut **it, low, high])
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                operator(compare_op)?;
                self.comparison(left, right)?;
                self.exprs([&mut **left, right])
            }
            Expr::AtTimeZone { timestamp, time_zone } => self.exprs([&mut **timestamp, time_zone]),
            Expr::Position { expr: it, r#in } => self.exprs([&mut **it, r#in]),
            Expr::Substring { expr: it, substring_from, substring_for, special: _, shorthand: _ } => {
                self.expr(it)?;
                self.exprs(substring_from.iter_mut().chain(substring_for).map(|it| &mut **it))
            }
            Expr::Trim { trim_where: _, trim_what, expr: it, trim_characters } => {
                self.expr(it)?;
                self.exprs(trim_what.iter_mut().map(|it| &mut **it))?;
                self.exprs(trim_characters.iter_mut().flatten())
            }
            Expr::Overlay { expr: it, overlay_what, overlay_from, overlay_for } => {
                self.exprs([&mut **it, overlay_what, overlay_from])?;
                self.exprs(overlay_for.iter_mut().map(|it| &mut **it))
            }
            Expr::Function(function) => self.function(function),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.exprs(operand.iter_mut().map(|it| &mut **it))?;
                for CaseWhen { condition, result } in conditions {
                    if let Some(operand) = operand {
                        self.comparison(operand, condition)?;
                    }
                    self.exprs([condition, result])?;
                }
                self.exprs(else_result.iter_mut().map(|it| &mut **it))
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.query(subquery),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => self.exprs(sets.iter_mut().flatten()),
            Expr::Tuple(items) | Expr::Array(Array { elem: items, named: _ }) => self.exprs(items),
            Expr::Interval(Interval {
                value,
                leading_field: _,
                leading_precision: _,
                last_field: _,
                fractional_seconds_precision: _,
            }) => self.expr(value),
            Expr::MatchAgainst { columns: _, match_value, opt_search_modifier: _ } => literal(&match_value.value),
            Expr::MemberOf(MemberOf { value, array }) => self.exprs([&mut **value, array]),
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root)?;
                access_chain.iter_mut().try_for_each(|access| self.access(access))
            }
            Expr::Convert { .. }
            | Expr::JsonAccess { .. }
            | Expr::InUnnest { .. }
            | Expr::Prefixed { .. }
            | Expr::Struct { .. }
            | Expr::Named { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::Lambda(_) => Err(Refusal::construct("this kind of expression")),
        }
    }

    fn access(&mut self, access: &mut AccessExpr) -> Result<(), Refusal> {
        match access {
            AccessExpr::Dot(Expr::Identifier(_)) => Ok(()),
            AccessExpr::Dot(_) => Err(Refusal::construct("a computed field")),
            AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                self.exprs(lower_bound.iter_mut().chain(upper_bound).chain(stride))
            }
        }
    }

    /// The tenant column is compared with itself, in joins; a comparison with anything else says that somebody means to
    /// choose the tenant, which is not theirs to do.
    fn comparison(&self, left: &Expr, right: &Expr) -> Result<(), Refusal> {
        if self.is_tenant(left) != self.is_tenant(right) {
            return Err(Refusal::new(RefusalKind::TenantColumn, "compared by the statement"));
        }
        Ok(())
    }

    fn is_tenant(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Identifier(name) => self.policy.is_tenant_column(name),
            Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| self.policy.is_tenant_column(name)),
            Expr::Nested(inner) => self.is_tenant(inner),
            Expr::Cast { expr: inner, .. } | Expr::Collate { expr: inner, .. } => self.is_tenant(inner),
            Expr::Tuple(items) => items.iter().any(|item| self.is_tenant(item)),
            _ => false,
        }
    }

    pub(super) fn allowed(&self, function: &ObjectName) -> Result<(), Refusal> {
        if self.policy.is_allowed(function) {
            return Ok(());
        }
        Err(Refusal::new(RefusalKind::Function, format!("`{function}` is not allowed")))
    }

    fn function(&mut self, function: &mut Function) -> Result<(), Refusal> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment: _, over } =
            function;
        if *uses_odbc_syntax || !matches!(parameters, FunctionArguments::None) {
            return Err(Refusal::construct("a function with parameters before its arguments"));
        }
        self.allowed(name)?;
        match args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => self.query(query)?,
            FunctionArguments::List(FunctionArgumentList { duplicate_treatment: _, args, clauses }) => {
                self.args(args)?;
                clauses.iter_mut().try_for_each(|clause| self.clause(clause))?;
            }
        }
        self.orders(within_group)?;
        self.exprs(filter.iter_mut().map(|it| &mut **it))?;
        match over {
            None | Some(WindowType::NamedWindow(_)) => Ok(()),
            Some(WindowType::WindowSpec(spec)) => self.window(spec),
        }
    }

    pub(super) fn args(&mut self, args: &mut [FunctionArg]) -> Result<(), Refusal> {
        for arg in args {
            let value = match arg {
                FunctionArg::Named { name: _, arg, operator: _ } | FunctionArg::Unnamed(arg) => arg,
                FunctionArg::ExprNamed { .. } => return Err(Refusal::construct("an argument with a computed name")),
            };
            match value {
                FunctionArgExpr::Expr(expr) => self.expr(expr)?,
                FunctionArgExpr::Wildcard => {}
                FunctionArgExpr::QualifiedWildcard(name) => drop(super::policy::plain(name)?),
                FunctionArgExpr::WildcardWithOptions(_) => return Err(Refusal::construct("a wildcard with options")),
            }
        }
        Ok(())
    }

    fn clause(&mut self, clause: &mut FunctionArgumentClause) -> Result<(), Refusal> {
        match clause {
            FunctionArgumentClause::IgnoreOrRespectNulls(_)
            | FunctionArgumentClause::OnOverflow(ListAggOnOverflow::Error)
            | FunctionArgumentClause::JsonNullClause(_)
            | FunctionArgumentClause::JsonReturningClause(_) => Ok(()),
            FunctionArgumentClause::Separator(value) => literal(&value.value),
            FunctionArgumentClause::Where(expr) | FunctionArgumentClause::Limit(expr) => self.expr(expr),
            FunctionArgumentClause::OrderBy(orders) => self.orders(orders),
            FunctionArgumentClause::OnOverflow(ListAggOnOverflow::Truncate { .. })
            | FunctionArgumentClause::Having(_) => Err(Refusal::construct("a clause inside of a function's arguments")),
        }
    }

    pub(super) fn window(&mut self, spec: &mut WindowSpec) -> Result<(), Refusal> {
        let WindowSpec { window_name: _, partition_by, order_by, window_frame } = spec;
        self.exprs(partition_by)?;
        self.orders(order_by)?;
        if let Some(WindowFrame { units: _, start_bound, end_bound }) = window_frame {
            for bound in std::iter::once(start_bound).chain(end_bound) {
                match bound {
                    WindowFrameBound::CurrentRow => {}
                    WindowFrameBound::Preceding(expr) | WindowFrameBound::Following(expr) => {
                        self.exprs(expr.iter_mut().map(|it| &mut **it))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn literal(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::DoubleQuotedString(_)
        | Value::HexStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null
        | Value::Placeholder(_) => Ok(()),
        _ => Err(Refusal::new(RefusalKind::Lexical, "a text that is not in plain quotes")),
    }
}

fn compares(op: &BinaryOperator) -> bool {
    use BinaryOperator as Op;
    !matches!(op, Op::And | Op::Or | Op::Xor | Op::StringConcat)
}

/// Operators that the databases bring along. Those that can be defined call functions.
fn operator(op: &BinaryOperator) -> Result<(), Refusal> {
    use BinaryOperator as Op;
    match op {
        Op::Custom(_) | Op::PGCustomBinaryOperator(_) => {
            Err(Refusal::new(RefusalKind::Function, "an operator that somebody defined"))
        }
        Op::Assignment => Err(Refusal::construct("an assignment inside of an expression")),
        _ => Ok(()),
    }
}

fn unary(op: &UnaryOperator) -> Result<(), Refusal> {
    match op {
        UnaryOperator::Plus
        | UnaryOperator::Minus
        | UnaryOperator::Not
        | UnaryOperator::BangNot
        | UnaryOperator::BitwiseNot
        | UnaryOperator::PGAbs
        | UnaryOperator::PGCubeRoot
        | UnaryOperator::PGPostfixFactorial
        | UnaryOperator::PGPrefixFactorial
        | UnaryOperator::PGSquareRoot => Ok(()),
        _ => Err(Refusal::construct("this operator")),
    }
}
