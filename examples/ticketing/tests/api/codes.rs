//! Codes by mail: for a new account, another address, a forgotten password; and what people do with their account.

use std::time::Duration;

use crate::common::{Account, PASSWORD, TestApp, code, expect, expect_problem, letters, mails, words};
use nebula_test_support::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    admission::{PerPerson, Policy},
    config::Config,
    problem::Code,
    storage::sql::query,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Codes are needed, and many may be asked for at once.
fn codes(config: &mut Config) {
    config.accounts.confirm = Some(true);
    config.auth.mfa.code.cool_down = Duration::from_millis(1);
    let many = json!({"limit": 1000, "window": "1d"});
    config.rate_limit = serde_json::from_value(json!({"rules": {"code.ip": many, "code.address": many}})).unwrap();
}

async fn ask(app: &TestApp, email: &str, purpose: &str) -> Value {
    let body = json!({"email": email, "purpose": purpose, "language": "en"});
    expect(app.post("/auth/codes", &body).await, StatusCode::ACCEPTED).await
}

async fn register(app: &TestApp, email: &str) -> Account {
    ask(app, email, "register").await;
    let code = code(&letters(app, email, 1).await[0]);
    let body = json!({"email": email, "password": PASSWORD, "display_name": "Mei", "language": "zh", "code": code});
    let made = expect(app.post("/auth/register", &body).await, StatusCode::CREATED).await;
    let text = |pointer: &str| made.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    Account {
        id: text("/user/id").parse().unwrap(),
        email: email.to_owned(),
        access: text("/tokens/access_token"),
        refresh: text("/tokens/refresh_token"),
    }
}

