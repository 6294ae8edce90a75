//! What a statement reads from. Each table of a tenant is fenced in where it stands.
//!
//! A condition beside the statement's own is right where each row of the table has to be in the result: there the database
//! sees the plain table, and locks and groups it as it would without us. On the side of an outer join that may be missing, a
//! condition would drop the rows that lack a partner, so there the table becomes a query of the tenant's rows.

use std::collections::HashSet;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectFlavor, SelectItem,
    SetExpr, TableAlias, TableFactor, TableFunctionArgs, TableWithJoins, WildcardAdditionalOptions,
};

use super::policy::{Table, plain};
use super::refusal::{Refusal, RefusalKind};
use super::walk::{Walk, bare};

/// What a list of tables is called by the rest of the statement.
#[derive(Default)]
pub(super) struct Names {
    all: HashSet<String>,
    /// Those whose rows must not be written.
    pub(super) read_only: HashSet<String>,
    pub(super) fences: Vec<Expr>,
}

impl Walk<'_> {
    pub(super) fn from(&mut self, from: &mut [TableWithJoins]) -> Result<Vec<Expr>, Refusal> {
        Ok(self.tables(from)?.fences)
    }

    pub(super) fn tables(&mut self, from: &mut [TableWithJoins]) -> Result<Names, Refusal> {
        let mut names = Names::default();
        for tables in from {
            self.joined(tables, false, &mut names)?;
        }
        Ok(names)
    }

    /// `lacking`: all of it may be missing in a row of the result.
    pub(super) fn joined(
        &mut self,
        tables: &mut TableWithJoins,
        lacking: bool,
        names: &mut Names,
    ) -> Result<(), Refusal> {
        let TableWithJoins { relation, joins } = tables;
        let mut sides = Vec::with_capacity(joins.len());
        for Join { relation: _, global, join_operator } in joins.iter() {
            if *global {
                return Err(Refusal::construct("GLOBAL JOIN"));
            }
            sides.push(side(join_operator)?);
        }
        let later = |place: usize| sides[place..].iter().any(|side| side.left_may_lack);
        self.factor(relation, lacking || later(0), names)?;
        for (place, Join { relation, global: _, join_operator }) in joins.iter_mut().enumerate() {
            self.factor(relation, lacking || sides[place].right_may_lack || later(place + 1), names)?;
            if let Some(JoinConstraint::On(condition)) = constraint(join_operator) {
                self.expr(condition)?;
            }
        }
        Ok(())
    }

    fn factor(&mut self, factor: &mut TableFactor, lacking: bool, names: &mut Names) -> Result<(), Refusal> {
        match factor {
            TableFactor::Table { name: _, alias: _, args: None, .. } => self.table(factor, lacking, names),
            TableFactor::Table {
                name,
                alias,
                args: Some(TableFunctionArgs { args, settings }),
                with_hints,
                version,
                with_ordinality: _,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if settings.is_some() || version.is_some() || json_path.is_some() || sample.is_some() {
                    return Err(Refusal::construct("options of a table function"));
                }
                if !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
                    return Err(Refusal::construct("options of a table function"));
                }
                self.allowed(name)?;
                self.args(args)?;
                self.expose(names, alias.as_ref().map_or(plain(name)?, |alias| &alias.name))
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality: _, alias } => {
                self.allowed(name)?;
                self.args(args)?;
                self.expose(names, alias.as_ref().map_or(plain(name)?, |alias| &alias.name))
            }
            TableFactor::Derived { lateral: _, subquery, alias, sample } => {
                if sample.is_some() {
                    return Err(Refusal::construct("TABLESAMPLE"));
                }
                self.query(subquery)?;
                self.expose_alias(names, alias.as_ref())
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality: _ } => {
                if *with_offset || with_offset_alias.is_some() {
                    return Err(Refusal::construct("UNNEST WITH OFFSET"));
                }
                self.exprs(array_exprs.iter_mut())?;
                self.expose_alias(names, alias.as_ref())
            }
            TableFactor::JsonTable { json_expr, json_path: _, columns: _, alias } => {
                self.expr(json_expr)?;
                self.expose_alias(names, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                if alias.is_some() {
                    return Err(Refusal::construct("a name for a join in parentheses"));
                }
                self.deeper(|walk| walk.joined(table_with_joins, lacking, names))
            }
            TableFactor::TableFunction { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => Err(Refusal::construct("this kind of table")),
        }
    }

    /// A table by its name, or a common table expression.
    fn table(&mut self, factor: &mut TableFactor, lacking: bool, names: &mut Names) -> Result<(), Refusal> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints: _,
        } = factor
        else {
            return Err(Refusal::construct("this kind of table"));
        };
        if !with_hints.is_empty() || version.is_some() || *with_ordinality || json_path.is_some() || sample.is_some() {
            return Err(Refusal::construct("options of a table"));
        }
        if !partitions.is_empty() {
            return Err(Refusal::construct("PARTITION"));
        }
        let known = bare(plain(name)?);
        if let Some(now) = self.common(name) {
            alias.get_or_insert_with(|| called(known));
            *name = ObjectName::from(vec![now]);
            return self.expose_alias(names, alias.as_ref());
        }
        let table = self.policy.table(&known)?;
        // Other names of columns could make any column the tenant's.
        if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty() || alias.at.is_some()) {
            return Err(Refusal::new(RefusalKind::TenantColumn, "columns of a table under other names"));
        }
        let exposed = alias.as_ref().map_or(&known, |alias| &alias.name).clone();
        self.expose(names, &exposed)?;
        match table {
            Table::Shared { writable } => {
                if !writable {
                    names.read_only.insert(self.policy.key(&exposed));
                }
            }
            Table::Apart => {}
            Table::Tenant { .. } if lacking => {
                *factor = self.only_own(factor.clone(), &exposed);
            }
            Table::Tenant { .. } => names.fences.push(self.belongs(&exposed)),
        }
        Ok(())
    }

    /// `(SELECT * FROM orders AS o WHERE o.tenant_id = <tenant>) AS o`
    fn only_own(&self, table: TableFactor, exposed: &Ident) -> TableFactor {
        let select = Select {
            projection: vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())],
            from: vec![TableWithJoins { relation: table, joins: Vec::new() }],
            selection: Some(self.belongs(exposed)),
            ..blank()
        };
        TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query_of(select)),
            alias: Some(called(bare(exposed))),
            sample: None,
        }
    }

    fn expose_alias(&self, names: &mut Names, alias: Option<&TableAlias>) -> Result<(), Refusal> {
        alias.map_or(Ok(()), |alias| self.expose(names, &alias.name))
    }

    /// Two tables of one name would leave open whose tenant column is meant.
    fn expose(&self, names: &mut Names, name: &Ident) -> Result<(), Refusal> {
        if names.all.insert(name.value.to_ascii_lowercase()) {
            return Ok(());
        }
        Err(Refusal::new(RefusalKind::Table, format!("two tables are called `{}`", name.value)))
    }
}

