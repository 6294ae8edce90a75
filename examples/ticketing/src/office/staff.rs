//! Who works for which merchant: a merchant is a department, and what a role reaches ends there.

use nebula_auth::{
    audit::AuditRecord,
    rbac::{
        Actor, Department, DepartmentId, RbacOutcome, RbacRefusal, Reach as Records, RoleName, UserId as SubjectId,
    },
};
use nebula_tenant::TenantId;

use super::{Office, subject};
use crate::{
    ids::UserId,
    problem::{Code, Problem, Result},
};

/// What rules on data are about.
pub(super) const MERCHANT: &str = "merchant";

/// The department above all merchants; whoever works there works for all.
pub(super) const ALL_MERCHANTS: &str = "platform";

/// The roles that a merchant gives.
pub const MERCHANT_ROLES: [&str; 5] = ["merchant-admin", "box-office", "door", "finance", "support"];

/// Most people of a merchant's staff in a list, and how many are read at a time.
const PAGE: u32 = 200;

/// At whose desks somebody may work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// At nobody's.
    Nobody,
    /// At their own merchant's.
    Own(TenantId),
    /// At those of several.
    Several(Vec<TenantId>),
    /// At all.
    All,
}

impl Reach {
    /// Whether that merchant is among them.
    #[must_use]
    pub fn includes(&self, merchant: &TenantId) -> bool {
        match self {
            Self::Nobody => false,
            Self::Own(own) => own == merchant,
            Self::Several(several) => several.contains(merchant),
            Self::All => true,
        }
    }
}

/// Somebody who works for a merchant.
#[derive(Clone, Debug)]
pub struct Employee {
    /// The account.
    pub user: UserId,
    /// Their roles.
    pub roles: Vec<String>,
}

