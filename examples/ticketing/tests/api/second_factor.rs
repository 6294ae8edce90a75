//! The second factor: set up, asked for by every way in, used once, lost, demanded, and taken away; and the devices that come in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{Account, PASSWORD, TestApp, code, expect, expect_problem, letters, mails};
use nebula_auth::{SessionStoreKind, audit::AuditQuery, mfa::TotpParams};
use nebula_tenant::TenantId;
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    clock::Millis,
    config::{Config, DatabaseProvider},
    problem::Code,
    storage::{Pool, sql::query},
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Of an account that no test makes.
const NOBODY: &str = "01900000-0000-7000-8000-000000000000";

/// Codes by message as often as a test wants; on PostgreSQL sessions and factors are there as well.
fn settings(config: &mut Config) {
    config.auth.mfa.code.cool_down = Duration::from_millis(1);
    if config.database.provider == DatabaseProvider::Postgres {
        config.auth.session.store = SessionStoreKind::Postgres;
        config.auth.session.url = config.database.url.clone();
    }
}

async fn start() -> TestApp {
    TestApp::start_with(settings).await
}

/// What an authenticator app has.
struct Phone(Vec<u8>);

impl Phone {
    fn of(secret: &Value) -> Self {
        Self(data_encoding::BASE32_NOPAD.decode(secret.as_str().unwrap().as_bytes()).unwrap())
    }

    /// The code of a step from now.
    fn code(&self, steps: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        TotpParams::default().code_at(&self.0, now.checked_add_signed(30 * steps).unwrap())
    }
}

async fn sign_in(app: &TestApp, who: &Account) -> Response {
    app.post("/auth/login", &json!({"email": who.email, "password": PASSWORD})).await
}

/// The challenge of the first step.
async fn challenge(app: &TestApp, who: &Account) -> String {
    let asked = expect(sign_in(app, who).await, StatusCode::ACCEPTED).await;
    assert!(asked.get("tokens").is_none() && asked.get("user").is_none(), "{asked}");
    asked["second_factor"]["challenge"].as_str().unwrap().to_owned()
}

async fn second(app: &TestApp, challenge: &str, code: &str) -> Response {
    app.post("/auth/login/second-factor", &json!({"challenge": challenge, "code": code})).await
}

