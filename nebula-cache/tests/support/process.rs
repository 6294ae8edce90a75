//! Nodes that are processes of their own: this very program, started again, which obeys orders from its input.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long an order may take on a machine that does other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the test itself sees of a node. The process ends with it.
pub(crate) struct Process {
    orders: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Process {
    /// Starts this program for the test of this name alone, with `env` in its environment, and waits until it
    /// [is ready](Orders::ready).
    pub(crate) async fn start(test: &str, env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let replies = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { orders: child.stdin.take().unwrap(), replies, _child: child };
        assert_eq!(process.reply().await, "ready");
        process
    }

    pub(crate) async fn tell(&mut self, order: &str) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn reply(&mut self) -> String {
        loop {
            let line = timeout(PATIENCE, self.replies.next_line()).await.unwrap().unwrap().expect("the node lives");
            // The test harness writes there, too.
            if let Some((_, reply)) = line.split_once("reply ") {
                return reply.to_owned();
            }
        }
    }

    pub(crate) async fn ask(&mut self, order: &str) -> String {
        self.tell(order).await;
        self.reply().await
    }
}

/// What a node hears: a word and numbers.
pub(crate) struct Orders(Lines<BufReader<Stdin>>);

impl Orders {
    /// Says that the node is there.
    pub(crate) fn ready() -> Self {
        reply("ready");
        Self(BufReader::new(tokio::io::stdin()).lines())
    }

    /// `None` when the test is over.
    pub(crate) async fn next(&mut self) -> Option<(String, Vec<u64>)> {
        let line = self.0.next_line().await.unwrap()?;
        let mut words = line.split(' ');
        let order = words.next().unwrap().to_owned();
        Some((order, words.map(|word| word.parse().unwrap()).collect()))
    }
}

pub(crate) fn reply(text: impl std::fmt::Display) {
    println!("reply {text}");
}