impl Office {
    /// At whose desks an account may work.
    ///
    /// # Errors
    ///
    /// The store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn reach(&self, user: UserId) -> Result<Reach> {
        let authority = self.evaluator().authority(&subject(user)?).await.map_err(Problem::unavailable)?;
        let mut merchants = Vec::new();
        for rule in authority.data.iter().filter(|rule| rule.is_about(MERCHANT)) {
            match &rule.reach {
                Records::All => return Ok(Reach::All),
                Records::Some { departments, .. } => {
                    merchants.extend(departments.iter().filter_map(|id| id.as_str().parse::<TenantId>().ok()));
                }
                _ => {}
            }
        }
        merchants.retain(|merchant| merchant.as_str() != ALL_MERCHANTS);
        merchants.sort_unstable();
        merchants.dedup();
        Ok(match (merchants.pop(), merchants.is_empty()) {
            (None, _) => Reach::Nobody,
            (Some(own), true) => Reach::Own(own),
            (Some(last), false) => {
                merchants.push(last);
                Reach::Several(merchants)
            }
        })
    }

    /// Lets people work for a merchant from now on.
    ///
    /// # Errors
    ///
    /// The store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn open_department(&self, merchant: &TenantId, title: &str) -> Result<()> {
        let department = Department {
            id: department(merchant)?,
            title: title.to_owned(),
            parent: Some(DepartmentId::new(ALL_MERCHANTS).map_err(Problem::internal)?),
        };
        let made = self.service().put_department(&Actor::system("merchant"), department).await;
        refused(made.map_err(Problem::unavailable)?)
    }

    /// Lets an account work for a merchant in a role.
    ///
    /// # Errors
    ///
    /// [`Code::InvitationRefused`] if it works for another one; [`Code::InvalidValue`] if the role is none that merchants give,
    /// or must not be combined with one that it has; or the store failed.
    ///
    /// # Cancel safety
    ///
    /// It may work there without the role; call it again.
    pub async fn employ(&self, user: UserId, merchant: &TenantId, role: &str) -> Result<()> {
        let role = merchant_role(role)?;
        let (user, actor, department) = (subject(user)?, Actor::system("merchant staff"), department(merchant)?);
        let known = self.service().user(&user).await.map_err(Problem::unavailable)?;
        match known.as_ref().and_then(|user| user.department.as_ref()) {
            Some(own) if *own == department => {}
            Some(_) => {
                return Err(Problem::new(Code::InvitationRefused, "This account works for another merchant."));
            }
            // Whoever works for the platform works for no merchant.
            None if known.as_ref().is_some_and(|user| !user.roles.is_empty()) => {
                return Err(Problem::new(Code::InvitationRefused, "This account works for the platform."));
            }
            None => {
                let moved = self.service().set_department(&actor, &user, Some(&department)).await;
                refused(moved.map_err(Problem::unavailable)?)?;
            }
        }
        let given = self.service().assign_role(&actor, &user, &role, None).await;
        refused(given.map_err(Problem::unavailable)?)
    }

    /// Lets an account work for all merchants, as their agent.
    ///
    /// # Errors
    ///
    /// The store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn assign_agent(&self, user: UserId) -> Result<()> {
        let all = DepartmentId::new(ALL_MERCHANTS).map_err(Problem::internal)?;
        let moved = self.service().set_department(&Actor::system("agent"), &subject(user)?, Some(&all)).await;
        refused(moved.map_err(Problem::unavailable)?)?;
        self.assign(user, "general-agent", "agent").await
    }

    /// Takes a role from somebody of a merchant's staff; without any they work there no more.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`] if they do not work there, or the store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn withdraw(&self, user: UserId, merchant: &TenantId, role: &str) -> Result<()> {
        let role = merchant_role(role)?;
        let (id, actor) = (subject(user)?, Actor::system("merchant staff"));
        let known = self.employee(user, merchant).await?;
        refused(self.service().unassign_role(&actor, &id, &role).await.map_err(Problem::unavailable)?)?;
        if known.roles.iter().all(|known| known == role.as_str()) {
            refused(self.service().set_department(&actor, &id, None).await.map_err(Problem::unavailable)?)?;
        }
        Ok(())
    }

    /// Somebody who works for that merchant.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`] if they do not, or the store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn employee(&self, user: UserId, merchant: &TenantId) -> Result<Employee> {
        let known = self.service().user(&subject(user)?).await.map_err(Problem::unavailable)?;
        let department = department(merchant)?;
        let known = known.filter(|known| known.department.as_ref() == Some(&department));
        let known = known.ok_or_else(|| Problem::not_found("person"))?;
        Ok(Employee { user, roles: known.roles.keys().map(ToString::to_string).collect() })
    }

    /// Everybody who works for a merchant.
    ///
    /// # Errors
    ///
    /// The store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn staff_of(&self, merchant: &TenantId) -> Result<Vec<Employee>> {
        let (department, mut staff, mut after) = (department(merchant)?, Vec::new(), None::<SubjectId>);
        loop {
            let page = self.service().users(after.as_ref(), PAGE).await.map_err(Problem::unavailable)?;
            let more = page.len() == PAGE as usize;
            after = page.last().map(|user| user.id.clone());
            for known in page.into_iter().filter(|known| known.department.as_ref() == Some(&department)) {
                if let Ok(user) = known.id.as_str().parse() {
                    staff.push(Employee { user, roles: known.roles.keys().map(ToString::to_string).collect() });
                }
            }
            if !more {
                return Ok(staff);
            }
        }
    }

    /// Withholds every role from an account, or gives them back. Buyers have none to withhold.
    ///
    /// # Errors
    ///
    /// The store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn set_disabled(&self, user: UserId, disabled: bool) -> Result<()> {
        let done = self.service().set_disabled(&Actor::system("account"), &subject(user)?, disabled).await;
        match done.map_err(Problem::unavailable)?.into_result() {
            Ok(_) | Err(RbacRefusal::Unknown { .. }) => Ok(()),
            Err(refusal) => Err(refusal_problem(&refusal)),
        }
    }

    /// Writes to the log.
    ///
    /// # Errors
    ///
    /// The log cannot be written.
    ///
    /// # Cancel safety
    ///
    /// It may have been written.
    pub async fn note(&self, record: AuditRecord) -> Result<()> {
        self.log().write(record).await.map(drop).map_err(Problem::unavailable)
    }
}

pub(super) fn department(merchant: &TenantId) -> Result<DepartmentId> {
    DepartmentId::new(merchant.as_str()).map_err(Problem::internal)
}

fn merchant_role(role: &str) -> Result<RoleName> {
    if !MERCHANT_ROLES.contains(&role) {
        let detail = format!("A merchant gives these roles: {}.", MERCHANT_ROLES.join(", "));
        return Err(Problem::invalid("role", detail));
    }
    RoleName::new(role).map_err(Problem::internal)
}

fn refused(outcome: RbacOutcome) -> Result<()> {
    outcome.into_result().map(drop).map_err(|refusal| refusal_problem(&refusal))
}

fn refusal_problem(refusal: &RbacRefusal) -> Problem {
    match refusal {
        RbacRefusal::Separation { .. } => {
            Problem::invalid("role", "These roles are kept apart.").with("reason", refusal.code())
        }
        _ => Problem::internal(refusal.to_string()),
    }
}
