//! Which rows apply, and what the hit policy makes of them.

use rust_decimal::Decimal;
use smallvec::SmallVec;

use super::compile::plain;
use super::{DecisionResult, DecisionTable, HitPolicy, NearRow};
use crate::budget::Meter;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, overflow, same, value_order};
use crate::types::Type;
use crate::value::Val;

/// The outputs before they are shown.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Nothing,
    One(Vec<Val>),
    Many(Vec<Vec<Val>>),
    Aggregate(Val, Type),
}

impl DecisionTable {
    /// Decides over facts of the right schema.
    pub(crate) fn run(&self, facts: &[Val], meter: &mut Meter) -> Result<(Vec<usize>, Found)> {
        let mut rows = Vec::new();
        let first = self.policy() == HitPolicy::First;
        self.matching(facts, meter, |row| {
            rows.push(row);
            !first
        })?;
        let found =
            self.resolve(&mut rows, facts, meter).map_err(|error| error.at(format_args!("table `{}`", self.def.id)))?;
        Ok((rows, found))
    }

    /// Calls `see` with every row that applies, from the top, until it returns `false`.
    #[inline]
    pub(crate) fn matching(&self, facts: &[Val], meter: &mut Meter, mut see: impl FnMut(usize) -> bool) -> Result<()> {
        let computed: SmallVec<[Option<Val>; 8]>;
        let computed: &[Option<Val>] = if self.plain {
            &[]
        } else {
            computed = self.computed(facts, meter)?;
            &computed
        };
        meter.spend(u32::try_from(self.index.columns().len()).unwrap_or(u32::MAX))?;
        self.index.matching(
            |column| self.input(column, facts, computed),
            |row| {
                for (column, cell) in &self.rest[row] {
                    let input = self.input(*column, facts, computed)?;
                    let holds = cell.run(facts, Some(input), meter).and_then(|value| value.bool());
                    if !holds.map_err(|error| self.in_cell(error, row, *column))? {
                        return Ok(true);
                    }
                }
                Ok(see(row))
            },
        )
    }

    /// The inputs that are more than plain facts.
    #[inline]
    fn computed(&self, facts: &[Val], meter: &mut Meter) -> Result<SmallVec<[Option<Val>; 8]>> {
        if self.inputs.iter().all(|input| input.fact.is_some()) {
            return Ok(SmallVec::new());
        }
        let compute = |input: &super::Input| match input.fact {
            Some(_) => Ok(None),
            None => input.expression.run(facts, None, meter).map(Some),
        };
        self.inputs.iter().map(compute).collect()
    }

