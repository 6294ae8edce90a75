//! What a function returns, as its signature tells.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, ReturnType, Type};

/// Which of the parts of its type are cached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// `Result<T, E>`
    Fallible,
    /// `Result<Option<T>, E>`
    FallibleOptional,
    /// `Option<T>`
    Optional,
    /// `T`
    Plain,
}

impl Output {
    pub(super) fn of(output: &ReturnType) -> Option<Self> {
        let ReturnType::Type(_, ty) = output else { return None };
        Some(match first_argument(ty, "Result") {
            Some(inner) if first_argument(inner, "Option").is_some() => Self::FallibleOptional,
            Some(_) => Self::Fallible,
            None if first_argument(ty, "Option").is_some() => Self::Optional,
            None => Self::Plain,
        })
    }

    pub(super) const fn is_fallible(self) -> bool {
        matches!(self, Self::Fallible | Self::FallibleOptional)
    }
}

/// `T` of `Name<T, …>`, whatever path leads to it.
fn first_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether the type is one that cannot be named.
pub(super) fn is_hidden(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if ty.to_token_stream().to_string().starts_with("impl "))
}
