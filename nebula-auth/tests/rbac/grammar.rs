//! What is a permission, and what covers what.

use nebula_auth::rbac::{
    MAX_PERMISSION_BYTES, MAX_PERMISSION_SEGMENTS, Permission, PermissionError, PermissionPattern, RoleName, UserId,
};
use proptest::{collection::vec, prelude::*};

fn covers(pattern: &str, permission: &str) -> bool {
    PermissionPattern::new(pattern).unwrap().covers(&Permission::new(permission).unwrap())
}

#[test]
fn a_star_is_one_segment_and_at_the_end_one_or_more() {
    for (pattern, permission, expected) in [
        ("order:read", "order:read", true),
        ("order:read", "order:write", false),
        ("order", "order:read", false),
        ("order", "orders:read", false),
        ("order:read", "order", false),
        ("order:*", "order:read", true),
        ("order:*", "order:item:read", true),
        ("order:*", "order", false),
        ("order:*", "orders:read", false),
        ("*:read", "order:read", true),
        ("*:read", "order:item:read", false),
        ("*:*", "order", false),
        ("*:*", "order:item:read", true),
        ("a:*:c", "a:b:c", true),
        ("a:*:c", "a:b:b:c", false),
        ("*", "order", true),
        ("*", "order:item:read", true),
    ] {
        assert_eq!(covers(pattern, permission), expected, "{pattern} {permission}");
    }
}

#[test]
fn whatever_is_not_a_permission_is_refused_with_what_is() {
    use PermissionError::{BadCharacter, EmptySegment, TooLong, TooManySegments, Wildcard};

    for (text, expected) in [
        ("", EmptySegment),
        (":", EmptySegment),
        ("order:", EmptySegment),
        (":read", EmptySegment),
        ("order::read", EmptySegment),
        ("Order:Read", BadCharacter),
        ("order:read ", BadCharacter),
        ("order\u{ff1a}read", BadCharacter),
        ("\u{43e}rder:read", BadCharacter),
        ("order:read\u{200b}", BadCharacter),
        ("order:read\0", BadCharacter),
        ("order:(read|.*)", BadCharacter),
        ("order:read\n", BadCharacter),
        ("ord*:read", Wildcard),
        ("order:*read", Wildcard),
        ("order:**", Wildcard),
    ] {
        assert_eq!(PermissionPattern::new(text), Err(expected), "{text:?}");
        assert_eq!(Permission::new(text), Err(expected), "{text:?}");
    }
    let bomb = vec!["a"; 1000].join(":");
    assert_eq!(PermissionPattern::new(&bomb), Err(TooLong));
    assert_eq!(PermissionPattern::new(["a"; MAX_PERMISSION_SEGMENTS + 1].join(":")), Err(TooManySegments));
    assert_eq!(PermissionPattern::new("x".repeat(64 * 1024)), Err(TooLong));
    assert!(PermissionPattern::new("x".repeat(MAX_PERMISSION_BYTES)).is_ok());
    // What is required names one thing.
    assert_eq!(Permission::new("order:*"), Err(Wildcard));
    assert!(Wildcard.to_string().contains("whole segment"));
}

#[test]
fn names_and_ids_have_one_form() {
    for bad in ["", " ann", "ann ", "a\nb", "a\0b", &"x".repeat(129)] {
        assert!(UserId::new(bad).is_err(), "{bad:?}");
    }
    for bad in ["", "Admin", "a b", "a:b", "*", &"x".repeat(65)] {
        assert!(RoleName::new(bad).is_err(), "{bad:?}");
    }
    assert!(serde_json::from_str::<RoleName>("\"Admin\"").is_err());
    assert!(serde_json::from_str::<PermissionPattern>("\"a:**\"").is_err());
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("ab".to_owned())]
}

fn permission() -> impl Strategy<Value = String> {
    vec(segment(), 1..=4).prop_map(|segments| segments.join(":"))
}

fn pattern() -> impl Strategy<Value = String> {
    vec(prop_oneof![segment(), Just("*".to_owned())], 1..=4).prop_map(|segments| segments.join(":"))
}

/// The definition, written down another way: by what is left over.
fn stands_for(pattern: &[&str], permission: &[&str]) -> bool {
    match (pattern, permission) {
        (["*"], [_, ..]) => true,
        ([], []) => true,
        ([first, pattern @ ..], [segment, permission @ ..]) => {
            (*first == "*" || first == segment) && stands_for(pattern, permission)
        }
        _ => false,
    }
}

/// All permissions of up to five segments over three words, the greatest length that any pair of patterns can tell apart.
fn universe() -> Vec<String> {
    let words = ["a", "b", "ab"];
    let mut all: Vec<String> = words.iter().map(ToString::to_string).collect();
    let mut last = all.clone();
    for _ in 1..5 {
        last = last.iter().flat_map(|text| words.map(|word| format!("{text}:{word}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn covering_is_what_the_definition_says(pattern in pattern(), permission in permission()) {
        let (segments, parts): (Vec<_>, Vec<_>) = (pattern.split(':').collect(), permission.split(':').collect());
        prop_assert_eq!(covers(&pattern, &permission), stands_for(&segments, &parts));
    }

    #[test]
    fn a_pattern_includes_another_exactly_if_it_covers_all_that_the_other_covers(large in pattern(), small in pattern()) {
        let (large, small) = (PermissionPattern::new(large).unwrap(), PermissionPattern::new(small).unwrap());
        let all = universe().into_iter().map(|text| Permission::new(text).unwrap());
        let expected = all.filter(|name| small.covers(name)).all(|name| large.covers(&name));
        // A literal segment never includes a `*`, although the three words of this universe do not tell.
        prop_assert_eq!(large.includes(&small), expected);
    }

    #[test]
    fn any_text_is_judged_without_panic_and_comes_back_as_it_was(text in any::<String>()) {
        if let Ok(permission) = Permission::new(&text) {
            prop_assert_eq!(permission.as_str(), &text);
            prop_assert!(PermissionPattern::everything().covers(&permission));
            prop_assert!(PermissionPattern::from(permission.clone()).covers(&permission));
        }
        if let Ok(pattern) = PermissionPattern::new(&text) {
            prop_assert!(text.len() <= MAX_PERMISSION_BYTES && PermissionPattern::everything().includes(&pattern));
            prop_assert_eq!(serde_json::from_str::<PermissionPattern>(&serde_json::to_string(&pattern).unwrap()).unwrap(), pattern);
        }
    }
}