    #[inline]
    fn input<'a>(&self, column: usize, facts: &'a [Val], computed: &'a [Option<Val>]) -> Result<&'a Val> {
        let input = self.inputs.get(column).and_then(|input| plain(input, facts));
        input
            .or_else(|| computed.get(column).and_then(Option::as_ref))
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "a table reads what it was not compiled for"))
    }

    fn in_cell(&self, error: Error, row: usize, column: usize) -> Error {
        let input = self.inputs.get(column).map_or("", |input| input.name.as_str());
        error.at(format_args!("table `{}`, {}, {input}", self.def.id, self.row_name(row)))
    }

    fn outputs_of(&self, row: usize, facts: &[Val], meter: &mut Meter) -> Result<Vec<Val>> {
        let cells = self.cells.get(row).map(Vec::as_slice).unwrap_or_default();
        let values = cells.iter().map(|cell| cell.run(facts, None, meter)).collect::<Result<_>>();
        values.map_err(|error| error.at(self.row_name(row)))
    }

    fn resolve(&self, rows: &mut Vec<usize>, facts: &[Val], meter: &mut Meter) -> Result<Found> {
        let policy = self.policy();
        if policy == HitPolicy::Count {
            return Ok(Found::Aggregate(Val::Num(rows.len().into()), Type::Int));
        }
        if rows.is_empty() {
            return self.without_rows(facts, meter);
        }
        if policy == HitPolicy::Unique && rows.len() > 1 {
            let names: Vec<String> = rows.iter().take(4).map(|row| self.row_name(*row)).collect();
            let context = format!("{} apply, and the hit policy is `unique`", names.join(" and "));
            return Err(Error::new(ErrorKind::HitPolicy, context));
        }
        let mut values = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            values.push(self.outputs_of(*row, facts, meter)?);
        }
        match policy {
            HitPolicy::Any => {
                for (row, other) in rows.iter().zip(&values).skip(1) {
                    if !values[0].iter().zip(other).all(|(one, other)| same(one, other)) {
                        let context = format!("{} and {} disagree", self.row_name(rows[0]), self.row_name(*row));
                        return Err(Error::new(ErrorKind::HitPolicy, context));
                    }
                }
            }
            HitPolicy::Priority | HitPolicy::OutputOrder => self.by_priority(rows, &mut values)?,
            HitPolicy::Sum | HitPolicy::Min | HitPolicy::Max => return self.aggregate(policy, &values),
            _ => {}
        }
        if policy.is_single() {
            if policy == HitPolicy::Priority {
                rows.truncate(1);
            }
            return Ok(values.into_iter().next().map_or(Found::Nothing, Found::One));
        }
        Ok(Found::Many(values))
    }

    fn without_rows(&self, facts: &[Val], meter: &mut Meter) -> Result<Found> {
        let defaults: Option<Vec<_>> = self.outputs.iter().map(|output| output.default.as_ref()).collect();
        let policy = self.policy();
        let values = match defaults {
            Some(defaults) => defaults.into_iter().map(|it| it.run(facts, None, meter)).collect::<Result<Vec<_>>>()?,
            None if policy == HitPolicy::Sum && self.outputs.first().is_some_and(|it| it.ty.is_numeric()) => {
                vec![Val::Num(Decimal::ZERO)]
            }
            None if policy == HitPolicy::Sum => vec![Val::Span(jiff::SignedDuration::ZERO)],
            None => return Ok(Found::Nothing),
        };
        match (policy.is_aggregate(), values.into_iter().collect::<Vec<_>>(), self.outputs.first()) {
            (true, values, Some(output)) => {
                Ok(values.into_iter().next().map_or(Found::Nothing, |value| Found::Aggregate(value, output.ty.clone())))
            }
            (_, values, _) if policy.is_single() => Ok(Found::One(values)),
            (_, values, _) => Ok(Found::Many(vec![values])),
        }
    }

    /// Sorts by the places of the outputs among the priorities; rows of one priority stay in their order.
    fn by_priority(&self, rows: &mut Vec<usize>, values: &mut Vec<Vec<Val>>) -> Result<()> {
        let mut ranked = Vec::with_capacity(rows.len());
        for (row, values) in rows.drain(..).zip(values.drain(..)) {
            let mut rank: SmallVec<[usize; 4]> = SmallVec::new();
            for (value, output) in values.iter().zip(&self.outputs).filter(|(_, output)| !output.priorities.is_empty())
            {
                let place = output.priorities.iter().position(|known| same(known, value)).ok_or_else(|| {
                    let context = format!("{}: the output `{}` has no priority", self.row_name(row), output.name);
                    Error::new(ErrorKind::HitPolicy, context)
                })?;
                rank.push(place);
            }
            ranked.push((rank, row, values));
        }
        ranked.sort_by(|(one, row, _), (other, beside, _)| one.cmp(other).then(row.cmp(beside)));
        for (_, row, outputs) in ranked {
            rows.push(row);
            values.push(outputs);
        }
        Ok(())
    }

    fn aggregate(&self, policy: HitPolicy, values: &[Vec<Val>]) -> Result<Found> {
        let ty = self.outputs.first().map_or(Type::Decimal, |output| output.ty.clone());
        let mut column = values.iter().filter_map(|row| row.first());
        let Some(first) = column.next() else { return Ok(Found::Nothing) };
        let mut result = first.clone();
        for value in column {
            result = match (policy, &result, value) {
                (HitPolicy::Sum, Val::Num(one), Val::Num(other)) => {
                    Val::Num(one.checked_add(*other).ok_or_else(|| overflow("a sum"))?)
                }
                (HitPolicy::Sum, Val::Span(one), Val::Span(other)) => {
                    Val::Span(one.checked_add(*other).ok_or_else(|| overflow("a sum"))?)
                }
                (HitPolicy::Min, one, other) if value_order(other, one)?.is_lt() => other.clone(),
                (HitPolicy::Max, one, other) if value_order(other, one)?.is_gt() => other.clone(),
                _ => result,
            };
        }
        if let (Type::Int, Val::Num(sum)) = (&ty, &result)
            && i64::try_from(*sum).is_err()
        {
            return Err(overflow("a sum"));
        }
        Ok(Found::Aggregate(result, ty))
    }

    pub(super) fn show(&self, found: Found) -> DecisionResult {
        let row = |values: Vec<Val>| {
            values.iter().zip(&self.outputs).map(|(value, output)| value.to_value(&output.ty)).collect::<Vec<_>>()
        };
        match found {
            Found::Nothing => DecisionResult::Nothing,
            Found::One(values) => DecisionResult::One(row(values)),
            Found::Many(rows) => DecisionResult::Many(rows.into_iter().map(row).collect()),
            Found::Aggregate(value, ty) => DecisionResult::Aggregate(value.to_value(&ty)),
        }
    }

    pub(super) fn near(&self, facts: &[Val], meter: &mut Meter) -> Result<Vec<NearRow>> {
        let computed = self.computed(facts, meter)?;
        let selected = self.index.select(|column| self.input(column, facts, &computed))?;
        let mut held = Vec::new();
        self.index.each_near_miss(&selected, |row, column| held.push((row, column)));
        // A row that a second, interpreted test holds back too is no near miss.
        let mut near = Vec::new();
        for (row, column) in held {
            meter.spend(1)?;
            let mut others = true;
            for (other, cell) in &self.rest[row] {
                let input = self.input(*other, facts, &computed)?;
                others &= cell.run(facts, Some(input), meter).and_then(|value| value.bool()).unwrap_or(false);
            }
            if others {
                near.push(self.near_row(row, column, self.input(column, facts, &computed)?));
            }
        }
        self.index.each(&selected, |row| {
            let mut failed = None;
            let mut count = 0;
            for (column, cell) in &self.rest[row] {
                let input = self.input(*column, facts, &computed)?;
                if !cell.run(facts, Some(input), meter)?.bool()? {
                    failed = Some((*column, input));
                    count += 1;
                }
            }
            if let (Some((column, input)), 1) = (failed, count) {
                near.push(self.near_row(row, column, input));
            }
            Ok(true)
        })?;
        near.sort_by_key(|near| near.row);
        Ok(near)
    }

    fn near_row(&self, row: usize, column: usize, found: &Val) -> NearRow {
        let (name, ty) = self.inputs.get(column).map_or(("", &Type::Bool), |it| (it.name.as_str(), it.expression.ty()));
        let wants = self.def.rows.get(row).and_then(|row| row.when.get(column)).map_or("", |cell| cell.as_str());
        let reason = format!("{name} is {}, wanted {wants}", found.to_value(ty));
        NearRow { row, input: name.to_owned(), reason }
    }
}
