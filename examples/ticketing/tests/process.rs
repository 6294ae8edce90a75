//! The program itself: starting, stopping, and what it refuses.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod program;

use std::time::Duration;

use nebula_test_support::{SmtpServer, eventually};
use program::{Program, ended, ticketing};
use reqwest::{Client, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

async fn get(url: &str) -> Value {
    let response = Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    common::expect(response, StatusCode::OK).await
}

async fn post(url: &str, token: Option<&str>, body: Value) -> Value {
    let request = Client::builder().no_proxy().build().unwrap().post(url).json(&body);
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{url}: {} {}", response.status(), response.text().await.unwrap());
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_newcomer_starts_it_buys_and_finds_the_seat_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = Program::start(&data, &[]);
    for word in
        ["buyer@example.com", "admin@example.com", "seats please", "打开", "/api/docs", "/admin/access/page", "售票处"]
    {
        assert!(program.welcome.contains(word), "{}", program.welcome);
    }
    let shows = get(&format!("{}/api/v1/shows", program.url)).await;
    let sessions: Vec<_> =
        shows["shows"].as_array().unwrap().iter().flat_map(|show| show["sessions"].as_array().unwrap()).collect();
    let time = |session: &Value, key: &str| session[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let waits = |session: &&&Value| time(session, "sale_opens_at") > time(session, "server_time");
    assert_eq!((sessions.len(), sessions.iter().filter(waits).count()), (5, 1));
    let flash = *sessions.iter().find(waits).unwrap();
    let wait = time(flash, "sale_opens_at").duration_since(time(flash, "server_time"));
    assert!(wait.as_secs() <= 120, "{wait:?}");

    let credentials = json!({"email": "buyer@example.com", "password": "seats please"});
    let signed_in = post(&format!("{}/api/v1/auth/login", program.url), None, credentials).await;
    let token = signed_in["tokens"]["access_token"].as_str().unwrap().to_owned();
    let session = sessions.iter().find(|session| !waits(session)).unwrap()["id"].clone();
    let order = json!({"session_id": session, "seats": ["stalls-A-1", "stalls-A-2"]});
    let order = post(&format!("{}/api/v1/orders", program.url), Some(&token), order).await;
    assert_eq!(order["state"], "LOCKED");

    // Somebody watches: the stream ends with the server and does not hold it up.
    let events = format!("{}/api/v1/sessions/{}/events", program.url, session.as_str().unwrap());
    let watching = Client::builder().no_proxy().build().unwrap().get(events).send().await.unwrap();
    assert_eq!(watching.status(), StatusCode::OK);
    program.signal(Signal::INT);
    let stream = watching.bytes().await;
    assert!(stream.is_ok(), "{stream:?}");
    let (code, rest) = program.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("Stopped"), "{rest}");

    let again = Program::start(&data, &[]);
    let seats = get(&format!("{}/api/v1/sessions/{}/seats", again.url, session.as_str().unwrap())).await;
    assert_eq!(seats["counts"]["locked"], 2);
    let own = Client::builder().no_proxy().build().unwrap();
    let own = own.get(format!("{}/api/v1/orders/{}", again.url, order["id"].as_str().unwrap())).bearer_auth(&token);
    // The secret that signs tokens outlives the process.
    common::expect(own.send().await.unwrap(), StatusCode::OK).await;
    again.signal(Signal::TERM);
    assert_eq!(again.end().0, Some(0));
}

#[tokio::test]
async fn one_folder_has_one_server_and_one_port_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = Program::start(&data, &[]);
    let second = ended(&data, &["--port", "0"]);
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && text.contains("another server is running") && text.contains("--data"),
        "{text}"
    );

    let address = program.url.strip_prefix("http://").unwrap();
    let other = ended(&folder.path().join("other"), &["--listen", address]);
    let text = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && text.contains("in use") && text.contains("--listen"), "{text}");

    let reset = ended(&data, &["reset", "--yes"]);
    assert!(!reset.status.success(), "{reset:?}");
    get(&format!("{}/api/v1/shows", program.url)).await;

    program.signal(Signal::TERM);
    assert_eq!(program.end().0, Some(0));
    let unasked = ended(&data, &["reset"]);
    assert!(!unasked.status.success() && data.join("ticketing.db").exists(), "{unasked:?}");
    let reset = ended(&data, &["reset", "--yes"]);
    assert!(reset.status.success() && !data.join("ticketing.db").exists() && !data.join("auth.secret").exists());
    assert!(ended(&data, &["reset", "--yes"]).status.success());
}