struct Side {
    left_may_lack: bool,
    right_may_lack: bool,
}

fn side(operator: &JoinOperator) -> Result<Side, Refusal> {
    let (left_may_lack, right_may_lack) = match operator {
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) | JoinOperator::StraightJoin(_) => {
            (false, false)
        }
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false),
        JoinOperator::FullOuter(_) => (true, true),
        JoinOperator::Semi(_)
        | JoinOperator::LeftSemi(_)
        | JoinOperator::RightSemi(_)
        | JoinOperator::Anti(_)
        | JoinOperator::LeftAnti(_)
        | JoinOperator::RightAnti(_)
        | JoinOperator::CrossApply
        | JoinOperator::OuterApply
        | JoinOperator::AsOf { .. }
        | JoinOperator::ArrayJoin
        | JoinOperator::LeftArrayJoin
        | JoinOperator::InnerArrayJoin => return Err(Refusal::construct("this kind of join")),
    };
    Ok(Side { left_may_lack, right_may_lack })
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(it)
        | JoinOperator::Inner(it)
        | JoinOperator::Left(it)
        | JoinOperator::LeftOuter(it)
        | JoinOperator::Right(it)
        | JoinOperator::RightOuter(it)
        | JoinOperator::FullOuter(it)
        | JoinOperator::CrossJoin(it)
        | JoinOperator::StraightJoin(it) => Some(it),
        _ => None,
    }
}

pub(super) fn called(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

pub(super) fn blank() -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: Vec::new(),
        exclude: None,
        into: None,
        from: Vec::new(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}

pub(super) fn query_of(select: Select) -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
