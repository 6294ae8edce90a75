//! Decision tables from DMN: the hit policies of the standard, and cases from a folder.
//!
//! `NEBULA_DMN_FOLDER=<folder> cargo test -p nebula-rule-engine --features dmn -- --ignored dmn_folder` runs all
//! test cases of the technology compatibility kit's form in a folder: every `.xml` file with `testCases`, with the `.dmn`
//! file that it names beside it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use nebula_rule_engine::{DmnModel, DmnOutcome, DmnTests, ErrorKind, HitPolicy};

/// Outcomes by test file, case and decision.
fn run(folder: &Path) -> Vec<(PathBuf, String, String, DmnOutcome)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "xml") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut outcomes = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // Other files of XML may lie beside the tests.
        let Ok(tests) = DmnTests::parse(&text) else { continue };
        let named = tests.model().map(|name| file.with_file_name(name));
        let model = named.ok_or_else(|| "no model is named".to_owned()).and_then(|path| {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            DmnModel::parse(&text).map_err(|error| error.to_string())
        });
        match model {
            Ok(model) => {
                let of_file = tests.run(&model).into_iter();
                outcomes.extend(of_file.map(|(case, decision, outcome)| (file.clone(), case, decision, outcome)));
            }
            Err(error) => outcomes.push((file, String::new(), String::new(), DmnOutcome::Unsupported(error))),
        }
    }
    outcomes
}

/// In words, and how many passed, failed and are unsupported.
fn told(outcomes: &[(PathBuf, String, String, DmnOutcome)]) -> (String, (usize, usize, usize)) {
    let (mut text, mut counts) = (String::new(), (0, 0, 0));
    for (file, case, decision, outcome) in outcomes {
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{file} {case} {decision}: {outcome}\n"));
        match outcome {
            DmnOutcome::Passed => counts.0 += 1,
            DmnOutcome::Failed(_) => counts.1 += 1,
            DmnOutcome::Unsupported(_) => counts.2 += 1,
        }
    }
    text.push_str(&format!("{} passed, {} failed, {} unsupported\n", counts.0, counts.1, counts.2));
    (text, counts)
}

#[test]
#[ignore = "needs a folder: NEBULA_DMN_FOLDER=… cargo test -p nebula-rule-engine --features dmn -- --ignored dmn_folder"]
fn dmn_folder() {
    let folder = std::env::var("NEBULA_DMN_FOLDER").expect("NEBULA_DMN_FOLDER names a folder of DMN test cases");
    let (text, (passed, failed, unsupported)) = told(&run(Path::new(&folder)));
    // Not by the macro, whose output is shown for tests that fail only.
    std::io::stdout().write_all(text.as_bytes()).unwrap();
    assert!(passed + failed + unsupported > 0, "there is no test case in {folder}");
    assert_eq!(failed, 0, "see above");
}

/// Every hit policy, with the tables and inputs of our own cases beside this file.
#[test]
fn hit_policies_of_the_standard() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dmn/cases");
    let outcomes = run(&folder);
    let (text, (passed, failed, unsupported)) = told(&outcomes);
    assert_eq!((failed, unsupported), (0, 1), "{text}");
    assert!(passed >= 40, "{passed}");
    let (.., decision, outcome) = outcomes.iter().find(|(.., it)| matches!(it, DmnOutcome::Unsupported(_))).unwrap();
    assert_eq!(decision, "By context");
    assert!(outcome.to_string().contains("is no decision table"), "{outcome}");
    let models = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let models = models.filter(|path| path.extension().is_some_and(|end| end == "dmn"));
    let mut policies: Vec<String> = models
        .flat_map(|path| DmnModel::parse(&std::fs::read_to_string(path).unwrap()).unwrap().decisions().to_vec())
        .map(|decision| decision.table().hit_policy.to_string())
        .collect();
    policies.sort();
    policies.dedup();
    assert_eq!(policies.len(), 11, "{policies:?}");
}

#[test]
fn a_wrong_expectation_fails() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dmn/cases");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let model = DmnModel::parse(&read("policies.dmn")).unwrap();
    let tests = read("policies-test.xml");
    for (right, wrong) in
        [(">Approved<", ">Declined<"), ("<value>60</value>", "<value>61</value>"), ("<list>", "<lost>")]
    {
        let changed = tests.replace(right, wrong).replace(&right.replace('<', "</"), &wrong.replace('<', "</"));
        assert_ne!(changed, tests);
        let outcomes = DmnTests::parse(&changed).map(|tests| tests.run(&model));
        let failed = |outcome: &DmnOutcome| matches!(outcome, DmnOutcome::Failed(_));
        assert!(outcomes.map_or(true, |outcomes| outcomes.iter().any(|(.., outcome)| failed(outcome))), "{right}");
    }
}

fn table(attributes: &str, input: &str, cells: &[(&str, &str)]) -> String {
    let rules: String = cells
        .iter()
        .map(|(test, result)| {
            format!("<rule><inputEntry><text>{test}</text></inputEntry><outputEntry><text>{result}</text></outputEntry></rule>")
        })
        .collect();
    format!(
        "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\">
        <itemDefinition name=\"tAge\"><typeRef>number</typeRef></itemDefinition>
        <inputData name=\"Applicant Age\"><variable name=\"Applicant Age\" typeRef=\"tAge\"/></inputData>
        <decision name=\"D\"><decisionTable {attributes}><input><inputExpression><text>{input}</text></inputExpression></input>
        <output/>{rules}</decisionTable></decision></definitions>"
    )
}

