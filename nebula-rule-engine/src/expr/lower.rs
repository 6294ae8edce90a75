//! From the parser's tree to our own form: names are resolved, types checked, constants folded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rust_decimal::Decimal;
use zen_expression::Isolate;
use zen_expression::functions::{DeprecatedFunction, FunctionKind, InternalFunction, MethodKind};
use zen_expression::intellisense::{AstMetadata, IntelliSense};
use zen_expression::lexer::{ArithmeticOperator, Bracket, ComparisonOperator, LogicalOperator, Operator};
use zen_expression::parser::Node;

use crate::budget::Budget;
use crate::error::{Error, Problem, Result};
use crate::expr::check::{Typed, arithmetic, article, assign, common, comparable};
use crate::expr::eval::{Scope, evaluate};
use crate::expr::functions::{allowed, allowed_closure, allowed_method};
use crate::expr::ir::{Arith, Cmp, Each, Function, Ir};
use crate::schema::Schema;
use crate::types::Type;
use crate::value::{Val, duration};

/// Parses and checks `source`.
pub(crate) fn lower(source: &str, schema: &Schema, input: Option<&Type>, unary: bool) -> Result<Typed> {
    let failed = |problems| Error::invalid(format!("expression `{}`", excerpt(source)), problems);
    // The parser is not ours: whatever it does with a hostile text must not end the process.
    let lowered = catch_unwind(AssertUnwindSafe(|| {
        IntelliSense::new().with_ast(source, unary, |root, metadata| {
            let mut lowering = Lowering { schema, input, metadata, items: Vec::new(), problems: Vec::new() };
            let typed = lowering.node(root);
            (typed, lowering.problems)
        })
    }));
    match lowered {
        Ok(Some((Some(typed), problems))) if problems.is_empty() => Ok(typed),
        Ok(Some((_, problems))) => Err(failed(problems)),
        Ok(None) => Err(failed(vec![Problem::error("", syntax(source, unary))])),
        Err(_) => Err(failed(vec![Problem::error("", "the parser cannot read this")])),
    }
}

fn excerpt(source: &str) -> String {
    match source.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &source[..end]),
        None => source.to_owned(),
    }
}

/// What the parser says is wrong.
fn syntax(source: &str, unary: bool) -> String {
    if source.trim().is_empty() {
        return "empty".to_owned();
    }
    let said = catch_unwind(AssertUnwindSafe(|| {
        let mut isolate = Isolate::new();
        let error = if unary { isolate.compile_unary(source).err() } else { isolate.compile_standard(source).err() };
        error.map(|error| error.to_string())
    }));
    said.ok().flatten().unwrap_or_else(|| "the expression is not complete".to_owned())
}

/// An element of a list inside a closure.
#[derive(Debug)]
struct Item {
    ty: Type,
    alias: Option<String>,
}

struct Lowering<'a> {
    schema: &'a Schema,
    input: Option<&'a Type>,
    metadata: &'a AstMetadata,
    items: Vec<Item>,
    problems: Vec<Problem>,
}

