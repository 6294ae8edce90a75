#![allow(unused, reason = "only the messages of the macros are of interest")]

use nebula_cache::{Cache, CacheError, cache_evict, cache_put, cached};

type Names = Cache<String, String>;

#[cached(cache = names, key = "{id}", tll = "60s", ttl = "1s", ttl = "2s")]
async fn unknown(names: &Names, id: u64) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cached(ttl = 60, null = yes, unless = 7, tags = "x")]
async fn wrong_kinds(names: &Names, id: u64) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cached(cache = names, key = "{idd}", tags = ["event:{event}", ""])]
async fn misspelt(names: &Names, id: u64) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cached(cache = names, key = "", ttl = "soon")]
async fn empty(names: &Names) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cache_put(key = "{id}")]
async fn put_without_cache(names: &Names, id: u64) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cache_put(cache = names)]
async fn put_without_key(names: &Names, id: u64) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cache_evict(cache = names)]
async fn evict_without_key(names: &Names) {}

#[cache_evict(cache = names, key = "{id}", all = true)]
async fn evict_both(names: &Names, id: u64) {}

#[cache_evict(cache = names, key = "{id}", ttl = "1s")]
async fn evict_with_ttl(names: &Names, id: u64) {}

fn main() {}
