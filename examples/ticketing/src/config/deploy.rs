//! The files of `deploy` are read by what they are for: this program takes their configuration, and the rest is well-formed.

#![allow(clippy::unwrap_used, clippy::result_large_err, reason = "tests; and the signature that the jail asks for")]

use std::{
    fs::read_to_string,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment, Jail,
    providers::{Format, Yaml},
    value::{Dict, Value},
};

use super::{Config, DatabaseProvider, Provider, load};

/// How long the balancers of `deploy` wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The documents of a YAML file.
fn documents(file: &Path) -> Vec<Dict> {
    let text = read_to_string(file).unwrap();
    let parse = |text: &str| {
        Figment::from(Yaml::string(text)).extract().map_err(|error| format!("{}: {error}", file.display()))
    };
    text.split("\n---\n").map(|text| parse(text).unwrap()).collect()
}

fn find<'v>(within: &'v Dict, path: &[&str]) -> Option<&'v Value> {
    let (last, way) = path.split_last()?;
    let mut dict = within;
    for name in way {
        dict = dict.get(*name)?.as_dict()?;
    }
    dict.get(*last)
}

/// Reads the configuration with the environment that the file asks for.
fn configured(yaml: &str, names: &[String], check: impl FnOnce(Config)) {
    Jail::expect_with(|jail| {
        jail.create_file("ticketing.yaml", yaml)?;
        assert!(!names.is_empty());
        for name in names {
            assert!(name.starts_with("NEBULA_TICKETING__"), "{name}");
            jail.set_env(
                name,
                match name {
                    name if name.contains("RABBITMQ") => "amqp://ticketing:secret@rabbitmq:5672/%2f",
                    name if name.ends_with("URL") => "postgres://ticketing:secret@postgres:5432/ticketing",
                    name if name.ends_with("LISTEN") => "0.0.0.0:8080",
                    _ => "a secret of more than thirty-two characters",
                },
            );
        }
        check(load(Some(Path::new("ticketing.yaml"))).map_err(|error| error.to_string())?);
        Ok(())
    });
}

/// What holds for every set-up with several servers.
fn shared(config: &Config) {
    assert_eq!((config.database.provider, config.ledger.provider), (DatabaseProvider::Postgres, Provider::Redis));
    assert_eq!(config.delay_queue.provider().unwrap(), nebula_delay_queue::Provider::RabbitMq);
    assert_eq!(config.auth.session.store, nebula_auth::SessionStoreKind::Postgres);
    assert!(
        config.auth.session.url.is_some()
            && config.auth.jwt.secret.is_some()
            && config.payment.mock.secret.is_some()
            && config.ticket.secret.is_some()
            && config.personal_data.key.is_some()
    );
    assert!(config.http.request_timeout < PATIENCE && !config.http.trusted_proxies.is_empty());
    assert!(config.public_url.is_some());
}

#[test]
fn the_configuration_of_the_compose_file_is_accepted() {
    let compose = documents(&folder().join("compose/compose.yaml")).remove(0);
    let environment = find(&compose, &["services", "server", "environment"]).unwrap().as_dict().unwrap();
    let names: Vec<String> = environment.keys().cloned().collect();
    let network = find(&compose, &["networks", "default", "ipam", "config"]).and_then(Value::as_array).unwrap();
    let network = network[0].as_dict().unwrap()["subnet"].as_str().unwrap();
    configured(&read_to_string(folder().join("compose/ticketing.yaml")).unwrap(), &names, |config| {
        shared(&config);
        assert_eq!(config.http.trusted_proxies, [network]);
    });
}

#[test]
fn the_configuration_of_the_manifests_is_accepted() {
    let kubernetes = folder().join("kubernetes");
    let map = documents(&kubernetes.join("config.yaml")).remove(0);
    let yaml = find(&map, &["data", "ticketing.yaml"]).unwrap().as_str().unwrap();
    let secret = documents(&kubernetes.join("secret.example.yaml")).remove(0);
    let values = find(&secret, &["stringData"]).unwrap().as_dict().unwrap();
    assert!(values.values().all(|value| value.as_str() == Some("")), "a template has no secrets");
    configured(yaml, &values.keys().cloned().collect::<Vec<_>>(), |config| {
        shared(&config);
        assert!(!config.demo);
    });
}

#[test]
fn the_environment_of_the_image_is_accepted() {
    let image = read_to_string(folder().join("Dockerfile")).unwrap();
    let words = image.split_whitespace().filter(|word| word.starts_with("NEBULA_TICKETING__"));
    let names: Vec<String> = words.filter_map(|word| Some(word.split_once('=')?.0.to_owned())).collect();
    configured("", &names, |config| assert!(config.listen.ip().is_unspecified()));
}

#[test]
fn every_file_is_well_formed() {
    let mut folders = vec![folder()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("yaml") => read += documents(&path).iter().filter(|document| !document.is_empty()).count(),
                Some("json") => {
                    let board: serde_json::Value = serde_json::from_str(&read_to_string(&path).unwrap()).unwrap();
                    assert!(board["panels"].as_array().unwrap().len() > 10);
                    read += 1;
                }
                _ => {}
            }
        }
    }
    assert!(read > 20, "only {read} documents were found");
}
