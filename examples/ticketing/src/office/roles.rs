//! The roles that a platform begins with. Administrators change them, and what they change stays.

use nebula_auth::rbac::{
    Actor, DataRule, Department, DepartmentId, Permission, PermissionPattern, RbacOutcome, RbacRefusal, RbacService,
    Resource, ResourceId, ResourceKind, Role, RoleName, RowScope, Separation, SeparationKind,
};

use super::{
    sees,
    staff::{ALL_MERCHANTS, MERCHANT},
};

use crate::{
    ids::UserId,
    storage::{Database, sql::query},
};

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The role that can do everything.
const ADMINISTRATION: &str = "platform-operations";

/// Name, title, what it inherits, what it may do, and where: at the desk of its own merchant, at all below its department.
type Beginning = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], RowScope);

const ROLES: [Beginning; 7] = [
    ("support", "Support · 客服", &[], SUPPORT, RowScope::Department),
    ("door", "Door · 检票", &[], DOOR, RowScope::Department),
    ("box-office", "Box office · 售票处", &["door"], BOX_OFFICE, RowScope::Department),
    ("finance", "Finance · 财务", &[], FINANCE, RowScope::Department),
    (
        "merchant-admin",
        "Merchant administration · 商户管理",
        &["box-office", "support"],
        MERCHANT_ADMIN,
        RowScope::Department,
    ),
    ("general-agent", "General agent · 总代理", &[], BOX_OFFICE, RowScope::DepartmentTree),
    // Last: while nobody can do everything, the others may not all be there. From then on, some role always can.
    (ADMINISTRATION, "Platform operations · 平台运营", &[], &["*"], RowScope::All),
];

const SUPPORT: &[&str] = &["catalog:read", "order:read", "refund:read"];
const DOOR: &[&str] = &["ticket:check-in"];
const BOX_OFFICE: &[&str] =
    &["admission:read", "catalog:read", "order:read", "order:sell", "sale:audit", "refund:read"];
const FINANCE: &[&str] =
    &["catalog:read", "coupon:read", "order:read", "rule:read", "sale:audit", "refund:*", "till:close", "till:read"];
const MERCHANT_ADMIN: &[&str] = &["admission:*", "catalog:*", "coupon:*", "rule:*", "staff:*"];

/// What roles of merchants could do before there were several: it reaches beyond a merchant.
const BEYOND: [(&str, &[&str]); 3] = [
    ("support", &["auth:session:*", "rbac:user:read"]),
    ("finance", &["auth:audit:read"]),
    ("merchant-admin", &["rbac:role:read", "rbac:user:*"]),
];

/// Roles that platforms of one merchant did not have.
const NEW: [&str; 2] = ["general-agent", "door"];

/// Nobody both takes money at the counter and settles it.
const APART: [(&str, [&str; 2]); 2] =
    [("counter-and-books", ["box-office", "finance"]), ("agents-and-books", ["general-agent", "finance"])];

/// Who has it takes money.
const SELL: &str = "order:sell";

const MENU: [(&str, &str, &str, Option<&str>); 17] = [
    ("office", "Back office · 后台", "", None),
    ("desk", "Merchant desk · 商户后台", "/desk", Some("catalog:read")),
    ("rehearsals", "Rehearsals · 演练", "/api/v1/admin/rehearsals", Some("rehearsal:create")),
    ("sales", "Sales · 销售", "/api/v1/admin/sessions", Some("sale:audit")),
    ("door", "Door · 检票", "/admin/check-in", Some("ticket:check-in")),
    ("refunds", "Refunds · 退款", "/admin/refunds", Some("refund:read")),
    ("statements", "Statements · 对账", "/admin/statements", Some("statement:compare")),
    ("admission", "Admission · 入场策略", "/desk/admission", Some("admission:read")),
    ("blacklist", "Blacklist · 黑名单", "/desk/blacklist", Some("blacklist:read")),
    ("load", "Load · 降级", "/desk/load", Some("limits:edit")),
    ("queues", "Queues · 消息队列", "/desk/queues", Some("queue:read")),
    ("stock", "Reconciliation · 库存与账单", "/desk/reconcile", Some("stock:read")),
    ("jobs", "Jobs · 定时任务", "/desk/jobs", Some("job:read")),
    ("system", "Locks, caches, limits · 锁、缓存与限流", "/desk/system", Some("system:read")),
    ("counter", "Counter · 柜台售票", "/desk/counter", Some("order:sell")),
    ("tills", "Tills · 收银日结", "/desk/tills", Some("till:read")),
    ("access", "Access · 访问权限", "/admin/access/page", Some("rbac:user:read")),
];

