//! Time-based codes.

use std::time::Duration;

use nebula_auth::{
    AuthMethod, ErrorKind,
    mfa::{
        EnrolmentRefusal, FactorKey, FactorRefusal, RecoveryCodes, SecondFactor as _, Totp, TotpAlgorithm, TotpParams,
    },
    proof::{MemoryProofStore, ProofKey, ProofStore as _},
    secrecy::ExposeSecret as _,
};

use super::{NOW, app, clock, enrolled, principal, refused, totp};

/// An enrolment used up the step of `NOW`, so this is the first code that is new.
const NEXT: u64 = NOW + 30;

#[tokio::test]
async fn a_code_is_accepted_once_and_none_that_is_older() {
    let clock = clock();
    let totp = totp(&clock);
    let (app, _) = enrolled(&totp, "ann").await;
    assert_eq!(refused(totp.check("ann", &app.code(NOW)).await.unwrap()), FactorRefusal::Replayed);
    clock.set_unix(NEXT + 30);
    let proof = totp.check("ann", &app.code(NEXT + 30)).await.unwrap().into_result().unwrap();
    assert_eq!((proof.subject(), proof.method()), ("ann", &AuthMethod::OneTimeCode));
    // The same one, and the one before, which is within the skew.
    for seconds in [NEXT + 30, NEXT] {
        let refusal = refused(totp.check("ann", &app.code(seconds)).await.unwrap());
        assert_eq!((refusal, refusal.code()), (FactorRefusal::Replayed, "otp_replayed"), "{seconds}");
    }
}

