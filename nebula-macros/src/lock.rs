//! `#[distributed_lock]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Pat, ReturnType, parse_quote};

use crate::args::{Args, Errors, string_literal};
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
        Some(text) => errors.note(template::expand(text, &names)),
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

fn optional(duration: Option<TokenStream>) -> TokenStream {
    match duration {
        Some(duration) => quote! { ::core::option::Option::Some(#duration) },
        None => quote! { ::core::option::Option::None },
    }
}

/// A return that is never taken tells the compiler the block's type, so that `?` inside it can convert errors.
fn return_edge(output: &ReturnType) -> TokenStream {
    let ReturnType::Type(_, output) = output else { return TokenStream::new() };
    // `impl Trait` cannot stand in a `let`; such functions say their error type themselves.
    if output.to_token_stream().into_iter().any(mentions_impl) {
        return TokenStream::new();
    }
    quote! {
        #[allow(unreachable_code, clippy::all, reason = "never taken: it only names the type of the block")]
        if false {
            let never: #output = loop {};
            return never;
        }
    }
}

fn mentions_impl(token: proc_macro2::TokenTree) -> bool {
    match token {
        proc_macro2::TokenTree::Ident(name) => name == "impl",
        proc_macro2::TokenTree::Group(group) => group.stream().into_iter().any(mentions_impl),
        _ => false,
    }
}

/// The names that the arguments bind, `self` included.
fn argument_names(function: &ItemFn) -> Vec<String> {
    let mut names = Vec::new();
    for argument in &function.sig.inputs {
        match argument {
            FnArg::Receiver(_) => names.push("self".to_owned()),
            FnArg::Typed(typed) => pattern_names(&typed.pat, &mut names),
        }
    }
    names
}

fn pattern_names(pattern: &Pat, names: &mut Vec<String>) {
    match pattern {
        Pat::Ident(name) => names.push(name.ident.to_string()),
        Pat::Tuple(tuple) => tuple.elems.iter().for_each(|part| pattern_names(part, names)),
        Pat::TupleStruct(tuple) => tuple.elems.iter().for_each(|part| pattern_names(part, names)),
        Pat::Struct(fields) => fields.fields.iter().for_each(|field| pattern_names(&field.pat, names)),
        Pat::Reference(inner) => pattern_names(&inner.pat, names),
        Pat::Paren(inner) => pattern_names(&inner.pat, names),
        _ => {}
    }
}
