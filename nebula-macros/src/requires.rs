//! `#[requires_permission]`, `#[requires_role]` and `#[requires_mfa]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, ItemFn, LitStr, Path, ReturnType, Token, Type, parenthesized, parse_quote};

use crate::args::{Args, Errors, duration_from_text, string_literal};

/// What the strings of an attribute name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Permission,
    Role,
}

/// A name, a type, or a list of which all or any are needed.
enum Term {
    Name(LitStr),
    Type(Path),
    List { any: bool, name: Ident, terms: Vec<Self> },
}

impl Parse for Term {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return Ok(Self::Name(input.parse()?));
        }
        if !input.peek(Ident::peek_any) && !input.peek(Token![::]) {
            return Err(input.error(
                "expected a name in quotes, a declared permission like `order::Read`, `any(...)` or `all(...)`",
            ));
        }
        let path: Path = input.parse()?;
        match path.get_ident() {
            Some(name) if (name == "any" || name == "all") && input.peek(syn::token::Paren) => {
                let inner;
                parenthesized!(inner in input);
                let terms = Punctuated::<Self, Token![,]>::parse_terminated(&inner)?;
                if terms.is_empty() {
                    return Err(Error::new(name.span(), format!("`{name}()` of nothing: name what is needed")));
                }
                Ok(Self::List { any: name == "any", name: name.clone(), terms: terms.into_iter().collect() })
            }
            _ => Ok(Self::Type(path)),
        }
    }
}