#[tokio::test]
async fn of_many_at_once_with_one_code_one_gets_in() {
    let clock = clock();
    let totp = totp(&clock).with_back_off(
        nebula_auth::throttle::BackOff::new(
            100,
            Duration::from_secs(1),
            Duration::from_secs(9),
            Duration::from_secs(9),
        )
        .unwrap(),
    );
    let (app, _) = enrolled(&totp, "ann").await;
    clock.set_unix(NEXT);
    let code = app.code(NEXT);
    let checks: Vec<_> = (0..50)
        .map(|_| {
            let (totp, code) = (totp.clone(), code.clone());
            tokio::spawn(async move { totp.check("ann", &code).await.unwrap().into_result() })
        })
        .collect();
    let mut accepted = 0;
    for check in checks {
        match check.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(refusal) => assert_eq!(refusal, FactorRefusal::Replayed),
        }
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn the_skew_is_what_it_is_set_to() {
    for (skew, accepted) in
        [(0, [false, false, true, false]), (1, [false, true, true, true]), (2, [true, true, true, true])]
    {
        let clock = clock();
        let totp = totp(&clock).with_skew(skew).unwrap();
        let (app, _) = enrolled(&totp, "ann").await;
        for (offset, expected) in [(0, accepted[0]), (30, accepted[1]), (60, accepted[2]), (90, accepted[3])] {
            // Each from scratch: steps only go on.
            let now = NEXT + 3_600 * (offset + 1) - (NEXT % 30);
            clock.set_unix(now + 60);
            let result = totp.check("ann", &app.code(now + offset)).await.unwrap().into_result();
            assert_eq!(result.is_ok(), expected, "skew {skew}, {} s", i64::try_from(offset).unwrap() - 60);
        }
    }
    assert_eq!(totp(&clock()).with_skew(3).unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn recovery_codes_work_once_however_they_are_typed() {
    let clock = clock();
    let totp = totp(&clock);
    let (_, codes) = enrolled(&totp, "ann").await;
    assert_eq!(codes.len(), 10);
    let typed = codes[3].expose_secret().to_uppercase().replace('-', " ");
    let proof = totp.check("ann", &typed.into()).await.unwrap().into_result().unwrap();
    assert_eq!(proof.method(), &AuthMethod::RecoveryCode);
    assert_eq!(totp.recovery_codes_left("ann").await.unwrap(), Some(9));
    assert_eq!(refused(totp.check("ann", &codes[3]).await.unwrap()), FactorRefusal::WrongCode);
    assert_eq!(refused(totp.check("bob", &codes[4]).await.unwrap()), FactorRefusal::WrongCode, "hers alone");
    // New ones make the old ones void.
    let strong = principal("ann", NOW, [AuthMethod::Password, AuthMethod::MultiFactor]);
    let renewed = totp.renew_recovery_codes(&strong).await.unwrap().unwrap().unwrap();
    assert_eq!(refused(totp.check("ann", &codes[4]).await.unwrap()), FactorRefusal::WrongCode);
    let _ = totp.check("ann", &renewed.codes()[0]).await.unwrap().into_result().unwrap();
}

#[test]
fn recovery_codes_need_112_bits() {
    for (count, bytes) in [(10, 4), (10, 13), (0, 16), (21, 16)] {
        assert_eq!(RecoveryCodes::with_entropy(count, bytes).unwrap_err().kind(), ErrorKind::Config);
    }
    let codes = RecoveryCodes::with_entropy(10, 14).unwrap();
    assert_eq!(codes.codes()[0].expose_secret().replace('-', "").len(), 23);
}

#[tokio::test]
async fn factors_are_changed_by_who_has_shown_one_recently() {
    let clock = clock();
    let totp = totp(&clock);
    // The first one needs a recent login.
    let old = principal("ann", NOW - 901, [AuthMethod::Password]);
    let unproven = principal("ann", NOW + 2, []);
    for nobody in [&old, &unproven] {
        let refusal = totp.enrol(nobody, "ann").await.unwrap().unwrap_err();
        assert_eq!(
            (refusal.code(), refusal),
            ("step_up_required", EnrolmentRefusal::StepUpRequired { within: Duration::from_mins(15) })
        );
    }
    let (first, _) = enrolled(&totp, "ann").await;
    // From then on a password is not enough, and a factor that was shown long ago is not, either.
    let weak = principal("ann", NOW, [AuthMethod::Password]);
    let stale = principal("ann", NOW - 301, [AuthMethod::Password, AuthMethod::MultiFactor]);
    let needed = EnrolmentRefusal::StepUpRequired { within: Duration::from_mins(5) };
    for principal in [&weak, &stale] {
        assert_eq!(totp.enrol(principal, "ann").await.unwrap().unwrap_err(), needed);
        assert_eq!(totp.confirm(principal, &first.code(NEXT)).await.unwrap().unwrap_err(), needed);
        assert_eq!(totp.renew_recovery_codes(principal).await.unwrap().unwrap_err(), needed);
        assert_eq!(totp.disable(principal).await.unwrap().unwrap_err(), needed);
    }
    let strong = principal("ann", NOW - 280, [AuthMethod::Password, AuthMethod::MultiFactor]);
    let second = app(totp.enrol(&strong, "ann").await.unwrap().unwrap().secret());
    // The old one counts until the new one is confirmed.
    clock.set_unix(NEXT - 20);
    let _ = totp.check("ann", &first.code(NEXT)).await.unwrap().into_result().unwrap();
    let wrong = totp.confirm(&strong, &first.code(NEXT)).await.unwrap().unwrap_err();
    assert_eq!(wrong, EnrolmentRefusal::Code(FactorRefusal::WrongCode));
    totp.confirm(&strong, &second.code(NEXT)).await.unwrap().unwrap();
    clock.set_unix(NEXT + 60);
    assert_eq!(refused(totp.check("ann", &first.code(NEXT + 60)).await.unwrap()), FactorRefusal::WrongCode);
    let _ = totp.check("ann", &second.code(NEXT + 60)).await.unwrap().into_result().unwrap();
    let strong = principal("ann", NEXT, [AuthMethod::Password, AuthMethod::MultiFactor]);
    totp.disable(&strong).await.unwrap().unwrap();
    assert!(!totp.is_enrolled("ann").await.unwrap());
    assert_eq!(refused(totp.check("ann", &second.code(NEXT + 90)).await.unwrap()), FactorRefusal::WrongCode);
}

#[tokio::test]
async fn a_new_secret_waits_ten_minutes_for_its_first_code() {
    let clock = clock();
    let totp = totp(&clock);
    let ann = principal("ann", NOW, [AuthMethod::Password]);
    let app = app(totp.enrol(&ann, "ann").await.unwrap().unwrap().secret());
    clock.advance(Duration::from_mins(10));
    let late = totp.confirm(&ann, &app.code(NOW + 600)).await.unwrap().unwrap_err();
    assert_eq!(late, EnrolmentRefusal::Code(FactorRefusal::WrongCode));
}

#[tokio::test]
async fn the_address_is_what_authenticator_apps_read() {
    let clock = clock();
    let params = TotpParams::new(TotpAlgorithm::Sha256, 8, 30).unwrap();
    let totp = Totp::new(MemoryProofStore::new(), FactorKey::generate().unwrap(), "Müller & Co")
        .with_clock(clock.clone())
        .with_params(params);
    let ann = principal("ann", NOW, [AuthMethod::Password]);
    let enrolment = totp.enrol(&ann, "ann@example.test").await.unwrap().unwrap();
    let expected = format!(
        "otpauth://totp/M%C3%BCller%20%26%20Co:ann@example.test?secret={}&issuer=M%C3%BCller%20%26%20Co&algorithm=SHA256&digits=8&period=30",
        enrolment.secret().expose_secret(),
    );
    assert_eq!(enrolment.uri().expose_secret(), expected);
    let code = params.code_at(&app(enrolment.secret()).0, NOW);
    totp.confirm(&ann, &code.into()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_store_holds_no_usable_secret() {
    let clock = clock();
    let store = MemoryProofStore::new();
    let key = FactorKey::generate().unwrap();
    let totp = Totp::new(store.clone(), key, "Shop").with_clock(clock.clone());
    let (app, codes) = enrolled(&totp, "ann").await;
    let record = store.load(&ProofKey::of("totp", &["ann"])).await.unwrap().unwrap();
    let body = String::from_utf8(record.body).unwrap();
    let raw = format!("{:?}", app.0);
    for secret in [codes[0].expose_secret(), &codes[0].expose_secret().replace('-', ""), &raw[1..40], "ann"] {
        assert!(!body.contains(secret));
    }
    // With another key it is an error, and nobody gets in.
    let other = Totp::new(store, FactorKey::generate().unwrap(), "Shop").with_clock(clock);
    let error = other.check("ann", &app.code(NEXT)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.to_string().contains("nebula.auth.mfa.key"), "{error}");
}

#[test]
fn settings_out_of_bounds_are_refused() {
    for (digits, seconds) in [(5, 30), (9, 30), (6, 14), (6, 61), (6, 0)] {
        let error = TotpParams::new(TotpAlgorithm::Sha1, digits, seconds).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
    for weak in ["short", "your-secret-key", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        assert_eq!(FactorKey::new(&weak.into()).unwrap_err().kind(), ErrorKind::WeakSecret);
    }
}
