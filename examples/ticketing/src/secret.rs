//! Secrets that are made at the first start and kept in the data folder, where every process that shares it finds them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::SecretString;

/// The key that signs access and refresh tokens.
pub const AUTH: &str = "auth.secret";
/// The key that signs the mock payment provider's notifications.
pub const MOCK_PAYMENT: &str = "mock-payment.secret";
/// The key of the tickets' codes.
pub const TICKETS: &str = "tickets.secret";
/// The key that signs what lets buyers in, where the configuration has no secret of tokens to derive it from.
pub const ADMISSION: &str = "admission.secret";
/// The key that wraps the keys of personal data.
pub const PERSONAL: &str = "personal-data.secret";
/// Not secret, but made and shared in the same way: tells platforms apart that use one Redis server.
pub const PLATFORM: &str = "platform.id";
/// All of them.
pub const FILES: &[&str] = &[AUTH, MOCK_PAYMENT, TICKETS, ADMISSION, PERSONAL, PLATFORM];

/// What this platform's names on shared servers begin with.
///
/// # Errors
///
/// As [`load_or_create`].
pub fn platform_id(folder: &Path) -> io::Result<String> {
    let random = load_or_create(folder, PLATFORM)?;
    let digest = crate::digest::sha256(secrecy::ExposeSecret::expose_secret(&random).as_bytes());
    Ok(format!("ticketing-{}", digest.get(..12).unwrap_or_default()))
}

/// The secret in `folder/name`, made of 48 random bytes when the file does not exist. Only the owner may read it.
///
/// # Errors
///
/// The file cannot be read or written, or holds less than 32 bytes.
pub fn load_or_create(folder: &Path, name: &str) -> io::Result<SecretString> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= 32 => return Ok(text.trim().to_owned().into()),
        Ok(_) => {
            let text = format!("{} is too short to be a secret; remove it to have a new one made", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let secret = BASE64_STANDARD.encode(rand::random::<[u8; 48]>());
    // Complete under another name, then linked: whoever starts at the same moment finds all of it, and the first wins.
    let temporary = folder.join(format!("{name}.{}", uuid::Uuid::new_v4()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&temporary, &path);
    fs::remove_file(&temporary)?;
    match linked {
        Ok(()) => Ok(secret.into()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(fs::read_to_string(&path)?.trim().to_owned().into())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn is_made_once_and_only_the_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let folder = folder.path().to_owned();
                std::thread::spawn(move || load_or_create(&folder, "key").unwrap().expose_secret().to_owned())
            })
            .collect();
        let mut secrets: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        secrets.dedup();
        assert_eq!(secrets.len(), 1);
        assert_eq!(fs::metadata(folder.path().join("key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::write(folder.path().join("key"), "short").unwrap();
        assert!(load_or_create(folder.path(), "key").is_err());
    }
}
