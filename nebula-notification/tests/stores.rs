//! Stores keep their contracts: in this process, and on Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use nebula_notification::{
    MemoryCodes, MemoryLimits, MemoryRecords, MemoryTemplates, RedisCodes, RedisLimits,
    nebula_redis::{Connection, RedisConfig},
    testing,
};
use nebula_test_support::{redis_url, unique};

macro_rules! memory {
    ($module:ident, $suite:ident, $store:ident) => {
        mod $module {
            use super::*;

            #[derive(Debug)]
            struct Memory($store);

            impl testing::$module::Fixture for Memory {
                type Store = $store;

                async fn start() -> Self {
                    Self($store::new())
                }

                fn store(&self) -> $store {
                    self.0.clone()
                }
            }

            nebula_notification::$suite!(Memory);
        }
    };
}

memory!(codes, code_store_suite, MemoryCodes);
memory!(limits, limit_store_suite, MemoryLimits);
memory!(records, record_store_suite, MemoryRecords);
memory!(templates, template_store_suite, MemoryTemplates);

macro_rules! redis {
    ($module:ident, $suite:ident, $store:ident, $here:ident) => {
        mod $here {
            use super::*;

            #[derive(Debug)]
            struct Redis($store<Connection>);

            impl testing::$module::Fixture for Redis {
                type Store = $store<Connection>;

                async fn start() -> Self {
                    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
                    Self($store::new(connection).with_namespace(unique("notify")))
                }

                fn store(&self) -> Self::Store {
                    self.0.clone()
                }
            }

            nebula_notification::$suite!(Redis);
        }
    };
}

redis!(codes, code_store_suite, RedisCodes, redis_codes);
redis!(limits, limit_store_suite, RedisLimits, redis_limits);