#[tokio::test]
async fn a_plan_is_imported_while_a_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = Program::start(&data, &[]);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/nebula-grand-theatre.json");
    let arguments =
        ["import", "seating-plan", sample, "--venue", "Old Mill", "--show", "Hamlet", "--price", "Stalls=380.00"];
    let refused = ended(&data, &arguments);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    for category in ["Premium", "Box", "Side stalls", "Balcony"] {
        assert!(text.contains(&format!("no price for {category:?}")), "{text}");
    }
    assert!(!refused.status.success() && text.contains("$.categories[0]"), "{text}");

    let prices =
        ["--price", "Premium=580", "--price", "Box=680", "--price", "Side stalls=280.5", "--price", "Balcony=99"];
    let done = ended(&data, &[&arguments[..], &prices[..]].concat());
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let session = text.rsplit("/sessions/").next().unwrap().trim();
    let session = get(&format!("{}/api/v1/sessions/{session}", program.url)).await;
    assert_eq!((&session["title"], &session["venue"]["name"]), (&json!("Hamlet"), &json!("Old Mill")));
    assert_eq!(session["prices"].as_array().unwrap().len(), 5);

    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{\"zones\": [}").unwrap();
    let mut arguments = arguments;
    arguments[2] = broken.to_str().unwrap();
    let refused = ended(&data, &arguments);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("$.zones"), "{text}");
}

#[test]
fn mistakes_of_the_command_line_and_of_the_configuration_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "sales: { hold-tme: 10m }\n").unwrap();
    for (arguments, words) in [
        (vec!["--config", config.to_str().unwrap()], vec!["hold-tme", "hold-time", "config.yaml"]),
        (vec!["--config", "nowhere.yaml"], vec!["nowhere.yaml"]),
        (vec!["--listen", "nowhere"], vec!["--listen"]),
        (vec!["import", "seating-plan", "nowhere.json", "--venue", "V", "--show", "S"], vec!["nowhere.json"]),
        (vec!["import", "seating-plan", "x", "--venue", "V", "--show", "S", "--price", "A=1,0"], vec!["1,0"]),
    ] {
        let output = ended(&data, &arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(words.iter().all(|word| text.contains(word)), "{arguments:?}: {text}");
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn strangers_get_no_well_known_password() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = Program::start(&data, &[]);
    program.signal(Signal::TERM);
    assert_eq!(program.end().0, Some(0));

    let open = Program::start(&data, &["--listen", "0.0.0.0:0"]);
    assert!(!open.welcome.contains("seats please"), "{}", open.welcome);
    let login = |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        let request = Client::builder().no_proxy().build().unwrap().post(format!("{}/api/v1/auth/login", open.url));
        request.json(&body).send()
    };
    for email in ["buyer@example.com", "admin@example.com"] {
        assert_eq!(login(email, "seats please").await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let line = open.welcome.lines().find(|line| line.contains(email)).unwrap();
        let password = line.split_whitespace().nth(1).unwrap();
        assert_eq!(login(email, password).await.unwrap().status(), StatusCode::OK, "{line}");
    }

    // Without the well-known administrator, the command line makes one of somebody who has registered.
    let body = json!({"email": "ann@example.com", "password": "a pass phrase of some length", "display_name": "Ann"});
    let ann = post(&format!("{}/api/v1/auth/register", open.url), None, body).await;
    assert_eq!(ann["user"]["roles"], json!([]));
    for (arguments, refused) in
        [(["nobody@example.com", "finance"], "nobody has"), (["ann@example.com", "queen"], "queen")]
    {
        let output = ended(&data, &["appoint", arguments[0], arguments[1]]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(refused), "{text}");
    }
    let output = ended(&data, &["appoint", "Ann@Example.com", "platform-operations"]);
    assert!(output.status.success(), "{output:?}");
    let token = ann["tokens"]["access_token"].as_str().unwrap();
    let administers = || async {
        let request = Client::builder().no_proxy().build().unwrap().get(format!("{}/admin/access/users", open.url));
        request.bearer_auth(token).send().await.unwrap().status() == StatusCode::OK
    };
    nebula_test_support::eventually(std::time::Duration::from_secs(60), administers).await;
}

#[tokio::test]
async fn a_server_takes_the_open_files_it_may_have_and_serves_on_when_there_are_no_more() {
    let folder = tempfile::tempdir().unwrap();
    // Begun with as few as a careful service manager gives it, and never more than 300.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -S -n 100 && ulimit -H -n 300 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ticketing")]);
    shell.args(["--port", "0", "--data"]).arg(folder.path().join("data")).env_remove("RUST_LOG");
    let program = Program::spawn(shell);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["300", "300"], "{files}");

    // More connections than it has files.
    let address = program.url.trim_start_matches("http://").to_owned();
    let mut crowd = Vec::new();
    for _ in 0..400 {
        crowd.push(std::net::TcpStream::connect(&address).unwrap());
    }
    let client = || Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let asked = || client().get(format!("{}/api/v1/shows", program.url)).send();
    eventually(PATIENCE, || async {
        let answer = asked().await.map_err(|error| error.to_string())?;
        let (status, retry) = (answer.status(), answer.headers().contains_key("retry-after"));
        let problem: Value = answer.json().await.map_err(|error| error.to_string())?;
        let busy = status == StatusCode::SERVICE_UNAVAILABLE && retry && problem["code"] == "busy";
        if busy { Ok(()) } else { Err(format!("{status}: {problem}")) }
    })
    .await;
    drop(crowd);
    eventually(PATIENCE, || async { asked().await.is_ok_and(|answer| answer.status() == StatusCode::OK) }).await;
    program.signal(Signal::INT);
    assert_eq!(program.end().0, Some(0));
}

