//! The permissions that this platform declares. Those of the admin interface are nebula-auth's own.

nebula_auth::permissions! {
    rehearsal: [Create = "rehearsal:create"],
    sale: [Audit = "sale:audit"],
}
