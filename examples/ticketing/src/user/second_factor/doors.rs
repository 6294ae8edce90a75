//! The first step of every way in.

use async_trait::async_trait;
use nebula_auth::{
    AuthMethod, AuthenticatedSubject, Authentication, AuthenticationProvider, Credentials, Error, PasswordProvider,
    secrecy::ExposeSecret,
};

use crate::{ids::UserId, user::accounts::Accounts};

/// Who recognised the owner of an account, where that was no password. Nobody outside can say so: these credentials are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voucher {
    /// A provider of sign-ins.
    Provider,
    /// A code to the account's telephone.
    Phone,
    /// A code for a new password, to the account's address or telephone. It lets nobody in.
    Reset,
}

impl Voucher {
    const ALL: [Self; 3] = [Self::Provider, Self::Phone, Self::Reset];

    const fn issuer(self) -> &'static str {
        match self {
            Self::Provider => "nebula-ticketing:provider",
            Self::Phone => "nebula-ticketing:phone",
            Self::Reset => "nebula-ticketing:reset",
        }
    }

    /// How it stands in a challenge, which is answered for the same purpose only.
    pub(super) fn method(self) -> AuthMethod {
        match self {
            Self::Provider => AuthMethod::Federated,
            Self::Phone => AuthMethod::OneTimeCode,
            Self::Reset => AuthMethod::Other("reset".to_owned()),
        }
    }
}

/// Passwords, and accounts whose owner was recognised otherwise.
#[derive(Debug)]
pub(in crate::user) struct Doors {
    passwords: PasswordProvider<Accounts>,
}

impl Doors {
    pub(in crate::user) const fn new(passwords: PasswordProvider<Accounts>) -> Self {
        Self { passwords }
    }

    /// What says that the owner of an account was recognised.
    pub(super) fn vouched(user: UserId, by: Voucher) -> Credentials {
        Credentials::AuthorizationCode {
            issuer: by.issuer().to_owned(),
            state: String::new(),
            code: user.to_string().into(),
        }
    }
}

#[async_trait]
impl AuthenticationProvider for Doors {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Authentication, Error> {
        if let Credentials::AuthorizationCode { issuer, code, .. } = credentials
            && let Some(voucher) = Voucher::ALL.into_iter().find(|voucher| voucher.issuer() == issuer)
        {
            let who = AuthenticatedSubject::new(code.expose_secret(), voucher.method());
            return Ok(Authentication::Authenticated(who));
        }
        self.passwords.authenticate(credentials).await
    }
}