// The mail server answers while a command is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_that_was_lost_is_taken_away_at_the_command_line() {
    let mails = SmtpServer::options().without_tls().start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = Program::start(&data, &[]);
    let api = |path: &str| format!("{}/api/v1{path}", program.url);
    let login =
        async |email: &str| post(&api("/auth/login"), None, json!({"email": email, "password": "seats please"})).await;
    let entered = login("buyer@example.com").await;
    let token = entered["tokens"]["access_token"].as_str().unwrap();
    let secret = post(&api("/me/second-factor"), Some(token), json!({})).await["secret"].clone();
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_str().unwrap().as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let code = nebula_auth::mfa::TotpParams::default().code_at(&secret, now);
    post(&api("/me/second-factor/confirm"), Some(token), json!({"code": code})).await;
    let asked = login("buyer@example.com").await;
    assert!(asked["second_factor"]["challenge"].is_string() && asked["tokens"].is_null(), "{asked}");

    // Nothing is done for a name that nobody has, and the caller can tell.
    let forget = |email: &str| {
        let port = mails.port().to_string();
        let mail = [("HOST", "127.0.0.1"), ("PORT", &port), ("FROM", "shop@example.com"), ("SECURITY", "none")];
        let mail = mail.map(|(key, value)| (format!("NEBULA_TICKETING__NOTIFICATION__EMAIL__{key}"), value));
        ticketing(&data, &["forget-second-factor", email]).envs(mail).output().unwrap()
    };
    for (email, words) in [("nobody@example.com", "nobody has registered"), ("nonsense", "not an e-mail address")] {
        let output = forget(email);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code().is_some_and(|code| code != 0) && text.contains(words), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    assert!(login("buyer@example.com").await["second_factor"].is_object());

    assert!(mails.received().is_empty());

    // While the server runs; whoever was in is out, and the owner is told.
    let output = forget("Buyer@Example.com");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("without a second factor"), "{output:?}");
    let told: Vec<_> = mails.received().into_iter().map(|mail| (mail.to, mail.raw)).collect();
    let [(to, text)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(to[..], ["buyer@example.com"]);
    assert!(String::from_utf8_lossy(text).contains("Two-step sign-in is off"), "{told:?}");
    assert!(login("buyer@example.com").await["tokens"]["access_token"].is_string());
    let client = Client::builder().no_proxy().build().unwrap();
    let former = client.get(api("/me")).bearer_auth(token).send().await.unwrap();
    assert_eq!(former.status(), StatusCode::UNAUTHORIZED);
    let output = forget("buyer@example.com");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("no second factor"), "{output:?}");

    // The log says who did it, once.
    let admin = login("admin@example.com").await;
    let log = client.get(format!("{}/admin/access/audit?what=second-factor:reset", program.url));
    let log = log.bearer_auth(admin["tokens"]["access_token"].as_str().unwrap()).send().await.unwrap();
    let log = common::expect(log, StatusCode::OK).await;
    let account = format!("account {}", entered["user"]["id"].as_str().unwrap());
    let entries = log["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{log}");
    assert_eq!((&entries[0]["who"], &entries[0]["on"]), (&json!("command line"), &json!(account)), "{log}");
    program.signal(Signal::TERM);
    assert_eq!(program.end().0, Some(0));
}
