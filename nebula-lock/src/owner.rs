//! Who holds a lock.

use std::fmt;
use std::str::FromStr;

use crate::entropy;
use crate::error::{Error, ErrorKind};

/// The identity of one hold: 128 random bits, never a task or thread. Backends know holds by it.
///
/// An application can use owners of its own to make locks reentrant: while an owner has a lock, the same owner gets it
/// again at once, with the same fence, and it is released with the last of the guards. The hold keeps the lease and the
/// renewal of its first acquisition; a request that needs a longer lease is refused with
/// [`ErrorKind::InvalidLease`](crate::ErrorKind::InvalidLease), since whoever set the shorter one relies on its end. Such an owner means something to one
/// manager and its clones only; on the backend each hold has an identity of its own.
///
/// ```
/// # use nebula_lock::{LockManager, MemoryLock, Owner, Release};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let locks = LockManager::new(MemoryLock::new());
/// let owner = Owner::random();
/// let outer = locks.lock("order:7").owner(owner).await?;
/// let inner = locks.lock("order:7").owner(owner).await?;
/// assert_eq!(inner.fence(), outer.fence());
/// assert_eq!(outer.release().await, Release::StillHeld);
/// assert_eq!(inner.release().await, Release::Released);
/// # Ok::<_, nebula_lock::Error>(())
/// # }).unwrap();
/// ```
///
/// It prints as 32 hexadecimal digits. Whoever knows it can release the lock, so treat it as an internal name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(u128);

impl Owner {
    /// A fresh owner that nobody else has.
    #[must_use]
    pub fn random() -> Self {
        Self(entropy::bits())
    }

    /// The 32 digits.
    #[cfg(feature = "redis")]
    pub(crate) fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(rest & 15) as usize];
            rest >>= 4;
        }
        digits
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

impl FromStr for Owner {
    type Err = Error;

    /// Reads the 32 digits that [`Display`](fmt::Display) prints.
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(text, 16) {
            Ok(bits) if digits => Ok(Self(bits)),
            _ => Err(Error::new(ErrorKind::WrongType, "an owner is written as 32 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let owner = Owner::random();
        assert_eq!(owner.to_string().parse::<Owner>().unwrap(), owner);
        assert_eq!(owner.to_string().as_bytes(), owner.digits());
        assert_eq!(Owner(1).to_string().parse::<Owner>().unwrap(), Owner(1));
        for bad in ["", "1", "+0000000000000000000000000000000", "zz"] {
            assert!(bad.parse::<Owner>().is_err(), "{bad}");
        }
    }
}
