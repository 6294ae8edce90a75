//! The example `rulectl` on the example file: every command does what it says.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "its `main` is not called here")]
#[path = "../examples/rulectl.rs"]
mod rulectl;

/// Whether it succeeds, and what it writes.
fn run(arguments: &[&str]) -> (bool, String) {
    let mut out = Vec::new();
    let result = rulectl::command(arguments, &mut out);
    let mut text = String::from_utf8(out).unwrap();
    if let Err(error) = &result {
        text.push_str(&error.to_string());
    }
    (result.is_ok(), text)
}

#[test]
fn every_command_works_on_the_example() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tickets.yaml");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let purchase = write(
        "purchase.json",
        r#"{ "facts": { "level": "VIP", "now": "2026-07-01T20:00:00+08:00" },
             "lines": [{ "id": "A-1", "price": "100 CNY", "quantity": 4, "facts": { "category": "stalls" } }] }"#,
    );
    let rules = std::fs::read_to_string(file).unwrap();
    let cheaper = write("cheaper.yaml", &rules.replace("then: [10]", "then: [40]"));
    let broken = write("broken.yaml", &rules.replace("season.percent > 0", "season.precent > 0"));
    for (arguments, success, wanted) in [
        (vec!["check", file], true, "`tickets` is sound: 3 rules, version"),
        (vec!["test", file], true, "2 tests passed"),
        (vec!["run", file], true, "\"total\": \"166.50 CNY\""),
        (vec!["run", file, &purchase], true, "\"total\": \"277.50 CNY\""),
        (vec!["explain", file, &purchase], true, "Four for the price of three (four, best of `campaign`)"),
        (vec!["diff", file, &cheaper], true, "a member in winter: 166.50 CNY -> 120.00 CNY"),
        (vec!["diff", file, &cheaper], true, "1 of 2 differ: 466.50 CNY -> 420.00 CNY"),
        (vec!["prove", file], true, "the floor holds for all facts and baskets"),
        (vec!["prove", &cheaper], false, "the floor of 600.00 CNY is passed: 1000.00 CNY becomes 555.00 CNY"),
        (vec!["bench", file], true, "a member in winter: "),
        (
            vec!["check", &broken],
            false,
            "rules.season.when@1: there is no fact `season.precent`, only `season.percent`",
        ),
        (vec!["test", &cheaper], false, "tests.a member in winter: costs 120.00 CNY and not 166.50 CNY"),
        (vec!["run", "/nowhere"], false, "/nowhere"),
        (vec!["nonsense"], false, "rulectl check|test|prove|bench FILE"),
    ] {
        let (succeeded, text) = run(&arguments);
        assert!(text.contains(wanted), "{arguments:?}: {text}");
        assert_eq!(succeeded, success, "{arguments:?}: {text}");
    }
}
