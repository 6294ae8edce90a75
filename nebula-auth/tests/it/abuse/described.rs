//! Cases that are descriptions, and the tests that do what they describe.

use std::{collections::BTreeSet, path::Path};

use super::{abuse_cases, text, tokens::is_plain};

/// Case, file within the crate, tests in it.
const DESCRIBED: &[(&str, &str, &[&str])] = &[
    ("J26", "tests/it/abuse/tokens.rs", &["a_token_beyond_the_limit_is_not_even_decoded"]),
    ("J30", "tests/it/abuse/tokens.rs", &["the_other_text_of_a_revoked_token_is_revoked_too"]),
    ("J32", "tests/it/extractors.rs", &["two_credentials_are_ambiguous"]),
    ("J33", "tests/it/extractors.rs", &["two_credentials_are_ambiguous"]),
    ("J34", "tests/it/extractors.rs", &["malformed_credentials_are_refused_everywhere"]),
    ("C24", "tests/it/abuse/tokens.rs", &["a_user_who_was_deleted_is_not_active"]),
    ("C25", "tests/it/abuse/tokens.rs", &["an_old_version_of_permissions_shows"]),
    ("R03", "tests/it/sessions.rs", &["a_hundred_refreshers_at_once_get_one_successor"]),
    ("R04", "tests/it/sessions.rs", &["the_grace_is_for_the_same_device_only"]),
    ("R06", "tests/it/sessions.rs", &["a_token_whose_successor_was_used_is_stolen_even_in_the_same_second"]),
    ("R07", "tests/it/sessions.rs", &["access_and_refresh_tokens_do_not_stand_in_for_each_other"]),
    (
        "R08",
        "tests/it/sessions.rs",
        &["sessions_end_at_logout_one_or_all", "a_disabled_user_cannot_refresh_and_versions_are_current"],
    ),
    ("R09", "tests/it/sessions.rs", &["scopes_can_only_be_narrowed"]),
    ("R10", "tests/it/sessions.rs", &["refreshing_does_not_prolong_a_session"]),
    ("M01", "tests/it/factors/totp.rs", &["a_code_is_accepted_once_and_none_that_is_older"]),
    ("M02", "tests/it/factors/totp.rs", &["a_code_is_accepted_once_and_none_that_is_older"]),
    ("M03", "tests/it/factors/totp.rs", &["of_many_at_once_with_one_code_one_gets_in"]),
    ("M04", "tests/it/factors/login.rs", &["the_sixth_code_of_a_challenge_is_not_looked_at"]),
    ("M05", "tests/it/factors/login.rs", &["new_challenges_do_not_start_the_count_anew"]),
    ("M08", "tests/it/factors/totp.rs", &["recovery_codes_work_once_however_they_are_typed"]),
    ("M09", "tests/it/factors/totp.rs", &["recovery_codes_need_112_bits"]),
    ("M11", "tests/it/factors/totp.rs", &["factors_are_changed_by_who_has_shown_one_recently"]),
    ("O02", "tests/it/oidc/login.rs", &["a_login_belongs_to_the_browser_that_began_it"]),
    ("O03", "tests/it/oidc/login.rs", &["a_login_comes_back_once"]),
    ("O04", "tests/it/oidc/login.rs", &["a_code_of_another_login_is_worth_nothing"]),
    ("O05", "tests/it/oidc/login.rs", &["a_provider_without_s256_is_not_used"]),
    ("O08", "tests/it/oidc/login.rs", &["an_id_token_is_for_this_login_this_client_and_now"]),
    ("O09", "tests/it/oidc/login.rs", &["an_id_token_is_for_this_login_this_client_and_now"]),
    ("O10", "tests/it/oidc/login.rs", &["accounts_are_joined_by_proof_only"]),
    ("O12", "tests/it/oidc/login.rs", &["the_way_back_stays_on_this_site"]),
    ("H01", "tests/it/access/http.rs", &["no_spelling_of_a_path_gets_around_a_policy"]),
    ("H02", "tests/it/access/http.rs", &["no_spelling_of_a_path_gets_around_a_policy"]),
    ("H03", "tests/it/access/http.rs", &["no_spelling_of_a_path_gets_around_a_policy"]),
    ("H05", "tests/it/access/http.rs", &["no_spelling_of_a_path_gets_around_a_policy"]),
    ("H07", "tests/it/access/http.rs", &["no_spelling_of_a_path_gets_around_a_policy"]),
    ("H08", "tests/it/access/http.rs", &["no_spelling_of_a_path_gets_around_a_policy"]),
    // Every request of these tests carries the headers.
    ("H11", "tests/it/access/http.rs", &["no_spelling_of_a_path_gets_around_a_policy"]),
    ("H12", "tests/it/access/http.rs", &["without_the_layer_nobody_is_let_through"]),
    ("P02", "src/compile_fail.rs", &["p02_misspelt"]),
    ("P03", "src/compile_fail.rs", &["p03_wildcard"]),
    ("P05", "tests/it/abuse/extra.rs", &["who_was_given_nothing_may_nothing"]),
    ("P06", "tests/it/abuse/extra.rs", &["a_name_is_not_the_beginning_of_another"]),
    ("P09", "tests/it/abuse/extra.rs", &["what_is_no_permission_is_not_stored"]),
    ("P10", "tests/it/abuse/extra.rs", &["what_is_no_permission_is_not_stored"]),
    ("P11", "tests/it/abuse/extra.rs", &["what_is_no_permission_is_not_stored"]),
    ("P12", "tests/it/abuse/extra.rs", &["what_is_no_permission_is_not_stored"]),
    ("P13", "tests/it/abuse/extra.rs", &["what_is_no_permission_is_not_stored"]),
    ("P15", "tests/it/abuse/extra.rs", &["a_permission_is_no_role"]),
    ("B02", "tests/rbac/rules.rs", &["cycles_are_refused_and_long_and_wide_ways_are_followed"]),
    ("B03", "src/rbac/testing/contention.rs", &["concurrent_parents_never_make_a_cycle"]),
    ("B04", "tests/rbac/rules.rs", &["cycles_are_refused_and_long_and_wide_ways_are_followed"]),
    ("B05", "tests/rbac/rules.rs", &["cycles_are_refused_and_long_and_wide_ways_are_followed"]),
    ("B07", "tests/rbac/rules.rs", &["nobody_gives_what_they_do_not_have"]),
    ("B08", "tests/rbac/rules.rs", &["nobody_gives_what_they_do_not_have"]),
    ("B11", "tests/rbac/rules.rs", &["the_last_role_with_everything_stays"]),
    ("B13", "tests/rbac/rules.rs", &["roles_that_must_not_be_used_together_are_not"]),
    ("B14", "src/rbac/testing/contention.rs", &["a_deleted_role_does_not_come_back"]),
    ("B15", "tests/rbac/evaluator.rs", &["what_is_given_for_a_time_ends_in_a_warm_cache"]),
    ("K01", "tests/rbac/evaluator.rs", &["changes_are_seen_at_once_here_on_every_thread"]),
    ("K02", "tests/rbac_processes.rs", &["parent"]),
    ("K03", "tests/rbac_processes.rs", &["parent"]),
    ("K05", "tests/rbac/evaluator.rs", &["a_change_of_a_parent_role_reaches_the_heirs_of_its_heirs"]),
    ("K07", "tests/it/abuse/extra.rs", &["nothing_that_comes_from_redis_is_believed"]),
    ("K10", "tests/it/abuse/extra.rs", &["many_permissions_are_told_apart"]),
    ("L01", "tests/it/factors/throttle.rs", &["names_that_nobody_has_are_slowed_down_like_others"]),
    ("L02", "tests/it/provider.rs", &["names_have_one_canonical_form"]),
    ("L03", "tests/it/password.rs", &["every_byte_of_a_long_password_counts"]),
    ("L04", "tests/it/sessions.rs", &["every_login_has_a_session_id_of_its_own"]),
    ("L08", "tests/secrecy/main.rs", &["hostile_names_cannot_break_log_lines"]),
    (
        "L09",
        "tests/secrecy/main.rs",
        &["secrets_stay_out_of_logs_debug_and_errors", "factors_and_codes_stay_out_of_logs_debug_and_errors"],
    ),
    ("L10", "tests/it/sessions.rs", &["the_session_check_ends_access_tokens_too"]),
    ("D02", "tests/it/access/data.rs", &["statements_and_memory_agree_on_what_is_reached"]),
    ("D03", "tests/it/access/data.rs", &["statements_and_memory_agree_on_what_is_reached"]),
    ("D04", "tests/it/access/functions.rs", &["nobody_asking_is_nobody_let_through"]),
    ("D06", "tests/it/access/data.rs", &["fields_are_as_open_as_the_rules_that_reach_the_record"]),
    ("D07", "tests/it/access/data.rs", &["fields_are_as_open_as_the_rules_that_reach_the_record"]),
    ("D09", "tests/it/access/data.rs", &["writes_stay_within_the_scope_on_numbered_placeholders"]),
    ("F01", "tests/it/config.rs", &["the_sample_secret_is_refused_with_what_to_do"]),
    ("F03", "tests/it/abuse/extra.rs", &["secrets_that_everybody_knows_are_refused"]),
    ("F04", "tests/it/abuse/extra.rs", &["secrets_that_everybody_knows_are_refused"]),
    ("F06", "tests/it/keys.rs", &["issuer_and_audience_must_be_set"]),
    ("F07", "tests/it/config.rs", &["lifetimes_out_of_bounds_are_refused", "durations_are_seconds_or_text"]),
    ("F09", "tests/it/abuse/extra.rs", &["small_rsa_keys_are_not_taken"]),
];

