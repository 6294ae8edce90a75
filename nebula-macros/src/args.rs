//! Attribute arguments: strict `name = expression` lists with errors at the place where they arise.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Token};

/// The finished expansion; after an error the untouched item beside it, so that one mistake is one message.
pub(crate) fn emit(expansion: syn::Result<TokenStream>, item: &TokenStream) -> TokenStream {
    expansion.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote! { #error #item }
    })
}

/// One `name = expression`.
struct Argument {
    name: Ident,
    value: Expr,
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `parse_any`: `crate` is a keyword and a legal argument.
        let name = Ident::parse_any(input)?;
        if !input.peek(Token![=]) {
            return Err(Error::new(name.span(), format!("expected `{name} = ...`")));
        }
        input.parse::<Token![=]>()?;
        Ok(Self { name, value: input.parse()? })
    }
}

/// The arguments of one attribute. Take what is known with [`Args::take`]; parsing has refused everything else.
pub(crate) struct Args {
    list: Vec<Argument>,
}

impl Args {
    /// Parses the list, refusing unknown and repeated names; all such errors are reported at once.
    pub(crate) fn parse(tokens: TokenStream, known: &[&str]) -> syn::Result<Self> {
        let parser = Punctuated::<Argument, Token![,]>::parse_terminated;
        let list: Vec<Argument> = syn::parse::Parser::parse2(parser, tokens)?.into_iter().collect();
        let mut errors = Errors::default();
        for (place, argument) in list.iter().enumerate() {
            let name = &argument.name;
            if !known.iter().any(|known| name == known) {
                let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                errors.push(Error::new(name.span(), format!("unknown argument `{name}`; known are {known}")));
            } else if list.iter().take(place).any(|earlier| earlier.name == *name) {
                errors.push(Error::new(name.span(), format!("`{name}` is given twice")));
            }
        }
        errors.finish(Self { list })
    }

    /// The value of `name`, if given.
    pub(crate) fn take(&mut self, name: &str) -> Option<Expr> {
        let place = self.list.iter().position(|argument| argument.name == name)?;
        Some(self.list.swap_remove(place).value)
    }

    /// The value of `name`, which must be given.
    pub(crate) fn require(&mut self, name: &str, example: &str) -> syn::Result<Expr> {
        self.take(name)
            .ok_or_else(|| Error::new(Span::call_site(), format!("`{name}` is missing: add `{name} = {example}`")))
    }

    /// The value of `crate = path`, or the default.
    pub(crate) fn krate(&mut self, default: Path) -> syn::Result<Path> {
        match self.take("crate") {
            None => Ok(default),
            Some(Expr::Path(path)) if path.qself.is_none() => Ok(path.path),
            Some(other) => Err(Error::new(other.span(), "expected a path, such as `crate = my::nebula`")),
        }
    }

    /// The value of `name = true` or `name = false`; `false` without it.
    pub(crate) fn flag(&mut self, name: &str) -> syn::Result<bool> {
        match self.take(name) {
            None => Ok(false),
            Some(Expr::Lit(ExprLit { lit: Lit::Bool(value), .. })) => Ok(value.value),
            Some(other) => Err(Error::new(other.span(), format!("expected `{name} = true` or `{name} = false`"))),
        }
    }

    /// The value of `name` as a closure.
    pub(crate) fn closure(&mut self, name: &str, example: &str) -> syn::Result<Option<Expr>> {
        match self.take(name) {
            None => Ok(None),
            Some(value @ (Expr::Closure(_) | Expr::Path(_))) => Ok(Some(value)),
            Some(other) => Err(Error::new(
                other.span(),
                format!("expected a closure over the value, such as `{name} = {example}`"),
            )),
        }
    }

    /// The value of `name` as a plain identifier.
    pub(crate) fn ident(&mut self, name: &str) -> syn::Result<Option<Ident>> {
        match self.take(name) {
            None => Ok(None),
            Some(Expr::Path(path)) if path.path.get_ident().is_some() => Ok(path.path.get_ident().cloned()),
            Some(other) => Err(Error::new(other.span(), format!("expected a name, such as `{name} = {name}`"))),
        }
    }

    /// The value of `name` as an expression of type `Duration`; text such as `"1m 30s"` is read at compile time.
    pub(crate) fn duration(&mut self, name: &str) -> syn::Result<Option<TokenStream>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match string_literal(&value) {
            Some(text) => duration_from_text(text).map(Some),
            None => match &value {
                Expr::Lit(literal) => Err(Error::new(
                    literal.span(),
                    format!("a bare number has no unit: write `{name} = \"2s\"` or an expression of type `Duration`"),
                )),
                _ => Ok(Some(quote! { #value })),
            },
        }
    }
}

/// `Some(value)` or `None`, as an expression.
pub(crate) fn optional(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote! { ::core::option::Option::Some(#value) },
        None => quote! { ::core::option::Option::None },
    }
}

/// The literal, if the expression is a string literal.
pub(crate) fn string_literal(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        _ => None,
    }
}

/// A duration that is read at compile time.
pub(crate) fn duration_from_text(text: &LitStr) -> syn::Result<TokenStream> {
    let duration = humantime::parse_duration(&text.value()).map_err(|error| {
        Error::new(text.span(), format!("not a duration ({error}): write it like \"2s\" or \"1m 30s\""))
    })?;
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    Ok(quote! { ::core::time::Duration::new(#seconds, #nanos) })
}

/// Collects errors, so that the user sees all of them in one build.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value of `result`, or `None` with the error noted.
    pub(crate) fn note<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// `value`, if nothing went wrong.
    pub(crate) fn finish<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
