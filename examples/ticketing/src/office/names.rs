//! The permissions that this platform declares. Those of the admin interface are nebula-auth's own.

nebula_auth::permissions! {
    rehearsal: [Create = "rehearsal:create"],
    refund: [Read = "refund:read", Decide = "refund:decide"],
    sale: [Audit = "sale:audit"],
    statement: [Compare = "statement:compare"],
    ticket: [CheckIn = "ticket:check-in"],
}
