use std::{io, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{ReceivedMail, SmtpFault, SmtpStage, State, stream::Lines};

/// Whether the conversation goes on.
enum Next {
    Usual,
    Answered,
    Over,
}

/// One conversation, from the greeting to the end. Errors are the end of it.
pub(super) async fn serve(stream: TcpStream, state: &State) {
    let _ = converse(Lines::new(stream), state).await;
}

async fn converse(mut lines: Lines, state: &State) -> io::Result<()> {
    match fault(&mut lines, state, SmtpStage::Greeting).await? {
        Next::Over => return Ok(()),
        Next::Answered => {}
        Next::Usual => lines.answer("220 localhost ESMTP").await?,
    }
    let (mut user, mut from, mut to) = (None::<String>, None::<String>, Vec::<String>::new());
    loop {
        let Ok(line) = timeout(state.idle, lines.line()).await else {
            lines.answer("421 4.4.2 idle for too long").await?;
            return Ok(());
        };
        let Some(line) = line? else { return Ok(()) };
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let stage = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                (from, to) = (None, Vec::new());
                let mut offers = vec!["localhost", "8BITMIME", "SMTPUTF8", "SIZE 52428800"];
                if state.starttls && !lines.is_encrypted() {
                    offers.push("STARTTLS");
                }
                if state.login.is_some() && (lines.is_encrypted() || !state.starttls) {
                    offers.push("AUTH PLAIN LOGIN");
                }
                let last = offers.len() - 1;
                for (at, offer) in offers.iter().enumerate() {
                    lines.answer(&format!("250{}{offer}", if at == last { ' ' } else { '-' })).await?;
                }
                continue;
            }
            "STARTTLS" if state.starttls && !lines.is_encrypted() => {
                lines.answer("220 2.0.0 go ahead").await?;
                lines = lines.encrypt().await?;
                (user, from, to) = (None, None, Vec::new());
                continue;
            }
            "NOOP" => {
                lines.answer("250 2.0.0 ok").await?;
                continue;
            }
            "RSET" => {
                (from, to) = (None, Vec::new());
                lines.answer("250 2.0.0 ok").await?;
                continue;
            }
            "QUIT" => return lines.answer("221 2.0.0 bye").await,
            "AUTH" => SmtpStage::Auth,
            "MAIL" => SmtpStage::Mail,
            "RCPT" => SmtpStage::Rcpt,
            "DATA" => SmtpStage::Data,
            _ => {
                lines.answer("502 5.5.1 not understood").await?;
                continue;
            }
        };
        match fault(&mut lines, state, stage).await? {
            Next::Over => return Ok(()),
            Next::Answered => continue,
            Next::Usual => {}
        }
        match stage {
            SmtpStage::Auth => {
                user = login(&mut lines, state, rest).await?;
                let answer = if user.is_some() { "235 2.7.0 welcome" } else { "535 5.7.8 who is that" };
                lines.answer(answer).await?;
            }
            SmtpStage::Mail if state.login.is_some() && user.is_none() => {
                lines.answer("530 5.7.0 log in first").await?;
            }
            SmtpStage::Mail => {
                from = Some(address(rest));
                lines.answer("250 2.1.0 ok").await?;
            }
            SmtpStage::Rcpt if from.is_some() => {
                to.push(address(rest));
                lines.answer("250 2.1.5 ok").await?;
            }
            SmtpStage::Data if !to.is_empty() => {
                lines.answer("354 go ahead").await?;
                let Some(raw) = lines.message().await? else { return Ok(()) };
                // What is refused after the message is not kept.
                let fault = state.fault(SmtpStage::Message);
                if !matches!(fault, Some(SmtpFault::Answer(..))) {
                    let (from, to) = (from.take().unwrap_or_default(), std::mem::take(&mut to));
                    let (encrypted, user) = (lines.is_encrypted(), user.clone());
                    state.received.lock().push(ReceivedMail { from, to, raw, encrypted, user });
                }
                match apply(&mut lines, fault).await? {
                    Next::Over => return Ok(()),
                    Next::Answered => {}
                    Next::Usual => lines.answer("250 2.0.0 queued").await?,
                }
            }
            _ => lines.answer("503 5.5.1 not now").await?,
        }
    }
}

async fn fault(lines: &mut Lines, state: &State, stage: SmtpStage) -> io::Result<Next> {
    apply(lines, state.fault(stage)).await
}

async fn apply(lines: &mut Lines, fault: Option<SmtpFault>) -> io::Result<Next> {
    match fault {
        None => Ok(Next::Usual),
        Some(SmtpFault::Cut(_)) => Ok(Next::Over),
        Some(SmtpFault::Slow(_, time)) => {
            tokio::time::sleep(time.min(Duration::from_secs(600))).await;
            Ok(Next::Usual)
        }
        Some(SmtpFault::Answer(_, line)) => {
            lines.answer(&line).await?;
            // 421 is a farewell.
            Ok(if line.starts_with("421") { Next::Over } else { Next::Answered })
        }
    }
}

/// `FROM:<ada@example.org> SIZE=1` → `ada@example.org`.
fn address(text: &str) -> String {
    text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(text, |(address, _)| address).to_owned()
}

async fn login(lines: &mut Lines, state: &State, rest: &str) -> io::Result<Option<String>> {
    let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut ask = async |question: &str| -> io::Result<String> {
        lines.answer(&format!("334 {question}")).await?;
        Ok(decode(&lines.line().await?.unwrap_or_default()))
    };
    let (user, password) = if mechanism.eq_ignore_ascii_case("LOGIN") {
        (ask("VXNlcm5hbWU6").await?, ask("UGFzc3dvcmQ6").await?)
    } else {
        let given = if initial.is_empty() { ask("").await? } else { decode(initial) };
        let mut parts = given.split('\0').skip(1).map(str::to_owned);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    };
    let right = state.login.as_ref().is_some_and(|(name, secret)| (name, secret) == (&user, &password));
    Ok(right.then_some(user))
}

/// Base64, without a crate for these few lines.
fn decode(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.trim().bytes() {
        let Some(value) = LETTERS.iter().position(|one| *one == letter) else { break };
        bits = (bits << 6 | u32::try_from(value).unwrap_or(0)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).unwrap_or(0));
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
