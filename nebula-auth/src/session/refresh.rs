//! The exchange of a refresh token.
//!
//! A refresh token is a JWT of type `rt+jwt`, so that forgeries never reach the store and an access token at the
//! refresh endpoint (or the other way round) has a name of its own. Its `jti` is 256 random bits of which the store
//! keeps only the hash: neither the signing key alone nor the database alone is enough to make one.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    RefreshOptions, RefreshRefusal, Refreshed, SessionService, SubjectState, TokenPair, seal,
    service::MAX_LIFETIME,
    store::{RevokeReason, Rotation, RotationOutcome, Session, TokenHash},
};
use crate::{
    clock::unix_seconds,
    error::Error,
    random, telemetry,
    token::{Claims, IssuedToken, TokenRefusal, TokenType, scope_token},
};

pub(super) struct RefreshToken {
    text: SecretString,
    claims: Claims,
}

impl RefreshToken {
    pub(super) fn issue(service: &SessionService, session: &Session, now: SystemTime) -> Result<Self, Error> {
        let expires = service.refresh_expiry(session, now);
        let claims = Claims {
            jti: random::secret_id()?,
            sid: Some(session.id.clone()),
            ..service.tokens.claims(session.subject.clone(), unix_seconds(now), expires)
        };
        Ok(Self { text: service.tokens.sign(TokenType::Refresh, &claims)?.into(), claims })
    }

    fn open(service: &SessionService, text: &SecretString) -> Result<Self, TokenRefusal> {
        let claims = service.tokens.open(text.expose_secret(), TokenType::Refresh, MAX_LIFETIME)?;
        Ok(Self { text: text.clone(), claims })
    }

    pub(super) fn hash(&self) -> TokenHash {
        TokenHash::of(&self.claims.jti)
    }
}

impl SessionService {
    /// Exchanges a refresh token for a new pair of tokens.
    ///
    /// Each token can be exchanged once. Whoever presents it again within the grace, from the same device, gets the
    /// same successor; afterwards it counts as stolen, and the whole session ends.
    ///
    /// # Errors
    /// If the store or the directory cannot answer. The token can then be presented again.
    ///
    /// # Cancel safety
    /// The exchange may have happened; presenting the token again within the grace yields the same successor.
    pub async fn refresh(&self, token: &SecretString, options: RefreshOptions) -> Result<Refreshed, Error> {
        let mut whose = None;
        let outcome = self.try_refresh(token, options, &mut whose).await?;
        // Forgeries are counted elsewhere: they say nothing about anybody.
        if let (Err(refusal), Some((subject, id))) = (&outcome, &whose) {
            let on = format!("session {id} of {subject}");
            self.settings.journal.judged("", "session:refresh", on, Some(refusal.code())).await?;
        }
        telemetry::refreshed(match &outcome {
            Ok(_) => "renewed",
            Err(refusal) => refusal.code(),
        });
        Ok(match outcome {
            Ok(pair) => Refreshed::Renewed(Box::new(pair)),
            Err(refusal) => Refreshed::Refused(refusal),
        })
    }

    async fn try_refresh(
        &self,
        token: &SecretString,
        options: RefreshOptions,
        whose: &mut Option<(String, String)>,
    ) -> Result<Result<TokenPair, RefreshRefusal>, Error> {
        let presented = match RefreshToken::open(self, token) {
            Ok(presented) => presented,
            Err(refusal) => return Ok(Err(RefreshRefusal::Token(refusal))),
        };
        let Some(id) = presented.claims.sid.clone() else {
            return Ok(Err(RefreshRefusal::Token(TokenRefusal::MissingClaim("sid"))));
        };
        *whose = Some((presented.claims.sub.clone(), id.clone()));
        // What can be refused without using the token up comes first. `rotate` decides again, atomically.
        let Some(session) = self.store.session(&id).await?.filter(|s| s.subject == presented.claims.sub) else {
            return Ok(Err(RefreshRefusal::SessionRevoked));
        };
        let scopes = match options.scopes {
            Some(wanted) if !within(&wanted, &session.scopes) => return Ok(Err(RefreshRefusal::InvalidScope)),
            Some(wanted) => wanted,
            None => session.scopes.clone(),
        };
        let version = match &self.settings.directory {
            None => None,
            Some(directory) => match directory.state(&session.subject).await? {
                SubjectState::Active { permission_version } => permission_version,
                SubjectState::Inactive => return Ok(Err(RefreshRefusal::SubjectInactive)),
            },
        };

        let now = self.tokens.clock().now();
        // Both tokens exist before the exchange, so that nothing can fail once the old one is used up.
        // A fingerprint proves nothing, so another one takes away what was proven, and no more.
        let changed = session.device.is_some() && session.device != options.device;
        let mut grant = self.grant(&session, scopes, version);
        if changed {
            telemetry::device_changed(&id, &session.subject);
            grant = grant.unproven();
        }
        let access = self.tokens.issue(&grant)?;
        let successor = RefreshToken::issue(self, &session, now)?;
        let rotation = Rotation {
            presented: presented.hash(),
            successor: successor.hash(),
            sealed_successor: seal::seal(&presented.claims.jti, &id, successor.text.expose_secret())?,
            device: options.device,
            now,
            grace: self.settings.grace,
            session_id: id,
        };
        Ok(match self.store.rotate(&rotation).await? {
            RotationOutcome::Rotated => Ok(self.pair(access, successor, now, changed)),
            RotationOutcome::Repeated { sealed_successor } => {
                let text = seal::open(&presented.claims.jti, &rotation.session_id, &sealed_successor)?
                    .ok_or_else(|| Error::internal("the stored successor of a refresh token cannot be opened"))?;
                match RefreshToken::open(self, &text.into()) {
                    Ok(successor) => Ok(self.pair(access, successor, now, changed)),
                    Err(refusal) => Err(RefreshRefusal::Token(refusal)),
                }
            }
            RotationOutcome::Reused => {
                telemetry::reuse_detected(&rotation.session_id, &session.subject);
                telemetry::sessions_revoked(RevokeReason::Reuse.as_str(), 1);
                Err(RefreshRefusal::Reused)
            }
            RotationOutcome::Revoked(_) | RotationOutcome::Unknown => Err(RefreshRefusal::SessionRevoked),
            RotationOutcome::Expired => Err(RefreshRefusal::SessionExpired),
        })
    }

    pub(super) fn pair(
        &self,
        access: IssuedToken,
        refresh: RefreshToken,
        now: SystemTime,
        device_changed: bool,
    ) -> TokenPair {
        let left = refresh.claims.exp.saturating_sub(unix_seconds(now));
        TokenPair {
            access_token: access.token,
            refresh_token: refresh.text,
            expires_in: self.tokens.access_ttl(),
            refresh_expires_in: Duration::from_secs(left),
            principal: access.principal,
            device_changed,
        }
    }
}

/// A session without scopes is not limited, so it may be narrowed to any; a list that names nothing would widen.
pub(super) fn within(wanted: &[String], granted: &[String]) -> bool {
    let narrower = granted.is_empty() || (!wanted.is_empty() && wanted.iter().all(|scope| granted.contains(scope)));
    narrower && wanted.iter().all(|scope| scope_token(scope))
}
