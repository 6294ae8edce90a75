//! What macros ask about the function they stand on.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, ItemFn, Pat, ReturnType};

/// A return that is never taken tells the compiler the block's type, so that `?` inside it can convert errors.
pub(crate) fn return_edge(output: &ReturnType) -> TokenStream {
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
pub(crate) fn argument_names(function: &ItemFn) -> Vec<String> {
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
