//! Who is asking, for the code that is asked.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::task::JoinHandle;

use super::{
    error::AccessError,
    granted::Granted,
    requirement::{DeclaredPermission, Requirement},
};
use crate::{
    audit::{AuditLog, AuditRecord, Decision},
    clock::{Clock, SystemClock},
    error::Error,
    rbac::{
        Activation, Actor, Authority, Permission, PermissionEvaluator, PermissionPattern, RoleName, StaticPermission,
        UserId,
    },
    token::{AuthMethod, Principal},
};

tokio::task_local! {
    static CONTEXT: AuthContext;
}

/// Who is asking, and who knows what they may do. Clones are the same context.
///
/// It is found by [`current`](Self::current) within [`scope`](Self::scope), which is where the tower layer puts requests.
/// Tasks do not inherit it: spawn them with [`spawn_with_auth`], or there is nobody asking, and nobody is let through.
#[derive(Clone)]
pub struct AuthContext(Arc<Inner>);

struct Inner {
    principal: Option<Principal>,
    user: Option<UserId>,
    /// What the token was limited to; nothing for no limit.
    limits: Option<Vec<PermissionPattern>>,
    evaluator: PermissionEvaluator,
    /// The roles chosen for this session; nothing for all.
    chosen: Option<BTreeSet<RoleName>>,
    clock: Arc<dyn Clock>,
    request_id: Option<String>,
    /// What is asked of, for the audit log.
    target: String,
    audit: Option<AuditLog>,
}

impl AuthContext {
    /// Somebody known by a verified token; their permissions are those that the evaluator knows of.
    ///
    /// A token with scopes is limited to them: of the user's permissions it has those that a scope covers, read as a
    /// pattern.
    #[must_use]
    pub fn new(principal: Principal, evaluator: PermissionEvaluator) -> Self {
        // Whoever has an id that nobody could have been given anything under has nothing.
        let user = UserId::new(principal.subject()).ok();
        let limits = (!principal.scopes().is_empty())
            .then(|| principal.scopes().iter().filter_map(|scope| PermissionPattern::new(scope).ok()).collect());
        Self::build(Some(principal), user, limits, evaluator)
    }

    /// Somebody who has not said who they are.
    #[must_use]
    pub fn anonymous(evaluator: PermissionEvaluator) -> Self {
        Self::build(None, None, None, evaluator)
    }

    fn build(
        principal: Option<Principal>,
        user: Option<UserId>,
        limits: Option<Vec<PermissionPattern>>,
        evaluator: PermissionEvaluator,
    ) -> Self {
        let clock = Arc::new(SystemClock);
        Self(Arc::new(Inner {
            principal,
            user,
            limits,
            evaluator,
            chosen: None,
            clock,
            request_id: None,
            target: String::new(),
            audit: None,
        }))
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = match Arc::try_unwrap(self.0) {
            Ok(inner) => inner,
            Err(shared) => Inner {
                principal: shared.principal.clone(),
                user: shared.user.clone(),
                limits: shared.limits.clone(),
                evaluator: shared.evaluator.clone(),
                chosen: shared.chosen.clone(),
                clock: Arc::clone(&shared.clock),
                request_id: shared.request_id.clone(),
                target: shared.target.clone(),
                audit: shared.audit.clone(),
            },
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// Judges the age of proofs by another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        self.with(|inner| inner.clock = clock)
    }

    /// The request, for the audit log.
    #[must_use]
    pub fn with_request_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.with(|inner| inner.request_id = Some(id))
    }

    /// What is asked of, for the audit log: the layer says `GET /orders/7`.
    #[must_use]
    pub fn with_target(self, target: impl Into<String>) -> Self {
        let target = target.into();
        self.with(|inner| inner.target = target)
    }

    /// Writes decisions to that log: every refusal, and everything that was let through where a second factor was asked
    /// for.
    #[must_use]
    pub fn with_audit(self, log: AuditLog) -> Self {
        self.with(|inner| inner.audit = Some(log))
    }

