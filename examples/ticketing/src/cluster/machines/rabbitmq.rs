//! `rabbitmq-server`: the time-outs of orders.

use std::path::PathBuf;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::{port, program},
    ClusterError, Place, Spec,
    redis::write,
};

/// Debian's programs on the search path change to a user and folders of the system; those behind them do as they are told.
const BEHIND_THE_WRAPPERS: &str = "/usr/lib/rabbitmq/bin";

fn folders() -> [PathBuf; 1] {
    [PathBuf::from(BEHIND_THE_WRAPPERS)]
}

pub(super) fn is_here() -> bool {
    program::find("rabbitmq-server", &folders()).is_some() && program::find("epmd", &[]).is_some()
}

pub(super) fn spec(place: &Place<'_>) -> Result<Spec, ClusterError> {
    let server = program::need("rabbitmq-server", &folders(), "rabbitmq-server")?;
    let free = || port::free().map_err(|error| ClusterError::System { what: "a free port".to_owned(), error });
    let (mapper, distribution) = (free()?, free()?);
    let file = |name: &str| place.folder.join(name).display().to_string();
    let configuration = place.folder.join("rabbitmq.conf");
    let text = format!(
        "default_user = ticketing\ndefault_pass = {}\nlisteners.tcp.1 = 127.0.0.1:{}\nlog.console.level = warning\n\
         log.file = false\ndisk_free_limit.absolute = 50MB\nraft.wal_max_size_bytes = 33554432\n",
        place.password, place.port
    );
    write(&configuration, &text)
        .map_err(|error| ClusterError::System { what: configuration.display().to_string(), error })?;
    // The port mapper stays in the foreground of the same process group, so that it dies together with the broker.
    let script = format!("epmd -port {mapper} & exec \"$1\"");
    let spec = place.spec("sh".into(), ["-c".into(), script.into(), "rabbitmq".into(), server.into_os_string()]);
    let environment = [
        // Makes the broker's script become the broker, so that signals reach the right process.
        ("RUNNING_UNDER_SYSTEMD", "1".to_owned()),
        ("HOME", file("")),
        ("ERL_EPMD_PORT", mapper.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        // Its data are kept under this name; other nodes on the machine have port mappers of their own.
        ("RABBITMQ_NODENAME", "ticketing@localhost".to_owned()),
        ("RABBITMQ_DIST_PORT", distribution.to_string()),
        ("RABBITMQ_MNESIA_BASE", file("data")),
        ("RABBITMQ_LOG_BASE", file("log")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_PID_FILE", file("pid")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_CONFIG_FILE", file("rabbitmq")),
        // Messages that were on their way when the broker died are sent again after half a minute instead of three.
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-rabbit dead_letter_worker_publisher_confirm_timeout 30000".to_owned(),
        ),
    ];
    Ok(Spec { environment: environment.map(|(key, value)| (key.to_owned(), value)).into(), ..spec })
}

pub(super) fn url(port: u16, password: &str) -> String {
    format!("amqp://ticketing:{password}@127.0.0.1:{port}/%2f")
}

/// It listens once everything is up, and then greets with a frame.
pub(super) async fn answers(port: u16) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        stream.read_u8().await
    };
    greeting.await.is_ok_and(|first| first == 1)
}
