//! `#[cached]`, `#[cache_put]` and `#[cache_evict]`.

mod evict;
mod load;
mod output;
mod put;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Expr, ItemFn, Path, parse_quote};

use crate::args::{Args, Errors, optional, string_literal};
use crate::function::return_edge;
use crate::template;

pub(crate) use evict::expand as cache_evict;
pub(crate) use load::expand as cached;
pub(crate) use put::expand as cache_put;

fn needs_async(function: &ItemFn, name: &str, errors: &mut Errors) {
    if function.sig.asyncness.is_none() {
        errors.push(Error::new_spanned(
            function.sig.fn_token,
            format!(
                "#[{name}] needs an `async fn` (inside #[async_trait], put it on a function that the method calls)"
            ),
        ));
    }
}

fn krate(args: &mut Args) -> syn::Result<Path> {
    args.krate(parse_quote!(::nebula_cache))
}

/// The cache, cloned; type errors point at the expression.
fn cache(value: &Expr, krate: &Path) -> TokenStream {
    quote_spanned! { value.span() => #krate::__private::cache(&(#value)) }
}

/// A key or tag: a template, or any other expression.
fn text(value: &Expr, names: &[String], what: &str) -> syn::Result<TokenStream> {
    match string_literal(value) {
        Some(text) => template::expand(text, names, what),
        None => Ok(quote_spanned! { value.span() => #value }),
    }
}

/// The key, of the type that the cache wants; type errors point at the expression. `__cache` is the cache.
fn key(value: &Expr, names: &[String], krate: &Path) -> syn::Result<TokenStream> {
    let key = text(value, names, "a cache key")?;
    Ok(quote_spanned! { value.span() => #krate::__private::key(&__cache, #key) })
}

/// What goes with a value into the cache.
fn options(args: &mut Args, names: &[String], krate: &Path) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let ttl = errors.note(args.duration("ttl")).map(optional);
    let null = errors.note(args.flag("null"));
    let unless = errors.note(args.closure("unless", "|value| value.is_empty()"));
    let tags = errors.note(tags(args, names));
    let (Some(ttl), Some(null), Some(unless), Some(tags)) = (ttl, null, unless, tags) else {
        return errors.finish(TokenStream::new());
    };
    let unless = unless.map_or_else(|| quote! { |_| false }, ToTokens::into_token_stream);
    // `__cache` comes first, so that the closure's type is known.
    errors.finish(quote! { #krate::__private::options(&__cache, #ttl, #null, #tags, #unless) })
}

fn tags(args: &mut Args, names: &[String]) -> syn::Result<TokenStream> {
    match args.take("tags") {
        None => Ok(quote! { ::std::vec::Vec::new() }),
        Some(Expr::Array(list)) => {
            let mut errors = Errors::default();
            let tags: Vec<TokenStream> =
                list.elems.iter().filter_map(|tag| errors.note(text(tag, names, "a tag"))).collect();
            errors.finish(quote! { ::std::vec![#(#tags),*] })
        }
        Some(other) => Err(Error::new(other.span(), "expected a list of tags, such as `tags = [\"event:{event}\"]`")),
    }
}

/// Lets the function prepare something before it runs, if `condition` holds, and finish it with what became of its result.
/// What is asked of the arguments is asked first: the function may take them away.
fn afterwards(function: &mut ItemFn, condition: &TokenStream, prepare: &TokenStream, outcome: &TokenStream) {
    let (edge, body) = (return_edge(&function.sig.output), &function.block);
    function.block = parse_quote! {{
        #[allow(unused_parens, reason = "any expression may stand here")]
        let __after = if #condition {
            ::core::option::Option::Some({ #prepare })
        } else {
            ::core::option::Option::None
        };
        let __result = async move {
            #edge
            #body
        }
        .await;
        if let ::core::option::Option::Some(__after) = __after {
            __after.finish(#outcome).await;
        }
        __result
    }};
}

fn condition(args: &mut Args) -> TokenStream {
    args.take("condition")
        .map_or_else(|| quote! { true }, |value| quote_spanned! { value.span() => (#value) }.into_token_stream())
}