    /// Uses these roles of the user only, in this context.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] for roles that they do not have or must not use together.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn with_roles(self, roles: &BTreeSet<RoleName>) -> Result<Self, AccessError> {
        let user = self.0.user.as_ref().ok_or(AccessError::Unauthenticated)?;
        match self.0.evaluator.activate(user, roles).await.map_err(AccessError::Unavailable)? {
            Activation::Active(_) => Ok(self.with(|inner| inner.chosen = Some(roles.clone()))),
            Activation::NotHeld(role) => Err(AccessError::Forbidden { needed: format!("role {role}") }),
            Activation::Conflict(name) => {
                Err(AccessError::Forbidden { needed: format!("a choice between the roles of {name}") })
            }
            Activation::NoSession => Err(AccessError::Unauthenticated),
        }
    }

    /// Uses these roles only, as far as the user has them and may use them together at the time of each question.
    #[cfg(feature = "axum")]
    pub(crate) fn with_chosen(self, roles: BTreeSet<RoleName>) -> Self {
        self.with(|inner| inner.chosen = Some(roles))
    }

    /// The context that this code runs in.
    ///
    /// # Errors
    /// [`AccessError::NoContext`] if there is none.
    pub fn current() -> Result<Self, AccessError> {
        CONTEXT.try_with(Clone::clone).map_err(|_| AccessError::NoContext)
    }

    /// Runs a future in this context.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CONTEXT.scope(self, future)
    }

    /// Who is asking, if they have said so.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_ref()
    }

    /// Under which id they were given what they may do.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.0.user.as_ref()
    }

    /// On whose behalf changes of roles and users are made: with no more than this token and this session have.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`] if nobody is known to be asking.
    pub fn actor(&self) -> Result<Actor, AccessError> {
        let user = self.user().ok_or(AccessError::Unauthenticated)?.clone();
        Ok(match (&self.0.limits, &self.0.chosen) {
            (None, None) => Actor::User(user),
            (limits, roles) => {
                let permissions = limits.as_ref().map(|limits| limits.iter().cloned().collect());
                Actor::Limited { user, permissions, roles: roles.clone() }
            }
        })
    }

    /// The request, if it is known.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The log that decisions are written to, if there is one.
    #[must_use]
    pub fn audit(&self) -> Option<&AuditLog> {
        self.0.audit.as_ref()
    }

    /// Who knows what they may do.
    #[must_use]
    pub fn evaluator(&self) -> &PermissionEvaluator {
        &self.0.evaluator
    }

    /// Whether they have a permission.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`], [`AccessError::Forbidden`], or [`AccessError::Unavailable`] if it is not known.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn permission(&self, permission: &'static StaticPermission) -> Result<(), AccessError> {
        self.principal().ok_or(AccessError::Unauthenticated)?;
        let forbidden = || AccessError::Forbidden { needed: permission.name().to_owned() };
        let user = self.user().ok_or_else(forbidden)?;
        if let Some(limits) = &self.0.limits {
            let name = permission.key().permission();
            if !limits.iter().any(|limit| limit.covers(&name)) {
                return Err(forbidden());
            }
        }
        let has = match &self.0.chosen {
            None => self.0.evaluator.check(user, permission.key()).await,
            Some(roles) => {
                let held = self.0.evaluator.held(user).await;
                held.map(|held| held.chosen(roles).allows(&permission.key().permission()))
            }
        };
        if has.map_err(AccessError::Unavailable)? { Ok(()) } else { Err(forbidden()) }
    }

    /// Whether they have a permission whose name is known only at run time: for showing what they may do, as it is not
    /// written to the audit log.
    ///
    /// # Errors
    /// [`AccessError::Unavailable`] if it is not known.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn has(&self, permission: &Permission) -> Result<bool, AccessError> {
        let Some(user) = self.user() else { return Ok(false) };
        if self.0.limits.as_ref().is_some_and(|limits| !limits.iter().any(|limit| limit.covers(permission))) {
            return Ok(false);
        }
        match &self.0.chosen {
            None => self.0.evaluator.check_name(user, permission).await,
            Some(roles) => self.0.evaluator.held(user).await.map(|held| held.chosen(roles).allows(permission)),
        }
        .map_err(AccessError::Unavailable)
    }

    /// A proof that they have a permission.
    ///
    /// # Errors
    /// As [`permission`](Self::permission).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn granted<P: DeclaredPermission>(&self) -> Result<Granted<P>, AccessError> {
        self.require(&Requirement::permission::<P>()).await.map(|()| Granted::new())
    }

    async fn role(&self, role: &'static str) -> Result<(), AccessError> {
        self.principal().ok_or(AccessError::Unauthenticated)?;
        let forbidden = || AccessError::Forbidden { needed: format!("role {role}") };
        let (user, name) = (self.user().ok_or_else(forbidden)?, RoleName::new(role).map_err(|_| forbidden())?);
        // A token that is limited to permissions has no roles.
        if self.0.limits.is_some() {
            return Err(forbidden());
        }
        let held = self.0.evaluator.held(user).await.map_err(AccessError::Unavailable)?;
        let has = match &self.0.chosen {
            None => held.authority.roles.contains(&name),
            Some(roles) => held.chosen(roles).roles.contains(&name),
        };
        if has { Ok(()) } else { Err(forbidden()) }
    }

    /// Everything that counts in this context.
    pub(crate) async fn authority(&self) -> Result<Authority, AccessError> {
        let user = self.user().ok_or(AccessError::Unauthenticated)?;
        let held = self.0.evaluator.held(user).await.map_err(AccessError::Unavailable)?;
        Ok(self.0.chosen.as_ref().map_or_else(|| held.authority.clone(), |roles| held.chosen(roles)))
    }

    fn mfa(&self, within: Duration) -> Result<(), AccessError> {
        let principal = self.principal().ok_or(AccessError::Unauthenticated)?;
        let strong = principal.methods().contains(&AuthMethod::MultiFactor);
        // A proof from the future is none.
        let recent = |at: SystemTime| self.0.clock.now().duration_since(at).is_ok_and(|age| age <= within);
        if strong && principal.authenticated_at().is_some_and(recent) {
            Ok(())
        } else {
            Err(AccessError::StepUp { within })
        }
    }

    /// Whether they have what is needed; written to the audit log, if there is one, with what the request is about.
    ///
    /// # Errors
    /// What is missing, or [`AccessError::Unavailable`] if that is not known or cannot be written down.
    ///
    /// # Cancel safety
    /// Safe: only reads, and perhaps a line in the log.
    pub async fn require(&self, requirement: &Requirement) -> Result<(), AccessError> {
        self.require_on(requirement, "").await
    }

    /// As [`require`](Self::require), and says to what, for the audit log: `order 7`.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    ///
    /// # Cancel safety
    /// As [`require`](Self::require).
    pub async fn require_on(&self, requirement: &Requirement, on: &str) -> Result<(), AccessError> {
        let answer = self.judge(requirement).await;
        let Some(log) = &self.0.audit else { return answer };
        let mfa = matches!(requirement, Requirement::Mfa(_));
        if answer.is_ok() && !mfa {
            return answer;
        }
        let record = AuditRecord {
            who: self.principal().map(|principal| principal.subject().to_owned()).unwrap_or_default(),
            what: requirement.to_string(),
            on: match (self.0.target.as_str(), on) {
                (target, "") => target.to_owned(),
                ("", on) => on.to_owned(),
                (target, on) => format!("{target}: {on}"),
            },
            decision: match &answer {
                Ok(()) => Decision::Granted,
                Err(_) => Decision::Denied,
            },
            reason: answer.as_ref().err().map(|error| error.code().to_owned()).unwrap_or_default(),
            request_id: self.0.request_id.clone(),
        };
        match (log.write(record).await, answer) {
            // What cannot be written down is not done.
            (Err(error), Ok(())) => Err(AccessError::Unavailable(error)),
            (_, answer) => answer,
        }
    }

    fn judge<'a>(
        &'a self,
        requirement: &'a Requirement,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), AccessError>> + Send + 'a>> {
        Box::pin(async move {
            match requirement {
                Requirement::Authenticated => self.principal().map(drop).ok_or(AccessError::Unauthenticated),
                Requirement::Permission(permission) => self.permission(permission).await,
                Requirement::Role(role) => self.role(role).await,
                Requirement::Mfa(within) => self.mfa(*within),
                Requirement::All(all) => {
                    for one in all.iter() {
                        self.judge(one).await?;
                    }
                    nonempty(all)
                }
                Requirement::Any(any) => {
                    nonempty(any)?;
                    let mut best = AccessError::Forbidden { needed: requirement.to_string() };
                    for one in any.iter() {
                        match self.judge(one).await {
                            Ok(()) => return Ok(()),
                            // What is not known is not the same as no, and who can do something about it is told so.
                            Err(error @ (AccessError::Unavailable(_) | AccessError::Unauthenticated)) => {
                                return Err(error);
                            }
                            Err(error @ AccessError::StepUp { .. }) => best = error,
                            Err(_) => {}
                        }
                    }
                    Err(best)
                }
            }
        })
    }
}

/// Nothing is no requirement that could be met.
fn nonempty(list: &[Requirement]) -> Result<(), AccessError> {
    if list.is_empty() {
        Err(AccessError::Forbidden { needed: "nothing that could be had".to_owned() })
    } else {
        Ok(())
    }
}

impl fmt::Debug for AuthContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthContext").field("user", &self.0.user).finish_non_exhaustive()
    }
}

/// Spawns a task that runs in the same [`AuthContext`] as the caller, or in none if the caller has none.
pub fn spawn_with_auth<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match AuthContext::current() {
        Ok(context) => tokio::spawn(context.scope(future)),
        Err(_) => tokio::spawn(future),
    }
}

/// What the attributes call.
pub(crate) async fn require(requirement: &Requirement) -> Result<(), AccessError> {
    AuthContext::current()?.require(requirement).await
}

impl From<Error> for AccessError {
    fn from(error: Error) -> Self {
        Self::Unavailable(error)
    }
}
