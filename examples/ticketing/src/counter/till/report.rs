//! What went through the tills of a merchant on a day, by clerk, currency and method.

use std::collections::BTreeMap;

use jiff::civil::Date;
use nebula_tenant::TenantId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    drawer::{Key, Till},
    journal::Kind,
};
use crate::{
    app::App,
    clock::Millis,
    counter::domain::Method,
    ids::UserId,
    merchant::Scope,
    money::{Currency, Money},
    office::{
        Sight, Spot, Whose,
        fields::{COMMISSION, NOTE, TILL},
    },
    order::Channel,
    problem::{Problem, Result},
    storage::{
        Connection,
        sql::{Row, query},
    },
};

/// Basis points of everything.
const WHOLE: i128 = 10_000;

/// The tills of a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TillReport)]
pub(in crate::counter) struct Report {
    /// Which day, as bills count days.
    pub(super) day: String,
    /// What agents keep of what they sell from now on, in basis points; for those whose roles show it.
    #[schema(required = false)]
    pub(super) commission_bp: i64,
    /// By clerk and currency.
    pub(super) tills: Vec<TillView>,
}

/// A clerk's till.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TillView {
    clerk_id: UserId,
    /// How to address them; empty when the account is gone.
    clerk: String,
    day: String,
    /// What lay in the drawer before the first sale.
    opening: Money,
    /// What went through it.
    lines: Vec<Line>,
    /// What should be in the drawer: what lay there, and cash that came, less cash that went back.
    expected_cash: Money,
    /// What an agent keeps; nothing for a box office. For those whose roles show it.
    #[schema(required = false)]
    commission: Money,
    /// Once it is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    closing: Option<ClosingView>,
}

/// What came and went by one method.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TillLine)]
struct Line {
    method: Method,
    channel: Channel,
    sales: Sum,
    refunds: Sum,
}

/// How many, and how much.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = TillSum)]
struct Sum {
    count: u32,
    amount: Money,
}

/// How a till was counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TillClosing)]
struct ClosingView {
    counted: Money,
    /// What was counted less what should have been there.
    difference: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    closed_by: UserId,
    closed_at: Millis,
}

/// One group of the journal.
struct Group {
    clerk: UserId,
    currency: Currency,
    method: Method,
    channel: Channel,
    kind: Kind,
    commission_bp: i64,
    count: u32,
    minor: i64,
}

impl Group {
    fn read(row: &Row) -> Result<Self> {
        let unknown = |what: &str| Problem::internal(format!("the journal of the tills has an unknown {what}"));
        Ok(Self {
            clerk: row.get("clerk_id")?,
            currency: Currency::from_code(&row.get::<String>("currency")?).ok_or_else(|| unknown("currency"))?,
            method: Method::from_name(&row.get::<String>("method")?).ok_or_else(|| unknown("method"))?,
            channel: Channel::from_name(&row.get::<String>("channel")?).ok_or_else(|| unknown("channel"))?,
            kind: Kind::from_name(&row.get::<String>("kind")?)?,
            commission_bp: row.get("commission_bp")?,
            count: row.get("entries")?,
            minor: row.get("minor")?,
        })
    }

    fn signed(&self) -> i64 {
        if self.kind == Kind::Sale { self.minor } else { -self.minor }
    }
}

/// What groups of one till and currency come to.
struct Totals {
    lines: Vec<Line>,
    /// Cash that came, less what went back.
    cash: i64,
    commission: i64,
}

fn totals(groups: &[Group], currency: Currency) -> Totals {
    let mut lines: BTreeMap<(Method, Channel), [(u32, i64); 2]> = BTreeMap::new();
    let (mut cash, mut commission) = (0_i64, 0_i128);
    for group in groups {
        let line = lines.entry((group.method, group.channel)).or_default();
        let (count, minor) = &mut line[usize::from(group.kind == Kind::Refund)];
        *count = count.saturating_add(group.count);
        *minor = minor.saturating_add(group.minor);
        if group.method == Method::Cash {
            cash = cash.saturating_add(group.signed());
        }
        commission += i128::from(group.signed()) * i128::from(group.commission_bp);
    }
    let sum = |(count, minor): (u32, i64)| Sum { count, amount: Money { minor, currency } };
    let lines = lines.into_iter().map(|((method, channel), [sales, refunds])| Line {
        method,
        channel,
        sales: sum(sales),
        refunds: sum(refunds),
    });
    // Rounded once, downwards.
    let commission = i64::try_from(commission.div_euclid(WHOLE)).unwrap_or(i64::MAX);
    Totals { lines: lines.collect(), cash, commission }
}

/// Cash that came into a till, less what went back, within a transaction that has the till alone.
pub(super) async fn cash(connection: &mut Connection<'_>, key: &Key) -> Result<i64> {
    let moved = query(include_str!("../sql/cash.sql"))
        .bind(&key.merchant)
        .bind(key.clerk)
        .bind(key.day.to_string())
        .bind(key.currency.code());
    Ok(moved.scalar(connection).await?)
}

