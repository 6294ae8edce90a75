//! Requests that are wrong in one way each.

use std::fmt;

use rand::{RngExt, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    things::Things,
    values::{odd, resolve, sample, spoil, text},
};

/// A request.
pub struct Case {
    pub method: Method,
    /// The path as the document writes it.
    pub route: String,
    /// What is asked for.
    pub target: String,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
    /// Who asks.
    pub who: &'static str,
}

impl Case {
    pub fn operation(&self) -> String {
        format!("{} {}", self.method, self.route)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(400).collect::<String>();
        let target: String = self.target.chars().take(200).collect();
        write!(f, "{} {target} as {}", self.method, self.who)?;
        let headers = self.headers.iter().filter(|(name, _)| *name != "authorization" || self.who == "nobody");
        for (name, value) in headers {
            write!(f, " [{name}: {}]", short(value))?;
        }
        self.body.as_ref().map_or(Ok(()), |body| write!(f, " {}", short(body)))
    }
}

/// Segments of a path, and values in a query, percent-encoded.
const SEGMENTS: [&str; 12] = [
    "0",
    "-1",
    "%00",
    "%ff%fe",
    "a%00b",
    "..%2f..%2fetc%2fpasswd",
    "%27%20OR%201%3D1--",
    "00000000-0000-0000-0000-000000000000",
    "01900000-0000-7000-8000-00000000000g",
    "99999999999999999999999999999999999999",
    "%E5%BA%A7%F0%9F%8E%AB%E2%80%AE",
    "%20",
];

/// Headers that servers read.
fn odd_headers() -> Vec<(&'static str, Vec<u8>)> {
    let long = || vec![b'x'; 8_000];
    vec![
        ("authorization", b"Bearer".to_vec()),
        ("authorization", b"Bearer a.b.c".to_vec()),
        ("authorization", b"Basic \xff\xfe".to_vec()),
        ("authorization", [b"Bearer ".to_vec(), long()].concat()),
        ("authorization", b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_vec()),
        ("idempotency-key", Vec::new()),
        ("idempotency-key", long()),
        ("idempotency-key", "钥匙".as_bytes().to_vec()),
        ("x-forwarded-for", b"\xff, 999.999.999.999, ::::, unknown".to_vec()),
        ("x-forwarded-for", long()),
        ("if-none-match", b"W/\"\xff\", *, ,,\"".to_vec()),
        ("accept", b"\xff/*;q=nan".to_vec()),
        ("accept-encoding", b"gzip;q=x, br, *;q=0".to_vec()),
        ("accept-language", b"\xff, zz-ZZ;q=9".to_vec()),
        ("x-request-id", b"a b\xff".to_vec()),
        ("traceparent", b"00-zz-zz-99".to_vec()),
        ("host", b"who.example:99999".to_vec()),
        ("cookie", long()),
        ("admission-token", b"\xff.\xff".to_vec()),
        ("qualification-token", b"a.b.c".to_vec()),
        ("challenge-token", long()),
        ("last-event-id", b"-1\xff".to_vec()),
        ("range", b"bytes=9-1".to_vec()),
        ("x-signature", b"00\xff".to_vec()),
    ]
}

/// Bodies that are no JSON, and JSON of another kind.
fn odd_bodies(valid: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let json = "application/json";
    let valid = text(valid);
    let half = valid[..valid.len() / 2].to_vec();
    let mut bodies = vec![
        (json, Vec::new()),
        (json, half),
        (json, [b"\xef\xbb\xbf".to_vec(), valid.clone()].concat()),
        (json, [valid.clone(), b" x".to_vec()].concat()),
        (json, b"\xff\xfe\x00{".to_vec()),
        (json, "[".repeat(20_000).into_bytes()),
        (json, "{\"a\":".repeat(20_000).into_bytes()),
        (json, vec![b' '; 3 << 20]),
        (json, format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20)).into_bytes()),
        (json, b"{\"a\":NaN}".to_vec()),
        (json, b"{\"a\":1e99999}".to_vec()),
        (json, b"{\"a\":\"\\ud800\\u0000\"}".to_vec()),
        ("application/json; charset=utf-16", valid.clone()),
        ("text/plain", valid.clone()),
        ("application/x-www-form-urlencoded", b"a=1&b=%00".to_vec()),
        ("multipart/form-data; boundary=ÿ", b"--x\r\n".to_vec()),
        ("", valid),
    ];
    bodies.extend(
        [Value::Null, json!(1), json!("x"), json!([]), json!({}), json!(true)].iter().map(|one| (json, text(one))),
    );
    bodies
}