impl Lowering<'_> {
    fn complain<T>(&mut self, node: &Node<'_>, message: impl Into<String>) -> Option<T> {
        let place = match self.metadata.get(&(std::ptr::from_ref(node) as usize)) {
            // The parser counts characters.
            Some(metadata) => format!("@{}", metadata.span.0 + 1),
            None => String::new(),
        };
        self.problems.push(Problem::error(place, message));
        None
    }

    fn need<T>(&mut self, node: &Node<'_>, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(it) => Some(it),
            Err(message) => self.complain(node, message),
        }
    }

    fn node(&mut self, node: &Node<'_>) -> Option<Typed> {
        let typed = self.unfolded(node)?;
        if !typed.ir.is_foldable() {
            return Some(typed);
        }
        match evaluate(&typed.ir, &mut Scope::new(&[], None), &mut Budget::default().with_deadline(None).start()) {
            Ok(value) => Some(Typed::new(Ir::Const(value), typed.ty)),
            Err(error) => self.complain(node, format!("{}: {}", error.kind(), error.context())),
        }
    }

    fn of(&mut self, node: &Node<'_>, ty: &Type) -> Option<Ir> {
        let typed = self.node(node)?;
        let literal = typed.is_literal();
        let assigned = assign(typed.ir, &typed.ty, literal, ty);
        self.need(node, assigned)
    }

    fn unfolded(&mut self, node: &Node<'_>) -> Option<Typed> {
        match node {
            Node::Bool(it) => Some(Typed::new(Ir::Const(Val::Bool(*it)), Type::Bool)),
            Node::Number(number) => {
                let whole = number.fract().is_zero() && i64::try_from(*number).is_ok();
                Some(Typed::new(Ir::Const(Val::Num(*number)), if whole { Type::Int } else { Type::Decimal }))
            }
            Node::String(text) => Some(Typed::new(Ir::Const(Val::Text((*text).into())), Type::Text)),
            Node::Parenthesized(inner) => self.node(inner),
            Node::Identifier("$") => match self.input {
                Some(ty) => Some(Typed::new(Ir::Input, ty.clone())),
                None => self.complain(node, "`$` stands for the input of a cell, and this is no cell"),
            },
            Node::Pointer => match self.items.last() {
                Some(item) => Some(Typed::new(Ir::Item(0), item.ty.clone())),
                None => self.complain(node, "`#` stands for an element inside `all`, `some`, `filter` and the like"),
            },
            Node::Identifier(_) | Node::Member { .. } => self.name(node),
            Node::Unary { node: inner, operator } => self.unary(node, inner, *operator),
            Node::Binary { left, operator, right } => self.binary(node, left, *operator, right),
            Node::Conditional { condition, on_true, on_false } => {
                let condition = self.of(condition, &Type::Bool);
                let (yes, no) = (self.node(on_true), self.node(on_false));
                let (condition, yes, no) = (condition?, yes?, no?);
                let ty = self.need(node, common(&yes, &no))?;
                Some(Typed::new(Ir::If(condition.into(), yes.ir.into(), no.ir.into()), ty))
            }
            Node::Array(items) => self.array(node, items),
            Node::FunctionCall { kind, arguments } => self.call(node, kind, arguments),
            Node::MethodCall { kind: MethodKind::DateMethod(method), this, arguments } => {
                let this = self.of(this, &Type::DateTime)?;
                match allowed_method(*method) {
                    Some(part) if arguments.is_empty() => Some(Typed::new(Ir::Call(part, vec![this]), Type::Int)),
                    Some(_) => self.complain(node, format!("`{method}` takes no argument")),
                    None => self.complain(node, format!("the method `{method}` is not allowed")),
                }
            }
            Node::Null => {
                self.complain(node, "there is no null: a fact that may be missing has a default in the schema")
            }
            Node::Interval { .. } => self.complain(node, "a range stands after `in`"),
            Node::TemplateString(_) => self.complain(node, "templates are not allowed"),
            Node::Object(_) | Node::Assignments { .. } | Node::Root => {
                self.complain(node, "objects and assignments are not allowed")
            }
            Node::Slice { .. } => self.complain(node, "slices are not allowed"),
            Node::Closure { .. } => self.complain(node, "a closure stands inside `all`, `some`, `filter` and the like"),
            Node::Error { error, .. } => {
                let message = error.to_string();
                self.complain(node, message)
            }
        }
    }

    fn name(&mut self, node: &Node<'_>) -> Option<Typed> {
        let Some(name) = path(node) else {
            return self.complain(node, "only facts have members, and they are named in full");
        };
        if let Some(out) = self.items.iter().rev().position(|item| item.alias.as_deref() == Some(name.as_str())) {
            let place = self.items.len() - 1 - out;
            return Some(Typed::new(Ir::Item(out), self.items[place].ty.clone()));
        }
        match self.schema.position(&name) {
            Some(place) => Some(Typed::new(Ir::Fact(place), self.schema.fields()[place].ty().clone())),
            None => {
                let hint = self.schema.nearest(&name).map(|near| format!(", only `{near}`")).unwrap_or_default();
                self.complain(node, format!("there is no fact `{name}`{hint}"))
            }
        }
    }

    fn unary(&mut self, node: &Node<'_>, inner: &Node<'_>, operator: Operator) -> Option<Typed> {
        match operator {
            Operator::Logical(LogicalOperator::Not) => {
                let inner = self.of(inner, &Type::Bool)?;
                Some(Typed::new(Ir::Not(inner.into()), Type::Bool))
            }
            Operator::Arithmetic(sign @ (ArithmeticOperator::Add | ArithmeticOperator::Subtract)) => {
                let typed = self.node(inner)?;
                if !typed.ty.is_numeric() && typed.ty != Type::Duration {
                    return self.complain(inner, format!("{} has no sign", article(&typed.ty)));
                }
                match sign {
                    ArithmeticOperator::Add => Some(typed),
                    // The least integer has no counterpart.
                    _ if typed.ty == Type::Int => {
                        let zero = Ir::Const(Val::Num(Decimal::ZERO));
                        Some(Typed::new(Ir::Arith(Arith::Sub, zero.into(), typed.ir.into(), true), typed.ty))
                    }
                    _ => Some(Typed::new(Ir::Neg(typed.ir.into()), typed.ty)),
                }
            }
            other => self.complain(node, format!("`{other}` is not allowed here")),
        }
    }

    fn binary(&mut self, node: &Node<'_>, left: &Node<'_>, operator: Operator, right: &Node<'_>) -> Option<Typed> {
        match operator {
            Operator::Logical(LogicalOperator::And | LogicalOperator::Or) => {
                let (one, other) = (self.of(left, &Type::Bool), self.of(right, &Type::Bool));
                let (one, other) = (one?.into(), other?.into());
                let and = operator == Operator::Logical(LogicalOperator::And);
                Some(Typed::new(if and { Ir::And(one, other) } else { Ir::Or(one, other) }, Type::Bool))
            }
            Operator::Logical(LogicalOperator::NullishCoalescing) => {
                self.complain(node, "there is no null: a fact that may be missing has a default in the schema")
            }
            Operator::Comparison(ComparisonOperator::In) => self.within(node, left, right, false),
            Operator::Comparison(ComparisonOperator::NotIn) => self.within(node, left, right, true),
            Operator::Comparison(comparison) => {
                let cmp = match comparison {
                    ComparisonOperator::Equal => Cmp::Eq,
                    ComparisonOperator::NotEqual => Cmp::Ne,
                    ComparisonOperator::LessThan => Cmp::Lt,
                    ComparisonOperator::GreaterThan => Cmp::Gt,
                    ComparisonOperator::LessThanOrEqual => Cmp::Le,
                    _ => Cmp::Ge,
                };
                let (one, other) = (self.node(left), self.node(right));
                let (one, other) = (one?, other?);
                self.need(node, comparable(&one, &other))?;
                if !matches!(cmp, Cmp::Eq | Cmp::Ne) && !one.ty.is_ordered() {
                    return self.complain(node, format!("{} has no order", article(&one.ty)));
                }
                Some(Typed::new(Ir::Compare(cmp, one.ir.into(), other.ir.into()), Type::Bool))
            }
            Operator::Arithmetic(arithmetic_operator) => {
                let op = match arithmetic_operator {
                    ArithmeticOperator::Add => Arith::Add,
                    ArithmeticOperator::Subtract => Arith::Sub,
                    ArithmeticOperator::Multiply => Arith::Mul,
                    ArithmeticOperator::Divide => Arith::Div,
                    ArithmeticOperator::Modulus => Arith::Rem,
                    ArithmeticOperator::Power => {
                        return self.complain(node, "`^` is not allowed: it may compute in floating point");
                    }
                };
                let (one, other) = (self.node(left), self.node(right));
                let (one, other) = (one?, other?);
                let ty = self.need(node, arithmetic(op, &one, &other))?;
                let whole = ty == Type::Int;
                Some(Typed::new(Ir::Arith(op, one.ir.into(), other.ir.into(), whole), ty))
            }
            other => self.complain(node, format!("`{other}` is not allowed here")),
        }
    }

    fn within(&mut self, node: &Node<'_>, left: &Node<'_>, right: &Node<'_>, negated: bool) -> Option<Typed> {
        let value = self.node(left)?;
        let ir = if let Node::Interval { left: low, right: high, left_bracket, right_bracket } = strip(right) {
            let (low, high) = (self.node(low), self.node(high));
            let (low, high) = (low?, high?);
            self.need(node, comparable(&value, &low))?;
            self.need(node, comparable(&value, &high))?;
            if !value.ty.is_ordered() {
                return self.complain(node, format!("{} has no order, so it lies in no range", article(&value.ty)));
            }
            let ends = (*left_bracket == Bracket::LeftSquareBracket, *right_bracket == Bracket::RightSquareBracket);
            Ir::Between(value.ir.into(), low.ir.into(), high.ir.into(), ends)
        } else {
            let list = self.node(right)?;
            let Type::List(inner) = &list.ty else {
                return self.complain(right, format!("{} is neither a list nor a range", article(&list.ty)));
            };
            match &list.ir {
                Ir::Const(Val::List(items)) => {
                    for item in items.iter() {
                        let item = Typed::new(Ir::Const(item.clone()), inner.as_ref().clone());
                        self.need(right, comparable(&value, &item))?;
                    }
                    Ir::OneOf(value.ir.into(), Arc::clone(items))
                }
                _ => {
                    let item = Typed::new(Ir::Item(0), inner.as_ref().clone());
                    self.need(node, comparable(&value, &item))?;
                    Ir::In(value.ir.into(), list.ir.into())
                }
            }
        };
        Some(Typed::new(if negated { Ir::Not(ir.into()) } else { ir }, Type::Bool))
    }

    fn array(&mut self, node: &Node<'_>, items: &[&Node<'_>]) -> Option<Typed> {
        let items: Vec<Option<Typed>> = items.iter().map(|item| self.node(item)).collect();
        let items: Vec<Typed> = items.into_iter().collect::<Option<_>>()?;
        let Some((first, rest)) = items.split_first() else {
            return self.complain(node, "an empty list");
        };
        if matches!(first.ty, Type::List(_)) {
            return self.complain(node, "a list of lists");
        }
        let mut widest = first.clone();
        for item in rest {
            widest.ty = self.need(node, common(&widest, item))?;
        }
        let ty = Type::list(widest.ty);
        Some(Typed::new(Ir::List(items.into_iter().map(|item| item.ir).collect()), ty))
    }

    fn call(&mut self, node: &Node<'_>, kind: &FunctionKind, arguments: &[&Node<'_>]) -> Option<Typed> {
        match (kind, arguments) {
            (FunctionKind::Closure(closure), [list, body]) => match allowed_closure(*closure) {
                Some(each) => self.each(each, list, body),
                None => self.complain(node, format!("`{kind}` is not allowed")),
            },
            (FunctionKind::Internal(InternalFunction::Date), [moment]) if !matches!(strip(moment), Node::String(_)) => {
                self.of(moment, &Type::DateTime).map(|ir| Typed::new(ir, Type::DateTime))
            }
            (FunctionKind::Internal(InternalFunction::Date), [text]) => {
                self.constant(text, "d", |text| text.parse().map(Val::Time), Type::DateTime)
            }
            (FunctionKind::Deprecated(DeprecatedFunction::Duration), [text]) => {
                self.constant(text, "duration", |text| duration(text).map(Val::Span), Type::Duration)
            }
            // A cell that is a condition of its own.
            (FunctionKind::Internal(InternalFunction::Bool), [condition]) => {
                self.of(condition, &Type::Bool).map(|ir| Typed::new(ir, Type::Bool))
            }
            (FunctionKind::Internal(internal), arguments) => match allowed(*internal) {
                Some(function) => self.function(node, function, arguments),
                None => self.complain(node, format!("the function `{kind}` is not allowed")),
            },
            _ => self.complain(node, format!("the function `{kind}` is not allowed, or not with these arguments")),
        }
    }

    fn constant(
        &mut self,
        text: &Node<'_>,
        name: &str,
        read: impl FnOnce(&str) -> Result<Val>,
        ty: Type,
    ) -> Option<Typed> {
        match strip(text) {
            Node::String(constant) => {
                let value = read(constant).map_err(|error| error.context().to_owned());
                self.need(text, value).map(|value| Typed::new(Ir::Const(value), ty))
            }
            _ => self.complain(text, format!("`{name}` takes a constant text")),
        }
    }

    fn each(&mut self, each: Each, list: &Node<'_>, body: &Node<'_>) -> Option<Typed> {
        let list_node = list;
        let list = self.node(list)?;
        let Type::List(inner) = &list.ty else {
            return self.complain(list_node, format!("{} is no list", article(&list.ty)));
        };
        let (body, alias) = match body {
            Node::Closure { body, alias } => (*body, alias.map(str::to_owned)),
            other => (other, None),
        };
        self.items.push(Item { ty: inner.as_ref().clone(), alias });
        let typed = if each == Each::Map {
            self.node(body)
        } else {
            self.of(body, &Type::Bool).map(|ir| Typed::new(ir, Type::Bool))
        };
        self.items.pop();
        let typed = typed?;
        let ty = match each {
            Each::Map if matches!(typed.ty, Type::List(_)) => return self.complain(body, "a list of lists"),
            Each::Map => Type::list(typed.ty),
            Each::Filter => list.ty.clone(),
            Each::Count => Type::Int,
            _ => Type::Bool,
        };
        Some(Typed::new(Ir::Each(each, list.ir.into(), typed.ir.into()), ty))
    }

    fn function(&mut self, node: &Node<'_>, function: Function, arguments: &[&Node<'_>]) -> Option<Typed> {
        let typed: Vec<Option<Typed>> = arguments.iter().map(|argument| self.node(argument)).collect();
        let typed: Vec<Typed> = typed.into_iter().collect::<Option<_>>()?;
        let types: Vec<&Type> = typed.iter().map(|it| &it.ty).collect();
        let ty = match (function, types.as_slice()) {
            (Function::Abs, [ty]) if ty.is_numeric() => (*ty).clone(),
            (Function::Floor | Function::Ceil | Function::Trunc | Function::Round, [ty]) if ty.is_numeric() => {
                if matches!(ty, Type::Money(_)) { (*ty).clone() } else { Type::Decimal }
            }
            (Function::Round, [ty, Type::Int]) if ty.is_numeric() => (*ty).clone(),
            (Function::Sum, [Type::List(inner)]) if inner.is_numeric() => inner.as_ref().clone(),
            (Function::Avg, [Type::List(inner)]) if inner.is_numeric() => match inner.as_ref() {
                Type::Int => Type::Decimal,
                other => other.clone(),
            },
            (Function::Min | Function::Max, [Type::List(inner)]) if inner.is_ordered() => inner.as_ref().clone(),
            (Function::Len, [Type::List(_)]) => Type::Int,
            (Function::Len, [ty]) if ty.is_text() => Type::Int,
            (Function::Contains, [Type::List(inner), _]) => {
                let item = Typed::new(Ir::Item(0), inner.as_ref().clone());
                self.need(node, comparable(&item, &typed[1]))?;
                Type::Bool
            }
            (Function::Contains | Function::StartsWith | Function::EndsWith, [one, other])
                if one.is_text() && other.is_text() =>
            {
                Type::Bool
            }
            (Function::Upper | Function::Lower | Function::Trim, [ty]) if ty.is_text() => Type::Text,
            _ => {
                let types: Vec<String> = types.iter().map(ToString::to_string).collect();
                return self.complain(node, format!("the function does not take ({})", types.join(", ")));
            }
        };
        let call = Ir::Call(function, typed.into_iter().map(|it| it.ir).collect());
        // What computes integers has to stay among them.
        let ir = if ty == Type::Int && matches!(function, Function::Abs | Function::Sum) {
            Ir::Arith(Arith::Add, call.into(), Ir::Const(Val::Num(Decimal::ZERO)).into(), true)
        } else {
            call
        };
        Some(Typed::new(ir, ty))
    }
}

fn strip<'a>(node: &'a Node<'a>) -> &'a Node<'a> {
    match node {
        Node::Parenthesized(inner) => strip(inner),
        other => other,
    }
}

/// `a.b.c` as one name.
fn path(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Identifier(name) => Some((*name).to_owned()),
        Node::Member { node, property: Node::String(property) } => Some(format!("{}.{property}", path(node)?)),
        _ => None,
    }
}
