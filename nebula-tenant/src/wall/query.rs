//! Queries: common table expressions, set operations, selections.

use sqlparser::ast::{
    Cte, Distinct, ExceptSelectItem, Fetch, GroupByExpr, GroupByWithModifier, Ident, LimitClause, LockClause,
    NamedWindowDefinition, NamedWindowExpr, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, OrderBySort,
    Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetQuantifier, TableAlias,
    Values, WildcardAdditionalOptions, With,
};

use super::refusal::Refusal;
use super::walk::Walk;

impl Walk<'_> {
    pub(super) fn query(&mut self, query: &mut Query) -> Result<(), Refusal> {
        self.deeper(|walk| {
            let scopes = walk.scopes.len();
            let result = walk.whole_query(query);
            walk.scopes.truncate(scopes);
            result
        })
    }

    fn whole_query(&mut self, query: &mut Query) -> Result<(), Refusal> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            return Err(Refusal::construct("FOR, SETTINGS, FORMAT or a pipe behind a query"));
        }
        if let Some(with) = with {
            self.with(with)?;
        }
        self.set_expr(body)?;
        if let Some(order_by) = order_by {
            self.order_by(order_by)?;
        }
        match limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    return Err(Refusal::construct("LIMIT BY"));
                }
                self.exprs(limit.iter_mut())?;
                if let Some(Offset { value, rows: _ }) = offset {
                    self.expr(value)?;
                }
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                self.expr(offset)?;
                self.expr(limit)?;
            }
        }
        if let Some(Fetch { with_ties: _, percent, quantity }) = fetch {
            if *percent {
                return Err(Refusal::construct("FETCH PERCENT"));
            }
            self.exprs(quantity.iter_mut())?;
        }
        for LockClause { lock_type: _, of, nonblock: _ } in locks {
            if let Some(of) = of {
                super::policy::plain(of)?;
            }
        }
        Ok(())
    }

    /// Common table expressions get names that no table has, so that nobody reads a table where we saw an expression, nor
    /// the reverse, however the database resolves names.
    fn with(&mut self, with: &mut With) -> Result<(), Refusal> {
        let With { with_token: _, recursive, cte_tables } = with;
        let place = self.scopes.len();
        self.scopes.push(Vec::new());
        if *recursive {
            for cte in cte_tables.iter() {
                self.name(place, &cte.alias.name);
            }
        }
        for (index, Cte { alias, query, from, materialized: _, closing_paren_token: _ }) in
            cte_tables.iter_mut().enumerate()
        {
            if from.is_some() {
                return Err(Refusal::construct("FROM behind a common table expression"));
            }
            let TableAlias { explicit: _, name, columns, at } = alias;
            if at.is_some() || columns.iter().any(|column| column.data_type.is_some()) {
                return Err(Refusal::construct("types of a common table expression's columns"));
            }
            self.query(query)?;
            if !*recursive {
                self.name(place, name);
            }
            *name = self.scopes[place][index].1.clone();
        }
        Ok(())
    }

    fn name(&mut self, place: usize, name: &Ident) {
        self.expressions += 1;
        let now = Ident::new(format!("nebula_cte_{}", self.expressions));
        let key = self.policy.key(name);
        self.scopes[place].push((key, now));
    }

    pub(super) fn set_expr(&mut self, body: &mut SetExpr) -> Result<(), Refusal> {
        match body {
            SetExpr::Select(select) => self.deeper(|walk| walk.select(select)),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, op: _, set_quantifier, right } => {
                if matches!(
                    set_quantifier,
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
                ) {
                    return Err(Refusal::construct("UNION BY NAME"));
                }
                self.deeper(|walk| {
                    walk.set_expr(left)?;
                    walk.set_expr(right)
                })
            }
            SetExpr::Values(values) => self.values(values),
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                self.deeper(|walk| walk.statement(statement))
            }
            SetExpr::Merge(_) => Err(Refusal::construct("MERGE")),
            SetExpr::Table(_) => Err(Refusal::construct("TABLE as a query")),
        }
    }

    pub(super) fn values(&mut self, values: &mut Values) -> Result<(), Refusal> {
        let Values { explicit_row: _, value_keyword: _, rows } = values;
        for row in rows {
            self.exprs(row.content.iter_mut())?;
        }
        Ok(())
    }

    fn select(&mut self, select: &mut Select) -> Result<(), Refusal> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        if !optimizer_hints.is_empty() || select_modifiers.as_ref().is_some_and(|it| *it != Default::default()) {
            return Err(Refusal::construct("a hint for the optimizer"));
        }
        if top.is_some() || exclude.is_some() || into.is_some() || prewhere.is_some() || qualify.is_some() {
            return Err(Refusal::construct("TOP, EXCLUDE, INTO, PREWHERE or QUALIFY"));
        }
        if !lateral_views.is_empty() || !connect_by.is_empty() || !cluster_by.is_empty() || !distribute_by.is_empty() {
            return Err(Refusal::construct("LATERAL VIEW, CONNECT BY, CLUSTER BY or DISTRIBUTE BY"));
        }
        if !sort_by.is_empty() || value_table_mode.is_some() || *flavor != SelectFlavor::Standard {
            return Err(Refusal::construct("SORT BY, SELECT AS or FROM before SELECT"));
        }
        match distinct {
            None | Some(Distinct::All | Distinct::Distinct) => {}
            Some(Distinct::On(exprs)) => self.exprs(exprs.iter_mut())?,
        }
        let fences = self.from(from)?;
        self.items(projection)?;
        self.exprs(selection.iter_mut())?;
        Self::restrict(selection, fences);
        match group_by {
            GroupByExpr::All(_) => return Err(Refusal::construct("GROUP BY ALL")),
            GroupByExpr::Expressions(exprs, modifiers) => {
                self.exprs(exprs.iter_mut())?;
                for modifier in modifiers {
                    match modifier {
                        GroupByWithModifier::Rollup | GroupByWithModifier::Cube => {}
                        GroupByWithModifier::GroupingSets(expr) => self.expr(expr)?,
                        GroupByWithModifier::Totals => return Err(Refusal::construct("WITH TOTALS")),
                    }
                }
            }
        }
        self.exprs(having.iter_mut())?;
        for NamedWindowDefinition(_, window) in named_window {
            match window {
                NamedWindowExpr::NamedWindow(_) => {}
                NamedWindowExpr::WindowSpec(spec) => self.window(spec)?,
            }
        }
        Ok(())
    }

    /// What is selected or returned.
    pub(super) fn items(&mut self, items: &mut [SelectItem]) -> Result<(), Refusal> {
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, alias: _ } => self.expr(expr)?,
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options)
                | SelectItem::Wildcard(options) => plain_wildcard(options)?,
                SelectItem::ExprWithAliases { .. }
                | SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                    return Err(Refusal::construct("an expression with several names"));
                }
            }
        }
        Ok(())
    }

    fn order_by(&mut self, order_by: &mut OrderBy) -> Result<(), Refusal> {
        let OrderBy { kind, interpolate } = order_by;
        match kind {
            OrderByKind::Expressions(exprs) if interpolate.is_none() => self.orders(exprs),
            OrderByKind::Expressions(_) | OrderByKind::All(_) => Err(Refusal::construct("ORDER BY ALL or INTERPOLATE")),
        }
    }

    pub(super) fn orders(&mut self, orders: &mut [OrderByExpr]) -> Result<(), Refusal> {
        for OrderByExpr { expr, options, with_fill } in orders {
            let OrderByOptions { sort, nulls_first: _ } = options;
            if with_fill.is_some() || matches!(sort, Some(OrderBySort::Using(_))) {
                return Err(Refusal::construct("ORDER BY USING or WITH FILL"));
            }
            self.expr(expr)?;
        }
        Ok(())
    }
}

fn plain_wildcard(options: &WildcardAdditionalOptions) -> Result<(), Refusal> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let except: &Option<ExceptSelectItem> = opt_except;
    if opt_ilike.is_some()
        || opt_exclude.is_some()
        || except.is_some()
        || opt_replace.is_some()
        || opt_rename.is_some()
        || opt_alias.is_some()
    {
        return Err(Refusal::construct("a wildcard with options"));
    }
    Ok(())
}