/// The terms, then `declared = path` and `crate = path`.
struct Attribute {
    terms: Vec<Term>,
    declared: Option<Path>,
    krate: Path,
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attribute = Self { terms: Vec::new(), declared: None, krate: parse_quote!(::nebula_auth) };
        while !input.is_empty() {
            if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
                let name = Ident::parse_any(input)?;
                input.parse::<Token![=]>()?;
                match name.to_string().as_str() {
                    "declared" => attribute.declared = Some(input.parse()?),
                    "crate" => attribute.krate = input.call(Path::parse_mod_style)?,
                    _ => {
                        let message = format!("unknown argument `{name}`; known are `declared`, `crate`");
                        return Err(Error::new(name.span(), message));
                    }
                }
            } else {
                attribute.terms.push(input.parse()?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(attribute)
    }
}

/// Lets the function run only for those who have the permissions or roles.
pub(crate) fn expand(subject: Subject, arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let mut errors = Errors::default();
    let macro_name = match subject {
        Subject::Permission => "requires_permission",
        Subject::Role => "requires_role",
    };
    let output = errors.note(check(&function, macro_name));
    let Some(attribute) = errors.note(syn::parse2::<Attribute>(arguments)) else {
        return errors.finish(TokenStream::new());
    };
    if attribute.terms.is_empty() {
        let example = match subject {
            Subject::Permission => "#[requires_permission(\"order:read\")]",
            Subject::Role => "#[requires_role(\"admin\")]",
        };
        errors.push(Error::new(
            Span::call_site(),
            format!("nothing is required, so nobody would be stopped: write `{example}`"),
        ));
    }
    let krate = &attribute.krate;
    let declared = attribute.declared.clone().unwrap_or_else(|| parse_quote!(crate::PERMISSIONS));
    let mut writer = Writer { subject, krate, declared: &declared, checks: TokenStream::new() };
    let mut parts = Vec::new();
    for term in &attribute.terms {
        parts.extend(errors.note(writer.term(term)));
    }
    let checks = writer.checks;
    let requirement = match &parts[..] {
        [one] => one.clone(),
        _ => quote! { #krate::__private::Requirement::All(#krate::__private::Cow::Borrowed(&[#(#parts),*])) },
    };
    let Some(output) = output else { return errors.finish(TokenStream::new()) };
    errors.finish(guarded(function, output, krate, &checks, &requirement))
}

/// Lets the function run only for those who have shown a second factor recently.
pub(crate) fn expand_mfa(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let mut errors = Errors::default();
    let output = errors.note(check(&function, "requires_mfa"));
    let Some(mut args) = errors.note(Args::parse(arguments, &["within", "crate"])) else {
        return errors.finish(TokenStream::new());
    };
    let krate = errors.note(args.krate(parse_quote!(::nebula_auth)));
    let within = errors.note(args.require("within", "\"5m\"").and_then(|value| match string_literal(&value) {
        Some(text) => duration_from_text(text),
        None => Err(Error::new_spanned(value, "expected a duration as text, such as `within = \"5m\"`")),
    }));
    let (Some(output), Some(krate), Some(within)) = (output, krate, within) else {
        return errors.finish(TokenStream::new());
    };
    let requirement = quote! { #krate::__private::Requirement::Mfa(#within) };
    errors.finish(guarded(function, output, &krate, &TokenStream::new(), &requirement))
}

/// How a refusal leaves the function.
#[derive(Clone, Copy)]
enum Output {
    /// As its error.
    Result,
    /// As a response; the return type becomes `Response`.
    Response,
}

fn check(function: &ItemFn, name: &str) -> syn::Result<Output> {
    if function.sig.asyncness.is_none() {
        return Err(Error::new_spanned(
            function.sig.fn_token,
            format!(
                "#[{name}] needs an `async fn` (inside #[async_trait], put it on a function that the method calls)"
            ),
        ));
    }
    let needs = format!(
        "#[{name}] needs a function that returns `Result<T, E>` with `E: From<AccessError>`, `impl IntoResponse` or `Response`"
    );
    let ReturnType::Type(_, output) = &function.sig.output else {
        return Err(Error::new_spanned(&function.sig.ident, needs));
    };
    match &**output {
        Type::ImplTrait(implemented) if implemented.to_token_stream().to_string().contains("IntoResponse") => {
            Ok(Output::Response)
        }
        Type::Path(path) => match path.path.segments.last() {
            Some(last) if last.ident == "Result" || last.ident.to_string().ends_with("Result") => Ok(Output::Result),
            Some(last) if last.ident == "Response" => Ok(Output::Response),
            _ => Err(Error::new_spanned(output, needs)),
        },
        other => Err(Error::new_spanned(other, needs)),
    }
}

fn guarded(
    mut function: ItemFn,
    output: Output,
    krate: &Path,
    checks: &TokenStream,
    requirement: &TokenStream,
) -> TokenStream {
    let body = &function.block;
    let ask = quote! {
        static REQUIREMENT: #krate::__private::Requirement = #requirement;
        #checks
        if let ::core::result::Result::Err(refused) = #krate::__private::require(&REQUIREMENT).await
    };
    match output {
        Output::Result => {
            function.block = parse_quote! {{
                {
                    #ask {
                        return ::core::result::Result::Err(#krate::__private::refuse(refused));
                    }
                }
                #body
            }};
        }
        Output::Response => {
            function.block = parse_quote! {{
                {
                    #ask {
                        return #krate::__private::IntoResponse::into_response(refused);
                    }
                }
                #krate::__private::IntoResponse::into_response(async move #body.await)
            }};
            function.sig.output = parse_quote! { -> #krate::__private::Response };
        }
    }
    function.into_token_stream()
}

struct Writer<'a> {
    subject: Subject,
    krate: &'a Path,
    declared: &'a Path,
    /// Judged by the compiler.
    checks: TokenStream,
}

impl Writer<'_> {
    fn term(&mut self, term: &Term) -> syn::Result<TokenStream> {
        let krate = self.krate;
        match (term, self.subject) {
            (Term::Name(name), Subject::Permission) => {
                let text = name.value();
                check_permission(&text).map_err(|message| Error::new(name.span(), message))?;
                let (declared, message) =
                    (self.declared, format!("permission `{text}` is not declared in `permissions!`"));
                self.checks.extend(quote::quote_spanned! { name.span() =>
                    const _: () = ::core::assert!(#krate::__private::declared(#declared, #name), #message);
                });
                Ok(quote! {
                    #krate::__private::Requirement::Permission({
                        static PERMISSION: #krate::rbac::StaticPermission = #krate::rbac::StaticPermission::new(#name);
                        &PERMISSION
                    })
                })
            }
            (Term::Name(name), Subject::Role) => {
                let text = name.value();
                let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
                if !(1..=64).contains(&text.len()) || !text.chars().all(allowed) {
                    let message = "a role has 1 to 64 characters out of `a`-`z`, `0`-`9`, `_`, `-` and `.`";
                    return Err(Error::new(name.span(), message));
                }
                Ok(quote! { #krate::__private::Requirement::Role(#name) })
            }
            (Term::Type(path), Subject::Permission) => Ok(quote! {
                #krate::__private::Requirement::permission::<#path>()
            }),
            (Term::Type(path), Subject::Role) => {
                Err(Error::new_spanned(path, "expected a role in quotes, `any(...)` or `all(...)`"))
            }
            (Term::List { any, name, terms }, _) => {
                let parts = terms.iter().map(|term| self.term(term)).collect::<syn::Result<Vec<_>>>()?;
                let kind = Ident::new(if *any { "Any" } else { "All" }, name.span());
                Ok(quote! { #krate::__private::Requirement::#kind(#krate::__private::Cow::Borrowed(&[#(#parts),*])) })
            }
        }
    }
}

/// The rules of `Permission`, with what is allowed.
fn check_permission(text: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if text.contains('*') {
        Err("a `*` stands for a whole segment, and only in what is granted, never in what is required")
    } else if text.len() > 128 || text.split(':').count() > 8 {
        Err("a permission has at most 128 bytes and 8 segments")
    } else if !text.split(':').all(|segment| !segment.is_empty() && segment.chars().all(allowed)) {
        Err("a permission is segments of `a`-`z`, `0`-`9`, `_` and `-`, separated by single colons, like `order:read`")
    } else {
        Ok(())
    }
}
