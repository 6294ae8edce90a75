//! The search index fails, or lacks what the database has.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use nebula_test_support::eventually;
use reqwest::StatusCode;
use ticketing::{
    ids::ShowId,
    search::{
        EngineError, Hit, Search, SearchEngine, TextIndex, Words,
        domain::{Entry, Filters, Slice, Sort},
        follow,
    },
};
use tokio_util::sync::CancellationToken;

use crate::common::{TestApp, expect};

const ALL: Slice = Slice { offset: 0, limit: 10 };

/// An engine that cannot be reached, or says nothing at all.
#[derive(Debug)]
struct Broken {
    silent: bool,
}

#[async_trait]
impl SearchEngine for Broken {
    async fn replace(&self, _: Arc<[Entry]>) -> Result<(), EngineError> {
        Err(EngineError::new("no connection"))
    }

    async fn find(&self, _: &Words) -> Result<Vec<Hit>, EngineError> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        Err(EngineError::new("no connection"))
    }

    async fn held(&self) -> Result<HashMap<ShowId, u64>, EngineError> {
        Err(EngineError::new("no connection"))
    }
}

fn search(app: &TestApp, engine: Arc<dyn SearchEngine>) -> Search {
    let app = &app.app;
    Search::new(engine, app.database.clone(), app.catalog.clone(), app.merchants.clone())
}

#[tokio::test]
async fn n7_without_an_index_shows_are_found_in_the_database() {
    let app = TestApp::start().await;
    app.hall(1).await;
    for silent in [false, true] {
        let search = search(&app, Arc::new(Broken { silent }));
        // Nothing can be told to it; the catalog was read all the same.
        search.refresh().await.unwrap_err();
        for (question, total) in [("test hall", 1), ("测试", 1), ("shanghai", 1), ("opera", 0)] {
            let found = search.find(None, question, &Filters::default(), Sort::Relevance, ALL).await.unwrap();
            assert_eq!((found.page.total, found.degraded), (total, true), "{question}");
        }
        let all = search.find(None, "", &Filters::default(), Sort::Date, ALL).await.unwrap();
        assert_eq!((all.page.total, all.degraded), (1, false), "the list asks no index");
        assert_eq!(search.suggest(None, "tes", 5).await.unwrap().len(), 2);
    }
    // The plain list does not know of any of this.
    let shows = expect(app.get("/shows").await, StatusCode::OK).await;
    assert_eq!(shows["shows"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn n7_what_an_index_lost_is_noticed_and_filled_in() {
    let app = TestApp::start().await;
    app.hall(1).await;
    let index = Arc::new(TextIndex::default());
    let search = search(&app, index.clone());
    let differences = search.refresh().await.unwrap();
    assert_eq!((differences.missing, differences.outdated, differences.superfluous), (1, 0, 0));
    assert_eq!(search.refresh().await.unwrap().missing, 0, "what is right is left alone");
    let stopping = CancellationToken::new();
    let follower = tokio::spawn(follow(search.clone(), stopping.clone()));
    // Nothing has changed: only whoever compares everything sees it, as the job does.
    for _ in 0..2 {
        eventually(Duration::from_secs(60), || async {
            index.replace(Arc::new([])).await.unwrap();
            let found = search.mend().await.unwrap();
            if found.missing == 1 { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        let found = search.find(None, "test", &Filters::default(), Sort::Relevance, ALL).await.unwrap();
        assert_eq!((found.page.total, found.degraded), (1, false));
    }
    assert!(ticketing::telemetry::figures().count("ticketing_search_differences_total") > 0);
    stopping.cancel();
    follower.await.unwrap();
}