#[test]
fn what_is_not_supported_is_said_and_not_guessed() {
    for (attributes, input, cells, reason) in [
        ("", "Applicant Age + 1", [("1", "2")], "not the name of input data"),
        ("", "Applicant Age", [("date(\"2026-01-01\")", "2")], "a test of rule 1: `date"),
        ("", "Applicant Age", [("\"old\"", "2")], "for decimal"),
        ("", "Applicant Age", [("1", "Applicant Age")], "an output of rule 1"),
        ("", "Applicant Age", [("null", "1")], "is more than literals"),
        ("hitPolicy=\"NONE\"", "Applicant Age", [("1", "1")], "the hit policy `NONE`"),
        ("preferredOrientation=\"CrossTable\"", "Applicant Age", [("1", "1")], "cross tables"),
    ] {
        let model = DmnModel::parse(&table(attributes, input, &cells)).unwrap();
        assert!(model.decisions().is_empty(), "{reason}");
        assert!(model.unsupported()[0].message.contains(reason), "{reason}: {:?}", model.unsupported());
    }
    let model = DmnModel::parse(&table("", "Applicant Age", &[("&lt; 18", "1"), ("&gt;= 18", "2")])).unwrap();
    let decision = &model.decisions()[0];
    assert_eq!(
        (decision.schema().fields()[0].name(), decision.table().hit_policy),
        ("Applicant_Age", HitPolicy::Unique)
    );
    assert!(decision.compile().unwrap().is_complete());
    // Overlapping rules are an error of a table that says it has none.
    let model = DmnModel::parse(&table("", "Applicant Age", &[("&lt; 18", "1"), ("&gt; 17", "2")])).unwrap();
    assert_eq!(model.decisions()[0].compile().unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn inputs_may_be_components_of_structures() {
    let model = "<definitions>
        <itemDefinition name='tBase'><itemComponent name='Age'><typeRef>number</typeRef></itemComponent>
            <itemComponent name='Tags' isCollection='true'><typeRef>string</typeRef></itemComponent></itemDefinition>
        <itemDefinition name='tOuter'><itemComponent name='Base Data'><typeRef>tBase</typeRef></itemComponent></itemDefinition>
        <inputData name='Applicant'><variable name='Applicant' typeRef='tOuter'/></inputData>
        <decision name='D'><decisionTable><input><inputExpression><text>Applicant.Base Data.Age</text></inputExpression></input>
        <output/><rule><inputEntry><text>&gt;= 18</text></inputEntry><outputEntry><text>\"yes\"</text></outputEntry></rule>
        <rule><inputEntry><text>&lt; 18</text></inputEntry><outputEntry><text>\"no\"</text></outputEntry></rule></decisionTable></decision>
        </definitions>";
    let case = |inner: &str, wanted: &str| {
        format!(
            "<testCases><testCase id='1'><inputNode name='Applicant'>{inner}</inputNode>
            <resultNode name='D'><expected><value>{wanted}</value></expected></resultNode></testCase></testCases>"
        )
    };
    let age = |age: u32| {
        format!("<component name='Base Data'><component name='Age'><value>{age}</value></component></component>")
    };
    let parsed = DmnModel::parse(model).unwrap();
    assert_eq!(parsed.decisions()[0].schema().fields()[0].name(), "Applicant_Base_Data_Age");
    let outcome = |inner: &str, wanted: &str| DmnTests::parse(&case(inner, wanted)).unwrap().run(&parsed).remove(0).2;
    assert_eq!((outcome(&age(18), "yes"), outcome(&age(17), "no")), (DmnOutcome::Passed, DmnOutcome::Passed));
    assert!(matches!(outcome(&age(18), "no"), DmnOutcome::Failed(_)));
    for inner in ["<value>18</value>", "<component name='Age'><value>18</value></component>"] {
        assert!(matches!(outcome(inner, "yes"), DmnOutcome::Unsupported(_)), "{inner}");
    }
    for path in
        ["Applicant", "Applicant.Age", "Applicant.Base Data.Tags", "Nobody.Age", "Applicant.Base Data.Age.Years"]
    {
        let other = DmnModel::parse(&model.replace("Applicant.Base Data.Age", path)).unwrap();
        assert!(other.decisions().is_empty(), "{path}");
    }
}

#[test]
fn hostile_documents_are_refused() {
    let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let bomb =
        "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><definitions>&b;</definitions>";
    let wide = format!("<definitions>{}</definitions>", "<a/>".repeat(1_100_000));
    for text in ["", "no xml", "<definitions>", "<testCases/>", bomb, &deep, &wide] {
        assert_eq!(DmnModel::parse(text).unwrap_err().kind(), ErrorKind::Invalid, "{}", &text[..text.len().min(60)]);
    }
    assert_eq!(DmnTests::parse("<definitions/>").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(DmnModel::parse(&" ".repeat(33 << 20)).unwrap_err().kind(), ErrorKind::TooLarge);
    // A type that is defined by itself.
    let circle =
        table("", "Applicant Age", &[("1", "1")]).replace("<typeRef>number</typeRef>", "<typeRef>tAge</typeRef>");
    assert!(DmnModel::parse(&circle).unwrap().unsupported()[0].message.contains("has the type `tAge`"));
}
