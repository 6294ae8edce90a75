//! A server of the platform as a child of this program.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Client;

use super::{
    ClusterError,
    child::{Child, Spec, Tended},
    port,
};

/// How long a replica may take to come up: it may have to wait for its servers.
const START: Duration = Duration::from_secs(120);
/// How long a replica may take to drain: requests, background work and queues, ten seconds each by default.
const STOP: Duration = Duration::from_secs(45);

/// What replicas have in common.
#[derive(Clone, Debug)]
pub(crate) struct Like {
    /// The data folder that they share.
    pub(crate) data: PathBuf,
    /// Where their logs are.
    pub(crate) logs: PathBuf,
    /// Configuration file, if there is one.
    pub(crate) config: Option<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
}

/// A server with an address of its own, which it keeps when it is started again. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Replica {
    address: SocketAddr,
    child: Child,
    client: Client,
}

impl Replica {
    /// Starts it and waits until it answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills it.
    pub(crate) async fn start(number: usize, like: &Like) -> Result<Self, ClusterError> {
        let system = |what: &str| {
            let what = what.to_owned();
            move |error| ClusterError::System { what, error }
        };
        let port = port::free().map_err(system("a free port"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let program = std::env::current_exe().map_err(system("this program's own file"))?;
        let mut arguments = vec!["serve".into(), "--listen".into(), address.to_string().into()];
        // The replica runs in another folder.
        let absolute = |path: &Path| std::path::absolute(path).map_err(system("the current folder"));
        arguments.extend(["--data".into(), absolute(&like.data)?.into_os_string()]);
        if let Some(config) = &like.config {
            let config = if config.exists() { absolute(config)? } else { config.clone() };
            arguments.extend(["--config".into(), config.into_os_string()]);
        }
        let spec = Spec {
            name: format!("replica-{number}"),
            program,
            arguments,
            environment: like.environment.clone(),
            folder: like.logs.clone(),
            user: None,
        };
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(3)).build();
        let client = client.map_err(|error| ClusterError::System {
            what: "an HTTP client".to_owned(),
            error: std::io::Error::other(error),
        })?;
        let mut replica = Self { address, child: Child::start(spec)?, client };
        replica.ready().await?;
        Ok(replica)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets it finish what is in progress.
    pub(crate) async fn stop(&mut self) {
        self.child.stop(STOP).await;
    }
}

impl Tended for Replica {
    fn name(&self) -> &str {
        self.child.name()
    }

    fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// It lives: what it needs may be away at this moment.
    async fn ready(&mut self) -> Result<(), ClusterError> {
        let (client, url) = (self.client.clone(), format!("{}/healthz", self.url()));
        let lives = || async {
            let answer = client.get(&url).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        self.child.ready(START, lives).await
    }
}
