//! The permissions that this platform declares. Those of the admin interface are nebula-auth's own.

nebula_auth::permissions! {
    admission: [Read = "admission:read", Edit = "admission:edit"],
    blacklist: [Read = "blacklist:read", Edit = "blacklist:edit"],
    limits: [Edit = "limits:edit"],
    rehearsal: [Create = "rehearsal:create"],
    refund: [Read = "refund:read", Decide = "refund:decide"],
    sale: [Audit = "sale:audit"],
    statement: [Compare = "statement:compare"],
    stock: [Read = "stock:read", Repair = "stock:repair"],
    job: [Read = "job:read", Run = "job:run"],
    queue: [Read = "queue:read", Edit = "queue:edit"],
    system: [Read = "system:read"],
    ticket: [CheckIn = "ticket:check-in"],
    merchant: [Read = "merchant:read", Manage = "merchant:manage"],
    account: [Manage = "account:manage"],
    staff: [Read = "staff:read", Manage = "staff:manage"],
    catalog: [Read = "catalog:read", Write = "catalog:write", Publish = "catalog:publish"],
    order: [Read = "order:read", Sell = "order:sell"],
    rule: [Read = "rule:read", Write = "rule:write"],
    coupon: [Read = "coupon:read", Write = "coupon:write"],
    till: [Read = "till:read", Close = "till:close"],
}