/// Makes what is not there; processes that start together find each other's.
pub(super) async fn prepare(rbac: &RbacService) -> Result<(), Failure> {
    let start = Actor::system("start");
    let known = rbac.policy().await?;
    // Once only: what administrators have removed since is not made again.
    if known.roles.values().any(everything) {
        upgrade(rbac).await?;
        grant_new(rbac).await?;
        return keep_seeing(rbac).await;
    }
    departments(rbac, &start).await?;
    permissions(rbac, &start).await?;
    menu(rbac, &start, |_| true).await?;
    for (name, title, parents, patterns, rows) in ROLES {
        if name == ADMINISTRATION {
            keep_apart(rbac, &start).await?;
        }
        let mut role = Role::new(RoleName::new(name)?);
        role.data = sees::beginning(name, &rows)?;
        let mut role = role.with_data(at_desks(rows)?);
        role.title = title.to_owned();
        for parent in parents {
            role = role.with_parent(RoleName::new(parent)?);
        }
        made(rbac.create_role(&start, role.with_permissions(patterns_of(patterns)?)).await?)?;
    }
    Ok(())
}

/// Puts the roles of a platform of one merchant behind the wall of its own, and makes what is new. Once: the last thing it
/// does is to say what whoever can do everything reaches, and where that is said it does nothing. Broken off, it is repeated.
async fn upgrade(rbac: &RbacService) -> Result<(), Failure> {
    let upgrade = Actor::system("upgrade");
    let known = rbac.policy().await?;
    let all: Vec<_> = known.roles.values().filter(|role| everything(role)).collect();
    if all.iter().any(|role| role.data.iter().any(|rule| rule.entity.as_str() == MERCHANT)) {
        return Ok(());
    }
    departments(rbac, &upgrade).await?;
    permissions(rbac, &upgrade).await?;
    menu(rbac, &upgrade, |_| true).await?;
    for (name, title, parents, patterns, rows) in ROLES {
        let fields = sees::beginning(name, &rows)?;
        let (name, rule, patterns) = (RoleName::new(name)?, at_desks(rows)?, patterns_of(patterns)?);
        let Some(role) = known.roles.get(&name) else {
            // New ones only; what an administrator removed stays removed.
            if NEW.contains(&name.as_str()) {
                let mut role = Role::new(name).with_data(rule).with_permissions(patterns);
                role.data.extend(fields);
                role.title = title.to_owned();
                made(rbac.create_role(&upgrade, role).await?)?;
            }
            continue;
        };
        if everything(role) {
            continue;
        }
        let beyond = BEYOND.into_iter().find(|(role, _)| *role == name.as_str());
        let beyond = patterns_of(beyond.map_or(&[], |(_, patterns)| patterns))?;
        let new = parents.iter().filter(|parent| NEW.contains(parent)).map(RoleName::new);
        let new = new.collect::<Result<Vec<_>, _>>()?;
        let edit = |role: &mut Role| {
            role.permissions.retain(|pattern| !beyond.contains(pattern));
            role.permissions.extend(patterns.iter().cloned());
            role.parents.extend(new.iter().cloned());
            fields.iter().for_each(|rule| reaches(role, rule));
            reaches(role, &rule);
        };
        made(rbac.update_role(&upgrade, &name, edit).await?)?;
    }
    // Who works here now works for the platform's own merchant.
    let own = super::staff::department(&crate::ids::platform())?;
    let mut after = None;
    loop {
        let page = rbac.users(after.as_ref(), 200).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for user in page.iter().filter(|user| user.department.is_none() && !user.roles.is_empty()) {
            if !user.roles.keys().any(|role| all.iter().any(|all| all.name == *role)) {
                made(rbac.set_department(&upgrade, &user.id, Some(&own)).await?)?;
            }
        }
    }
    let mut rules = sees::beginning(ADMINISTRATION, &RowScope::All)?;
    rules.push(at_desks(RowScope::All)?);
    for role in all {
        let edit = |role: &mut Role| rules.iter().for_each(|rule| reaches(role, rule));
        made(rbac.update_role(&upgrade, &role.name, edit).await?)?;
    }
    Ok(())
}

/// Lets the roles of a version in which permissions alone decided what is seen go on seeing it. Once: the permission that
/// decided it is known until all is done. Broken off, it is repeated.
async fn keep_seeing(rbac: &RbacService) -> Result<(), Failure> {
    let upgrade = Actor::system("upgrade");
    let known = rbac.policy().await?;
    let former = Permission::new(sees::FORMER)?;
    if !known.permissions.contains_key(&former) {
        return Ok(());
    }
    for role in known.roles.values() {
        let rules = sees::as_before(role)?;
        let pattern = PermissionPattern::from(former.clone());
        if rules.is_empty() && !role.permissions.contains(&pattern) {
            continue;
        }
        let edit = |role: &mut Role| {
            role.permissions.remove(&pattern);
            rules.iter().for_each(|rule| reaches(role, rule));
        };
        made(rbac.update_role(&upgrade, &role.name, edit).await?)?;
    }
    made(rbac.delete_permission(&upgrade, &former).await?)?;
    Ok(())
}

