//! The contract of session stores, in memory.

use nebula_auth::{MemoryRefreshStore, testing::Fixture};

struct Memory(MemoryRefreshStore);

impl Fixture for Memory {
    type Store = MemoryRefreshStore;

    async fn start() -> Self {
        Self(MemoryRefreshStore::new())
    }

    fn store(&self) -> MemoryRefreshStore {
        self.0.clone()
    }

    async fn peer(&self) -> MemoryRefreshStore {
        self.0.clone()
    }
}

nebula_auth::conformance_suite!(Memory);

#[tokio::test]
async fn ended_sessions_do_not_pile_up() {
    use std::time::Duration;

    use nebula_auth::{Algorithm, KeySet, ManualClock, NewSession, SessionService, SigningKey, TokenService};

    let clock = ManualClock::at_unix(1_800_000_000);
    let keys = KeySet::new(SigningKey::generate(Algorithm::HS256, "k").unwrap());
    let tokens = TokenService::new(keys, "issuer", "audience").unwrap().with_clock(clock.clone());
    let store = MemoryRefreshStore::new();
    let sessions = SessionService::new(tokens, store.clone()).with_lifetime(Duration::from_secs(100)).unwrap();
    for _ in 0..20_000 {
        sessions.start(NewSession::new("ann")).await.unwrap();
        clock.advance(Duration::from_secs(1));
    }
    // 160 sessions are live or have just ended; twice that and some are kept before the next sweep.
    let kept = store.session_count();
    assert!((160..1000).contains(&kept), "{kept} of 20000 sessions are kept");
    assert_eq!(sessions.sessions_of("ann").await.unwrap().len(), 99);
    sessions.purge_expired().await.unwrap();
    assert!((99..=100).contains(&store.session_count()));
}
