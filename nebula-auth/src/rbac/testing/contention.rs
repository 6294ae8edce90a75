//! What [`RbacService`] promises when several administrators change the same things at the same time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{done, make_role, pattern, role, setup, user};
use crate::rbac::{
    Actor, ConstraintName, RbacOutcome, RbacRefusal, RbacService, RbacStore, Separation, SeparationKind,
};

fn services(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) -> [RbacService; 2] {
    [RbacService::new(store), RbacService::new(peer)]
}

/// Grants by different administrators to one user and to many users: none is lost, none is made twice.
pub async fn concurrent_grants_all_arrive(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let services = services(store, peer);
    make_role(&services[0], "root", &["*"], &[]).await;
    done(services[0].assign_role(&setup(), &user("admin"), &role("root"), None)).await;
    let mut racing = JoinSet::new();
    for number in 0..8usize {
        let service = services[number % 2].clone();
        racing.spawn(async move {
            let actor = Actor::User(user("admin"));
            done(service.grant(&actor, &user("ann"), &pattern(&format!("item:{number}")), None)).await;
            done(service.grant(&actor, &user(&format!("u{number}")), &pattern("item:0"), None)).await;
        });
    }
    racing.join_all().await;
    let ann = services[1].user(&user("ann")).await.expect("an answer").expect("she is there");
    assert_eq!(ann.grants.len(), 8);
    assert!(ann.grants.values().all(|assignment| assignment.by == "admin"));
    // Two for the set-up, sixteen grants: each is one commit.
    assert_eq!(services[0].store().head().await.expect("an answer").sequence, 18);
}

/// Two administrators add edges that make a cycle only together: one of them is refused.
pub async fn concurrent_parents_never_make_a_cycle(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let services = services(store, peer);
    const RING: usize = 6;
    for number in 0..RING {
        make_role(&services[0], &format!("r{number}"), &[], &[]).await;
    }
    let mut racing = JoinSet::new();
    for number in 0..RING {
        let service = services[number % 2].clone();
        racing.spawn(async move {
            let (child, parent) = (role(&format!("r{number}")), role(&format!("r{}", (number + 1) % RING)));
            service.add_parent(&setup(), &child, &parent).await.expect("the store answers")
        });
    }
    let refused: Vec<_> =
        racing.join_all().await.into_iter().filter_map(|outcome| outcome.into_result().err()).collect();
    let [RbacRefusal::Cycle { path }] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((path.len(), path.first()), (RING + 1, path.last()));
    let policy = services[0].policy().await.expect("an answer");
    assert_eq!(policy.cycle(), None);
    assert_eq!(policy.roles.values().map(|role| role.parents.len()).sum::<usize>(), RING - 1);
}

/// An administrator hands out a role while it is taken from them: whatever they handed out, they had it at that moment.
pub async fn nobody_escalates_while_losing_power(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let services = services(store, peer);
    make_role(&services[0], "root", &["*"], &[]).await;
    make_role(&services[0], "lead", &["rbac:user:write", "order:delete"], &[]).await;
    done(services[0].assign_role(&setup(), &user("lead"), &role("lead"), None)).await;
    let giving = tokio::spawn({
        let service = services[1].clone();
        async move {
            let mut given = Vec::new();
            for number in 0u64.. {
                let (lead, new) = (Actor::User(user("lead")), user(&format!("u{number}")));
                let outcome = service.grant(&lead, &new, &pattern("order:delete"), None).await;
                match outcome.expect("the store answers") {
                    RbacOutcome::Done(head) => given.push(head.sequence),
                    RbacOutcome::Refused(refusal) => return (given, refusal),
                }
                // A store in memory never waits, and the other shall have its turn.
                tokio::task::yield_now().await;
            }
            unreachable!("the numbers do not end")
        }
    });
    // Let a few through first.
    while services[0].store().head().await.expect("an answer").sequence < 6 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let taken = services[0].remove_permission(&setup(), &role("lead"), &pattern("order:delete")).await;
    let taken = taken.expect("an answer").into_result().expect("the change is made").sequence;
    let ended = tokio::time::timeout(Duration::from_secs(60), giving).await.expect("what is taken is missed");
    let (given, refusal) = ended.expect("no panic");
    assert!(matches!(refusal, RbacRefusal::Escalation { .. }), "{refusal:?}");
    assert!(
        !given.is_empty() && given.iter().all(|sequence| *sequence < taken),
        "taken at {taken}, given at {given:?}"
    );
}

/// Two roles that are kept apart are given to one person by two administrators at once: one of them is refused.
pub async fn separation_holds_under_contention(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let services = services(store, peer);
    make_role(&services[0], "buyer", &[], &[]).await;
    make_role(&services[0], "auditor", &[], &[]).await;
    make_role(&services[0], "chief", &[], &["auditor"]).await;
    let apart = Separation {
        name: ConstraintName::new("four-eyes").expect("a name"),
        kind: SeparationKind::Static,
        roles: BTreeSet::from([role("buyer"), role("auditor")]),
        limit: 2,
    };
    done(services[0].put_separation(&setup(), apart)).await;
    for number in 0..4u32 {
        let ann = user(&format!("ann{number}"));
        let (setup, buyer, chief) = (setup(), role("buyer"), role("chief"));
        let (one, other) = tokio::join!(
            services[0].assign_role(&setup, &ann, &buyer, None),
            services[1].assign_role(&setup, &ann, &chief, None),
        );
        let outcomes = [one.expect("an answer").into_result(), other.expect("an answer").into_result()];
        let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert!(matches!(&refused[..], [RbacRefusal::Separation { .. }]), "{refused:?}");
    }
    // Those who have one of the roles must not get the other by inheritance.
    done(services[0].assign_role(&setup(), &user("bob"), &role("buyer"), None)).await;
    let outcome = services[1].add_parent(&setup(), &role("buyer"), &role("auditor")).await.expect("an answer");
    assert!(matches!(outcome, RbacOutcome::Refused(RbacRefusal::Separation { .. })), "{outcome:?}");
}

/// A role that was deleted is nobody's when one of the same name is made, whoever was given it meanwhile.
pub async fn a_deleted_role_does_not_come_back(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let services = services(store, peer);
    make_role(&services[0], "clerk", &["order:read"], &[]).await;
    done(services[0].assign_role(&setup(), &user("ann"), &role("clerk"), None)).await;
    let (setup, ann, bob, clerk) = (setup(), user("ann"), user("bob"), role("clerk"));
    let (deleted, assigned) =
        tokio::join!(services[0].delete_role(&setup, &clerk), services[1].assign_role(&setup, &bob, &clerk, None),);
    deleted.expect("an answer").into_result().expect("the role is deleted");
    // Before the deletion it was made and taken again; after it, it was refused.
    let _ = assigned.expect("an answer");
    make_role(&services[1], "clerk", &["order:read", "order:delete"], &[]).await;
    for id in [&ann, &bob] {
        let authority = services[0].authority(id).await.expect("an answer");
        assert!(authority.roles.is_empty() && authority.permissions.is_empty(), "{id}: {authority:?}");
    }
    assert_eq!(services[0].store().holders(&clerk).await.expect("an answer"), Vec::new());
}
