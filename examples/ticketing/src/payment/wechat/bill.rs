//! Bills: text of lines whose values begin with a grave accent, headings in Chinese, and a sum at the end.

use aws_lc_rs::digest;

use crate::{
    money::{Currency, Money, parse_minor},
    payment::provider::{StatementEntry, StatementLine},
};

/// Whether this is the bill that the signed answer spoke of.
pub(super) fn has_hash(bill: &[u8], expected: &str) -> bool {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bill);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hash.eq_ignore_ascii_case(expected)
}

/// The charges and refunds of a bill; `None` when it is not one.
pub(super) fn read(bill: &[u8]) -> Option<Vec<StatementLine>> {
    let text = std::str::from_utf8(bill).ok()?.trim_start_matches('\u{feff}');
    let mut lines = text.lines();
    let headings: Vec<&str> = lines.next()?.split(',').map(str::trim).collect();
    let column = |name: &str| headings.iter().position(|heading| *heading == name);
    let (state, currency) = (column("交易状态")?, column("货币种类")?);
    let (txn, payment, total) = (column("微信订单号")?, column("商户订单号")?, column("订单金额")?);
    let (refund, asked) = (column("商户退款单号")?, column("申请退款金额")?);
    let mut found = Vec::new();
    // The sum at the end has headings of its own.
    for line in lines.take_while(|line| line.starts_with('`')) {
        let values: Vec<&str> = line.trim_end().trim_start_matches('`').split(",`").collect();
        let value = |column: usize| values.get(column).map(|value| value.trim());
        let currency = Currency::from_code(value(currency)?)?;
        let money = |column| Some(Money { minor: parse_minor(value(column)?)?, currency });
        found.push(match value(state)? {
            "SUCCESS" => StatementLine {
                entry: StatementEntry::Charge { txn: value(txn)?.to_owned(), payment: value(payment)?.to_owned() },
                amount: money(total)?,
            },
            "REFUND" => StatementLine {
                entry: StatementEntry::Refund { refund: value(refund)?.to_owned() },
                amount: money(asked)?,
            },
            // Revoked before anything was paid.
            _ => continue,
        });
    }
    Some(found)
}