#[test]
fn every_case_is_a_token_or_has_a_test() {
    let cases = abuse_cases();
    assert_eq!(cases.len(), 115);
    let ids: BTreeSet<_> = cases.iter().map(|case| text(case, "id").to_owned()).collect();
    assert_eq!(ids.len(), 115, "ids are unique");
    let plain: BTreeSet<_> =
        cases.iter().filter(|case| is_plain(case)).map(|case| text(case, "id").to_owned()).collect();
    let described: BTreeSet<_> = DESCRIBED.iter().map(|(id, ..)| (*id).to_owned()).collect();
    assert_eq!(described.len(), DESCRIBED.len(), "each case stands once in the table");
    assert!(plain.is_disjoint(&described));
    let covered: BTreeSet<_> = plain.union(&described).cloned().collect();
    assert_eq!(covered, ids);
}

#[test]
fn every_test_that_is_named_is_there_and_runs() {
    for (id, file, tests) in DESCRIBED {
        let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert!(!tests.is_empty(), "{id}");
        for test in *tests {
            let head = source.find(&format!("fn {test}")).unwrap_or_else(|| panic!("{id}: no {test} in {file}"));
            // The lines above it say what it is.
            let above: Vec<&str> = source[..head].lines().rev().take(4).collect();
            assert!(!above.iter().any(|line| line.contains("#[ignore")), "{id}: {test} is not run");
            let kind = match *file {
                "src/compile_fail.rs" => true,
                // These are functions that a macro makes a test of for each store, and a program of its own.
                "src/rbac/testing/contention.rs" | "tests/rbac_processes.rs" => true,
                _ => above.iter().take(3).any(|line| line.contains("test]") || line.contains("test(")),
            };
            assert!(kind, "{id}: {test} is no test");
        }
    }
}
