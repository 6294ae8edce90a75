//! Which fields the roles of the beginning see, and how those of an earlier version go on seeing what they saw.

use nebula_auth::rbac::{DataRule, FieldAccess, Permission, Role, RowScope};

use super::{
    fields::{ATTENDEE_NAME, ATTENDEE_NUMBER, BUYER_EMAIL, BUYER_NAME, PAYMENT_REFERENCE, PRICE},
    roles::Failure,
    staff::MERCHANT,
};

/// Who had it saw whole addresses and people. Its place is taken by rules on fields.
pub(super) const FORMER: &str = "order:personal";

/// Fields of one kind of record, as a role sees them in those that it reaches.
type Sees = (&'static str, Where, &'static [(&'static str, FieldAccess)]);

/// Of which records.
#[derive(Clone, Copy)]
enum Where {
    /// Those that the role reaches anyway.
    Desk,
    /// Those that somebody sold themselves.
    Own,
}

const ALL: &[(&str, FieldAccess)] = &[("*", FieldAccess::ReadOnly)];

const MASKED_PEOPLE: &[(&str, FieldAccess)] = &[
    (BUYER_EMAIL, FieldAccess::Masked),
    (BUYER_NAME, FieldAccess::Masked),
    (ATTENDEE_NAME, FieldAccess::Masked),
    (ATTENDEE_NUMBER, FieldAccess::Masked),
    (PAYMENT_REFERENCE, FieldAccess::ReadOnly),
    (PRICE, FieldAccess::ReadOnly),
];

const AT_COUNTERS: &[Sees] = &[
    ("order", Where::Desk, MASKED_PEOPLE),
    ("order", Where::Own, ALL),
    ("refund", Where::Own, ALL),
    ("till", Where::Own, ALL),
];

const SUPPORT: &[Sees] = &[("order", Where::Desk, ALL), ("refund", Where::Desk, ALL)];

const FINANCE: &[Sees] = &[
    (
        "order",
        Where::Desk,
        &[
            (BUYER_EMAIL, FieldAccess::Masked),
            (BUYER_NAME, FieldAccess::Masked),
            (PAYMENT_REFERENCE, FieldAccess::ReadOnly),
            (PRICE, FieldAccess::ReadOnly),
        ],
    ),
    ("refund", Where::Desk, ALL),
    ("till", Where::Desk, ALL),
];

/// What a role of this name begins with, where it reaches these records.
pub(super) fn beginning(role: &str, rows: &RowScope) -> Result<Vec<DataRule>, Failure> {
    if *rows == RowScope::All {
        return Ok(vec![everything()?]);
    }
    let sees = match role {
        "support" => SUPPORT,
        "box-office" | "general-agent" => AT_COUNTERS,
        "finance" => FINANCE,
        _ => &[],
    };
    sees.iter().map(|one| rule(one, rows)).collect()
}

/// What a role of an earlier version, in which permissions alone decided, sees from now on: what it saw. Kinds of records that
/// it has a rule for already are left alone.
pub(super) fn as_before(role: &Role) -> Result<Vec<DataRule>, Failure> {
    if super::roles::everything(role) {
        let said = role.data.iter().any(|rule| rule.entity.as_str() == "*");
        return Ok(if said { Vec::new() } else { vec![everything()?] });
    }
    let permissions = |name: &str| {
        let permission = Permission::new(name)?;
        Ok::<_, Failure>(role.permissions.iter().any(|pattern| pattern.covers(&permission)))
    };
    let (read, sell) = (permissions("order:read")?, permissions("order:sell")?);
    let mut sees: Vec<Sees> = Vec::new();
    if permissions(FORMER)? {
        sees.push(("order", Where::Desk, ALL));
    } else if read || sell {
        sees.push(("order", Where::Desk, MASKED_PEOPLE));
    }
    if read || permissions("refund:read")? {
        sees.push(("refund", Where::Desk, ALL));
    }
    if permissions("till:read")? {
        sees.push(("till", Where::Desk, ALL));
    }
    if sell {
        sees.extend([("order", Where::Own, ALL), ("till", Where::Own, ALL)]);
    }
    sees.retain(|(entity, ..)| !role.data.iter().any(|rule| rule.entity.as_str() == *entity));
    let mut reached: Vec<RowScope> =
        role.data.iter().filter(|rule| rule.entity.as_str() == MERCHANT).map(|rule| rule.rows.clone()).collect();
    if reached.is_empty() {
        // Another role of whoever has it leads to the desk: theirs, wherever that is.
        reached.push(RowScope::DepartmentTree);
    }
    let mut rules = Vec::new();
    for rows in &reached {
        for one in &sees {
            let new = rule(one, rows)?;
            if !rules.contains(&new) {
                rules.push(new);
            }
        }
    }
    Ok(rules)
}

fn rule((entity, place, fields): &Sees, rows: &RowScope) -> Result<DataRule, Failure> {
    let rows = match place {
        Where::Desk => rows.clone(),
        Where::Own => RowScope::Own,
    };
    let fields = fields.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect();
    Ok(DataRule { entity: entity.parse()?, rows, fields })
}

/// Whoever can do everything gives others what they see, and so sees everything.
fn everything() -> Result<DataRule, Failure> {
    let fields = [("*".to_owned(), FieldAccess::Full)].into();
    Ok(DataRule { entity: "*".parse()?, rows: RowScope::All, fields })
}
