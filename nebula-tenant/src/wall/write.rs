//! Statements that write. The tenant column is filled by the wall and never changes.

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, DoUpdate, Expr, FromTable, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Insert, InsertAliases, ObjectName, OnConflict,
    OnConflictAction, OnInsert, Query, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAliasWithoutColumns,
    TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind, Value, WildcardAdditionalOptions,
};

use super::from::{Names, blank, called, query_of};
use super::policy::{SqlDialect, Table, last, plain};
use super::refusal::{Refusal, RefusalKind};
use super::walk::{Walk, bare};

/// What the rows of `INSERT … SELECT` are called.
const ROWS: &str = "nebula_rows";

impl Walk<'_> {
    pub(super) fn insert(&mut self, insert: &mut Insert) -> Result<(), Refusal> {
        let Insert {
            insert_token: _,
            optimizer_hints,
            or,
            ignore: _,
            into: _,
            table,
            table_alias,
            columns,
            overwrite,
            source,
            assignments,
            partitioned,
            after_columns,
            has_table_keyword,
            on,
            returning,
            output,
            replace_into,
            priority,
            insert_alias,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause,
        } = insert;
        if or.is_some() || *replace_into {
            return Err(Refusal::construct("REPLACE and INSERT OR: they remove rows that may be another tenant's"));
        }
        if !optimizer_hints.is_empty() || priority.is_some() || *overwrite || *has_table_keyword || output.is_some() {
            return Err(Refusal::construct("options of INSERT"));
        }
        if partitioned.is_some() || !after_columns.is_empty() || settings.is_some() || format_clause.is_some() {
            return Err(Refusal::construct("options of INSERT"));
        }
        if multi_table_insert_type.is_some()
            || !multi_table_into_clauses.is_empty()
            || !multi_table_when_clauses.is_empty()
            || multi_table_else_clause.is_some()
        {
            return Err(Refusal::construct("INSERT into several tables"));
        }
        let TableObject::TableName(name) = table else {
            return Err(Refusal::construct("INSERT into what is no table"));
        };
        let name = bare(plain(name)?);
        let called = match table_alias {
            Some(TableAliasWithoutColumns { explicit: _, alias }) => bare(alias),
            None => name.clone(),
        };
        if let Some(InsertAliases { row_alias, col_aliases }) = insert_alias
            && (col_aliases.is_some() || last(row_alias)?.value.eq_ignore_ascii_case(&called.value))
        {
            return Err(Refusal::construct("other names for the columns of new rows"));
        }
        // Written names are checked, whatever the table.
        for column in columns.iter() {
            self.may_set(plain(column)?)?;
        }
        self.assignments(assignments)?;
        match on {
            None => {}
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => self.assignments(assignments)?,
            Some(OnInsert::OnConflict(OnConflict { conflict_target: _, action })) => match action {
                OnConflictAction::DoNothing => {}
                OnConflictAction::DoUpdate(DoUpdate { assignments, selection }) => {
                    self.assignments(assignments)?;
                    self.exprs(selection.iter_mut())?;
                }
            },
            Some(_) => return Err(Refusal::construct("what follows INSERT")),
        }
        if let Some(source) = source {
            self.query(source)?;
        }
        self.items(returning.as_deref_mut().unwrap_or_default())?;

        let global_keys = match self.policy.table(&name)? {
            Table::Apart | Table::Shared { writable: true } => return Ok(()),
            Table::Shared { writable: false } => return Err(shared(&name)),
            Table::Tenant { global_keys } => global_keys,
        };
        match source {
            Some(source) if !columns.is_empty() => {
                Self::add_tenant(source, columns.len())?;
                columns.insert(0, ObjectName::from(vec![self.column()]));
            }
            None if !assignments.is_empty() => {
                let target = AssignmentTarget::ColumnName(ObjectName::from(vec![self.column()]));
                assignments.insert(0, Assignment { target, value: Self::tenant() });
            }
            _ => return Err(Refusal::new(RefusalKind::Columns, "INSERT without its columns")),
        }
        match on {
            None => Ok(()),
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => {
                assignments.iter_mut().try_for_each(|assignment| self.only_if_own(assignment, &called))
            }
            Some(OnInsert::OnConflict(OnConflict { conflict_target, action })) => {
                self.conflict_target(conflict_target, global_keys)?;
                if let OnConflictAction::DoUpdate(DoUpdate { assignments: _, selection }) = action {
                    Self::restrict(selection, vec![self.belongs(&called)]);
                }
                Ok(())
            }
            Some(_) => Err(Refusal::construct("what follows INSERT")),
        }
    }

    /// The tenant comes first in each row, so that a row too short or too long never moves it.
    fn add_tenant(source: &mut Box<Query>, columns: usize) -> Result<(), Refusal> {
        if let SetExpr::Values(values) = &mut *source.body
            && source.with.is_none()
            && source.order_by.is_none()
            && source.limit_clause.is_none()
            && source.fetch.is_none()
        {
            for row in &mut values.rows {
                if row.content.len() != columns {
                    let what = format!("{} values for {columns} columns", row.content.len());
                    return Err(Refusal::new(RefusalKind::Columns, what));
                }
                row.content.insert(0, Self::tenant());
            }
            return Ok(());
        }
        let rows = Ident::new(ROWS);
        let all = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![rows.clone()]));
        let select = sqlparser::ast::Select {
            projection: vec![
                SelectItem::UnnamedExpr(Self::tenant()),
                SelectItem::QualifiedWildcard(all, WildcardAdditionalOptions::default()),
            ],
            from: vec![TableWithJoins {
                relation: TableFactor::Derived {
                    lateral: false,
                    subquery: source.clone(),
                    alias: Some(called(rows)),
                    sample: None,
                },
                joins: Vec::new(),
            }],
            // Without it SQLite reads `ON CONFLICT` as a join's condition.
            selection: Some(Expr::value(Value::Boolean(true))),
            ..blank()
        };
        **source = query_of(select);
        Ok(())
    }

    /// Keys of a tenant's table hold the tenant, unless they are declared to span all.
    fn conflict_target(&self, target: &mut Option<ConflictTarget>, global_keys: &[Vec<String>]) -> Result<(), Refusal> {
        match target {
            // Any key: what is then updated is restricted.
            None | Some(ConflictTarget::OnConstraint(_)) => Ok(()),
            Some(ConflictTarget::Columns(columns)) => {
                let mut key: Vec<_> = columns.iter().map(|name| name.value.to_ascii_lowercase()).collect();
                key.sort_unstable();
                if !key.contains(&self.policy.column) && !global_keys.contains(&key) {
                    columns.insert(0, self.column());
                }
                Ok(())
            }
        }
    }

    /// `ON DUPLICATE KEY UPDATE` takes no condition, so each value gets one.
    fn only_if_own(&self, assignment: &mut Assignment, table: &Ident) -> Result<(), Refusal> {
        let AssignmentTarget::ColumnName(column) = &assignment.target else {
            return Err(Refusal::construct("several columns in one assignment"));
        };
        let present = Expr::CompoundIdentifier(vec![bare(table), bare(last(column)?)]);
        let value = std::mem::replace(&mut assignment.value, Expr::value(Value::Null));
        let arg = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
        assignment.value = Expr::Function(Function {
            name: ObjectName::from(vec![Ident::new("IF")]),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: vec![arg(self.belongs(table)), arg(value), arg(present)],
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn update(&mut self, update: &mut Update) -> Result<(), Refusal> {
        let Update {
            update_token: _,
            optimizer_hints,
            table,
            assignments,
            from,
            selection,
            returning,
            output,
            or,
            order_by,
            limit,
        } = update;
        if !optimizer_hints.is_empty() || output.is_some() || or.is_some() {
            return Err(Refusal::construct("options of UPDATE"));
        }
        let mut names = Names::default();
        self.joined(table, false, &mut names)?;
        self.only_writable(&names, assignments)?;
        if let Some(from) = from {
            let (UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = from;
            from.iter_mut().try_for_each(|tables| self.joined(tables, false, &mut names))?;
        }
        self.assignments(assignments)?;
        self.exprs(selection.iter_mut())?;
        self.items(returning.as_deref_mut().unwrap_or_default())?;
        self.orders(order_by)?;
        self.exprs(limit.iter_mut())?;
        Self::restrict(selection, names.fences);
        Ok(())
    }

    /// Of several tables to write, each column has to say which is meant.
    fn only_writable(&self, names: &Names, assignments: &[Assignment]) -> Result<(), Refusal> {
        if names.read_only.is_empty() {
            return Ok(());
        }
        for Assignment { target, value: _ } in assignments {
            let columns = match target {
                AssignmentTarget::ColumnName(column) => std::slice::from_ref(column),
                AssignmentTarget::Tuple(columns) => columns,
            };
            for column in columns {
                let table = (column.0.len() == 2).then(|| column.0[0].as_ident()).flatten();
                if table.is_none_or(|table| names.read_only.contains(&self.policy.key(table))) {
                    return Err(Refusal::new(RefusalKind::SharedTable, format!("`{column}`")));
                }
            }
        }
        Ok(())
    }

    fn assignments(&mut self, assignments: &mut [Assignment]) -> Result<(), Refusal> {
        for Assignment { target, value } in assignments {
            match target {
                AssignmentTarget::ColumnName(column) => self.may_set(last(column)?)?,
                AssignmentTarget::Tuple(columns) => {
                    columns.iter().try_for_each(|column| self.may_set(last(column)?))?;
                }
            }
            self.expr(value)?;
        }
        Ok(())
    }

    fn may_set(&self, column: &Ident) -> Result<(), Refusal> {
        if self.policy.is_tenant_column(column) {
            return Err(Refusal::new(RefusalKind::TenantColumn, "set by the statement"));
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, delete: &mut Delete) -> Result<(), Refusal> {
        let Delete {
            delete_token: _,
            optimizer_hints,
            tables,
            from,
            using,
            selection,
            returning,
            output,
            order_by,
            limit,
        } = delete;
        if !optimizer_hints.is_empty() || output.is_some() {
            return Err(Refusal::construct("options of DELETE"));
        }
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = from;
        let mut names = self.tables(from)?;
        match (&mut *using, tables.as_slice()) {
            (Some(_), _) if self.policy.dialect == SqlDialect::MySql => {
                return Err(Refusal::construct("DELETE FROM … USING; write DELETE <tables> FROM …"));
            }
            (Some(_), [_, ..]) => return Err(Refusal::construct("DELETE with two lists of tables")),
            // Only what stands behind FROM is deleted, and only one table.
            (using, []) => {
                if let Some(read_only) = names.read_only.iter().next() {
                    return Err(Refusal::new(RefusalKind::SharedTable, format!("`{read_only}`")));
                }
                for tables in using.iter_mut().flatten() {
                    self.joined(tables, false, &mut names)?;
                }
            }
            (None, targets) => {
                for target in targets {
                    let target = plain(target)?;
                    if names.read_only.contains(&self.policy.key(target)) {
                        return Err(shared(target));
                    }
                }
            }
        }
        self.exprs(selection.iter_mut())?;
        self.items(returning.as_deref_mut().unwrap_or_default())?;
        self.orders(order_by)?;
        self.exprs(limit.iter_mut())?;
        Self::restrict(selection, names.fences);
        Ok(())
    }
}

fn shared(table: &Ident) -> Refusal {
    Refusal::new(RefusalKind::SharedTable, format!("`{}`", table.value))
}
