//! `#[cache_put]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Expr, ItemFn};

use super::output::{Output, is_hidden};
use super::{afterwards, cache, condition, key, krate, needs_async, options};
use crate::args::{Args, Errors};
use crate::function::argument_names;

const KNOWN: &[&str] = &["cache", "key", "ttl", "null", "condition", "unless", "tags", "crate"];

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut function: ItemFn = syn::parse2(item)?;
    let mut errors = Errors::default();
    needs_async(&function, "cache_put", &mut errors);
    let output = match Output::of(&function.sig.output) {
        Some(output) if !is_hidden(&function.sig.output) => Some(output),
        _ => {
            errors.push(Error::new_spanned(
                &function.sig.ident,
                "#[cache_put] needs a function that returns what is cached: `Result<T, E>`, `Result<Option<T>, E>`, \
                 `Option<T>` or `T`",
            ));
            None
        }
    };
    let Some(mut args) = errors.note(Args::parse(arguments, KNOWN)) else { return errors.finish(TokenStream::new()) };
    let names = argument_names(&function);
    let krate = errors.note(krate(&mut args));
    let cache_value = errors.note(args.require("cache", "self.users"));
    let key = errors.note(args.require("key", "\"user:{id}\""));
    let of_value = key.as_ref().is_some_and(|key| matches!(key, Expr::Closure(_)));
    let key = key.zip(krate.as_ref()).and_then(|(value, krate)| match of_value {
        true => Some(value.into_token_stream()),
        false => errors.note(self::key(&value, &names, krate)),
    });
    let condition = condition(&mut args);
    let options = krate.as_ref().and_then(|krate| errors.note(options(&mut args, &names, krate)));
    let (Some(output), Some(krate), Some(cache_value), Some(key), Some(options)) =
        (output, krate, cache_value, key, options)
    else {
        return errors.finish(TokenStream::new());
    };
    let cache = cache(&cache_value, &krate);
    let value = match output {
        Output::Fallible => quote! { __result.as_ref().ok().map(::core::option::Option::Some) },
        Output::FallibleOptional => quote! { __result.as_ref().ok().map(::core::option::Option::as_ref) },
        Output::Optional => quote! { ::core::option::Option::Some(__result.as_ref()) },
        Output::Plain => quote! { ::core::option::Option::Some(::core::option::Option::Some(&__result)) },
    };
    let put = match of_value {
        true => quote! { #krate::__private::put_by_value(&__cache, #key, __options) },
        false => quote! { #krate::__private::put_by_key(&__cache, #key, __options) },
    };
    let prepare = quote! { let __cache = #cache; let __options = #options; #put };
    afterwards(&mut function, &condition, &prepare, &value);
    errors.finish(function.into_token_stream())
}
