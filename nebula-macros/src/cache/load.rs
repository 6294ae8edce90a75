//! `#[cached]`: the function moves into one beside it, which the cache calls when it has to.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Error, FnArg, Ident, ItemFn, Pat, Path, Receiver, Signature, Type, Visibility, parse_quote};

use super::output::{Output, is_hidden};
use super::{cache, condition, key, krate, needs_async, options};
use crate::args::{Args, Errors};
use crate::function::argument_names;

const KNOWN: &[&str] = &["cache", "key", "ttl", "null", "condition", "unless", "tags", "crate"];

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let mut errors = Errors::default();
    needs_async(&function, "cached", &mut errors);
    let output = match Output::of(&function.sig.output) {
        Some(output) if !is_hidden(&function.sig.output) => Some(output),
        _ => {
            errors.push(Error::new_spanned(
                &function.sig.ident,
                "#[cached] needs a function that returns `Result<T, E>`, `Result<Option<T>, E>`, `Option<T>` or `T`",
            ));
            None
        }
    };
    let inputs = errors.note(Inputs::of(&function.sig));
    let Some(mut args) = errors.note(Args::parse(arguments, KNOWN)) else { return errors.finish(TokenStream::new()) };
    let names = argument_names(&function);
    let krate = errors.note(krate(&mut args));
    let cache_value = errors.note(args.require("cache", "self.users"));
    let wanted = errors.note(args.require("key", "\"user:{id}\""));
    let key = wanted.zip(krate.as_ref()).and_then(|(value, krate)| errors.note(key(&value, &names, krate)));
    let condition = condition(&mut args);
    let options = krate.as_ref().and_then(|krate| errors.note(options(&mut args, &names, krate)));
    let (Some(output), Some(inputs), Some(krate), Some(cache_value), Some(key), Some(options)) =
        (output, inputs, krate, cache_value, key, options)
    else {
        return errors.finish(TokenStream::new());
    };
    let asking = Asking { cache: cache(&cache_value, &krate), key, condition, options, krate: &krate };
    errors.finish(build(&function, &inputs, output, &asking))
}

/// The expressions of the attribute.
struct Asking<'a> {
    cache: TokenStream,
    key: TokenStream,
    condition: TokenStream,
    options: TokenStream,
    krate: &'a Path,
}

/// The arguments, each with a name and whether it is borrowed.
struct Inputs<'a> {
    receiver: Option<&'a Receiver>,
    named: Vec<(&'a Ident, bool)>,
}

impl<'a> Inputs<'a> {
    fn of(signature: &'a Signature) -> syn::Result<Self> {
        let mut inputs = Self { receiver: None, named: Vec::new() };
        let mut errors = Errors::default();
        for argument in &signature.inputs {
            match argument {
                FnArg::Receiver(this) if is_shared(this) => inputs.receiver = Some(this),
                FnArg::Receiver(this) => errors.push(Error::new_spanned(
                    this,
                    "a cached method takes `&self` or `self: Arc<Self>`: it goes on when its caller is gone",
                )),
                FnArg::Typed(typed) => {
                    let borrowed = match &*typed.ty {
                        Type::Reference(reference) if reference.mutability.is_some() => {
                            errors.push(Error::new_spanned(
                                reference,
                                "a cached function cannot change its arguments: when the cache answers it does not run",
                            ));
                            continue;
                        }
                        Type::Reference(_) => true,
                        _ => false,
                    };
                    match &*typed.pat {
                        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
                            inputs.named.push((&name.ident, borrowed));
                        }
                        other => errors.push(Error::new_spanned(other, "give this argument a name: it is passed on")),
                    }
                }
            }
        }
        errors.finish(inputs)
    }
}

/// `&self`, `self: Arc<Self>`.
fn is_shared(receiver: &Receiver) -> bool {
    let is_arc = |ty: &Type| matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Arc"));
    receiver.mutability.is_none() && (receiver.reference.is_some() || is_arc(&receiver.ty))
}