/// The tills of a day, or one clerk's of them.
pub(in crate::counter) async fn report(app: &App, scope: &Scope, day: Date, clerk: Option<UserId>) -> Result<Report> {
    let pool = &app.database.read;
    let of_day = day.to_string();
    let groups = scope.query(include_str!("../sql/groups.sql")).bind(&of_day).fetch_all(pool).await?;
    let mut groups = groups.iter().map(Group::read).collect::<Result<Vec<_>>>()?;
    let tills =
        "SELECT clerk_id, currency, opening, expected, counted, note, closed_by, closed_at FROM tills WHERE day = $1";
    let rows = scope.query(tills).bind(&of_day).fetch_all(pool).await?;
    let mut tills: BTreeMap<(UserId, &'static str), Till> = BTreeMap::new();
    for row in &rows {
        let currency: String = row.get("currency")?;
        let Some(currency) = Currency::from_code(&currency) else { continue };
        tills.insert((row.get("clerk_id")?, currency.code()), Till::read(row)?);
    }
    if let Some(clerk) = clerk {
        groups.retain(|group| group.clerk == clerk);
        tills.retain(|(of, _), _| *of == clerk);
    }
    let mut views = Vec::with_capacity(tills.len());
    for ((clerk, code), till) in tills {
        let Some(currency) = Currency::from_code(code) else { continue };
        let (own, others) =
            groups.into_iter().partition::<Vec<_>, _>(|group| group.clerk == clerk && group.currency == currency);
        groups = others;
        let name = app.users.user(clerk).await?.map(|user| user.display_name).unwrap_or_default();
        views.push(view(clerk, name, &of_day, currency, &till, totals(&own, currency)));
    }
    Ok(Report { day: of_day, commission_bp: super::super::commission::of(pool, scope.tenant()).await?, tills: views })
}

fn view(clerk_id: UserId, clerk: String, day: &str, currency: Currency, till: &Till, totals: Totals) -> TillView {
    let money = |minor: i64| Money { minor, currency };
    TillView {
        clerk_id,
        clerk,
        day: day.to_owned(),
        opening: money(till.opening),
        lines: totals.lines,
        expected_cash: money(till.opening.saturating_add(totals.cash)),
        commission: money(totals.commission),
        closing: till.closing.as_ref().map(|closing| ClosingView {
            counted: money(closing.counted),
            difference: money(closing.counted.saturating_sub(closing.expected)),
            note: closing.note.clone(),
            closed_by: closing.by,
            closed_at: closing.at,
        }),
    }
}

/// What is not for everybody in a report, apart from its tills.
const REPORT: [Spot; 1] = [Spot::new(&TILL, COMMISSION, &["commission_bp"])];

/// The same in a till.
const VIEW: [Spot; 2] = [Spot::new(&TILL, COMMISSION, &["commission"]), Spot::new(&TILL, NOTE, &["closing", "note"])];

/// A report as whoever asks sees it: each till is its clerk's, and one clerk's report is theirs.
pub(super) fn shown(sight: &Sight, merchant: &TenantId, clerk: Option<UserId>, mut report: Report) -> Result<Value> {
    let tills = std::mem::take(&mut report.tills);
    let of = |till: &TillView| sight.shown(&VIEW, Whose { merchant, clerk: Some(till.clerk_id) }, till);
    let tills = tills.iter().map(of).collect::<Result<Vec<_>>>()?;
    let mut report = sight.shown(&REPORT, Whose { merchant, clerk }, &report)?;
    report["tills"] = tills.into();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(method: Method, kind: Kind, commission_bp: i64, count: u32, minor: i64) -> Group {
        let (clerk, currency) = (UserId::COUNTER, Currency::CNY);
        Group { clerk, currency, method, channel: Channel::Agent, kind, commission_bp, count, minor }
    }

    #[test]
    fn a_till_adds_up_and_its_commission_is_rounded_once_downwards() {
        let groups = [
            group(Method::Cash, Kind::Sale, 250, 2, 333),
            // Sold while another rate held.
            group(Method::Cash, Kind::Sale, 199, 1, 333),
            group(Method::Cash, Kind::Refund, 199, 1, 100),
            group(Method::Card, Kind::Sale, 250, 1, 1_001),
        ];
        let totals = totals(&groups, Currency::CNY);
        assert_eq!(totals.cash, 566);
        // (333 + 1001) · 250 + (333 - 100) · 199 = 379 867 basis points of a fen.
        assert_eq!(totals.commission, 37);
        let [cash, card] = &totals.lines[..] else { panic!("{:?}", totals.lines) };
        assert_eq!((cash.sales.count, cash.sales.amount.minor, cash.refunds.count), (3, 666, 1));
        assert_eq!((card.method, card.sales.amount.minor, card.refunds.amount.minor), (Method::Card, 1_001, 0));
        // What went back of yesterday's sales.
        assert_eq!(super::totals(&[group(Method::Cash, Kind::Refund, 1, 1, 1)], Currency::CNY).commission, -1);
    }
}