/// Sets the factor up, and leaves the code of the next step. Answers with the phone, the recovery codes, and a
/// token that says that the factor was shown.
async fn enrol(app: &TestApp, who: &Account) -> (Phone, Vec<String>, String) {
    let new = expect(app.post_as(who, "/me/second-factor", &json!({})).await, StatusCode::OK).await;
    assert!(new["qr"].as_str().unwrap().starts_with("<svg"), "{new}");
    let phone = Phone::of(&new["secret"]);
    let wrong = app.post_as(who, "/me/second-factor/confirm", &json!({"code": "000000"})).await;
    expect_problem(wrong, Code::SecondFactorRefused).await;
    let confirmed = app.post_as(who, "/me/second-factor/confirm", &json!({"code": phone.code(0)})).await;
    let confirmed = expect(confirmed, StatusCode::OK).await;
    let codes: Vec<_> =
        confirmed["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    (phone, codes, confirmed["access_token"].as_str().unwrap().to_owned())
}

fn token(answer: &Value) -> &str {
    answer["tokens"]["access_token"].as_str().unwrap()
}

async fn ask(app: &TestApp, method: Method, path: &str, token: &str) -> Response {
    app.request(method, path).bearer_auth(token).json(&json!({})).send().await.unwrap()
}

#[tokio::test]
async fn whoever_has_a_second_factor_is_asked_for_it_and_each_code_lets_in_once() {
    let app = start().await;
    let mei = app.register("mei@example.com").await;
    let elsewhere = app.login(&mei.email, PASSWORD).await;
    let (phone, codes, _) = enrol(&app, &mei).await;
    let state = expect(app.get_as(&mei, "/me/second-factor").await, StatusCode::OK).await;
    assert_eq!(state, json!({"enabled": true, "recovery_codes": 10, "demanded": false}));
    // Whoever came in without it is out, but for the device that set it up; and its owner is told.
    expect_problem(app.get_as(&elsewhere, "/me").await, Code::TokenInvalid).await;
    assert!(letters(&app, &mei.email, 1).await[0].contains("Two-step sign-in is on"));

    // What the first step gives opens nothing.
    let first = challenge(&app, &mei).await;
    for path in ["/me", "/orders", "/me/second-factor", "/desk"] {
        let opened = ask(&app, Method::GET, path, &first).await;
        assert_eq!(opened.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let refreshed = app.post("/auth/refresh", &json!({"refresh_token": first})).await;
    expect_problem(refreshed, Code::RefreshRefused).await;

    // A wrong code leaves the challenge, the right one lets in, and neither lets in again.
    let wrong = expect_problem(second(&app, &first, "000000").await, Code::SecondFactorRefused).await;
    assert_eq!(wrong["reason"], "wrong_code");
    let now = phone.code(1);
    let entered = expect(second(&app, &first, &now).await, StatusCode::OK).await;
    let me = expect(ask(&app, Method::GET, "/me", token(&entered)).await, StatusCode::OK).await;
    assert_eq!(me["email"], "mei@example.com");
    expect_problem(second(&app, &first, &phone.code(1)).await, Code::SecondFactorRefused).await;
    let next = challenge(&app, &mei).await;
    let replayed = expect_problem(second(&app, &next, &now).await, Code::SecondFactorRefused).await;
    assert_eq!(replayed["reason"], "otp_replayed");
    // The phone is lost: a recovery code does, once.
    expect(second(&app, &next, &codes[0]).await, StatusCode::OK).await;
    let next = challenge(&app, &mei).await;
    expect_problem(second(&app, &next, &codes[0]).await, Code::SecondFactorRefused).await;
    let again = expect(second(&app, &next, &codes[1]).await, StatusCode::OK).await;
    let state = expect(ask(&app, Method::GET, "/me/second-factor", token(&again)).await, StatusCode::OK).await;
    assert_eq!(state["recovery_codes"], 8);
    // A wrong password is told before anything of a second factor.
    let body = json!({"email": mei.email, "password": "something else entirely"});
    expect_problem(app.post("/auth/login", &body).await, Code::WrongCredentials).await;
    expect_problem(second(&app, "no-such-challenge", "123456").await, Code::SecondFactorRefused).await;

    // In the log there is what happened; at rest there is no secret and no code.
    let kept = AuditQuery { what: Some("factor:change".to_owned()), ..AuditQuery::default() };
    let kept = app.app.office.log().query(&kept).await.unwrap().entries;
    assert_eq!((kept.len(), &*kept[0].record.reason), (1, "enrolled"));
    let stored = at_rest(&app).await;
    assert!(stored.contains("last_step"), "this reads what is kept of factors");
    for hidden in [data_encoding::BASE32_NOPAD.encode(&phone.0), codes[2].clone(), codes[2].replace('-', "")] {
        assert!(!stored.contains(&hidden), "{hidden}");
    }
}

/// All that is kept of sessions and factors.
async fn at_rest(app: &TestApp) -> String {
    if let Pool::Postgres(pool) = &app.app.database.read {
        let rows = "SELECT string_agg(encode(body, 'escape'), ' ') FROM nebula_auth_proof";
        return sqlx::query_scalar(rows).fetch_one(pool).await.unwrap();
    }
    let files = std::fs::read_dir(&app.app.config.data).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("auth.db"));
    files.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}

#[tokio::test]
async fn guessing_is_slowed_down_whatever_challenge_and_address_it_comes_from() {
    let app = start().await;
    let mei = app.register("mei@example.com").await;
    let (phone, ..) = enrol(&app, &mei).await;
    let first = challenge(&app, &mei).await;
    let mut refused = Vec::new();
    for guess in 0..12 {
        // A new challenge wins nothing, nor does an address that somebody says to come from.
        let challenge = if guess % 2 == 0 { first.clone() } else { challenge(&app, &mei).await };
        let body = json!({"challenge": challenge, "code": format!("{guess:06}")});
        let request = app.request(Method::POST, "/auth/login/second-factor").json(&body);
        let forwarded = request.header("x-forwarded-for", format!("203.0.113.{guess}"));
        let answer = forwarded.header("device-id", format!("device-{guess}")).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{}", answer.status());
        let waits = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = answer.json::<Value>().await.unwrap();
        assert_eq!(waits.is_some(), body["code"] == "too-many-attempts", "{body}");
        assert_eq!(waits, body["retry_after"].as_u64().map(|seconds| seconds.to_string()));
        refused.push(body);
    }
    let slowed = refused.iter().filter(|answer| answer["code"] == "too-many-attempts").count();
    assert!(slowed > 0, "{refused:?}");
    // Not even the right code gets through meanwhile.
    let last = challenge(&app, &mei).await;
    expect_problem(second(&app, &last, &phone.code(1)).await, Code::TooManyAttempts).await;
    // Others come in.
    let tom = app.register("tom@example.com").await;
    let (phone, ..) = enrol(&app, &tom).await;
    let open = challenge(&app, &tom).await;
    expect(second(&app, &open, &phone.code(1)).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_factor_is_changed_by_who_shows_it_and_reset_by_administrators() {
    let app = start().await;
    let (boss, mei) = (app.register_admin("boss@example.com").await, app.register("mei@example.com").await);
    let (phone, codes, strong) = enrol(&app, &mei).await;
    // Signed in before there was one, and without it: nothing of it is changed.
    for (method, path) in [
        (Method::POST, "/me/second-factor"),
        (Method::POST, "/me/second-factor/recovery-codes"),
        (Method::DELETE, "/me/second-factor"),
    ] {
        expect_problem(ask(&app, method, path, &mei.access).await, Code::StepUpRequired).await;
    }
    let renewed =
        expect(ask(&app, Method::POST, "/me/second-factor/recovery-codes", &strong).await, StatusCode::OK).await;
    assert_ne!(renewed["recovery_codes"][0], json!(codes[0]));
    let next = challenge(&app, &mei).await;
    expect_problem(second(&app, &next, &codes[0]).await, Code::SecondFactorRefused).await;
    // Shown, it may be switched off, and then nobody is asked. Who is in elsewhere is out.
    let shown = app.post_as(&mei, "/me/second-factor/show", &json!({"code": "000000"})).await;
    expect_problem(shown, Code::SecondFactorRefused).await;
    let elsewhere = renewed["recovery_codes"][0].as_str().unwrap();
    let elsewhere = expect(second(&app, &next, elsewhere).await, StatusCode::OK).await;
    let shown = app.post_as(&mei, "/me/second-factor/show", &json!({"code": phone.code(1)})).await;
    let shown = expect(shown, StatusCode::OK).await;
    let off = ask(&app, Method::DELETE, "/me/second-factor", shown["access_token"].as_str().unwrap()).await;
    assert_eq!(off.status(), StatusCode::NO_CONTENT);
    expect_problem(ask(&app, Method::GET, "/me", token(&elsewhere)).await, Code::TokenInvalid).await;
    expect(app.get_as(&mei, "/me").await, StatusCode::OK).await;
    expect(sign_in(&app, &mei).await, StatusCode::OK).await;
    let told = letters(&app, &mei.email, 2).await;
    assert!(told.iter().any(|letter| letter.contains("Two-step sign-in is off")), "{told:?}");

    // Phone and codes are lost: an administrator removes it, and the log says who did. Never their own.
    let tom = app.register("tom@example.com").await;
    enrol(&app, &tom).await;
    challenge(&app, &tom).await;
    let path = |who: &str| format!("/admin/accounts/{who}/second-factor");
    let toms = path(&tom.id.to_string());
    expect_problem(ask(&app, Method::DELETE, &toms, &mei.access).await, Code::Forbidden).await;
    let own = ask(&app, Method::DELETE, &path(&boss.id.to_string()), &boss.access).await;
    assert_eq!(expect_problem(own, Code::Forbidden).await["reason"], "own");
    assert_eq!(ask(&app, Method::DELETE, &toms, &boss.access).await.status(), StatusCode::NO_CONTENT);
    expect_problem(app.get_as(&tom, "/me").await, Code::TokenInvalid).await;
    expect(sign_in(&app, &tom).await, StatusCode::OK).await;
    letters(&app, &tom.email, 2).await;
    let reset = AuditQuery { what: Some("second-factor:reset".to_owned()), ..AuditQuery::default() };
    let reset = app.app.office.log().query(&reset).await.unwrap().entries;
    assert_eq!(reset.len(), 1);
    assert_eq!((&reset[0].record.who, &reset[0].record.on), (&boss.id.to_string(), &format!("account {}", tom.id)));
    expect_problem(ask(&app, Method::DELETE, &path(NOBODY), &boss.access).await, Code::NotFound).await;

    // An account that is kept out is not let in by its second factor either.
    let gone = app.register("gone@example.com").await;
    let (phone, ..) = enrol(&app, &gone).await;
    let (open, id) = (challenge(&app, &gone).await, gone.id);
    app.app.users.judge(id, ticketing::user::Kind::Normal, true).await.unwrap();
    eventually(PATIENCE, || async {
        if app.app.users.exists(id).await.unwrap() { Err("still known") } else { Ok(()) }
    })
    .await;
    expect_problem(second(&app, &open, &phone.code(1)).await, Code::WrongCredentials).await;
}

#[tokio::test]
async fn a_role_that_demands_it_opens_nothing_without_it() {
    let app = TestApp::start_with(|config| {
        settings(config);
        config.accounts.require_second_factor = vec!["platform-operations".to_owned(), "finance".to_owned()];
    })
    .await;
    let boss = app.register_admin("boss@example.com").await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let state = expect(app.get_as(&boss, "/me/second-factor").await, StatusCode::OK).await;
    assert_eq!(state, json!({"enabled": false, "demanded": true}));
    let led = expect(sign_in(&app, &boss).await, StatusCode::OK).await;
    assert_eq!(led["second_factor_demanded"], true, "{led}");
    for path in ["/admin/merchants", "/desk", "/desk/nebula/tills", "//admin/access/users"] {
        expect_problem(app.get_as(&boss, path).await, Code::SecondFactorRequired).await;
    }
    // Others work on, and buyers' pages are open to all.
    expect(app.get_as(&clerk, "/desk/nebula/counter").await, StatusCode::OK).await;
    expect(app.get_as(&boss, "/orders").await, StatusCode::OK).await;
    expect_problem(app.get("/admin/merchants").await, Code::Unauthenticated).await;

    let (phone, _, strong) = enrol(&app, &boss).await;
    expect(ask(&app, Method::GET, "/admin/merchants", &strong).await, StatusCode::OK).await;
    expect_problem(app.get_as(&boss, "/admin/merchants").await, Code::SecondFactorRequired).await;
    let open = challenge(&app, &boss).await;
    let entered = expect(second(&app, &open, &phone.code(1)).await, StatusCode::OK).await;
    assert!(entered.get("second_factor_demanded").is_none(), "{entered}");
    expect(ask(&app, Method::GET, "/admin/merchants", token(&entered)).await, StatusCode::OK).await;
    // A token that was refreshed says the same; on another device it says nothing.
    let refresh = json!({"refresh_token": entered["tokens"]["refresh_token"]});
    let renewed = expect(app.post("/auth/refresh", &refresh).await, StatusCode::OK).await;
    expect(ask(&app, Method::GET, "//admin/access/users", token(&renewed)).await, StatusCode::OK).await;
    let refresh = json!({"refresh_token": renewed["tokens"]["refresh_token"]});
    let moved = app.request(Method::POST, "/auth/refresh").header("device-id", "another").json(&refresh).send().await;
    let moved = expect(moved.unwrap(), StatusCode::OK).await;
    let refused = ask(&app, Method::GET, "//admin/access/users", token(&moved)).await;
    expect_problem(refused, Code::SecondFactorRequired).await;
}

#[tokio::test]
async fn a_merchant_demands_it_of_all_its_staff_and_of_nobody_else() {
    let app = start().await;
    let boss = app.register_admin("boss@example.com").await;
    for id in ["moon", "star"] {
        let body = json!({"id": id, "name": id, "name_zh": id});
        expect(app.post_as(&boss, "/admin/merchants", &body).await, StatusCode::CREATED).await;
    }
    let [moon, star] = ["moon", "star"].map(|id| id.parse::<TenantId>().unwrap());
    let chief = app.register_at(&moon, "chief@example.com", "merchant-admin").await;
    let clerk = app.register_at(&moon, "clerk@example.com", "box-office").await;
    let other = app.register_at(&star, "other@example.com", "box-office").await;
    let demand = async |who: &Account, merchant: &str, demanded: bool| {
        let request = app.request(Method::PUT, &format!("/desk/{merchant}/second-factor")).bearer_auth(&who.access);
        request.json(&json!({ "demanded": demanded })).send().await.unwrap()
    };
    expect_problem(demand(&clerk, "moon", true).await, Code::Forbidden).await;
    expect_problem(demand(&chief, "star", true).await, Code::NotFound).await;
    assert_eq!(demand(&chief, "moon", true).await.status(), StatusCode::NO_CONTENT);

    for (who, path) in [(&chief, "/desk/moon/staff"), (&clerk, "/desk/moon/counter")] {
        expect_problem(app.get_as(who, path).await, Code::SecondFactorRequired).await;
    }
    expect(app.get_as(&other, "/desk/star/counter").await, StatusCode::OK).await;
    // Whoever works for the platform is bound by its rules; whoever works nowhere by none.
    expect(app.get_as(&boss, "/desk/moon/staff").await, StatusCode::OK).await;
    let buyer = app.register("buyer@example.com").await;
    expect_problem(app.get_as(&buyer, "/desk/moon/staff").await, Code::Forbidden).await;

    let (_, _, strong) = enrol(&app, &chief).await;
    let staff = expect(ask(&app, Method::GET, "/desk/moon/staff", &strong).await, StatusCode::OK).await;
    assert_eq!(staff["second_factor_demanded"], true);
    let has = |who: &Account| {
        let people = staff["staff"].as_array().unwrap();
        people.iter().find(|person| person["user_id"] == json!(who.id)).unwrap()["second_factor"].clone()
    };
    assert_eq!((has(&chief), has(&clerk)), (json!(true), json!(false)));
    // What else a merchant is, changes without this.
    let listed = expect(app.get_as(&boss, "/admin/merchants").await, StatusCode::OK).await;
    let listed = listed["merchants"].as_array().unwrap().iter().find(|one| one["id"] == "moon").unwrap().clone();
    assert_eq!(listed["second_factor"], true);
    let body =
        json!({"version": listed["version"], "name": "Moon", "name_zh": "月", "domains": [], "suspended": false});
    let changed = app.request(Method::PUT, "/admin/merchants/moon").bearer_auth(&boss.access).json(&body);
    assert_eq!(expect(changed.send().await.unwrap(), StatusCode::OK).await["second_factor"], true);
    let mut chief = chief;
    chief.access = strong;
    assert_eq!(demand(&chief, "moon", false).await.status(), StatusCode::NO_CONTENT);
    expect(app.get_as(&clerk, "/desk/moon/counter").await, StatusCode::OK).await;
}

#[tokio::test]
async fn what_moves_money_or_power_asks_for_a_fresh_proof() {
    // So short that nobody is in time, and long enough.
    for (within, fresh) in [(Duration::from_nanos(1), false), (Duration::from_mins(5), true)] {
        let app = TestApp::start_with(|config| {
            settings(config);
            config.accounts.step_up = Some(within);
        })
        .await;
        let boss = app.register_admin("boss@example.com").await;
        let (_, _, strong) = enrol(&app, &boss).await;
        for (method, path) in [
            (Method::POST, format!("/admin/orders/{NOBODY}/refund")),
            (Method::POST, format!("/admin/refunds/{NOBODY}/approve")),
            (Method::DELETE, format!("/admin/accounts/{NOBODY}/second-factor")),
            (Method::PUT, format!("/desk/nebula/staff/{NOBODY}/roles/support")),
            (Method::PUT, format!("//admin/access/users/{NOBODY}/roles/no-such-role")),
        ] {
            expect_problem(ask(&app, method.clone(), &path, &boss.access).await, Code::StepUpRequired).await;
            let answer = ask(&app, method.clone(), &path, &strong).await;
            if fresh {
                // It reaches whoever finds that there is nothing of that name, or nothing said.
                let status = answer.status();
                assert!(status.is_client_error() && status != StatusCode::FORBIDDEN, "{path}: {status}");
                assert_ne!(status, StatusCode::UNAUTHORIZED, "{path}");
            } else {
                expect_problem(answer, Code::StepUpRequired).await;
            }
        }
        // Reading, and what moves neither, goes on.
        expect(app.get_as(&boss, "/admin/merchants").await, StatusCode::OK).await;
        expect(app.get_as(&boss, "/admin/refunds").await, StatusCode::OK).await;
        expect(app.get_as(&boss, "//admin/access/users").await, StatusCode::OK).await;
    }
}

/// Gives an account a confirmed telephone number.
async fn with_phone(app: &TestApp, who: &Account, number: &str) {
    let wanted = json!({"phone": number, "password": PASSWORD});
    expect(app.post_as(who, "/me/phone/codes", &wanted).await, StatusCode::ACCEPTED).await;
    let body = json!({"phone": number, "code": code(&letters(app, number, 1).await[0])});
    let confirmed = app.request(Method::PUT, "/me/phone").bearer_auth(&who.access).json(&body).send().await.unwrap();
    expect(confirmed, StatusCode::OK).await;
}

/// The code of the text message to a number that was asked for now, and is the one with these words.
async fn text_code(app: &TestApp, number: &str, purpose: &str, words: &str) -> String {
    let before = mails(app, number).await.len();
    let wanted = json!({"phone": number, "purpose": purpose});
    expect(app.post("/auth/phone/codes", &wanted).await, StatusCode::ACCEPTED).await;
    let texts = letters(app, number, before + 1).await;
    code(texts.iter().find(|text| text.contains(words)).unwrap())
}

#[tokio::test]
async fn a_telephone_is_a_first_step_and_a_forgotten_password_takes_the_second() {
    const NUMBER: &str = "+8613800138000";
    let app = start().await;
    let mei = app.register("mei@example.com").await;
    with_phone(&app, &mei, NUMBER).await;
    let by_phone = async |code: &str| app.post("/auth/phone", &json!({"phone": NUMBER, "code": code})).await;
    let reset = async |path: &str, body: Value| {
        let mut body = body;
        body["password"] = json!("another long pass phrase of mine");
        app.post(path, &body).await
    };

    // A session that was begun by a code sets the factor up, and proves nothing more by another code.
    let code_of_now = text_code(&app, NUMBER, "sign-in", "to sign in").await;
    let entered = expect(by_phone(&code_of_now).await, StatusCode::OK).await;
    let mut at_phone = mei.clone();
    token(&entered).clone_into(&mut at_phone.access);
    let new = expect(app.post_as(&at_phone, "/me/second-factor", &json!({})).await, StatusCode::OK).await;
    let phone = Phone::of(&new["secret"]);
    let confirmed = app.post_as(&at_phone, "/me/second-factor/confirm", &json!({"code": phone.code(0)})).await;
    let confirmed = expect(confirmed, StatusCode::OK).await;
    assert!(confirmed.get("access_token").is_none() && confirmed["recovery_codes"][9].is_string(), "{confirmed}");
    let codes: Vec<_> =
        confirmed["recovery_codes"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let shown = app.post_as(&at_phone, "/me/second-factor/show", &json!({"code": codes[4]})).await;
    assert_eq!(expect_problem(shown, Code::StepUpRequired).await["reason"], "session");

    // A password that was forgotten: the code of the mail is the first step, and its challenge opens nothing else.
    let wanted = json!({"email": mei.email, "purpose": "reset-password", "language": "en"});
    expect(app.post("/auth/codes", &wanted).await, StatusCode::ACCEPTED).await;
    let mail = letters(&app, &mei.email, 2).await.into_iter().find(|letter| letter.contains("new password")).unwrap();
    let body = json!({"email": mei.email, "code": code(&mail)});
    let asked = expect(reset("/auth/password", body.clone()).await, StatusCode::ACCEPTED).await;
    expect_problem(reset("/auth/password", body).await, Code::CodeRefused).await;
    let resetting = asked["second_factor"]["challenge"].as_str().unwrap().to_owned();
    let signing_in = challenge(&app, &mei).await;
    expect_problem(second(&app, &resetting, codes[0]).await, Code::SecondFactorRefused).await;
    let step = async |challenge: &str, code: &str| {
        reset("/auth/password/second-factor", json!({"challenge": challenge, "code": code})).await
    };
    expect_problem(step(&signing_in, codes[1]).await, Code::SecondFactorRefused).await;
    challenge(&app, &mei).await; // The password is what it was.
    // By telephone the same.
    let text = text_code(&app, NUMBER, "reset-password", "set a new password").await;
    expect_problem(by_phone(&text).await, Code::CodeRefused).await;
    let asked = reset("/auth/phone/password", json!({"phone": NUMBER, "code": text})).await;
    let asked = expect(asked, StatusCode::ACCEPTED).await;
    let resetting = asked["second_factor"]["challenge"].as_str().unwrap();
    expect_problem(step(resetting, "000000").await, Code::SecondFactorRefused).await;
    assert_eq!(step(resetting, codes[2]).await.status(), StatusCode::NO_CONTENT);
    expect_problem(sign_in(&app, &mei).await, Code::WrongCredentials).await;
    expect_problem(app.get_as(&at_phone, "/me").await, Code::TokenInvalid).await;

    // Signed in by telephone and factor, either is shown again, and the factor may go.
    let text = text_code(&app, NUMBER, "sign-in", "to sign in").await;
    let asked = expect(by_phone(&text).await, StatusCode::ACCEPTED).await;
    let asked = asked["second_factor"]["challenge"].as_str().unwrap();
    let entered = expect(second(&app, asked, codes[3]).await, StatusCode::OK).await;
    let request = app.request(Method::POST, "/me/second-factor/show").bearer_auth(token(&entered));
    let shown = request.json(&json!({"code": phone.code(1)})).send().await.unwrap();
    let shown = expect(shown, StatusCode::OK).await;
    let off = ask(&app, Method::DELETE, "/me/second-factor", shown["access_token"].as_str().unwrap()).await;
    assert_eq!(off.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_sign_in_on_another_device_is_told_once() {
    let app = start().await;
    let mei = app.register("mei@example.com").await;
    let enter = async |id: &str, agent: &str| {
        let body = json!({"email": mei.email, "password": PASSWORD});
        let request = app.request(Method::POST, "/auth/login").header("device-id", id).header("user-agent", agent);
        expect(request.json(&body).send().await.unwrap(), StatusCode::OK).await
    };
    // Where the account was made, nobody is surprised.
    app.login(&mei.email, PASSWORD).await;
    let phone = enter("phone", "Firefox/140").await;
    let told = letters(&app, &mei.email, 1).await;
    assert!(told[0].contains("on another device") && told[0].contains("/account"), "{told:?}");
    enter("phone", "Firefox/141").await;
    enter("tablet", "Firefox/140").await;
    letters(&app, &mei.email, 2).await;
    // Each is in the list under its name, and can be sent away.
    let sessions = expect(app.get_as(&mei, "/me/sessions").await, StatusCode::OK).await;
    let named = sessions["sessions"].as_array().unwrap().iter().filter(|one| one["device"] == "Firefox/140").count();
    assert_eq!((sessions["sessions"].as_array().unwrap().len(), named), (5, 2));
    let others = app.request(Method::DELETE, "/me/sessions?others=true").bearer_auth(&mei.access).send().await.unwrap();
    assert_eq!(others.status(), StatusCode::NO_CONTENT);
    expect_problem(ask(&app, Method::GET, "/me", token(&phone)).await, Code::TokenInvalid).await;
    // What was sent away is another device again.
    enter("tablet", "Firefox/140").await;
    letters(&app, &mei.email, 3).await;
}

#[tokio::test]
async fn a_device_is_known_for_half_a_year_also_to_whoever_is_signed_in_nowhere() {
    const AGED: &str = "UPDATE known_devices SET seen_at = seen_at - 15638400000";
    let app = start().await;
    let (mei, tom) = (app.register("mei@example.com").await, app.register("tom@example.com").await);
    let enter = async |who: &Account, id: &str| {
        let body = json!({"email": who.email, "password": PASSWORD});
        let request = app.request(Method::POST, "/auth/login").header("device-id", id).header("user-agent", id);
        expect(request.json(&body).send().await.unwrap(), StatusCode::OK).await
    };
    let leave = async |id: &str, entered: &Value| {
        let body = json!({"refresh_token": entered["tokens"]["refresh_token"]});
        let left = app.request(Method::POST, "/auth/logout").header("device-id", id).json(&body).send().await.unwrap();
        assert_eq!(left.status(), StatusCode::NO_CONTENT);
    };
    let devices = async |token: &str| {
        let listed = ask(&app, Method::GET, "/me/devices", token).await;
        expect(listed, StatusCode::OK).await["devices"].as_array().unwrap().clone()
    };

    // Whoever has left everywhere is told of another device, and not of one that was there before.
    let phone = enter(&mei, "phone").await;
    letters(&app, &mei.email, 1).await;
    leave("phone", &phone).await;
    let out = app.post("/auth/logout", &json!({"refresh_token": mei.refresh})).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let phone = enter(&mei, "phone").await;
    leave("phone", &phone).await;
    let tablet = enter(&mei, "tablet").await;
    letters(&app, &mei.email, 2).await;

    // It is in a list with no more than a hash, another one for each account, and its owner alone takes it away.
    let known = devices(token(&tablet)).await;
    assert_eq!(known.len(), 3, "{known:?}");
    let named = |known: &[Value]| known.iter().map(|one| one["device"].clone()).collect::<Vec<_>>();
    assert!(named(&known).contains(&json!("tablet")) && !named(&known).contains(&json!("phone")), "{known:?}");
    let toms = enter(&tom, "tablet").await;
    let ids = |known: &[Value]| known.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let theirs = ids(&devices(token(&toms)).await);
    assert!(theirs.len() == 2 && ids(&known).iter().all(|id| !theirs.contains(id)), "{theirs:?}");
    let signed_in = known.iter().find(|one| one["device"] == "tablet").unwrap()["id"].as_str().unwrap();
    let path = format!("/me/devices/{signed_in}");
    expect_problem(ask(&app, Method::DELETE, &path, token(&toms)).await, Code::NotFound).await;
    assert_eq!(ask(&app, Method::DELETE, &path, token(&tablet)).await.status(), StatusCode::NO_CONTENT);
    for gone in [path.as_str(), "/me/devices/nothing", "/me/devices/%00"] {
        expect_problem(ask(&app, Method::DELETE, gone, token(&tablet)).await, Code::NotFound).await;
    }
    // It is still signed in; once it has left it is another device.
    leave("tablet", &tablet).await;
    let tablet = enter(&mei, "tablet").await;
    letters(&app, &mei.email, 3).await;
    leave("tablet", &tablet).await;

    // After half a year a device is another one, and what was not seen since is forgotten.
    let aged = async || {
        app.write(|connection| Box::pin(async move { Ok(query(AGED).execute(connection).await?) })).await;
    };
    aged().await;
    let again = enter(&mei, "tablet").await;
    letters(&app, &mei.email, 4).await;
    assert_eq!(devices(token(&again)).await.len(), 1);
    aged().await;
    assert!(app.app.users.purge_sessions().await.unwrap() >= 1);
    let left: i64 = query("SELECT count(*) FROM known_devices").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(left, 0);

    // Not more than twenty are kept: the latest.
    let (id, now) = (tom.id, Millis::now().0);
    app.write(move |connection| {
        Box::pin(async move {
            for number in 0..30 {
                let insert =
                    "INSERT INTO known_devices (user_id, device_index, first_at, seen_at) VALUES ($1, $2, $3, $3)";
                let insert = query(insert).bind(id).bind(format!("{number:02}")).bind(now - number * 60_000);
                insert.execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    let entered = enter(&tom, "phone").await;
    let kept = devices(token(&entered)).await;
    assert_eq!((kept.len(), &kept[0]["device"]), (20, &json!("phone")), "{kept:?}");
    let kept = ids(&kept);
    assert!(kept.contains(&"00".to_owned()) && !kept.contains(&"19".to_owned()), "{kept:?}");
}
