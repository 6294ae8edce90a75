//! `#[derive(RuleFacts)]`: facts of rules from structs and enumerations, with names that are checked.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Fields, Ident, LitStr, Path, Type, Variant, parse_quote};

use crate::args::{Errors, string_literal};

/// Words that the language of expressions reads as something else.
const RESERVED: &[&str] = &["and", "or", "not", "in", "true", "false", "null", "as"];

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let options = Container::read(&input.attrs)?;
    match &input.data {
        Data::Struct(data) => structure(&input, &options, &data.fields),
        Data::Enum(data) => enumeration(&input, &options, data.variants.iter()),
        Data::Union(_) => Err(Error::new(input.ident.span(), "a union has no facts")),
    }
}

/// `#[facts(…)]` on the whole.
struct Container {
    krate: Path,
    prefix: Option<LitStr>,
    rename_all: Option<LitStr>,
}

impl Container {
    fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut options = Self { krate: parse_quote!(::nebula_rule_engine), prefix: None, rename_all: None };
        for (name, value) in arguments(attributes, "facts", &["crate", "prefix", "rename_all"])? {
            let text = |value: Option<Expr>| text(&name, value.as_ref());
            match name.to_string().as_str() {
                "crate" => match value {
                    Some(Expr::Path(path)) => options.krate = path.path,
                    _ => return Err(Error::new(name.span(), "expected a path, such as `crate = my::rules`")),
                },
                "prefix" => options.prefix = Some(text(value)?),
                _ => options.rename_all = Some(text(value)?),
            }
        }
        if let Some(prefix) = &options.prefix {
            check_name(&prefix.value(), prefix.span())?;
        }
        Ok(options)
    }
}

/// `#[fact(…)]` on a field or a variant.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    money: Option<LitStr>,
    default: Option<Expr>,
    skip: bool,
}

impl Options {
    fn read(attributes: &[Attribute], known: &[&str]) -> syn::Result<Self> {
        let mut options = Self::default();
        for (name, value) in arguments(attributes, "fact", known)? {
            match name.to_string().as_str() {
                "name" => options.name = Some(text(&name, value.as_ref())?),
                "money" => options.money = Some(text(&name, value.as_ref())?),
                "default" => {
                    let missing = || Error::new(name.span(), "expected `default = ...`");
                    options.default = Some(value.ok_or_else(missing)?);
                }
                _ if value.is_none() => options.skip = true,
                _ => return Err(Error::new(name.span(), "`skip` takes no value")),
            }
        }
        Ok(options)
    }
}

/// The arguments of all attributes called `attribute`, each at most once.
fn arguments(attributes: &[Attribute], attribute: &str, known: &[&str]) -> syn::Result<Vec<(Ident, Option<Expr>)>> {
    let mut all: Vec<(Ident, Option<Expr>)> = Vec::new();
    for found in attributes.iter().filter(|found| found.path().is_ident(attribute)) {
        found.parse_args_with(|input: syn::parse::ParseStream<'_>| {
            while !input.is_empty() {
                let name = Ident::parse_any(input)?;
                let value = if input.peek(syn::Token![=]) {
                    input.parse::<syn::Token![=]>()?;
                    Some(input.parse()?)
                } else {
                    None
                };
                if !known.iter().any(|known| name == known) {
                    let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                    return Err(Error::new(name.span(), format!("unknown argument `{name}`; known are {known}")));
                }
                if all.iter().any(|(earlier, _)| *earlier == name) {
                    return Err(Error::new(name.span(), format!("`{name}` is given twice")));
                }
                all.push((name, value));
                if !input.is_empty() {
                    input.parse::<syn::Token![,]>()?;
                }
            }
            Ok(())
        })?;
    }
    Ok(all)
}

fn text(name: &Ident, value: Option<&Expr>) -> syn::Result<LitStr> {
    value
        .and_then(string_literal)
        .cloned()
        .ok_or_else(|| Error::new(name.span(), format!("expected text, such as `{name} = \"...\"`")))
}

/// The rules for names that schemas have, so that a wrong one does not compile.
fn check_name(name: &str, span: Span) -> syn::Result<()> {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    if let Some(reserved) = name.split('.').find(|part| RESERVED.contains(part)) {
        return Err(Error::new(span, format!("`{reserved}` is a word of the language of expressions")));
    }
    if !name.split('.').all(word) {
        let message =
            format!("`{name}` is no name of a fact: words of ASCII letters, digits and `_` with dots between");
        return Err(Error::new(span, message));
    }
    if let Some(own @ ("basket" | "line")) = name.split('.').next() {
        return Err(Error::new(span, format!("`{own}` is the engine's own")));
    }
    Ok(())
}

