#![allow(unused, reason = "only the messages of the macros are of interest")]

use nebula_cache::{Cache, CacheError, cache_evict, cache_put, cached};

type Names = Cache<String, String>;

#[cached(cache = names, key = "k")]
fn not_async(names: &Names) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cached(cache = names, key = "k")]
async fn nothing(names: &Names) {}

#[cached(cache = names, key = "k")]
async fn hidden(names: &Names) -> impl ToString {
    7
}

#[cached(cache = names, key = "k")]
async fn changes(names: &Names, list: &mut Vec<u64>) -> Result<String, CacheError> {
    Ok(String::new())
}

#[cached(cache = names, key = "k")]
async fn nameless(names: &Names, (a, b): (u64, u64)) -> Result<String, CacheError> {
    Ok(String::new())
}

#[derive(Clone)]
struct Users {
    names: Names,
}

impl Users {
    #[cached(cache = self.names, key = "k")]
    async fn changing(&mut self) -> Result<String, CacheError> {
        Ok(String::new())
    }

    #[cached(cache = self.names, key = "k")]
    async fn consuming(self) -> Result<String, CacheError> {
        Ok(String::new())
    }
}

#[cache_put(cache = names, key = "k")]
async fn puts_nothing(names: &Names) {}

#[cache_put(cache = names, key = "k")]
fn put_not_async(names: &Names) -> String {
    String::new()
}

#[cache_evict(cache = names, key = "k")]
fn evict_not_async(names: &Names) {}

#[cache_evict(cache = names, key = "k")]
async fn evict_hidden(names: &Names) -> impl ToString {
    7
}

#[cached(cache = names, key = "k")]
struct NoFunction;

fn main() {}
