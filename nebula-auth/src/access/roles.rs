//! Which of their roles people use, session by session.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    audit::{AuditLog, Decision, Journal},
    clock::Clock,
    error::{Error, ErrorKind},
    proof::{Change, ProofKey, ProofStore, Records},
    rbac::{Activation, PermissionEvaluator, RoleName, UserId},
    token::Principal,
};

/// No session lives longer.
const KEPT: Duration = Duration::from_hours(366 * 24);
/// How often an activation is judged again because another one of the same session was faster.
const TRIES: u32 = 16;

/// Which of their roles people use, session by session: dynamic separation of duty (ANSI INCITS 359).
///
/// Whoever has roles that must not be used together has none of them in effect until they choose. [`activate_role`] chooses
/// for one session, whose requests from then on have what its active roles give (and what was granted without a role);
/// [`AuthLayer::with_session_roles`](crate::axum::AuthLayer::with_session_roles) sees to that, in every process that has the
/// same store. Roles that are taken away, or become incompatible later, have no effect however active they are.
///
/// [`activate_role`]: Self::activate_role
///
/// ```
/// # use nebula_auth::{Principal, access::SessionRoles, proof::MemoryProofStore};
/// # use nebula_auth::rbac::{Activation, PermissionEvaluator, RoleName};
/// # async fn example(evaluator: PermissionEvaluator, principal: Principal) -> Result<(), Box<dyn std::error::Error>> {
/// let roles = SessionRoles::new(MemoryProofStore::new(), evaluator);
/// match roles.activate_role(&principal, &RoleName::new("cashier")?).await? {
///     Activation::Active(authority) => println!("in use: {:?}", authority.roles),
///     Activation::Conflict(rule) => println!("not together with what is in use: {rule}"),
///     other => println!("no: {other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SessionRoles {
    records: Records,
    evaluator: PermissionEvaluator,
    journal: Journal,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    /// Version of this layout.
    v: u8,
    subject: String,
    roles: BTreeSet<RoleName>,
}

impl SessionRoles {
    /// Kept in that store, which all processes share; judged by that evaluator.
    pub fn new(store: impl ProofStore, evaluator: PermissionEvaluator) -> Self {
        Self { records: Records::new(store), evaluator, journal: Journal::default() }
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.records.set_clock(clock);
        self
    }

    /// Writes to that log which roles were activated, and which were not.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.journal = Journal::to(log);
        self
    }

    /// The roles that this session has chosen; nothing if it has chosen none.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn active(&self, principal: &Principal) -> Result<Option<BTreeSet<RoleName>>, Error> {
        let Some(key) = key_of(principal) else { return Ok(None) };
        let found = self.records.read::<Stored>(&key).await?;
        Ok(found.map(|stored| match stored.subject == principal.subject() {
            true => stored.roles,
            // Somebody else's choice gives nothing.
            false => BTreeSet::new(),
        }))
    }

    /// Uses a role in this session, beside those that it uses already. With the first one chosen, the others are no longer in
    /// use. Refused if the user does not have it themselves, or must not use it together with those.
    ///
    /// # Errors
    /// If a store cannot answer; [`ErrorKind::Busy`] if the session keeps choosing elsewhere.
    ///
    /// # Cancel safety
    /// The role is in use or not.
    pub async fn activate_role(&self, principal: &Principal, role: &RoleName) -> Result<Activation, Error> {
        let outcome = self
            .choose(principal, Some(role), |chosen| {
                let mut wanted = chosen.cloned().unwrap_or_default();
                wanted.insert(role.clone());
                wanted
            })
            .await?;
        let refusal = match &outcome {
            Activation::Active(_) => None,
            Activation::NotHeld(_) => Some("role_not_held"),
            Activation::Conflict(_) => Some("separation_of_duty"),
            Activation::NoSession => Some("no_session"),
        };
        let on = format!("role {role} in session {}", principal.session_id().unwrap_or_default());
        self.journal.judged(principal.subject(), "session:activate-role", on, refusal).await?;
        Ok(outcome)
    }

    /// Uses a role no more in this session. One that has chosen none yet uses none from then on.
    ///
    /// # Errors
    /// As [`activate_role`](Self::activate_role).
    ///
    /// # Cancel safety
    /// The role is in use or not.
    pub async fn deactivate_role(&self, principal: &Principal, role: &RoleName) -> Result<Activation, Error> {
        let without = |chosen: Option<&BTreeSet<RoleName>>| {
            chosen.into_iter().flatten().filter(|other| *other != role).cloned().collect()
        };
        let outcome = self.choose(principal, None, without).await?;
        let on = format!("role {role} in session {}", principal.session_id().unwrap_or_default());
        self.journal.note(principal.subject(), "session:deactivate-role", on, Decision::Changed, "").await?;
        Ok(outcome)
    }

    async fn choose(
        &self,
        principal: &Principal,
        needed: Option<&RoleName>,
        wanted: impl Fn(Option<&BTreeSet<RoleName>>) -> BTreeSet<RoleName> + Send + Sync,
    ) -> Result<Activation, Error> {
        let (Some(key), Ok(user)) = (key_of(principal), UserId::new(principal.subject())) else {
            return Ok(Activation::NoSession);
        };
        for _ in 0..TRIES {
            let before = self.active(principal).await?;
            let mut after = wanted(before.as_ref());
            let outcome = loop {
                match self.evaluator.activate(&user, &after).await? {
                    // What was taken away since is in nobody's way.
                    Activation::NotHeld(gone) if needed != Some(&gone) => {
                        after.remove(&gone);
                    }
                    outcome => break outcome,
                }
            };
            if !matches!(outcome, Activation::Active(_)) {
                return Ok(outcome);
            }
            // Only if nobody has chosen in between: two that do not go together must not both be found to fit.
            let kept = self.records.update(&key, |found: Option<Stored>, now| {
                if found.map(|stored| stored.roles) != before {
                    return Ok(Change::Keep(false));
                }
                let (subject, roles) = (principal.subject().to_owned(), after.clone());
                Ok(Change::Put(Stored { v: 1, subject, roles }, now + KEPT, true))
            });
            if kept.await? {
                return Ok(outcome);
            }
        }
        Err(Error::new(ErrorKind::Busy, "this session keeps choosing other roles; try again"))
    }
}

fn key_of(principal: &Principal) -> Option<ProofKey> {
    principal.session_id().map(|id| ProofKey::of("roles", &[id]))
}

impl fmt::Debug for SessionRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRoles").field("store", &self.records).finish_non_exhaustive()
    }
}
