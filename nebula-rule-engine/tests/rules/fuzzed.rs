//! What the fuzz targets call, with bytes from proptest: a bounded part of a campaign.

use nebula_rule_engine::testing::fuzz;
use proptest::prelude::*;

/// Documents with pieces cut out, doubled and changed.
fn mutated(seeds: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0_u8..5,
        any::<u8>(),
    );
    (prop::sample::select(seeds), proptest::collection::vec(change, 0..6)).prop_map(|(seed, changes)| {
        let mut bytes = seed.as_bytes().to_vec();
        for (from, to, at, kind, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let (from, to, at) = (from.index(bytes.len()), to.index(bytes.len()), at.index(bytes.len()));
            let piece = bytes[from.min(to)..from.max(to).min(from.min(to) + 64)].to_vec();
            match kind {
                0 => drop(bytes.drain(from.min(to)..from.max(to))),
                1 => drop(bytes.splice(at..at, piece)),
                2 => bytes[at] = byte,
                3 => bytes[at] = b"(){}[]<>\"',:;.-+0123456789"[usize::from(byte) % 26],
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        bytes
    })
}

const EXPRESSIONS: &[&str] = &[
    "total >= 100 and n in [2..6] or level == 'A'",
    "all(list, # > 0) and sum(map(list, # * 2)) < 10",
    "round(total * rate, 2) > 1.5 ? now + wait : now - duration('1h')",
    "now.month() in [11, 12] and startsWith(upper(name), 'X')",
    "> 3, [5..7), 'x'",
    "$ % 2 == 0 and $ > n",
];

const DOCUMENTS: &[&str] = &[
    include_str!("../../examples/tickets.yaml"),
    include_str!("../dmn/cases/policies.dmn"),
    "first,input,input,output\nfee,level,n,rate: decimal\ndefault,,,5\nvip,'A',,0\n,,>= 4,2.5\n",
    r#"{"id":"t","hit-policy":"C+","inputs":[{"expression":"n"}],"outputs":[{"name":"x","type":"decimal"}],"rows":[{"when":[">= 3"],"then":["n / 2"]}]}"#,
    r#"{"name":"s","currency":"CNY","floor":"basket.subtotal * 0.5","phases":[{"id":"p","groups":[{"id":"g","stacking":"accumulate"}]}],"rules":[{"id":"r","group":"g","order":1,"when":"basket.subtotal >= 10","then":{"percent-off":60}}]}"#,
    r#"{"nodes":[{"type":"decisionTableNode","name":"f","content":{"hitPolicy":"first","inputs":[{"id":"a","field":"n"}],"outputs":[{"id":"x","field":"y"}],"rules":[{"_id":"1","a":"> 3","x":"1"}]}}]}"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn expressions(bytes in prop_oneof![3 => mutated(EXPRESSIONS), 1 => proptest::collection::vec(any::<u8>(), 0..200)]) {
        fuzz::expression(&bytes);
    }

    #[test]
    fn documents(bytes in prop_oneof![3 => mutated(DOCUMENTS), 1 => proptest::collection::vec(any::<u8>(), 0..400)]) {
        fuzz::import(&bytes);
    }
}

/// A campaign: `cases` inputs, or as many as `NEBULA_FUZZ_CASES` says, half of them expressions, half documents.
fn campaign(cases: u32) {
    let cases = std::env::var("NEBULA_FUZZ_CASES").map_or(cases, |number| number.parse().unwrap());
    let runner = || {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases / 2) };
        proptest::test_runner::TestRunner::new(config)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            runner()
                .run(&mutated(EXPRESSIONS), |bytes| {
                    fuzz::expression(&bytes);
                    Ok(())
                })
                .unwrap();
        });
        scope.spawn(|| {
            runner()
                .run(&mutated(DOCUMENTS), |bytes| {
                    fuzz::import(&bytes);
                    Ok(())
                })
                .unwrap();
        });
    });
}

#[test]
#[ignore = "takes minutes: cargo test --release -p nebula-rule-engine --test rules -- --ignored a_million_inputs"]
fn a_million_inputs_do_no_harm() {
    campaign(1_000_000);
}

#[test]
fn the_seeds_are_what_they_seem() {
    EXPRESSIONS.iter().for_each(|seed| fuzz::expression(seed.as_bytes()));
    DOCUMENTS.iter().for_each(|seed| fuzz::import(seed.as_bytes()));
}
