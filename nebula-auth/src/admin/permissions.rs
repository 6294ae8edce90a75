//! What the routes of the admin API need.

crate::permissions! {
    user: [Read = "rbac:user:read", Write = "rbac:user:write"],
    role: [Read = "rbac:role:read", Write = "rbac:role:write"],
    separation: [Read = "rbac:separation:read", Write = "rbac:separation:write"],
    department: [Read = "rbac:department:read", Write = "rbac:department:write"],
    resource: [Read = "rbac:resource:read", Write = "rbac:resource:write"],
    permission: [Read = "rbac:permission:read", Write = "rbac:permission:write"],
    session: [Read = "auth:session:read", Revoke = "auth:session:revoke"],
    audit: [Read = "auth:audit:read"],
}
