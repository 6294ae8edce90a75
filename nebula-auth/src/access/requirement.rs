//! What somebody needs.

use std::{borrow::Cow, fmt, time::Duration};

use crate::rbac::StaticPermission;

/// A permission that the program declares with [`permissions!`](crate::permissions): a type of its own, so that a
/// misspelt one does not compile.
pub trait DeclaredPermission: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: &'static StaticPermission;
}

/// What somebody needs to be let through.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Requirement {
    /// To be known.
    Authenticated,
    /// A permission.
    Permission(&'static StaticPermission),
    /// A role, inherited or not.
    Role(&'static str),
    /// To have shown more than one factor, and this recently.
    Mfa(Duration),
    /// All of these; never empty.
    All(Cow<'static, [Self]>),
    /// One of these; never empty.
    Any(Cow<'static, [Self]>),
}

impl Requirement {
    /// A declared permission.
    #[must_use]
    pub const fn permission<P: DeclaredPermission>() -> Self {
        Self::Permission(P::PERMISSION)
    }

    /// This, and another as well.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::All(Cow::Owned(vec![self, other]))
    }

    /// This, or another instead.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Any(Cow::Owned(vec![self, other]))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, name, list: &[Self]| {
            let parts: Vec<String> = list.iter().map(ToString::to_string).collect();
            write!(f, "{name}({})", parts.join(", "))
        };
        match self {
            Self::Authenticated => f.write_str("authenticated"),
            Self::Permission(permission) => f.write_str(permission.name()),
            Self::Role(role) => write!(f, "role {role}"),
            Self::Mfa(within) => write!(f, "mfa within {}", humantime::format_duration(*within)),
            Self::All(all) => list(f, "all", all),
            Self::Any(any) => list(f, "any", any),
        }
    }
}

/// Declares the permissions of a program: a type for each, and the list of all, against which the compiler checks the
/// names in `#[requires_permission]`.
///
/// Put it into the root of the crate, or into any module that the root re-exports `PERMISSIONS` from.
///
/// ```
/// nebula_auth::permissions! {
///     order: [Read = "order:read", Delete = "order:delete"],
///     user: [Write = "user:write"],
/// }
///
/// assert_eq!(PERMISSIONS, ["order:read", "order:delete", "user:write"]);
/// let needed = nebula_auth::access::Requirement::permission::<order::Read>();
/// assert_eq!(needed.to_string(), "order:read");
/// ```
#[macro_export]
macro_rules! permissions {
    ($($group:ident: [$($name:ident = $text:literal),+ $(,)?]),+ $(,)?) => {
        /// Every permission that this program declares.
        pub const PERMISSIONS: &[&str] = &[$($($text),+),+];

        const _: () = ::core::assert!(
            $crate::__private::all_different(PERMISSIONS),
            "a permission is declared twice"
        );

        $(
            #[doc = concat!("Permissions on `", stringify!($group), "`.")]
            pub mod $group {
                $(
                    #[doc = concat!("`", $text, "`")]
                    #[derive(Debug, Clone, Copy)]
                    pub struct $name;

                    impl $crate::access::DeclaredPermission for $name {
                        const PERMISSION: &'static $crate::rbac::StaticPermission = {
                            static PERMISSION: $crate::rbac::StaticPermission =
                                $crate::rbac::StaticPermission::new($text);
                            &PERMISSION
                        };
                    }
                )+
            }
        )+
    };
}
