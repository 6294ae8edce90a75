#![allow(unused, reason = "only the messages of the macros are of interest")]

use nebula_cache::{Cache, CacheError, cache_evict, cache_put, cached};

type Names = Cache<String, String>;

#[cached(cache = 7, key = "{id}")]
async fn no_cache(id: u64) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cached(cache = names, key = id)]
async fn wrong_key(names: &Names, id: u64) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cache_evict(cache = names, key = id)]
async fn wrong_key_to_evict(names: &Names, id: u64) {}

#[cached(cache = names, key = "k", condition = 7)]
async fn wrong_condition(names: &Names) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cached(cache = names, key = "k", unless = |name| name.len())]
async fn wrong_unless(names: &Names) -> Result<String, CacheError> {
    Ok(String::new())
}

struct Uncloneable {
    names: Names,
}

impl Uncloneable {
    #[cached(cache = self.names, key = "k")]
    async fn method(&self) -> Result<String, CacheError> {
        Ok(String::new())
    }
}

fn main() {}
