//! What a thread remembers, against a plain map.

use proptest::prelude::*;

use super::*;
use crate::rbac::{Permission, PermissionPattern};

#[test]
fn ids_are_the_same_or_not_whatever_their_length() {
    let text = "user-01234567-89ab-cdef-0123-456789abcdef/long";
    for length in 1..text.len() {
        let id = &text[..length];
        let near = NearId::of(id);
        let here = |answer: bool| (length <= NearId::ROOM).then_some(answer);
        assert_eq!(near.is(id), here(true), "{id}");
        assert_eq!(near.is(&text[..length - 1]), here(false), "{id}");
        assert_eq!(near.is(&text[..=length]), here(false), "{id}");
        for at in 0..length {
            let mut other = id.as_bytes().to_vec();
            other[at] ^= 1;
            assert_eq!(near.is(std::str::from_utf8(&other).unwrap_or_default()), here(false), "{id} at {at}");
        }
    }
}

/// More than the words that are kept in the set itself.
const PERMISSIONS: usize = 400;
/// Far more than a thread has places for, so that they drive each other out all the time.
const USERS: usize = 48;
const ENGINES: usize = 3;

fn permission(number: usize) -> Permission {
    Permission::new(format!("cache-test:p{number}")).unwrap()
}

/// Some ids are longer than what is compared at once, and differ from others in the last letter only.
fn user(number: usize) -> UserId {
    let padding = if number.is_multiple_of(3) { "-0123456789-0123456789-0123456789-0123456789" } else { "" };
    UserId::new(format!("u{padding}{number:02}")).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    /// A user is read: has every so manieth permission.
    Land {
        engine: usize,
        user: usize,
        every: usize,
    },
    /// A user is read while they are changed.
    Late {
        engine: usize,
        user: usize,
    },
    /// A user is read whose time is over.
    Ended {
        engine: usize,
        user: usize,
    },
    Forget {
        engine: usize,
        user: usize,
    },
    ForgetAll {
        engine: usize,
    },
    /// The engine ends, and another one begins, perhaps where it was in memory.
    Replace {
        engine: usize,
    },
    Check {
        engine: usize,
        user: usize,
        permission: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (engine, user) = (0..ENGINES, 0..USERS);
    let check = (engine.clone(), user.clone(), 0..PERMISSIONS).prop_map(|(engine, user, permission)| Step::Check {
        engine,
        user,
        permission,
    });
    let land = (engine.clone(), user.clone(), 1..5usize);
    let one = (engine.clone(), user);
    prop_oneof![
        12 => check,
        6 => land.prop_map(|(engine, user, every)| Step::Land { engine, user, every }),
        1 => one.clone().prop_map(|(engine, user)| Step::Late { engine, user }),
        1 => one.clone().prop_map(|(engine, user)| Step::Ended { engine, user }),
        3 => one.prop_map(|(engine, user)| Step::Forget { engine, user }),
        1 => engine.clone().prop_map(|engine| Step::ForgetAll { engine }),
        1 => engine.prop_map(|engine| Step::Replace { engine }),
    ]
}

fn engine() -> Cache {
    let cache = Cache::new(100_000);
    cache.believe_until(u64::MAX);
    cache
}

fn held(cache: &Cache, number: usize, every: usize, deadline: u64) -> Arc<Held> {
    let permissions = (0..PERMISSIONS).step_by(every).map(|number| PermissionPattern::from(permission(number)));
    let authority = Authority { permissions: permissions.collect(), ..Authority::default() };
    cache.held(user(number), None, authority, Arc::default(), (SystemTime::UNIX_EPOCH, deadline))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    /// Users, engines and changes in any order, on one thread: every answer is that of the map.
    #[test]
    fn a_thread_remembers_nothing_that_is_not_so(steps in prop::collection::vec(step(), 1..300)) {
        let keys: Vec<PermissionKey> = (0..PERMISSIONS).map(|number| PermissionKey::of(&permission(number))).collect();
        let mut engines: Vec<Cache> = (0..ENGINES).map(|_| engine()).collect();
        // For each engine and user: every how manieth permission they have.
        let mut model: HashMap<(usize, usize), usize> = HashMap::new();
        // Users at hand, with what was so when they were taken.
        let mut at_hand: Vec<(usize, usize, usize, Arc<Held>)> = Vec::new();
        for step in steps {
            match step {
                Step::Land { engine, user: number, every } => {
                    let cache = &engines[engine];
                    let flight = cache.take_off(&user(number));
                    let landed = held(cache, number, every, u64::MAX);
                    prop_assert!(cache.land(&flight, &landed));
                    at_hand.push((engine, number, every, landed));
                    cache.give_up(&user(number), &flight);
                    model.insert((engine, number), every);
                }
                Step::Late { engine, user: number } => {
                    let cache = &engines[engine];
                    let flight = cache.take_off(&user(number));
                    cache.forget(&[user(number)]);
                    prop_assert!(!cache.land(&flight, &held(cache, number, 1, u64::MAX)));
                    model.remove(&(engine, number));
                }
                Step::Ended { engine, user: number } => {
                    let cache = &engines[engine];
                    let flight = cache.take_off(&user(number));
                    cache.land(&flight, &held(cache, number, 1, 0));
                    cache.give_up(&user(number), &flight);
                    model.remove(&(engine, number));
                }
                Step::Forget { engine, user: number } => {
                    engines[engine].forget(&[user(number)]);
                    model.remove(&(engine, number));
                }
                Step::ForgetAll { engine } => {
                    engines[engine].forget_all();
                    model.retain(|(of, _), _| *of != engine);
                }
                Step::Replace { engine: which } => {
                    engines[which] = engine();
                    model.retain(|(of, _), _| *of != which);
                    at_hand.retain(|(of, ..)| *of != which);
                }
                Step::Check { engine, user: number, permission } => {
                    let expected = model.get(&(engine, number)).map(|every| permission.is_multiple_of(*every));
                    let id = user(number);
                    // Once from what all share, once from what the thread remembers.
                    for _ in 0..2 {
                        prop_assert_eq!(engines[engine].check(id.as_str(), keys[permission]), expected);
                    }
                    // The last one taken says what is so, those before it nothing, and nobody anything else.
                    let mine = at_hand.iter().filter(|(of, user, ..)| (*of, *user) == (engine, number));
                    let said: Vec<_> =
                        mine.filter_map(|(.., held)| engines[engine].check_held(held, keys[permission])).collect();
                    prop_assert_eq!(said, expected.into_iter().collect::<Vec<_>>());
                }
            }
        }
    }
}
