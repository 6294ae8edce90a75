//! Checking a permission of a known user: ours against a plain map of sets (the limit), and against casbin's cached enforcer.
//!
//! 10,000 users with one role each, 1,000 roles with ten permissions each. Ours is asked by the user's id, as a request that
//! has just been authenticated would, and asserts first that a check allocates nothing.

use std::{
    collections::{HashMap, HashSet},
    hint::black_box,
    sync::Arc,
};

use casbin::{CachedEnforcer, CoreApi as _, DefaultModel, MemoryAdapter, MgmtApi as _};
use nebula_auth::rbac::{
    Actor, EvaluatorOptions, MemoryRbacStore, Permission, PermissionEvaluator, PermissionKey, PermissionPattern, Role,
    RoleName, UserId,
};
use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;

const USERS: usize = 10_000;
const ROLES: usize = 1_000;
const EACH: usize = 10;

const MODEL: &str = "
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub)
";

fn user(number: usize) -> String {
    format!("user-{number}")
}

fn object(role: usize, which: usize) -> String {
    format!("object-{role}-{which}")
}

async fn ours() -> PermissionEvaluator {
    let options = EvaluatorOptions::new().lease(std::time::Duration::from_secs(600));
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), options).await.unwrap();
    let (service, setup) = (evaluator.service(), Actor::system("bench"));
    for number in 0..ROLES {
        let permissions =
            (0..EACH).map(|which| PermissionPattern::new(format!("{}:read", object(number, which))).unwrap());
        let role = Role::new(RoleName::new(format!("role-{number}")).unwrap()).with_permissions(permissions);
        service.create_role(&setup, role).await.unwrap().into_result().unwrap();
    }
    for number in 0..USERS {
        let (id, role) =
            (UserId::new(user(number)).unwrap(), RoleName::new(format!("role-{}", number % ROLES)).unwrap());
        service.assign_role(&setup, &id, &role, None).await.unwrap().into_result().unwrap();
    }
    evaluator
}

async fn casbin() -> CachedEnforcer {
    let model = DefaultModel::from_str(MODEL).await.unwrap();
    let mut enforcer = CachedEnforcer::new(model, MemoryAdapter::default()).await.unwrap();
    let rule = |role: usize, which| vec![format!("role-{role}"), object(role, which), "read".to_owned()];
    let rules = (0..ROLES).flat_map(|role| (0..EACH).map(move |which| rule(role, which))).collect();
    enforcer.add_policies(rules).await.unwrap();
    let members = (0..USERS).map(|number| vec![user(number), format!("role-{}", number % ROLES)]).collect();
    enforcer.add_grouping_policies(members).await.unwrap();
    enforcer
}

/// Whom to ask about what, again and again.
struct Keys(Vec<(String, PermissionKey, String, String)>);

impl Keys {
    fn of(count: usize) -> Self {
        Self(
            (0..count)
                .map(|number| {
                    let object = object(number % ROLES, number % EACH);
                    let name = format!("{object}:read");
                    (user(number), PermissionKey::of(&Permission::new(&name).unwrap()), name, object)
                })
                .collect(),
        )
    }
}

pub(crate) async fn run(effort: Effort) {
    // Every permission gets its number first, as a program that declares its permissions has it.
    for role in 0..ROLES {
        let _ = (0..EACH)
            .map(|which| PermissionKey::of(&Permission::new(format!("{}:read", object(role, which))).unwrap()))
            .count();
    }
    let ours = ours().await;
    let sets: HashMap<String, Arc<HashSet<String>>> = (0..USERS)
        .map(|number| {
            let role = number % ROLES;
            (user(number), Arc::new((0..EACH).map(|which| format!("{}:read", object(role, which))).collect()))
        })
        .collect();
    let casbin = casbin().await;

    for count in [1, 1_000] {
        let keys = Keys::of(count);
        for (id, key, ..) in &keys.0 {
            assert!(ours.check(&UserId::new(id).unwrap(), *key).await.unwrap());
            assert_eq!(ours.cached(id, *key), Some(true));
        }
        let allocated = allocation_counter::measure(|| {
            for (id, key, ..) in &keys.0 {
                assert_eq!(ours.cached(black_box(id), black_box(*key)), Some(true));
            }
        });
        assert_eq!(allocated.count_total, 0, "a check allocates");
        println!("auth check users={count} allocations={}", allocated.count_total);
        compare(effort, count, &keys, &ours, &sets, &casbin).await;
    }
}

async fn compare(
    effort: Effort,
    count: usize,
    keys: &Keys,
    ours: &PermissionEvaluator,
    sets: &HashMap<String, Arc<HashSet<String>>>,
    casbin: &CachedEnforcer,
) {
    let times = effort.pick(2_000_000, 10_000_000);
    // With more keys than casbin's cache holds (200), each of its answers takes milliseconds. It goes on where it stopped in the
    // round before, so that the keys it is asked about are not always the same few.
    let mut next = keys.0.iter().cycle();
    let enforced = if count == 1 { effort.pick(50_000, 500_000) } else { effort.pick(40, 400) };
    let mut versus = Versus::new(&format!("permission check users={count}")).unit(Unit::Nanos);
    // The same users, each at hand as it is in a request that asks about one of them again and again.
    let hands: Vec<_> = keys.0.iter().map(|(id, key, name, _)| (id, ours.known(id).unwrap(), *key, name)).collect();
    let mut at_hand = Versus::new(&format!("permission check at hand users={count}")).unit(Unit::Nanos);
    let by_hand = async || {
        let all = async {
            let mut hands = hands.iter().cycle();
            for _ in 0..times {
                let Some((_, known, key, _)) = hands.next() else { return };
                black_box(black_box(known).has(black_box(*key)));
            }
        };
        Unit::Nanos.time(times, all).await
    };
    let check = async || {
        let all = async {
            let mut keys = keys.0.iter().cycle();
            for _ in 0..times {
                let Some((id, key, ..)) = keys.next() else { return };
                black_box(ours.cached(black_box(id), black_box(*key)));
            }
        };
        Unit::Nanos.time(times, all).await
    };
    for _ in 0..rounds(effort) {
        let map = async || {
            let all = async {
                let mut keys = keys.0.iter().cycle();
                for _ in 0..times {
                    let Some((id, _, name, _)) = keys.next() else { return };
                    let allowed = sets.get(black_box(id)).is_some_and(|set| set.contains(black_box(name)));
                    black_box(allowed);
                }
            };
            Unit::Nanos.time(times, all).await
        };
        versus.round("HashMap<User,Arc<HashSet<String>>>", check, map).await;
        at_hand.round("HashMap<User,Arc<HashSet<String>>>", by_hand, map).await;
        let enforcer = async || {
            let all = async {
                for _ in 0..enforced {
                    let Some((id, _, _, object)) = next.next() else { return };
                    assert!(casbin.enforce((id.as_str(), object.as_str(), "read")).unwrap());
                }
            };
            Unit::Nanos.time(enforced, all).await
        };
        versus.round("casbin CachedEnforcer", check, enforcer).await;
    }
    versus.print();
    at_hand.print();
}
