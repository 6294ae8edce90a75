use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    audience::{AudienceStore, Preferences, change_wishes},
    error::{Error, ErrorKind, Result},
    kind::Channel,
    random,
    recipient::Address,
};

/// What a token begins with, so that another form of it can follow.
const VERSION: &[u8] = b"nebula-notification unsubscribe 1";

/// Makes links by which a recipient ends marketing on a channel, and reads them again.
///
/// A link holds who is meant, encrypted and authenticated (AES-256-GCM): it needs no store, works for ever, cannot be made for anybody
/// else, and shows no address to whoever sees it in a log. Whoever has the link can use it: that is what it is for.
///
/// ```
/// use nebula_notification::{AudienceStore, Channel, EmailAddress, MemoryAudience, UnsubscribeLinks};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let links = UnsubscribeLinks::new("https://tickets.example/unsubscribe", "at least 32 random bytes, from configuration")?;
/// let ada = EmailAddress::new("ada@example.org")?.into();
/// let link = links.link(&ada)?;
/// assert!(link.starts_with("https://tickets.example/unsubscribe?token=") && !link.contains("ada"));
///
/// let audience = MemoryAudience::new();
/// let token = link.split_once("token=").unwrap().1;
/// assert_eq!(links.unsubscribe(&audience, token).await?, Some(Channel::Email));
/// assert!(audience.get(&ada.key()).await?.unwrap().no_marketing.contains(&Channel::Email));
/// # Ok::<_, nebula_notification::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct UnsubscribeLinks(Arc<Inner>);

struct Inner {
    base: String,
    key: LessSafeKey,
}

impl UnsubscribeLinks {
    /// Links to that address, which serves [`UnsubscribeRoutes`](crate::UnsubscribeRoutes). Whoever has the key can make links for anybody.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if the address is not one of `https` (or of this machine), or the key has less than 32 bytes.
    pub fn new(base: impl Into<String>, key: impl Into<SecretString>) -> Result<Self> {
        let (base, key) = (base.into(), key.into());
        let refuse = |what: &'static str| Err(Error::new(ErrorKind::ConfigInvalid, what));
        let here = ["http://localhost", "http://127.0.0.1"].iter().any(|here| base.starts_with(here));
        let plain = base.is_ascii() && !base.contains(|one: char| one.is_control() || " <>\"?#,".contains(one));
        if !plain || !(base.starts_with("https://") || here) || base.len() > 200 {
            return refuse("unsubscribe: the address is one of https, without a query");
        }
        if key.expose_secret().len() < 32 {
            return refuse("unsubscribe: the key has at least 32 bytes");
        }
        // The same secret may serve elsewhere, too: the key is one for this use only.
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
        let derived = hmac::sign(&secret, VERSION);
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref())
            .map_err(|_| Error::internal("the key for unsubscription cannot be made"))?;
        Ok(Self(Arc::new(Inner { base, key: LessSafeKey::new(key) })))
    }

    /// The link for an address: ends marketing there, on its channel.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if there are no random numbers.
    pub fn link(&self, address: &Address) -> Result<String> {
        let mut nonce = [0; NONCE_LEN];
        random::fill(&mut nonce)?;
        let mut text = format!("{}\n{}", address.channel(), address.key()).into_bytes();
        self.0
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(VERSION), &mut text)
            .map_err(|_| Error::internal("a link cannot be encrypted"))?;
        let token = URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat());
        Ok(format!("{}?token={token}", self.0.base))
    }

    /// Whom a token means: the channel, and the key of the address. `None` for what is no token of ours.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<(Channel, String)> {
        if token.len() > 4096 {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.key.open_in_place(nonce, Aad::from(VERSION), sealed).ok()?;
        let (channel, subject) = std::str::from_utf8(text).ok()?.split_once('\n')?;
        Some((channel.parse().ok()?, subject.to_owned()))
    }

    /// Ends marketing for whom a token means; a second time changes nothing. `None` for what is no token of ours.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the wishes cannot be changed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the wishes as they were, or changed.
    pub async fn unsubscribe(&self, audience: &(impl AudienceStore + ?Sized), token: &str) -> Result<Option<Channel>> {
        let Some((channel, subject)) = self.read(token) else { return Ok(None) };
        change_wishes(audience, &subject, |wishes: Preferences| wishes.refuse_marketing(channel)).await?;
        Ok(Some(channel))
    }
}

impl fmt::Debug for UnsubscribeLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsubscribeLinks").field("base", &self.0.base).finish_non_exhaustive()
    }
}
