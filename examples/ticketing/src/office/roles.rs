//! The roles that a platform begins with. Administrators change them, and what they change stays.

use nebula_auth::rbac::{
    Actor, Permission, PermissionPattern, RbacOutcome, RbacRefusal, RbacService, Resource, ResourceId, ResourceKind,
    Role, RoleName, Separation, SeparationKind,
};

use crate::{
    ids::UserId,
    storage::{Database, sql::query},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The role that can do everything.
const ADMINISTRATION: &str = "platform-operations";

/// Name, title, what it inherits, what it may do.
const ROLES: [(&str, &str, &[&str], &[&str]); 6] = [
    ("support", "Support · 客服", &[], &["auth:session:*", "rbac:user:read", "refund:read"]),
    ("door", "Door · 检票", &[], &["ticket:check-in"]),
    ("box-office", "Box office · 售票处", &["door"], &["sale:audit", "refund:read"]),
    ("finance", "Finance · 财务", &[], &["auth:audit:read", "sale:audit", "refund:*", "statement:compare"]),
    // Appoints those whose roles it has itself.
    (
        "merchant-admin",
        "Merchant administration · 商户管理",
        &["box-office", "support"],
        &["rbac:role:read", "rbac:user:*"],
    ),
    // Last: while nobody can do everything, the others may not all be there. From then on, some role always can.
    (ADMINISTRATION, "Platform operations · 平台运营", &[], &["*"]),
];

/// Nobody both takes money at the counter and settles it.
const APART: (&str, [&str; 2]) = ("counter-and-books", ["box-office", "finance"]);

const MENU: [(&str, &str, &str, Option<&str>); 7] = [
    ("office", "Back office · 后台", "", None),
    ("rehearsals", "Rehearsals · 演练", "/api/v1/admin/rehearsals", Some("rehearsal:create")),
    ("sales", "Sales · 销售", "/api/v1/admin/sessions", Some("sale:audit")),
    ("door", "Door · 检票", "/admin/check-in", Some("ticket:check-in")),
    ("refunds", "Refunds · 退款", "/admin/refunds", Some("refund:read")),
    ("statements", "Statements · 对账", "/admin/statements", Some("statement:compare")),
    ("access", "Access · 访问权限", "/admin/access/page", Some("rbac:user:read")),
];

/// Makes what is not there; processes that start together find each other's.
pub(super) async fn prepare(rbac: &RbacService) -> Result<(), Failure> {
    let start = Actor::system("start");
    let known = rbac.policy().await?;
    // Once only: what administrators have removed since is not made again.
    if known.roles.values().any(|role| role.permissions.contains(&PermissionPattern::everything())) {
        return Ok(());
    }
    for name in super::PERMISSIONS.iter().chain(nebula_auth::admin::permissions::PERMISSIONS) {
        made(rbac.put_permission(&start, &Permission::new(name)?, name).await?)?;
    }
    for (order, (id, title, target, permission)) in MENU.into_iter().enumerate() {
        let resource = Resource {
            id: ResourceId::new(id)?,
            kind: ResourceKind::Menu,
            title: title.to_owned(),
            target: target.to_owned(),
            parent: (id != "office").then(|| ResourceId::new("office")).transpose()?,
            permission: permission.map(Permission::new).transpose()?,
            order: i32::try_from(order)?,
        };
        made(rbac.put_resource(&start, resource).await?)?;
    }
    for (name, title, parents, patterns) in ROLES {
        if name == ADMINISTRATION {
            keep_apart(rbac, &start).await?;
        }
        let mut role = Role::new(RoleName::new(name)?);
        role.title = title.to_owned();
        for parent in parents {
            role = role.with_parent(RoleName::new(parent)?);
        }
        let patterns = patterns.iter().map(PermissionPattern::new).collect::<Result<Vec<_>, _>>()?;
        made(rbac.create_role(&start, role.with_permissions(patterns)).await?)?;
    }
    Ok(())
}

async fn keep_apart(rbac: &RbacService, start: &Actor) -> Result<(), Failure> {
    let (name, roles) = APART;
    let roles = roles.into_iter().map(RoleName::new).collect::<Result<_, _>>()?;
    let apart = Separation { name: name.parse()?, kind: SeparationKind::Static, roles, limit: 2 };
    Ok(made(rbac.put_separation(start, apart).await?)?)
}

/// Appoints those who were administrators when the platform's own table said so.
pub(super) async fn carry_over(rbac: &RbacService, database: &Database) -> Result<(), Failure> {
    let former: Vec<UserId> = query("SELECT user_id FROM former_administrators").scalars(&database.read).await?;
    let role = RoleName::new(ADMINISTRATION)?;
    for user in former {
        made(rbac.assign_role(&Actor::system("upgrade"), &super::subject(user)?, &role, None).await?)?;
        query("DELETE FROM former_administrators WHERE user_id = $1").bind(user).execute(&database.read).await?;
    }
    Ok(())
}

fn made(outcome: RbacOutcome) -> Result<(), RbacRefusal> {
    match outcome.into_result() {
        Ok(_) | Err(RbacRefusal::Exists { .. }) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
