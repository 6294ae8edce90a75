//! The program's trials of itself: `ticketing rush --chaos` and its profiles kill its own servers while buyers buy, and prove
//! that nothing came of it; `ticketing online` holds connections.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;

fn rush(arguments: &[&str]) -> Value {
    reported("rush", arguments)
}

fn reported(trial: &str, arguments: &[&str]) -> Value {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ticketing"))
        .args([trial, "--json"])
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let (text, messages) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {text}\n{messages}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{messages}"))
}

fn sold_out_and_sound(report: &Value, seats: u64) {
    assert_eq!((&report["sound"], &report["oversold"], &report["paid_lost"]), (&true.into(), &0.into(), &0.into()));
    assert_eq!((report["sold"].as_u64(), report["seats"].as_u64()), (Some(seats), Some(seats)), "{report}");
    let violations = report["violations"].as_object().unwrap();
    for name in
        ["oversold", "paid_without_seat", "held_without_end", "money_without_order", "effect_twice", "ledger_differs"]
    {
        assert_eq!(violations[name], 0, "{report}");
    }
}

#[test]
fn n13_replicas_and_all_their_servers_are_killed_at_random_and_nothing_comes_of_it() {
    let arguments = ["--chaos", "--chaos-seconds", "20", "--chaos-seed", "7", "--profile", "show", "--servers", "2"];
    let report = rush(&[&arguments[..], &["--users", "240", "--seats", "120", "--abandon", "10"]].concat());
    sold_out_and_sound(&report, 120);
    let strikes = report["chaos"]["strikes"].as_object().unwrap();
    assert_eq!(report["chaos"]["seed"], 7);
    assert_eq!(strikes.keys().collect::<Vec<_>>(), ["postgres", "rabbitmq", "redis", "replica-1", "replica-2"]);
    assert!(strikes.values().all(|count| count.as_u64() > Some(0)), "somebody was spared: {report}");
    // Every kill has its line, in their order, and buyers went on after each.
    let kills = report["chaos"]["kills"].as_array().unwrap();
    let counted: u64 = strikes.values().filter_map(Value::as_u64).sum();
    assert_eq!(kills.len() as u64, counted, "{report}");
    let times: Vec<_> = kills.iter().map(|kill| kill["at"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    for kill in kills {
        assert!(strikes.contains_key(kill["target"].as_str().unwrap()), "{kill}");
        assert!(kill["up"].as_u64() >= kill["down"].as_u64(), "{kill}");
        assert!(kill["reads"]["after_up"].is_u64() && kill["reads"]["longest_silence"].is_u64(), "{kill}");
    }
    assert!(kills.iter().any(|kill| kill["orders"]["after_up"].is_u64()), "{report}");
    assert!(report["repeated"].as_u64() > Some(0), "nobody noticed: {report}");
}

#[test]
fn a_flash_sale_and_a_show_sell_side_by_side() {
    let report = rush(&["--profile", "mixed", "--users", "300", "--seats", "120", "--over", "5", "--opens-in", "2"]);
    sold_out_and_sound(&report, 120);
    let sales = report["sales"].as_array().unwrap();
    let names: Vec<_> =
        sales.iter().map(|sale| (sale["name"].as_str().unwrap(), sale["sold"].as_u64().unwrap())).collect();
    assert_eq!(names, [("show", 60), ("flash", 60)], "{report}");
    assert!(report["queries"]["p50"].as_f64() > Some(0.0), "nobody looked around: {report}");
}

#[test]
fn connections_are_held_on_several_servers_and_their_cost_is_told() {
    let report = reported("online", &["--connections", "61", "--streams", "50", "--servers", "2", "--seconds", "2"]);
    assert_eq!((&report["sound"], &report["open"], &report["streams"]), (&true.into(), &61.into(), &30.into()));
    let servers = report["servers"].as_array().unwrap();
    assert_eq!((servers.len(), report["clients"].as_u64()), (2, Some(1)), "{report}");
    for server in servers {
        // Half of them, and whoever looked meanwhile.
        assert!(server["connections"].as_f64() >= Some(30.0), "{report}");
        assert!(server["memory"].as_f64() > Some(0.0) && server["per_connection"].is_number(), "{report}");
    }
    assert!(report["meanwhile"]["p99"].as_f64() > Some(0.0) && report["alone"]["p99"].is_number(), "{report}");
}

#[test]
fn what_cannot_be_struck_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, word) in [
        (&["rush", "--chaos", "--url", "http://127.0.0.1:1"][..], "--url"),
        (&["rush", "--chaos-seed", "1"], "--chaos"),
        (&["rush", "--chaos", "--without", "redis"], "redis"),
        (&["cluster", "--without", "redis"], "redis"),
        // No process may have so many files open; it is said which limit is in the way.
        (&["online", "--connections", "1000000", "--servers", "1"], "open"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ticketing"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(word), "{arguments:?}: {text}");
    }
}
