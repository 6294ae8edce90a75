//! Further factors, back-off and step-up.

mod codes;
mod guessing;
mod journal;
mod login;
mod observed;
mod step_up;
mod throttle;
mod totp;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nebula_auth::{
    AccessGrant, Algorithm, AuthMethod, KeySet, ManualClock, Principal, SigningKey, TokenService,
    mfa::{FactorCheck, FactorKey, FactorRefusal, Totp, TotpParams},
    proof::MemoryProofStore,
    secrecy::{ExposeSecret as _, SecretString},
};

const NOW: u64 = 1_800_000_000;

fn clock() -> ManualClock {
    ManualClock::at_unix(NOW)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn tokens(clock: &ManualClock) -> TokenService {
    let keys = KeySet::new(SigningKey::generate(Algorithm::EdDSA, "k").unwrap());
    TokenService::new(keys, "issuer", "audience").unwrap().with_clock(clock.clone())
}

/// Somebody who has proven themselves at that second, by these methods.
fn principal(subject: &str, proven: u64, methods: impl IntoIterator<Item = AuthMethod>) -> Principal {
    let grant = AccessGrant::new(subject).session("s").authenticated(at(proven), methods);
    tokens(&ManualClock::at_unix(NOW)).issue(&grant).unwrap().principal
}

fn totp(clock: &ManualClock) -> Totp {
    Totp::new(MemoryProofStore::new(), FactorKey::generate().unwrap(), "Shop").with_clock(clock.clone())
}

/// What an authenticator app does.
struct App(Vec<u8>);

impl App {
    fn code(&self, seconds: u64) -> SecretString {
        TotpParams::default().code_at(&self.0, seconds).into()
    }
}

fn app(secret: &SecretString) -> App {
    App(data_encoding::BASE32_NOPAD.decode(secret.expose_secret().as_bytes()).unwrap())
}

/// Sets the factor up, with the code of `NOW`.
async fn enrolled(totp: &Totp, subject: &str) -> (App, Vec<SecretString>) {
    let principal = principal(subject, NOW, [AuthMethod::Password]);
    let enrolment = totp.enrol(&principal, "ann@example.test").await.unwrap().unwrap();
    let app = app(enrolment.secret());
    let recovery = totp.confirm(&principal, &app.code(NOW)).await.unwrap().unwrap();
    (app, recovery.codes().to_vec())
}

fn refused(check: FactorCheck) -> FactorRefusal {
    check.into_result().unwrap_err()
}
