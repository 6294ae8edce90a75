//! Makes a change: reads, judges, commits if all that was read is still so, and begins again if it is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    Actor, RbacOutcome, RbacRefusal, RbacService,
    draft::{Draft, Judgement, Users},
    observer::{Armed, Made},
    rights,
    trail::Trail,
};
use crate::{
    error::{Error, ErrorKind},
    rbac::{
        authority::Authority,
        codec,
        model::User,
        name::{RoleName, UserId},
        permission::Permission,
        policy::Policy,
        store::{Commit, CommitOutcome, Expect, Head, StoredUser, UserWrite},
    },
};

/// Which users a change of the policy has to look at.
pub(super) enum Concerns {
    Nobody,
    Holders(BTreeSet<RoleName>),
    Everybody,
}

impl RbacService {
    /// Changes one user.
    pub(super) async fn change_user(
        &self,
        actor: &Actor,
        id: &UserId,
        edit: impl Fn(&mut Option<User>) -> Result<(), RbacRefusal> + Send + Sync,
    ) -> Result<RbacOutcome, Error> {
        let mut trail = self.trail(actor, rights::USERS, format!("user {id}"));
        let outcome = self.try_user(actor, id, edit, &mut trail).await?;
        trail.end(outcome).await
    }

    async fn try_user(
        &self,
        actor: &Actor,
        id: &UserId,
        edit: impl Fn(&mut Option<User>) -> Result<(), RbacRefusal> + Send + Sync,
        trail: &mut Trail<'_>,
    ) -> Result<RbacOutcome, Error> {
        let started = Instant::now();
        for attempt in 0.. {
            let stored = self.store.user(id).await?;
            let (version, policy) = self.policy_at(stored.head).await?;
            let mut users = vec![(id.clone(), stored.version)];
            let authority = match actor.user() {
                None => None,
                Some(user) => {
                    let acting = if user == id { stored.clone() } else { self.store.user(user).await? };
                    users.push((user.clone(), acting.version));
                    Some(authority(actor, &policy, &acting)?)
                }
            };
            let before = codec::user(id, stored.body.as_deref())?;
            let mut after = before.clone();
            if let Err(refusal) = allowed(authority.as_ref(), rights::USERS).and_then(|()| edit(&mut after)) {
                return Ok(RbacOutcome::Refused(refusal));
            }
            if before == after {
                return Ok(RbacOutcome::Done(stored.head));
            }
            let draft = |user| Draft { policy: Arc::clone(&policy), users: BTreeMap::from([(id.clone(), user)]) };
            let (before, after) = (draft(before), draft(after));
            let judgement = Judgement { before: &before, after: &after, actor: authority.as_ref(), now: stored.now };
            if let Err(refusal) = judgement.judge() {
                return Ok(RbacOutcome::Refused(refusal));
            }
            let expect = Expect::Versions { policy: version, users };
            if let Some(head) = self.commit(expect, &before, &after, trail).await? {
                return Ok(RbacOutcome::Done(head));
            }
            self.pause(started, attempt).await?;
        }
        unreachable_loop()
    }

