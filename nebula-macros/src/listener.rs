//! `#[delay_queue_listener]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprLit, FnArg, GenericArgument, Ident, ItemFn, Lit, LitStr, Pat, PatType, Path, PathArguments,
    Receiver, Type, parse_quote,
};

use crate::args::{Args, Errors, string_literal};

const KNOWN: &[&str] = &[
    "queue",
    "concurrency",
    "prefetch",
    "lease",
    "handler_timeout",
    "poll_interval",
    "retry",
    "retry_times",
    "retry_interval",
    "crate",
];

/// Leaves the function as it is and puts a function beside it that makes a listener of it.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let mut errors = Errors::default();
    if function.sig.asyncness.is_none() {
        errors.push(Error::new_spanned(function.sig.fn_token, "#[delay_queue_listener] needs an `async fn`"));
    }
    if !function.sig.generics.params.is_empty() {
        errors.push(Error::new_spanned(
            &function.sig.generics,
            "#[delay_queue_listener] cannot be generic: every queue has messages of one type",
        ));
    }
    let parts = errors.note(Parts::of(&function));
    let Some(mut args) = errors.note(Args::parse(arguments, KNOWN)) else { return errors.finish(TokenStream::new()) };
    let krate = errors.note(args.krate(parse_quote!(::nebula_delay_queue)));
    let queue = errors.note(args.require("queue", "\"order.timeout\"").and_then(queue_name));
    let options = match &krate {
        Some(krate) => errors.note(options(&mut args, krate)),
        None => None,
    };
    match (parts, krate, queue, options) {
        (Some(parts), Some(krate), Some(queue), Some(options)) => {
            let companion = parts.companion(&function, &krate, &queue, &options);
            errors.finish(quote! { #function #companion })
        }
        _ => errors.finish(TokenStream::new()),
    }
}

/// What the function takes.
struct Parts<'a> {
    receiver: Option<&'a Receiver>,
    state: Vec<(&'a Ident, &'a Type)>,
    message: &'a Type,
}

impl<'a> Parts<'a> {
    fn of(function: &'a ItemFn) -> syn::Result<Self> {
        let mut receiver = None;
        let mut typed: Vec<&PatType> = Vec::new();
        for argument in &function.sig.inputs {
            match argument {
                FnArg::Receiver(this) => receiver = Some(this),
                FnArg::Typed(argument) => typed.push(argument),
            }
        }
        if let Some(this) = receiver
            && !(is_plain_reference(this) || is_arc(&this.ty))
        {
            return Err(Error::new_spanned(
                this,
                "a listener method takes `&self` or `self: Arc<Self>`: it is called for many messages",
            ));
        }
        let Some((message, state)) = typed.split_last() else {
            return Err(Error::new_spanned(
                &function.sig.ident,
                "the last argument is the message: its body, or `Received<Body>`",
            ));
        };
        if let Type::Reference(reference) = &*message.ty {
            return Err(Error::new_spanned(reference, "the message is passed by value"));
        }
        let mut errors = Errors::default();
        let state = state.iter().filter_map(|argument| errors.note(state_argument(argument))).collect();
        errors.finish(Self { receiver, state, message: &message.ty })
    }

