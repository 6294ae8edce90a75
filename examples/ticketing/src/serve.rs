//! `ticketing serve`.

use std::{io, net::SocketAddr, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    app::App,
    assembly,
    config::{Config, DatabaseProvider},
    demo,
    http::{Server, exporter},
    warm,
};

/// Opens everything, says where it is, and serves until a signal to stop.
///
/// # Errors
///
/// What could not be opened.
///
/// # Cancel safety
///
/// Dropping the future breaks off what is in progress.
pub async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let server = Server::bind(config.listen)?;
    let address = server.address();
    let app = assembly::assemble(config, address).await?;
    let accounts = if app.config.demo { demo::load(&app, !address.ip().is_loopback()).await? } else { Vec::new() };
    on_signal(&app)?;
    app.tasks.spawn(housekeeping(app.clone()));
    // Not ready before the first connection is accepted.
    app.warmth.begin();
    let warming = app.clone();
    app.tasks.spawn(async move { warming.stopping.run_until_cancelled(warm::load(&warming)).await });
    print(&welcome(&app.config, address, &accounts));
    server.run(app).await;
    print("Stopped. · 已停止。\n");
    Ok(())
}

/// The first signal drains, the second one ends the process at once.
fn on_signal(app: &App) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopping = app.stopping.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        print("\nFinishing what is in progress; once more to stop at once. · 正在收尾，再按一次立即停止。\n");
        stopping.cancel();
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        std::process::exit(130);
    });
    Ok(())
}

/// Drops what nobody asks the exporter for any more.
async fn housekeeping(app: App) {
    let every = Duration::from_secs(5);
    while app.stopping.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        if let Ok(exporter) = exporter() {
            exporter.run_upkeep();
        }
    }
}

fn welcome(config: &Config, address: SocketAddr, accounts: &[demo::Account]) -> String {
    let url = config.url(address);
    let database = match config.database.provider {
        DatabaseProvider::Sqlite => "SQLite",
        DatabaseProvider::Postgres => "PostgreSQL",
    };
    let ledger = if config.embedded() { "in-process ledger" } else { "ledger on Redis" };
    let mut text = format!(
        "\n  Nebula Tickets · 星云票务\n\n  Open   打开    {url}/\n  API    接口    {url}/api/docs\n  Desk   商户    {url}/desk\n  Door   检票    {url}/admin/check-in\n  Staff  后台    {url}/admin/access/page\n  Data   数据    {} ({database}, {ledger})\n",
        config.data.display()
    );
    if config.demo {
        text.push_str(&format!("  Start  开始    {url}/start\n"));
    }
    if config.shows_messages() {
        text.push_str(&format!("  Mails  邮件    {url}/dev/outbox\n"));
    }
    if !accounts.is_empty() {
        text.push_str("\n  Accounts 账户\n");
    }
    for account in accounts {
        let role = match account.role {
            None => "buyer 买家",
            Some("platform-operations") => "platform operations 平台运营",
            Some("merchant-admin") => "merchant administration 商户管理",
            Some("box-office") => "box office 售票处",
            Some("door") => "door 检票",
            Some("finance") => "finance 财务",
            Some("support") => "support 客服",
            Some("general-agent") => "general agent 总代理",
            Some(other) => other,
        };
        let password = account.password.as_deref().unwrap_or("(as printed at its first start 首次启动时已显示)");
        text.push_str(&format!("    {:<22} {password:<20} {role}\n", account.email));
    }
    text.push_str(
        "\n  Try    试试看\n\
         \x20   · Buy a seat of \"The Peony Pavilion\" · 买一张《牡丹亭》\n\
         \x20   · Wait for \"One Night Only\": its sale opens in two minutes · 等待“仅此一夜”两分钟后开售\n\
         \x20   · Watch the seat map in two windows · 在两个窗口里看座位实时变化\n\
         \x20   · ticketing rush: 5,000 buyers for 1,000 seats · 5000 人抢 1000 个座位\n\
         \x20   · ticketing import seating-plan --help · 导入你自己的座位图\n\n  Ctrl-C stops it. · 按 Ctrl-C 停止。\n\n",
    );
    text
}

/// To standard output; that nobody reads it is no reason to stop.
pub(crate) fn print(text: &str) {
    use io::Write;
    let mut output = io::stdout().lock();
    let _unread = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