struct Operation<'a> {
    method: Method,
    route: &'a str,
    parameters: Vec<&'a Value>,
    body: Option<Value>,
    things: &'a Things,
}

impl Operation<'_> {
    /// The path with real names, but for the one of this parameter.
    fn path(&self, bad: Option<(&str, &str)>) -> String {
        let mut path: Vec<String> = Vec::new();
        for segment in self.route.split('/') {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let before = path.last().cloned().unwrap_or_default();
            path.push(match (name, bad) {
                (Some(name), Some((parameter, value))) if name == parameter => value.to_owned(),
                (Some(_), _) => self.things.id(&before),
                (None, _) => segment.to_owned(),
            });
        }
        path.join("/")
    }

    fn names(&self, place: &str) -> Vec<&str> {
        let there = self.parameters.iter().filter(|parameter| parameter["in"] == *place);
        there.map(|parameter| parameter["name"].as_str().unwrap()).collect()
    }

    /// Most who ask may ask.
    fn case(&self, target: String, body: Option<Vec<u8>>, rng: &mut StdRng) -> Case {
        let desk = ["/desk", "/admin"].iter().any(|part| self.route.contains(part));
        let who = match rng.random_range(0..10) {
            0 => 0,
            1..=5 => {
                if desk {
                    3
                } else {
                    1
                }
            }
            6 | 7 => {
                if desk {
                    2
                } else {
                    1
                }
            }
            8 => 2,
            _ => rng.random_range(1..4),
        };
        let (who, token) = &self.things.people[who];
        let token = token.iter().map(|token| ("authorization", format!("Bearer {token}").into_bytes()));
        let kind = body.iter().map(|_| ("content-type", b"application/json".to_vec()));
        Case {
            method: self.method.clone(),
            route: self.route.to_owned(),
            target,
            headers: token.chain(kind).collect(),
            body,
            who,
        }
    }

    fn cases(&self, rng: &mut StdRng, all: &mut Vec<Case>) {
        let valid = self.body.as_ref().map(text);
        for name in self.names("path") {
            let long = "x".repeat(4_000);
            for bad in SEGMENTS.into_iter().chain([long.as_str()]) {
                all.push(self.case(self.path(Some((name, bad))), valid.clone(), rng));
            }
        }
        let path = self.path(None);
        let query = self.names("query");
        let names = query.iter().copied().chain(["unheard_of"]);
        for name in names {
            for bad in SEGMENTS.into_iter().chain(["", "1e9", "true&x=1", "1&1"]) {
                all.push(self.case(format!("{path}?{name}={bad}"), valid.clone(), rng));
            }
            all.push(self.case(format!("{path}?{name}=1&{name}=2"), valid.clone(), rng));
            all.push(self.case(format!("{path}?{name}={}", "9".repeat(4_000)), valid.clone(), rng));
        }
        for header in odd_headers() {
            let mut case = self.case(path.clone(), valid.clone(), rng);
            if header.0 == "authorization" {
                case.headers.retain(|(name, _)| *name != "authorization");
                case.who = "nobody";
            }
            case.headers.push(header);
            all.push(case);
        }
        let Some(body) = &self.body else {
            // Nobody asked for a body.
            all.push(self.case(path, Some(text(&odd(rng))), rng));
            return;
        };
        for (kind, bytes) in odd_bodies(body) {
            let mut case = self.case(path.clone(), Some(bytes), rng);
            case.headers.retain(|(name, _)| *name != "content-type");
            if !kind.is_empty() {
                case.headers.push(("content-type", kind.as_bytes().to_vec()));
            }
            all.push(case);
        }
        for _ in 0..40 {
            all.push(self.case(path.clone(), Some(text(&spoil(body, rng))), rng));
        }
    }
}

/// Bad requests to every operation of the document.
pub fn cases(document: &Value, things: &Things, rng: &mut StdRng) -> Vec<Case> {
    let mut all = Vec::new();
    for (route, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = schema.is_object().then(|| sample(document, schema, "", &|name| things.id(name)));
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let operation = Operation {
                method: method.to_ascii_uppercase().parse().unwrap(),
                route,
                parameters: parameters.map(|parameter| resolve(document, parameter)).collect(),
                body,
                things,
            };
            operation.cases(rng, &mut all);
        }
    }
    all
}
