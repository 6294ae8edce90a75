//! Key templates: `"seat:{event}:{self.hall.id}"`, checked against the function that uses them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Expr, LitStr};

/// Turns the template into an expression of type `String`.
///
/// A hole holds an argument or a path of fields that starts at one; upper-case names are constants. `names` are the
/// names that the function's arguments bind; `what` it is, for errors.
pub(crate) fn expand(template: &LitStr, names: &[String], what: &str) -> syn::Result<TokenStream> {
    let text = template.value();
    let mut format = String::new();
    let mut values: Vec<Expr> = Vec::new();
    let mut rest = text.as_str();
    while let Some(place) = rest.find(['{', '}']) {
        let (plain, tail) = rest.split_at(place);
        format.push_str(plain);
        if let Some(after) = tail.strip_prefix("{{").or_else(|| tail.strip_prefix("}}")) {
            format.push_str(&tail[..2]);
            rest = after;
        } else if tail.starts_with('}') {
            return Err(Error::new(template.span(), "`}` without `{`; write `}}` for a literal brace"));
        } else {
            let Some(end) = tail.find('}') else {
                return Err(Error::new(template.span(), "`{` without `}`; write `{{` for a literal brace"));
            };
            format.push_str("{}");
            values.push(hole(&tail[1..end], template, names)?);
            rest = &tail[end + 1..];
        }
    }
    format.push_str(rest);
    if text.is_empty() {
        return Err(Error::new(template.span(), format!("{what} cannot be empty")));
    }
    let format = LitStr::new(&format, template.span());
    Ok(quote! { ::std::format!(#format #(, #values)*) })
}

fn hole(text: &str, template: &LitStr, names: &[String]) -> syn::Result<Expr> {
    let bad = |message: String| Error::new(template.span(), message);
    if text.trim().is_empty() {
        return Err(bad("an empty `{}` in a key template: name an argument, as in `{seat}`".to_owned()));
    }
    let mut expression: Expr = syn::parse_str(text)
        .map_err(|_| bad(format!("`{{{text}}}` in a key template: only arguments and their fields can stand here")))?;
    let Some(root) = root(&expression) else {
        return Err(bad(format!("`{{{text}}}` in a key template: only arguments and their fields can stand here")));
    };
    let constant = root.chars().all(|c| c.is_uppercase() || c.is_ascii_digit() || c == '_');
    if !constant && !names.contains(&root) {
        let known = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        return Err(bad(format!("`{root}` is not an argument of this function; its arguments are: {known}")));
    }
    respan(&mut expression, template);
    Ok(expression)
}

/// The first name of `a`, `a.b`, `a.0.c`.
fn root(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident().map(ToString::to_string),
        Expr::Field(field) => root(&field.base),
        _ => None,
    }
}

/// Type errors of a hole point at the template, and its names resolve as if written there.
fn respan(expression: &mut Expr, template: &LitStr) {
    match expression {
        Expr::Path(path) => {
            for segment in &mut path.path.segments {
                segment.ident.set_span(template.span());
            }
        }
        Expr::Field(field) => {
            respan(&mut field.base, template);
            match &mut field.member {
                syn::Member::Named(name) => name.set_span(template.span()),
                syn::Member::Unnamed(index) => index.span = template.span(),
            }
        }
        _ => {}
    }
}