#[tokio::test]
async fn an_account_begins_with_a_code_and_nobody_learns_who_has_one() {
    let app = TestApp::start_with(codes).await;
    assert_eq!(expect(app.get("/auth/rules").await, StatusCode::OK).await, json!({"confirm": true}));
    let body = |code: Option<&str>| json!({"email": "mei@example.com", "password": PASSWORD, "display_name": "Mei", "code": code});
    expect_problem(app.post("/auth/register", &body(None)).await, Code::CodeRefused).await;
    expect_problem(app.post("/auth/register", &body(Some("123456"))).await, Code::CodeRefused).await;

    ask(&app, "mei@example.com", "register").await;
    let right = code(&letters(&app, "mei@example.com", 1).await[0]);
    // A code is for its address and its purpose; what is wrong with a password is said first.
    let other = json!({"email": "tom@example.com", "password": PASSWORD, "display_name": "T", "code": right});
    expect_problem(app.post("/auth/register", &other).await, Code::CodeRefused).await;
    let reset = json!({"email": "mei@example.com", "password": PASSWORD, "code": right});
    expect_problem(app.post("/auth/password", &reset).await, Code::CodeRefused).await;
    let short = json!({"email": "mei@example.com", "password": "short", "display_name": "Mei", "code": right});
    expect_problem(app.post("/auth/register", &short).await, Code::PasswordRefused).await;
    let made = expect(app.post("/auth/register", &body(Some(&right))).await, StatusCode::CREATED).await;
    assert_eq!(made["user"]["email"], "mei@example.com");
    // It works once.
    expect_problem(app.post("/auth/register", &body(Some(&right))).await, Code::CodeRefused).await;

    // Whoever has an account hears so by mail, and nobody else does.
    let (known, unknown) =
        (ask(&app, "mei@example.com", "register").await, ask(&app, "new@example.com", "register").await);
    assert_eq!(known, unknown);
    let told = letters(&app, "mei@example.com", 2).await;
    assert_eq!(told.iter().filter(|letter| letter.contains("You have an account already")).count(), 1, "{told:?}");
    expect_problem(app.post("/auth/register", &body(Some("123456"))).await, Code::CodeRefused).await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_by_a_code_and_every_session_ends() {
    let app = TestApp::start_with(codes).await;
    let mei = register(&app, "mei@example.com").await;
    let second = app.login(&mei.email, PASSWORD).await;
    let (known, unknown) =
        (ask(&app, "mei@example.com", "reset-password").await, ask(&app, "nobody@example.com", "reset-password").await);
    assert_eq!(known, unknown);
    let letter = letters(&app, "mei@example.com", 2).await.into_iter().find(|letter| letter.contains("new password"));
    let code = code(&letter.unwrap());

    let new = "another long pass phrase of mine";
    let body = |email: &str, code: &str| json!({"email": email, "password": new, "code": code});
    let mut refusals = Vec::new();
    let wrong = if code == "111111" { "222222" } else { "111111" };
    for email in ["mei@example.com", "nobody@example.com"] {
        let mut problem =
            expect_problem(app.post("/auth/password", &body(email, wrong)).await, Code::CodeRefused).await;
        problem.as_object_mut().unwrap().remove("request_id");
        refusals.push(problem);
    }
    assert_eq!(refusals[0], refusals[1]);
    let set = app.post("/auth/password", &body("mei@example.com", &code)).await;
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    for account in [&mei, &second] {
        expect_problem(app.get_as(account, "/me").await, Code::TokenInvalid).await;
        expect_problem(
            app.post("/auth/refresh", &json!({"refresh_token": account.refresh})).await,
            Code::RefreshRefused,
        )
        .await;
    }
    let old = json!({"email": "mei@example.com", "password": PASSWORD});
    expect_problem(app.post("/auth/login", &old).await, Code::WrongCredentials).await;
    app.login("mei@example.com", new).await;
    // In her language.
    let told = letters(&app, "mei@example.com", 3).await;
    assert!(told.iter().any(|letter| letter.contains("密码已修改")), "{told:?}");
    assert!(mails(&app, "nobody@example.com").await.is_empty(), "nothing is sent where nobody is");
    expect_problem(app.post("/auth/password", &body("mei@example.com", &code)).await, Code::CodeRefused).await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_by_a_code_to_the_telephone_as_often_as_by_mail() {
    const NUMBER: &str = "+8613800138000";
    let app = TestApp::start_with(|config| {
        config.auth.mfa.code.cool_down = Duration::from_millis(1);
        let rules = json!({"code.ip": {"limit": 1000, "window": "1d"}, "code.address": {"limit": 3, "window": "1d"},
            "login.account": {"limit": 8, "window": "1d"}});
        config.rate_limit = serde_json::from_value(json!({ "rules": rules })).unwrap();
    })
    .await;
    let mei = app.register("mei@example.com").await;
    let wanted = json!({"phone": NUMBER, "password": PASSWORD});
    expect(app.post_as(&mei, "/me/phone/codes", &wanted).await, StatusCode::ACCEPTED).await;
    let put = app.request(Method::PUT, "/me/phone").bearer_auth(&mei.access);
    let confirmed = json!({"phone": NUMBER, "code": code(&letters(&app, NUMBER, 1).await[0])});
    expect(put.json(&confirmed).send().await.unwrap(), StatusCode::OK).await;

    // A number that nobody has gets the same answer, and no message.
    let ask = async |number: &str, purpose: &str| {
        app.post("/auth/phone/codes", &json!({"phone": number, "purpose": purpose, "language": "zh"})).await
    };
    let (known, unknown) = (ask(NUMBER, "reset-password").await, ask("+8613800138001", "reset-password").await);
    assert_eq!(expect(known, StatusCode::ACCEPTED).await, expect(unknown, StatusCode::ACCEPTED).await);
    let text = letters(&app, NUMBER, 2).await.into_iter().find(|text| text.contains("重置")).unwrap();
    let right = code(&text);
    assert!(mails(&app, "+8613800138001").await.is_empty());

    // A code is for its purpose and its number, and for a password that will do.
    let new = "another long pass phrase of mine";
    let set = async |number: &str, code: &str, password: &str| {
        app.post("/auth/phone/password", &json!({"phone": number, "code": code, "password": password})).await
    };
    let signed = app.post("/auth/phone", &json!({"phone": NUMBER, "code": right})).await;
    expect_problem(signed, Code::CodeRefused).await;
    expect_problem(set("+8613800138001", &right, new).await, Code::CodeRefused).await;
    expect_problem(set(NUMBER, &right, "short").await, Code::PasswordRefused).await;
    expect_problem(set("call me", &right, new).await, Code::InvalidValue).await;
    let done = set(NUMBER, &right, new).await;
    assert_eq!(done.status(), StatusCode::NO_CONTENT);
    expect_problem(set(NUMBER, &right, new).await, Code::CodeRefused).await;
    expect_problem(app.get_as(&mei, "/me").await, Code::TokenInvalid).await;
    app.login("mei@example.com", new).await;
    // The owner hears of it by mail.
    assert!(letters(&app, "mei@example.com", 1).await[0].contains("password was changed"));

    // So many codes to a number, and so many tries with it, whatever address somebody says to come from.
    expect(ask(NUMBER, "reset-password").await, StatusCode::ACCEPTED).await;
    let more = expect_problem(ask(NUMBER, "reset-password").await, Code::TooManyAttempts).await;
    assert!(more["retry_after"].as_u64().unwrap() > 0);
    let mut slowed = false;
    for guess in 0..8 {
        let body = json!({"phone": NUMBER, "code": format!("{guess:06}"), "password": new});
        let request = app.request(Method::POST, "/auth/phone/password").json(&body);
        let answer = request.header("x-forwarded-for", format!("203.0.113.{guess}")).send().await.unwrap();
        slowed |= answer.status() == StatusCode::TOO_MANY_REQUESTS && answer.headers().contains_key("retry-after");
    }
    assert!(slowed);
}

#[tokio::test]
async fn an_address_changes_by_a_code_to_the_new_one_and_the_former_is_told() {
    let app = TestApp::start_with(codes).await;
    let (mei, tom) = (register(&app, "mei@example.com").await, register(&app, "tom@example.com").await);
    let wanted = |password: &str, email: &str| json!({"email": email, "password": password});
    let wrong = app.post_as(&mei, "/me/email/codes", &wanted("not hers at all", "lin@example.com")).await;
    expect_problem(wrong, Code::WrongCredentials).await;
    expect(app.post_as(&mei, "/me/email/codes", &wanted(PASSWORD, "lin@example.com")).await, StatusCode::ACCEPTED)
        .await;
    let code = code(&letters(&app, "lin@example.com", 1).await[0]);

    let put = |who: &Account, email: &str| {
        let request = app.request(Method::PUT, "/me/email").bearer_auth(&who.access);
        request.json(&json!({"email": email, "code": code})).send()
    };
    expect_problem(put(&tom, "lin@example.com").await.unwrap(), Code::CodeRefused).await;
    expect_problem(put(&mei, "other@example.com").await.unwrap(), Code::CodeRefused).await;
    let me = expect(put(&mei, "Lin@Example.com").await.unwrap(), StatusCode::OK).await;
    assert_eq!(me["email"], "lin@example.com");
    app.login("lin@example.com", PASSWORD).await;
    let old = json!({"email": "mei@example.com", "password": PASSWORD});
    expect_problem(app.post("/auth/login", &old).await, Code::WrongCredentials).await;
    let told = letters(&app, "mei@example.com", 2).await;
    assert!(told.iter().any(|letter| letter.contains("邮箱已更换")), "{told:?}");

    // An address that somebody has: its owner hears of it, and no code comes.
    expect(app.post_as(&mei, "/me/email/codes", &wanted(PASSWORD, "tom@example.com")).await, StatusCode::ACCEPTED)
        .await;
    let told = letters(&app, "tom@example.com", 2).await;
    assert!(told.iter().any(|letter| letter.contains("该邮箱已注册")), "{told:?}");
}

#[tokio::test]
async fn guesses_codes_and_requests_are_limited_and_headers_change_nothing() {
    let app = TestApp::start_with(|config| {
        codes(config);
        let rules = json!({"rules": {
            "code.ip": {"limit": 4, "window": "1d"}, "code.address": {"limit": 2, "window": "1d"},
        }});
        config.rate_limit = serde_json::from_value(rules).unwrap();
    })
    .await;
    ask(&app, "mei@example.com", "register").await;
    let right = code(&letters(&app, "mei@example.com", 1).await[0]);
    let guess = |code: String| {
        let app = &app;
        async move {
            let body = json!({"email": "mei@example.com", "password": PASSWORD, "display_name": "Mei", "code": code});
            app.post("/auth/register", &body).await
        }
    };
    for number in 0..5 {
        let wrong = format!("{:06}", (right.parse::<u32>().unwrap() + 1 + number) % 1_000_000);
        expect_problem(guess(wrong).await, Code::CodeRefused).await;
    }
    // Five guesses are all that a code has: now the right one is worth nothing, or has to wait.
    let late = guess(right).await;
    assert!([StatusCode::UNPROCESSABLE_ENTITY, StatusCode::TOO_MANY_REQUESTS].contains(&late.status()));

    ask(&app, "mei@example.com", "register").await;
    let wanted = |email: &str| {
        let body = json!({"email": email, "purpose": "register"});
        let request = app.request(Method::POST, "/auth/codes").header("x-forwarded-for", "198.51.100.7").json(&body);
        async move { request.send().await.unwrap() }
    };
    // The address has had its two, whoever asks.
    expect_problem(wanted("mei@example.com").await, Code::TooManyAttempts).await;
    expect(wanted("tom@example.com").await, StatusCode::ACCEPTED).await;
    let mut last = wanted("ann@example.com").await;
    if last.status() == StatusCode::ACCEPTED {
        last = wanted("bob@example.com").await;
    }
    // And so has the network, wherever it says that it is.
    let refused = expect_problem(last, Code::TooManyAttempts).await;
    assert!(refused["retry_after"].as_u64().unwrap() > 3_600, "{refused}");
}

#[tokio::test]
async fn a_profile_is_changed_and_devices_are_signed_out() {
    let app = TestApp::start().await;
    let (mei, tom) = (app.register("mei@example.com").await, app.register("tom@example.com").await);
    let patch = |body: Value| app.request(Method::PATCH, "/me").bearer_auth(&mei.access).json(&body).send();
    let me = patch(json!({"display_name": " Lin Mei ", "language": "zh", "text_messages": false})).await.unwrap();
    let me = expect(me, StatusCode::OK).await;
    assert_eq!(
        (&me["display_name"], &me["language"], &me["text_messages"]),
        (&json!("Lin Mei"), &json!("zh"), &json!(false))
    );
    let problem = expect_problem(patch(json!({"display_name": " "})).await.unwrap(), Code::InvalidValue).await;
    assert_eq!(problem["field"], "display_name");
    expect_problem(patch(json!({"language": "xx"})).await.unwrap(), Code::MalformedRequest).await;
    // A number needs a code.
    expect_problem(patch(json!({"phone": "+86 138 0013 8000"})).await.unwrap(), Code::MalformedRequest).await;

    let devices = |who: &Account| {
        let request = app.request(Method::GET, "/me/sessions").bearer_auth(&who.access);
        async move { expect(request.send().await.unwrap(), StatusCode::OK).await["sessions"].as_array().unwrap().clone() }
    };
    let request = app.request(Method::POST, "/auth/login").header("user-agent", "A telephone");
    let phone = request.json(&json!({"email": "mei@example.com", "password": PASSWORD})).send().await.unwrap();
    let phone = expect(phone, StatusCode::OK).await["tokens"]["access_token"].as_str().unwrap().to_owned();
    let third = app.login("mei@example.com", PASSWORD).await;
    let listed = devices(&mei).await;
    assert_eq!(listed.len(), 3);
    assert_eq!(listed.iter().filter(|session| session["current"] == true).count(), 1);
    let telephone = listed.iter().find(|session| session["device"] == "A telephone").unwrap();
    let path = format!("/me/sessions/{}", telephone["id"].as_str().unwrap());
    let end = |who: &Account, path: &str| app.request(Method::DELETE, path).bearer_auth(&who.access).send();
    // Not by somebody else.
    expect_problem(end(&tom, &path).await.unwrap(), Code::NotFound).await;
    assert_eq!(end(&mei, &path).await.unwrap().status(), StatusCode::NO_CONTENT);
    let gone = app.request(Method::GET, "/me").bearer_auth(&phone).send().await.unwrap();
    expect_problem(gone, Code::TokenInvalid).await;

    let other = json!({"current": PASSWORD, "password": "another long pass phrase of mine"});
    let wrong = json!({"current": "not hers at all", "password": PASSWORD});
    expect_problem(app.post_as(&mei, "/me/password", &wrong).await, Code::WrongCredentials).await;
    assert_eq!(app.post_as(&mei, "/me/password", &other).await.status(), StatusCode::NO_CONTENT);
    expect_problem(app.get_as(&third, "/me").await, Code::TokenInvalid).await;
    assert_eq!(devices(&mei).await.len(), 1, "here the account stays signed in");
    let fourth = app.login("mei@example.com", "another long pass phrase of mine").await;
    assert_eq!(end(&mei, "/me/sessions?others=true").await.unwrap().status(), StatusCode::NO_CONTENT);
    expect_problem(app.get_as(&fourth, "/me").await, Code::TokenInvalid).await;
    assert_eq!(end(&mei, "/me/sessions").await.unwrap().status(), StatusCode::NO_CONTENT);
    expect_problem(app.get_as(&mei, "/me").await, Code::TokenInvalid).await;
    assert_eq!(devices(&tom).await.len(), 1);
}

#[tokio::test]
async fn a_telephone_is_confirmed_by_a_code_signs_in_and_hears_of_tickets() {
    const NUMBER: &str = "+8613800138000";
    let app = TestApp::start_with(|config| {
        config.auth.mfa.code.cool_down = Duration::from_millis(1);
        config.sales.sweep_interval = Duration::from_millis(200);
        let rules = json!({"code.ip": {"limit": 1000, "window": "1d"}, "code.address": {"limit": 5, "window": "1d"}});
        config.rate_limit = serde_json::from_value(json!({ "rules": rules })).unwrap();
    })
    .await;
    let (mei, tom) = (app.register("mei@example.com").await, app.register("tom@example.com").await);
    let codes = json!({"phone": "+86 138-0013-8000", "password": PASSWORD});
    let put = |who: &Account, code: &str| {
        let body = json!({"phone": NUMBER, "code": code});
        app.request(Method::PUT, "/me/phone").bearer_auth(&who.access).json(&body).send()
    };
    // Only whoever knows the password, a number that can be one, and one's own code.
    let wrong = json!({"phone": NUMBER, "password": "not hers at all"});
    expect_problem(app.post_as(&mei, "/me/phone/codes", &wrong).await, Code::WrongCredentials).await;
    for bad in ["138", "call me"] {
        let refused = app.post_as(&mei, "/me/phone/codes", &json!({"phone": bad, "password": PASSWORD})).await;
        assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], "phone");
    }
    let sent = expect(app.post_as(&mei, "/me/phone/codes", &codes).await, StatusCode::ACCEPTED).await;
    assert_eq!(sent["expires_in"], 300);
    let first = code(&letters(&app, NUMBER, 1).await[0]);
    expect_problem(put(&tom, &first).await.unwrap(), Code::CodeRefused).await;
    let me = expect(put(&mei, &first).await.unwrap(), StatusCode::OK).await;
    assert_eq!((&me["phone"], &me["phone_confirmed"]), (&json!(NUMBER), &json!(true)));
    expect_problem(put(&mei, &first).await.unwrap(), Code::CodeRefused).await;
    let row = "SELECT phone_index, phone_sealed FROM users WHERE id = $1";
    let row = query(row).bind(mei.id).fetch_optional(&app.app.database.read).await.unwrap().unwrap();
    for column in ["phone_index", "phone_sealed"] {
        let kept: String = row.get(column).unwrap();
        assert!(kept.len() >= 40 && !kept.contains("138001"), "{column}: {kept}");
    }

    // It signs in; a number that nobody has gets the same answer, and no message.
    let nobody = app.post("/auth/phone/codes", &json!({"phone": "+8613800138001"})).await;
    let somebody = app.post("/auth/phone/codes", &json!({ "phone": NUMBER })).await;
    assert_eq!(expect(nobody, StatusCode::ACCEPTED).await, expect(somebody, StatusCode::ACCEPTED).await);
    let second = letters(&app, NUMBER, 2).await;
    let second = code(second.iter().find(|text| text.contains("to sign in")).unwrap());
    let sign_in = async |code: &str| app.post("/auth/phone", &json!({"phone": NUMBER, "code": code})).await;
    expect_problem(sign_in("000000").await, Code::CodeRefused).await;
    let signed = expect(sign_in(&second).await, StatusCode::OK).await;
    assert_eq!(signed["user"]["id"], mei.id.to_string());
    expect_problem(sign_in(&second).await, Code::CodeRefused).await;
    assert!(mails(&app, "+8613800138001").await.is_empty());

    // Tickets are told by text message, unless the account does not want it.
    let session = app.hall(10).await;
    for (seat, wanted, count) in [("1-1", true, 3), ("1-2", false, 3)] {
        let change = json!({ "text_messages": wanted });
        let changed = app.request(Method::PATCH, "/me").bearer_auth(&mei.access).json(&change).send().await.unwrap();
        expect(changed, StatusCode::OK).await;
        let body = json!({"session_id": session, "seats": [seat]});
        let order = expect(app.post_as(&mei, "/orders", &body).await, StatusCode::CREATED).await;
        let order = order["id"].as_str().unwrap();
        let begun = app.post_as(&mei, &format!("/orders/{order}/pay"), &json!({})).await;
        let page = expect(begun, StatusCode::OK).await["payment"]["pay_url"].as_str().unwrap().to_owned();
        expect(app.post(&format!("/{page}/approve"), &json!({})).await, StatusCode::OK).await;
        // The mail of the same notice is there, so a message to the telephone would be on its way.
        eventually(PATIENCE, || async {
            let told = mails(&app, "mei@example.com").await;
            let told = told.iter().filter(|mail| words(mail).contains(order)).count();
            if told == 1 { Ok(()) } else { Err(format!("{told}")) }
        })
        .await;
        let texts = letters(&app, NUMBER, count).await;
        assert!(texts.iter().any(|text| text.contains("your tickets for Test are ready")), "{texts:?}");
    }

    // Both accounts of a number are one person in the limits of a sale.
    let policy = Policy { per_person: Some(PerPerson { seats: Some(2), ..PerPerson::default() }), ..Policy::default() };
    app.app.admission.policies().put(session, policy, "test".to_owned()).await.unwrap();
    expect(app.post_as(&tom, "/me/phone/codes", &codes).await, StatusCode::ACCEPTED).await;
    let third =
        letters(&app, NUMBER, 4).await.into_iter().find(|text| text.contains("confirm") && !text.contains(&first));
    let third = code(&third.unwrap());
    let order = json!({"session_id": session, "seats": ["1-3"]});
    expect(put(&tom, &third).await.unwrap(), StatusCode::OK).await;
    expect_problem(app.post_as(&tom, "/orders", &order).await, Code::PersonLimit).await;
    let gone = app.request(Method::DELETE, "/me/phone").bearer_auth(&tom.access).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    expect(app.post_as(&tom, "/orders", &order).await, StatusCode::CREATED).await;

    // Five codes a day to a number, whoever asks; it has had three.
    for _ in 0..2 {
        expect(app.post_as(&tom, "/me/phone/codes", &codes).await, StatusCode::ACCEPTED).await;
    }
    expect_problem(app.post_as(&tom, "/me/phone/codes", &codes).await, Code::TooManyAttempts).await;
    expect_problem(app.post("/auth/phone/codes", &json!({ "phone": NUMBER })).await, Code::TooManyAttempts).await;
}
