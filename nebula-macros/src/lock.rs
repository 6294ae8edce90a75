//! `#[distributed_lock]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ItemFn, ReturnType, parse_quote};

use crate::args::{Args, Errors, optional, string_literal};
use crate::function::{argument_names, return_edge};
use crate::template;

const KNOWN: &[&str] = &["manager", "key", "wait", "lease", "fence", "crate"];

/// Wraps the body into one call of a hidden function of `nebula_lock`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut function: ItemFn = syn::parse2(item)?;
    let mut errors = Errors::default();
    if function.sig.asyncness.is_none() {
        errors.push(Error::new_spanned(
            function.sig.fn_token,
            "#[distributed_lock] needs an `async fn` (inside #[async_trait], put it on a function that the method calls)",
        ));
    }
    if matches!(function.sig.output, ReturnType::Default) {
        errors.push(Error::new_spanned(
            &function.sig.ident,
            "#[distributed_lock] needs a function that returns `Result<T, E>` with `E: From<LockError>`, or `Option<T>`",
        ));
    }
    let Some(mut args) = errors.note(Args::parse(arguments, KNOWN)) else { return errors.finish(TokenStream::new()) };

    let krate = errors.note(args.krate(parse_quote!(::nebula_lock)));
    let manager = errors.note(args.require("manager", "self.locks"));
    let names = argument_names(&function);
    let key = errors.note(args.require("key", "\"seat:{seat}\"")).and_then(|key| match string_literal(&key) {
        Some(text) => errors.note(template::expand(text, &names, "a lock key")),
        None => Some(key.into_token_stream()),
    });
    let wait = errors.note(args.duration("wait")).map(optional);
    let lease = errors.note(args.duration("lease")).map(optional);
    let fence =
        errors.note(args.ident("fence")).map(|name| name.map_or_else(|| quote!(_), ToTokens::into_token_stream));

    let (Some(krate), Some(manager), Some(key), Some(wait), Some(lease), Some(fence)) =
        (krate, manager, key, wait, lease, fence)
    else {
        return errors.finish(TokenStream::new());
    };
    let body = &function.block;
    let edge = return_edge(&function.sig.output);
    // Type errors point at the manager and the key that cause them.
    let manager = quote_spanned! { manager.span() => #krate::__private::manager(&(#manager)) };
    let key = quote_spanned! { key.span() => #krate::__private::key(#key) };
    function.block = parse_quote! {{
        #krate::__private::locked(
            #manager,
            #key,
            #wait,
            #lease,
            move |#fence: #krate::Fence| async move {
                #edge
                #body
            },
        )
        .await
    }};
    errors.finish(function.into_token_stream())
}
