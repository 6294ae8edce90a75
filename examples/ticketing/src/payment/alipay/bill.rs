//! Bills: archives of tables, one of which has a line for each movement of money.

use std::{
    borrow::Cow,
    io::{Cursor, Read},
};

use super::yuan;
use crate::payment::{
    provider::{StatementEntry, StatementLine},
    remote::MOST,
};

/// The charges and refunds of a bill; `None` when it is not one.
pub(super) fn read(archive: &[u8]) -> Option<Vec<StatementLine>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).ok()?;
    for index in 0..archive.len() {
        let mut bytes = Vec::new();
        let mut file = archive.by_index(index).ok()?.take(MOST as u64 + 1);
        file.read_to_end(&mut bytes).ok()?;
        if bytes.len() > MOST {
            return None;
        }
        // Names are in Chinese, in an encoding that archives do not tell: the headings say which table it is.
        if let Some(table) = Table::of(&text(&bytes)) {
            return table.lines();
        }
    }
    None
}

/// Alipay writes GBK; newer tables may be UTF-8.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
        Err(_) => encoding_rs::GBK.decode(bytes).0,
    }
}

/// The table of single movements.
struct Table {
    rows: Vec<Vec<String>>,
    txn: usize,
    payment: usize,
    kind: usize,
    amount: usize,
    refund: usize,
}

impl Table {
    fn of(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let split = |line: &str| line.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>();
        let headings = split(lines.next()?);
        let column = |name: &str| headings.iter().position(|heading| heading.starts_with(name));
        let rows = lines.filter(|line| !line.trim().is_empty()).map(split).collect();
        Some(Self {
            rows,
            txn: column("支付宝交易号")?,
            payment: column("商户订单号")?,
            kind: column("业务类型")?,
            amount: column("订单金额")?,
            refund: column("退款批次号")?,
        })
    }

    fn lines(&self) -> Option<Vec<StatementLine>> {
        self.rows.iter().map(|row| self.line(row)).collect()
    }

    fn line(&self, row: &[String]) -> Option<StatementLine> {
        let value = |column: usize| row.get(column).cloned();
        // What goes out is negative.
        let amount = yuan(row.get(self.amount)?.trim_start_matches('-'))?;
        let entry = match row.get(self.kind)?.as_str() {
            "交易" => StatementEntry::Charge { txn: value(self.txn)?, payment: value(self.payment)? },
            "退款" => StatementEntry::Refund { refund: value(self.refund)? },
            _ => return None,
        };
        Some(StatementLine { entry, amount })
    }
}
