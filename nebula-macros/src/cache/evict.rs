//! `#[cache_evict]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, ItemFn};

use super::output::{Output, is_hidden};
use super::{afterwards, cache, condition, key, krate, needs_async};
use crate::args::{Args, Errors};
use crate::function::argument_names;

const KNOWN: &[&str] = &["cache", "key", "all", "condition", "crate"];

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut function: ItemFn = syn::parse2(item)?;
    let mut errors = Errors::default();
    needs_async(&function, "cache_evict", &mut errors);
    if is_hidden(&function.sig.output) {
        errors.push(Error::new_spanned(
            &function.sig.output,
            "#[cache_evict] needs a return type that says whether it succeeded: a `Result`, or a type that is always success",
        ));
    }
    let Some(mut args) = errors.note(Args::parse(arguments, KNOWN)) else { return errors.finish(TokenStream::new()) };
    let names = argument_names(&function);
    let krate = errors.note(krate(&mut args));
    let cache_value = errors.note(args.require("cache", "self.users"));
    let all = errors.note(args.flag("all"));
    let key = match (args.take("key"), all) {
        (Some(value), Some(false)) => krate.as_ref().and_then(|krate| errors.note(key(&value, &names, krate))),
        (Some(key), Some(true)) => {
            errors.push(Error::new_spanned(key, "either `key` or `all = true`: everything includes the key"));
            None
        }
        (None, Some(false)) => {
            errors.push(Error::new(
                proc_macro2::Span::call_site(),
                "`key` is missing: add `key = \"user:{id}\"`, or `all = true` for everything in the cache",
            ));
            None
        }
        (None, Some(true)) => Some(quote! {}),
        (_, None) => None,
    };
    let condition = condition(&mut args);
    let (Some(krate), Some(cache_value), Some(key), Some(all)) = (krate, cache_value, key, all) else {
        return errors.finish(TokenStream::new());
    };
    let cache = cache(&cache_value, &krate);
    let succeeded = match Output::of(&function.sig.output) {
        Some(output) if output.is_fallible() => quote! { __result.is_ok() },
        _ => quote! { true },
    };
    let evict = match all {
        true => quote! { #krate::__private::Evict::all(&__cache) },
        false => quote! { #krate::__private::Evict::key(&__cache, #key) },
    };
    afterwards(&mut function, &condition, &quote! { let __cache = #cache; #evict }, &succeeded);
    errors.finish(function.into_token_stream())
}