    /// Changes the policy, and users with it where `concerns` and `then` say so.
    pub(super) async fn change_policy(
        &self,
        actor: &Actor,
        (right, on): (&'static str, &str),
        edit: impl Fn(&mut Policy) -> Result<(), RbacRefusal> + Send + Sync,
        concerns: impl Fn(&Policy, &Policy) -> Concerns + Send + Sync,
        then: impl Fn(&mut Users) -> Result<(), RbacRefusal> + Send + Sync,
    ) -> Result<RbacOutcome, Error> {
        let mut trail = self.trail(actor, right, on.to_owned());
        let outcome = self.try_policy(actor, right, (edit, concerns, then), &mut trail).await?;
        trail.end(outcome).await
    }

    async fn try_policy(
        &self,
        actor: &Actor,
        right: &'static str,
        (edit, concerns, then): (
            impl Fn(&mut Policy) -> Result<(), RbacRefusal> + Send + Sync,
            impl Fn(&Policy, &Policy) -> Concerns + Send + Sync,
            impl Fn(&mut Users) -> Result<(), RbacRefusal> + Send + Sync,
        ),
        trail: &mut Trail<'_>,
    ) -> Result<RbacOutcome, Error> {
        let started = Instant::now();
        for attempt in 0.. {
            let head = self.store.head().await?;
            let (_, policy) = self.policy_at(head).await?;
            let (authority, now) = match actor.user() {
                None => (None, SystemTime::now()),
                Some(user) => {
                    let acting = self.store.user(user).await?;
                    (Some(authority(actor, &policy, &acting)?), acting.now)
                }
            };
            let mut after = (*policy).clone();
            if let Err(refusal) = allowed(authority.as_ref(), right).and_then(|()| edit(&mut after)) {
                return Ok(RbacOutcome::Refused(refusal));
            }
            let (users, now) = self.concerned(concerns(&policy, &after), now).await?;
            let before = Draft { policy: Arc::clone(&policy), users: users.clone() };
            let mut after = Draft { policy: Arc::new(after), users };
            if let Err(refusal) = then(&mut after.users) {
                return Ok(RbacOutcome::Refused(refusal));
            }
            if before.policy == after.policy && before.users == after.users {
                return Ok(RbacOutcome::Done(head));
            }
            let judgement = Judgement { before: &before, after: &after, actor: authority.as_ref(), now };
            if let Err(refusal) = judgement.judge() {
                return Ok(RbacOutcome::Refused(refusal));
            }
            // Everything was read after this head: if it still stands, everything read still does.
            if let Some(head) = self.commit(Expect::Sequence(head.sequence), &before, &after, trail).await? {
                return Ok(RbacOutcome::Done(head));
            }
            self.pause(started, attempt).await?;
        }
        unreachable_loop()
    }

    async fn concerned(&self, concerns: Concerns, mut now: SystemTime) -> Result<(Users, SystemTime), Error> {
        let mut found: Vec<StoredUser> = Vec::new();
        match concerns {
            Concerns::Nobody => {}
            Concerns::Holders(roles) => {
                for role in &roles {
                    found.extend(self.store.holders(role).await?);
                }
            }
            Concerns::Everybody => {
                const PAGE: u32 = 1000;
                loop {
                    let page = self.store.users(found.last().map(|user| &user.id), PAGE).await?;
                    let last = page.len() < 1000;
                    found.extend(page);
                    if last {
                        break;
                    }
                }
            }
        }
        let mut users = Users::new();
        for stored in found {
            now = stored.now;
            let user = codec::user(&stored.id, stored.body.as_deref())?;
            users.insert(stored.id, user);
        }
        Ok((users, now))
    }

    /// The new head, or nothing if somebody else was first.
    async fn commit(
        &self,
        expect: Expect,
        before: &Draft,
        after: &Draft,
        trail: &mut Trail<'_>,
    ) -> Result<Option<Head>, Error> {
        let documents = match Arc::ptr_eq(&before.policy, &after.policy) {
            true => Vec::new(),
            false => codec::difference(&before.policy, &after.policy)?,
        };
        let mut users = Vec::new();
        for (id, user) in after.users.iter().filter(|(id, user)| before.users.get(*id) != Some(*user)) {
            let roles = user.iter().flat_map(|user| user.roles.keys().cloned()).collect();
            let body = user.as_ref().map(codec::encode).transpose()?;
            users.push(UserWrite { id: id.clone(), body, roles });
        }
        let record = trail.begin(&*self.store).await?;
        let commit = Commit { expect, documents, users, record };
        // Armed before the commit is sent: dropped with this future, they say that its outcome is open.
        let armed: Vec<_> = self.observers.iter().map(|observer| Armed(Some(Arc::clone(observer).attempt()))).collect();
        let outcome = self.store.commit(&commit).await?;
        let CommitOutcome::Committed(head) = outcome else {
            return Ok(None);
        };
        trail.committed(commit.record.is_some());
        let users: Vec<UserId> = commit.users.iter().map(|user| user.id.clone()).collect();
        for mut armed in armed {
            if let Some(report) = armed.0.take() {
                report(Some(Made { head, policy: !commit.documents.is_empty(), users: &users }));
            }
        }
        Ok(Some(head))
    }

    /// Waits a little, and longer the more others are at it.
    async fn pause(&self, started: Instant, attempt: u32) -> Result<(), Error> {
        if started.elapsed() >= self.deadline {
            return Err(Error::new(ErrorKind::Busy, "others kept changing the same roles or users; try again"));
        }
        let longest = 1u64 << attempt.min(6);
        let random = uuid::Uuid::new_v4().as_u64_pair().0 % (longest * 1000);
        tokio::time::sleep(Duration::from_micros(200 + random)).await;
        Ok(())
    }
}

fn unreachable_loop() -> Result<RbacOutcome, Error> {
    Err(Error::internal("a change of roles was tried too often"))
}

fn authority(actor: &Actor, policy: &Policy, stored: &StoredUser) -> Result<Authority, Error> {
    let user = codec::user(&stored.id, stored.body.as_deref())?;
    Ok(user.map(|user| actor.authority(policy, &user, stored.now)).unwrap_or_default())
}

fn allowed(authority: Option<&Authority>, right: &'static str) -> Result<(), RbacRefusal> {
    let needed = Permission::new(right).map_err(|_| RbacRefusal::NotAllowed { permission: right })?;
    match authority {
        Some(authority) if !authority.allows(&needed) => Err(RbacRefusal::NotAllowed { permission: right }),
        _ => Ok(()),
    }
}
