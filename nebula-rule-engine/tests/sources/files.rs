use std::time::Duration;

use nebula_rule_engine::{ErrorKind, FileSource, Reload, RuleKeeper};
use nebula_test_support::eventually;

use crate::common::{rules, total};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_watched_file_is_followed_and_half_of_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.json");
    std::fs::write(&path, rules(10)).unwrap();
    let keeper = RuleKeeper::open(FileSource::new(&path)).await.unwrap().with_interval(Duration::from_millis(10));
    let watch = keeper.watch();
    assert_eq!(total(keeper.engine()), "81.00 CNY");

    std::fs::write(&path, &rules(20)[..100]).unwrap();
    eventually(PATIENCE, || {
        let status = keeper.status();
        async move { status.problem.is_some_and(|problem| problem.contains("rules in JSON")) }
    })
    .await;
    assert_eq!(total(keeper.engine()), "81.00 CNY");

    // Renamed into its place, as editors and deployments do.
    std::fs::write(folder.path().join("new"), rules(20)).unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    eventually(PATIENCE, || {
        let now = total(keeper.engine());
        async move { now == "64.00 CNY" }
    })
    .await;
    eventually(PATIENCE, || {
        let status = keeper.status();
        async move { status.problem.is_none() }
    })
    .await;

    std::fs::remove_file(&path).unwrap();
    eventually(PATIENCE, || {
        let status = keeper.status();
        async move { status.problem.is_some_and(|problem| problem.contains("there is no such file")) }
    })
    .await;
    assert_eq!(total(keeper.engine()), "64.00 CNY");
    watch.shutdown().await;
    std::fs::write(&path, rules(30)).unwrap();
    assert_eq!(total(keeper.engine()), "64.00 CNY");
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
}

#[tokio::test]
async fn yaml_is_read_by_its_name_and_bytes_that_are_no_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, "name: shop\ncurrency: CNY\nphases: [{ id: p, groups: [] }]\n").unwrap();
    assert_eq!(total(RuleKeeper::open(FileSource::new(&path)).await.unwrap().engine()), "100.00 CNY");
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(RuleKeeper::open(FileSource::new(&path)).await.unwrap_err().kind(), ErrorKind::Invalid);
    let large = std::fs::File::create(&path).unwrap();
    large.set_len(33 * 1024 * 1024).unwrap();
    assert_eq!(RuleKeeper::open(FileSource::new(&path)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    let missing = RuleKeeper::open(FileSource::new(folder.path().join("none"))).await.unwrap_err();
    assert_eq!((missing.kind(), missing.is_retryable()), (ErrorKind::NotFound, false));
}
