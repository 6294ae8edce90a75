//! Accounts to try the platform with.

use super::{NewUser, Users};
use crate::{
    language::Language,
    problem::{Code, Result},
};

impl Users {
    /// Makes a demo account unless it exists, and answers its password if it is known: `well_known`, or, when
    /// strangers can reach the server, a random one that replaces it.
    ///
    /// # Errors
    ///
    /// [`Code::Busy`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// The account may exist with a password that nobody saw; remove it or reset the platform.
    pub async fn ensure_demo_account(
        &self,
        email: &str,
        name: &str,
        well_known: &str,
        reachable: bool,
    ) -> Result<Option<String>> {
        let password = if reachable { random_password() } else { well_known.to_owned() };
        let new = NewUser {
            email: email.to_owned(),
            display_name: name.to_owned(),
            language: Language::default(),
            password: password.clone().into(),
        };
        match self.register(new).await {
            Ok(_) => return Ok(Some(password)),
            Err(problem) if problem.code == Code::EmailTaken => {}
            Err(problem) => return Err(problem),
        }
        match self.login(email, well_known.into()).await {
            Ok(_) if !reachable => Ok(Some(password)),
            Ok(user) => {
                let hash = self.hash(password.clone().into()).await?;
                self.0.accounts.set_hash(user.id, hash).await?;
                Ok(Some(password))
            }
            Err(problem) if problem.code == Code::WrongCredentials => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// Eighty random bits, in letters that are hard to mistake for each other.
fn random_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
    let letters: Vec<_> = rand::random::<[u8; 16]>().iter().map(|byte| LETTERS[usize::from(byte % 32)]).collect();
    letters.chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}