    /// The function that makes the listener.
    fn companion(&self, function: &ItemFn, krate: &Path, queue: &TokenStream, options: &TokenStream) -> TokenStream {
        let (name, visibility) = (&function.sig.ident, &function.vis);
        let companion = format_ident!("{name}_listener");
        let cfgs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
        let (body, open) = match received_body(self.message) {
            Some(body) => (body, quote! { message }),
            None => (self.message, quote! { message.into_body() }),
        };
        let names: Vec<_> = self.state.iter().map(|(name, _)| name).collect();
        // A borrowed state is owned by the listener and lent to each call.
        let owned = self.state.iter().map(|(_, ty)| match ty {
            Type::Reference(reference) => reference.elem.to_token_stream(),
            owned => owned.to_token_stream(),
        });
        let lent = self.state.iter().map(|(name, ty)| match ty {
            Type::Reference(_) => quote! { &#name },
            _ => quote! { #name },
        });
        let this = self.receiver.map(|_| quote! { self: ::std::sync::Arc<Self>, });
        let keep_this = self.receiver.map(|_| quote! { let this = self; });
        let clone_this = self.receiver.map(|_| quote! { let this = ::std::sync::Arc::clone(&this); });
        let call = match self.receiver {
            None => quote! { #name(#(#lent,)* #open) },
            Some(receiver) if is_plain_reference(receiver) => quote! { Self::#name(&this, #(#lent,)* #open) },
            Some(_) => quote! { Self::#name(this, #(#lent,)* #open) },
        };
        let summary = format!("A listener that calls `{name}`, for `DelayQueue::listen`.");
        quote! {
            #(#cfgs)*
            #[doc = #summary]
            #visibility fn #companion(
                #this
                #(#names: #owned),*
            ) -> #krate::Bound<impl #krate::DelayQueueListener<Message = #body>> {
                #keep_this
                #krate::__private::bind::<_, #body, _, _>(#queue, #options, move |message: #krate::Received<#body>| {
                    #clone_this
                    #(let #names = ::core::clone::Clone::clone(&#names);)*
                    async move { #call.await }
                })
            }
        }
    }
}

fn state_argument(argument: &PatType) -> syn::Result<(&Ident, &Type)> {
    let name = match &*argument.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => &name.ident,
        other => {
            return Err(Error::new_spanned(other, "give this argument a name: the listener keeps it between messages"));
        }
    };
    if let Type::Reference(reference) = &*argument.ty
        && (reference.mutability.is_some() || reference.lifetime.is_some())
    {
        return Err(Error::new_spanned(reference, "the listener keeps this between messages: take it as `T` or `&T`"));
    }
    if let Type::ImplTrait(hidden) = &*argument.ty {
        return Err(Error::new_spanned(hidden, "#[delay_queue_listener] cannot be generic: name the type"));
    }
    Ok((name, &argument.ty))
}

fn is_plain_reference(receiver: &Receiver) -> bool {
    receiver.reference.is_some() && receiver.mutability.is_none()
}

fn is_arc(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Arc"))
}

/// `Body` of `Received<Body>`.
fn received_body(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == "Received")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match (arguments.args.first(), arguments.args.len()) {
        (Some(GenericArgument::Type(body)), 1) => Some(body),
        _ => None,
    }
}

fn queue_name(value: Expr) -> syn::Result<TokenStream> {
    if let Some(text) = string_literal(&value) {
        check_queue_name(text)?;
    } else if let Expr::Lit(literal) = &value {
        return Err(Error::new(literal.span(), "expected a queue name, such as `queue = \"order.timeout\"`"));
    }
    Ok(value.into_token_stream())
}

/// The rules of `QueueName`, at compile time.
fn check_queue_name(text: &LitStr) -> syn::Result<()> {
    let name = text.value();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.len() <= 200 && name.split('.').all(|word| !word.is_empty() && word.bytes().all(allowed)) {
        return Ok(());
    }
    Err(Error::new(
        text.span(),
        "a queue name consists of words of letters, digits, `_` and `-`, separated by single dots; at most 200 bytes",
    ))
}

/// The worker's options as one expression.
fn options(args: &mut Args, krate: &Path) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let mut options = quote! { #krate::WorkerOptions::new() };
    for name in ["concurrency", "prefetch"] {
        if let Some(value) = args.take(name)
            && let Some(value) = errors.note(count(name, value))
        {
            let name = Ident::new(name, value.span());
            options.extend(quote! { .#name(#value) });
        }
    }
    for name in ["lease", "handler_timeout", "poll_interval"] {
        if let Some(Some(value)) = errors.note(args.duration(name)) {
            let name = format_ident!("{name}");
            options.extend(quote! { .#name(#value) });
        }
    }
    let (policy, times) = (args.take("retry"), args.take("retry_times"));
    let pause = errors.note(args.duration("retry_interval")).flatten();
    match (policy, times, pause) {
        (Some(policy), None, None) => options.extend(quote! { .retry(#policy) }),
        (None, None, None) => {}
        (None, times, pause) => {
            let times = times.map_or_else(|| quote! { 3 }, ToTokens::into_token_stream);
            let pause = pause.unwrap_or_else(|| quote! { ::core::time::Duration::from_secs(60) });
            options.extend(quote! { .retry(#krate::RetryPolicy::fixed(#times, #pause)) });
        }
        (Some(policy), ..) => errors.push(Error::new_spanned(
            policy,
            "`retry` is a whole policy: it does not go together with `retry_times` and `retry_interval`",
        )),
    }
    errors.finish(options)
}

/// A number of messages.
fn count(name: &str, value: Expr) -> syn::Result<Expr> {
    match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            if name == "concurrency" && number.base10_parse::<u64>()? == 0 {
                return Err(Error::new(number.span(), "the concurrency is at least 1"));
            }
            Ok(value)
        }
        Expr::Lit(literal) => Err(Error::new(literal.span(), format!("expected a number, such as `{name} = 8`"))),
        _ => Ok(value),
    }
}