fn build(function: &ItemFn, inputs: &Inputs<'_>, output: Output, asking: &Asking<'_>) -> TokenStream {
    let Asking { cache, key, condition, options, krate } = asking;
    let mut inner = function.clone();
    inner.sig.ident = format_ident!("__{}_uncached", function.sig.ident);
    inner.vis = Visibility::Inherited;
    inner.attrs.retain(|attribute| !is_outer_only(attribute));
    inner.attrs.push(parse_quote!(#[doc(hidden)]));
    inner.attrs.push(parse_quote!(#[allow(unused_variables, reason = "what makes the key need not make the value")]));
    let mut outer = function.clone();
    outer.attrs.retain(|attribute| is_outer_only(attribute) || is_for_both(attribute));
    for argument in &mut outer.sig.inputs {
        if let FnArg::Typed(typed) = argument
            && let Pat::Ident(name) = &mut *typed.pat
        {
            name.mutability = None;
        }
    }
    let plain: Vec<&Ident> = inputs.named.iter().map(|(name, _)| *name).collect();
    let own = inputs.named.iter().map(|(name, borrowed)| match borrowed {
        true => quote! { let #name = ::std::borrow::ToOwned::to_owned(#name); },
        // Where the function may have to run after all, it still needs its arguments.
        false if !output.is_fallible() => quote! { let #name = ::core::clone::Clone::clone(&#name); },
        false => quote! {},
    });
    let lend = inputs.named.iter().map(|(name, borrowed)| {
        if *borrowed {
            quote! { &#name }
        } else {
            quote! { #name }
        }
    });
    let name = &inner.sig.ident;
    let (own_this, through, direct) = match inputs.receiver {
        None => (quote! {}, quote! { #name(#(#lend),*) }, quote! { #name(#(#plain),*) }),
        Some(this) if this.reference.is_some() => (
            quote! { let __this = <Self as ::core::clone::Clone>::clone(self); },
            quote! { Self::#name(&__this, #(#lend),*) },
            quote! { Self::#name(self, #(#plain),*) },
        ),
        Some(_) => (
            quote! { let __this = ::core::clone::Clone::clone(&self); },
            quote! { Self::#name(__this, #(#lend),*) },
            quote! { Self::#name(self, #(#plain),*) },
        ),
    };
    let load = match output {
        Output::Fallible => quote! { #through.await.map(::core::option::Option::Some) },
        Output::FallibleOptional => quote! { #through.await },
        Output::Optional => quote! { ::core::result::Result::<_, ::core::convert::Infallible>::Ok(#through.await) },
        Output::Plain => quote! {
            ::core::result::Result::<_, ::core::convert::Infallible>::Ok(::core::option::Option::Some(#through.await))
        },
    };
    let finish = match output {
        Output::Fallible => quote! { #krate::__private::fallible(__answer) },
        Output::FallibleOptional => quote! { __answer.map_err(::core::convert::From::from) },
        Output::Optional => quote! {
            match #krate::__private::optional(__answer) {
                ::core::option::Option::Some(__value) => __value,
                ::core::option::Option::None => #direct.await,
            }
        },
        Output::Plain => quote! {
            match #krate::__private::optional(__answer) {
                ::core::option::Option::Some(::core::option::Option::Some(__value)) => __value,
                _ => #direct.await,
            }
        },
    };
    let nested = inputs.receiver.is_none().then(|| quote! { #inner });
    let beside = inputs.receiver.is_some().then(|| quote! { #inner });
    outer.block = parse_quote! {{
        #nested
        if !#condition {
            return #direct.await;
        }
        let __answer = {
            let __cache = #cache;
            let __key = #key;
            let __options = #options;
            #own_this
            #(#own)*
            #krate::__private::cached(__cache, __key, __options, async move { #load }).await
        };
        #finish
    }};
    quote! { #outer #beside }
}

/// Attributes about the function as others see it.
fn is_outer_only(attribute: &Attribute) -> bool {
    ["doc", "must_use", "deprecated"].iter().any(|name| attribute.path().is_ident(name))
}

/// Attributes that hold wherever the function goes; others, such as further macros, go with its body.
fn is_for_both(attribute: &Attribute) -> bool {
    ["cfg", "allow", "expect", "warn", "deny"].iter().any(|name| attribute.path().is_ident(name))
}