/// The last word of a type's path.
fn last(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

fn structure(input: &DeriveInput, options: &Container, fields: &Fields) -> syn::Result<TokenStream> {
    let krate = &options.krate;
    if let Some(rename) = &options.rename_all {
        return Err(Error::new(rename.span(), "`rename_all` is for enumerations"));
    }
    let Fields::Named(fields) = fields else {
        return Err(Error::new(input.ident.span(), "facts have names, and these fields have none"));
    };
    let mut errors = Errors::default();
    let mut names = HashSet::new();
    let (mut declared, mut given) = (Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let read = Options::read(&field.attrs, &["name", "money", "default", "skip"]);
        let Some(own) = errors.note(read).filter(|own| !own.skip) else { continue };
        let (name, span) = match &own.name {
            Some(name) => (name.value(), name.span()),
            None => (ident.unraw().to_string(), ident.span()),
        };
        let name = options.prefix.as_ref().map_or_else(|| name.clone(), |prefix| format!("{}.{name}", prefix.value()));
        errors.note(check_name(&name, span));
        if !names.insert(name.clone()) {
            errors.push(Error::new(span, format!("`{name}` is declared twice")));
        }
        if let Some(float @ ("f32" | "f64")) = last(&field.ty).as_deref() {
            let message =
                format!("`{float}` cannot be a fact: money and rates are `Money` and `Decimal`, never floating point");
            errors.push(Error::new(field.ty.span(), message));
            continue;
        }
        let (optional, inner) = option(&field.ty);
        if optional && own.default.is_none() {
            let message = "a fact that may be missing needs a default: `#[fact(default = ...)]`";
            errors.push(Error::new(field.ty.span(), message));
        }
        let ty = match (&own.money, last(inner).as_deref()) {
            (Some(currency), _) => {
                let code = currency.value();
                if code.len() != 3 || !code.bytes().all(|letter| letter.is_ascii_uppercase()) {
                    errors.push(Error::new(
                        currency.span(),
                        format!("`{code}` is no currency: three capital letters are"),
                    ));
                }
                quote! { #krate::Type::Money(#krate::Currency::new(#currency)?) }
            }
            (None, Some("Money")) => {
                errors.push(Error::new(field.ty.span(), "of which currency? Say `#[fact(money = \"CNY\")]`"));
                continue;
            }
            (None, _) => quote! { <#inner as #krate::FactType>::fact_type() },
        };
        declared.push(match &own.default {
            Some(default) => quote! {
                schema = schema.fact_or(#name, #ty, #krate::FactValue::into_value(#default));
            },
            None => quote! { schema = schema.fact(#name, #ty); },
        });
        given.push(if optional {
            quote! {
                if let ::core::option::Option::Some(value) = &self.#ident {
                    see(#name, #krate::FactValue::into_value(::core::clone::Clone::clone(value)));
                }
            }
        } else {
            quote! { see(#name, #krate::FactValue::into_value(::core::clone::Clone::clone(&self.#ident))); }
        });
    }
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    errors.finish(quote! {
        #[automatically_derived]
        impl #generics #krate::RuleFacts for #ident #arguments #bounds {
            fn declare(mut schema: #krate::SchemaBuilder) -> #krate::Result<#krate::SchemaBuilder> {
                #(#declared)*
                ::core::result::Result::Ok(schema)
            }

            fn each(&self, see: &mut dyn ::core::ops::FnMut(&str, #krate::Value)) {
                #(#given)*
            }
        }
    })
}

/// Whether it is an `Option`, and of what.
fn option(ty: &Type) -> (bool, &Type) {
    if let Type::Path(path) = ty
        && let Some(segment) = path.path.segments.last().filter(|segment| segment.ident == "Option")
        && let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(syn::GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (true, inner);
    }
    (false, ty)
}

fn enumeration<'a>(
    input: &DeriveInput,
    options: &Container,
    variants: impl Iterator<Item = &'a Variant>,
) -> syn::Result<TokenStream> {
    let krate = &options.krate;
    if let Some(prefix) = &options.prefix {
        return Err(Error::new(prefix.span(), "`prefix` is for structs"));
    }
    let mut errors = Errors::default();
    let (mut names, mut arms) = (Vec::new(), Vec::new());
    for variant in variants {
        if !matches!(variant.fields, Fields::Unit) {
            errors.push(Error::new(variant.fields.span(), "a value of an enumeration is a name alone"));
            continue;
        }
        let Some(own) = errors.note(Options::read(&variant.attrs, &["name"])) else { continue };
        let ident = &variant.ident;
        let (name, span) = match &own.name {
            Some(name) => (name.value(), name.span()),
            None => match errors.note(renamed(&ident.unraw().to_string(), options.rename_all.as_ref())) {
                Some(name) => (name, ident.span()),
                None => break,
            },
        };
        // They stand in `enum(A, B)`.
        if name.trim() != name || name.is_empty() || name.contains([',', '(', ')', '\'', '"', '\\']) {
            errors.push(Error::new(span, format!("`{name}` cannot be a name of an enumeration")));
        }
        if names.contains(&name) {
            errors.push(Error::new(span, format!("`{name}` is declared twice")));
        }
        arms.push(quote! { Self::#ident => #name });
        names.push(name);
    }
    if names.is_empty() {
        errors.push(Error::new(input.ident.span(), "an enumeration without names"));
    }
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    errors.finish(quote! {
        #[automatically_derived]
        impl #generics #krate::FactType for #ident #arguments #bounds {
            fn fact_type() -> #krate::Type {
                #krate::Type::one_of([#(#names),*])
            }
        }

        #[automatically_derived]
        impl #generics #krate::FactValue for #ident #arguments #bounds {
            fn into_value(self) -> #krate::Value {
                #krate::FactValue::into_value(match self { #(#arms),* })
            }
        }
    })
}

fn renamed(name: &str, style: Option<&LitStr>) -> syn::Result<String> {
    let Some(style) = style else { return Ok(name.to_owned()) };
    let separated = |separator: char| {
        let mut text = String::new();
        for (place, letter) in name.chars().enumerate() {
            if place > 0 && letter.is_uppercase() {
                text.push(separator);
            }
            text.extend(letter.to_lowercase());
        }
        text
    };
    Ok(match style.value().as_str() {
        "lowercase" => name.to_lowercase(),
        "UPPERCASE" => name.to_uppercase(),
        "snake_case" => separated('_'),
        "SCREAMING_SNAKE_CASE" => separated('_').to_uppercase(),
        "kebab-case" => separated('-'),
        other => {
            let known = "`lowercase`, `UPPERCASE`, `snake_case`, `SCREAMING_SNAKE_CASE` and `kebab-case`";
            return Err(Error::new(style.span(), format!("unknown style `{other}`; known are {known}")));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All messages of the errors.
    fn told(input: TokenStream) -> Vec<String> {
        expand(input).expect_err("it does not compile").into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn names_that_no_rule_could_write_do_not_compile() {
        let errors = told(quote! {
            struct Names {
                #[fact(name = "order total")]
                spaced: i64,
                #[fact(name = "not.now")]
                reserved: bool,
                #[fact(name = "twice")]
                one: bool,
                twice: bool,
                #[fact(name = "basket.size")]
                engine: i64,
            }
        });
        let wanted = [
            "`order total` is no name of a fact",
            "`not` is a word of the language of expressions",
            "`twice` is declared twice",
            "`basket` is the engine's own",
        ];
        assert_eq!(errors.len(), wanted.len(), "{errors:?}");
        for (error, wanted) in errors.iter().zip(wanted) {
            assert!(error.starts_with(wanted), "{error}");
        }
    }

    #[test]
    fn types_that_are_no_facts_do_not_compile() {
        let errors = told(quote! {
            struct Types {
                rate: f64,
                total: Money,
                #[fact(money = "yuan")]
                price: nebula_rule_engine::Money,
                seats: Option<u32>,
            }
        });
        let wanted =
            ["`f64` cannot be a fact", "of which currency?", "`yuan` is no currency", "a fact that may be missing"];
        assert_eq!(errors.len(), wanted.len(), "{errors:?}");
        for (error, wanted) in errors.iter().zip(wanted) {
            assert!(error.starts_with(wanted), "{error}");
        }
    }

    #[test]
    fn mistakes_in_arguments_are_told() {
        for (input, wanted) in [
            (quote! { struct A { #[fact(nmae = "a")] a: bool } }, "unknown argument `nmae`; known are `name`, `money`"),
            (quote! { struct A { #[fact(name = "a", name = "b")] a: bool } }, "`name` is given twice"),
            (quote! { struct A { #[fact(name = 3)] a: bool } }, "expected text, such as `name = \"...\"`"),
            (quote! { struct A { #[fact(default)] a: bool } }, "expected `default = ...`"),
            (quote! { struct A { #[fact(skip = true)] a: bool } }, "`skip` takes no value"),
            (quote! { #[facts(prefix = "a b")] struct A { a: bool } }, "`a b` is no name of a fact"),
            (quote! { #[facts(crate = "a")] struct A { a: bool } }, "expected a path"),
            (quote! { #[facts(rename_all = "lowercase")] struct A { a: bool } }, "`rename_all` is for enumerations"),
            (quote! { #[facts(prefix = "a")] enum A { B } }, "`prefix` is for structs"),
            (quote! { #[facts(rename_all = "CamelCase")] enum A { B } }, "unknown style `CamelCase`"),
            (quote! { enum A { B, C(u32) } }, "a value of an enumeration is a name alone"),
            (quote! { enum A { B, #[fact(name = "B")] C } }, "`B` is declared twice"),
            (quote! { enum A { #[fact(name = "b, c")] B } }, "`b, c` cannot be a name of an enumeration"),
            (quote! { enum A {} }, "an enumeration without names"),
            (quote! { struct A(bool); }, "facts have names, and these fields have none"),
            (quote! { union A { a: u8 } }, "a union has no facts"),
        ] {
            let errors = told(input);
            assert!(errors.iter().any(|error| error.starts_with(wanted)), "{wanted}: {errors:?}");
        }
    }

    #[test]
    fn variants_are_renamed() {
        let style =
            |text: &str| renamed("FrequentFlyer", Some(&LitStr::new(text, Span::call_site()))).unwrap_or_default();
        let all = ["lowercase", "UPPERCASE", "snake_case", "SCREAMING_SNAKE_CASE", "kebab-case"].map(style);
        assert_eq!(all, ["frequentflyer", "FREQUENTFLYER", "frequent_flyer", "FREQUENT_FLYER", "frequent-flyer"]);
    }
}
