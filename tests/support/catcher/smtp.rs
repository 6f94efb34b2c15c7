//! The story of one mail coming in: a small SMTP server that says what the real one says. No login, no TLS, no limits.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Context;
use super::mail::Mail;

/// An envelope that is being filled.
#[derive(Default)]
struct Envelope {
    sender: Option<String>,
    recipients: Vec<String>,
}

/// Serves a connection until QUIT or until the peer leaves. An error only ends it.
pub(crate) async fn serve(stream: TcpStream, context: Context) {
    let _ = talk(BufReader::new(stream), &context).await;
}

async fn talk(mut stream: BufReader<TcpStream>, context: &Context) -> io::Result<()> {
    let mut envelope = Envelope::default();
    say(&mut stream, "220 EventMachine SMTP Server").await?;
    while let Some(line) = read_line(&mut stream).await? {
        let line = String::from_utf8_lossy(&line).into_owned();
        let word = line.trim_start().to_ascii_uppercase();
        let reply = if word.starts_with("EHLO") {
            envelope = Envelope::default();
            "250-Ok EventMachine SMTP Server\r\n250-NO-SOLICITING\r\n250 SIZE 20000000"
        } else if word.starts_with("HELO") {
            envelope = Envelope::default();
            "250 Ok EventMachine SMTP Server"
        } else if word.starts_with("MAIL FROM:") {
            envelope = Envelope { sender: Some(sender(&line)), recipients: Vec::new() };
            "250 Ok"
        } else if word.starts_with("RCPT TO:") {
            if envelope.sender.is_some() {
                envelope.recipients.push(after_colon(&line).to_owned());
                "250 Ok"
            } else {
                "503 MAIL is required before RCPT"
            }
        } else if word.starts_with("DATA") {
            if envelope.recipients.is_empty() {
                "503 Operation sequence error"
            } else {
                say(&mut stream, "354 Send it").await?;
                let Some(source) = read_message(&mut stream).await? else { return Ok(()) };
                let Envelope { sender, recipients } = std::mem::take(&mut envelope);
                let mail = Mail { sender: sender.unwrap_or_default(), recipients, ..Mail::from_source(source) };
                context.shared.deliver(mail);
                "250 Message accepted"
            }
        } else if word.starts_with("RSET") {
            envelope = Envelope::default();
            "250 Ok"
        } else if word.starts_with("NOOP") {
            "250 Ok"
        } else if word.starts_with("AUTH") {
            "235 authentication ok" // nobody offered it, and any password does
        } else if word.starts_with("VRFY") || word.starts_with("EXPN") {
            "502 Command not implemented"
        } else if word.starts_with("HELP") {
            "250 Ok, but unimplemented"
        } else if word.starts_with("QUIT") {
            return say(&mut stream, "221 Ok").await;
        } else {
            "500 Unknown command"
        };
        say(&mut stream, reply).await?;
    }
    Ok(())
}

/// The sender with its brackets. Only an upper-case `SIZE=` is taken off, so some clients' stays in.
fn sender(line: &str) -> String {
    let text = after_colon(line);
    match text.rsplit_once(" SIZE=") {
        Some((sender, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => sender,
        _ => text,
    }
    .to_owned()
}

fn after_colon(line: &str) -> &str {
    line.split_once(':').map(|(_, rest)| rest.trim()).unwrap_or_default()
}

/// The lines up to the lone dot, with the dots that were doubled undone and every line ended by CRLF.
async fn read_message(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut source = Vec::new();
    while let Some(line) = read_line(stream).await? {
        if line == b"." {
            return Ok(Some(source));
        }
        source.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        source.extend_from_slice(b"\r\n");
    }
    Ok(None)
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Ok(None); // the peer left in the middle of it
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    Ok(Some(line))
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await
}