/// Gives permissions that the platform did not have to the roles that begin with them. Once: what it has given it writes
/// down as known, last, and what administrators take away after that stays away. Broken off, it is repeated.
async fn grant_new(rbac: &RbacService) -> Result<(), Failure> {
    let upgrade = Actor::system("upgrade");
    let known = rbac.policy().await?;
    let ours = super::PERMISSIONS.iter().map(Permission::new).collect::<Result<Vec<_>, _>>()?;
    let (old, new): (Vec<_>, Vec<_>) = ours.into_iter().partition(|name| known.permissions.contains_key(name));
    if new.is_empty() {
        return Ok(());
    }
    for (name, _, _, patterns, _) in ROLES {
        let name = RoleName::new(name)?;
        let Some(role) = known.roles.get(&name).filter(|role| !everything(role)) else { continue };
        let stands_for = |pattern: &PermissionPattern, some: &[Permission]| some.iter().any(|one| pattern.covers(one));
        let mut added = patterns_of(patterns)?;
        // One that stands for something old as well was given, or taken away, before.
        added.retain(|one| stands_for(one, &new) && !stands_for(one, &old) && !role.permissions.contains(one));
        if !added.is_empty() {
            made(rbac.update_role(&upgrade, &name, |role| role.permissions.extend(added.iter().cloned())).await?)?;
        }
    }
    if new.iter().any(|one| one.as_str() == SELL) {
        keep_agents_apart(rbac, &upgrade).await?;
    }
    // What leads there is not in the menus yet.
    menu(rbac, &upgrade, |permission| permission.is_some_and(|one| new.contains(one))).await?;
    permissions(rbac, &upgrade).await
}

pub(super) fn everything(role: &Role) -> bool {
    role.permissions.contains(&PermissionPattern::everything())
}

fn reaches(role: &mut Role, rule: &DataRule) {
    if !role.data.contains(rule) {
        role.data.push(rule.clone());
    }
}

async fn departments(rbac: &RbacService, actor: &Actor) -> Result<(), Failure> {
    let all = DepartmentId::new(ALL_MERCHANTS)?;
    let top = Department { id: all.clone(), title: "All merchants · 全部商户".to_owned(), parent: None };
    let own = super::staff::department(&crate::ids::platform())?;
    let own = Department { id: own, title: "Nebula Tickets · 星云票务".to_owned(), parent: Some(all) };
    for department in [top, own] {
        made(rbac.put_department(actor, department).await?)?;
    }
    Ok(())
}

async fn permissions(rbac: &RbacService, actor: &Actor) -> Result<(), Failure> {
    for name in super::PERMISSIONS.iter().chain(nebula_auth::admin::permissions::PERMISSIONS) {
        made(rbac.put_permission(actor, &Permission::new(name)?, name).await?)?;
    }
    Ok(())
}

fn at_desks(rows: RowScope) -> Result<DataRule, Failure> {
    Ok(DataRule { entity: MERCHANT.parse()?, rows, fields: std::collections::BTreeMap::new() })
}

fn patterns_of(patterns: &[&str]) -> Result<Vec<PermissionPattern>, Failure> {
    Ok(patterns.iter().map(PermissionPattern::new).collect::<Result<_, _>>()?)
}

/// Makes the menu's entries whose permission is wanted.
async fn menu(rbac: &RbacService, start: &Actor, wanted: impl Fn(Option<&Permission>) -> bool) -> Result<(), Failure> {
    for (order, (id, title, target, permission)) in MENU.into_iter().enumerate() {
        let permission = permission.map(Permission::new).transpose()?;
        if !wanted(permission.as_ref()) {
            continue;
        }
        let resource = Resource {
            id: ResourceId::new(id)?,
            kind: ResourceKind::Menu,
            title: title.to_owned(),
            target: target.to_owned(),
            parent: (id != "office").then(|| ResourceId::new("office")).transpose()?,
            permission,
            order: i32::try_from(order)?,
        };
        made(rbac.put_resource(start, resource).await?)?;
    }
    Ok(())
}

async fn keep_apart(rbac: &RbacService, start: &Actor) -> Result<(), Failure> {
    for one in APART {
        made(rbac.put_separation(start, apart(one)?).await?)?;
    }
    Ok(())
}

fn apart((name, roles): (&str, [&str; 2])) -> Result<Separation, Failure> {
    let roles = roles.into_iter().map(RoleName::new).collect::<Result<_, _>>()?;
    Ok(Separation { name: name.parse()?, kind: SeparationKind::Static, roles, limit: 2 })
}

/// Keeps apart what could be combined before there were sales at counters. Whoever has both roles already goes on, and the log
/// says so: a till is never closed by whoever took its money.
async fn keep_agents_apart(rbac: &RbacService, upgrade: &Actor) -> Result<(), Failure> {
    let [_, agents] = APART;
    if let Err(refusal) = rbac.put_separation(upgrade, apart(agents)?).await?.into_result() {
        tracing::warn!(%refusal, "agents and finance are not kept apart");
    }
    Ok(())
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
