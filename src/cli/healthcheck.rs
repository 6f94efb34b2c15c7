//! `mailwarden healthcheck`: asks the running daemon whether it lives. For a container's HEALTHCHECK: the image needs no
//! other program for it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Exit, out};
use crate::config::model::{Listen, ListenAt};
use crate::config::{self, Flag, Source};

const EXAMPLE: &str = "\
Asks for /livez at status.listen of the configuration; with --ready for /readyz.
A mistake elsewhere in the configuration does not matter to it.

Examples:
  mailwarden healthcheck
  mailwarden healthcheck --ready --status-listen 127.0.0.1:9081

Exit codes: 0 it lives (or is ready), 1 it does not, 2 wrong usage";

/// How long all of it may take. A container engine waits for 5 s (`HEALTHCHECK --timeout`), and gets the reason then.
const PATIENCE: Duration = Duration::from_secs(4);

/// The longest answer that is read, in bytes.
const ANSWER: u64 = 64 * 1024;

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Flags {
    /// Ask whether it is ready, not just whether it lives
    #[arg(long)]
    ready: bool,
    /// Where to ask, other than the configuration says
    #[arg(long, value_name = "ADDR")]
    status_listen: Option<String>,
}

impl Flags {
    /// Takes out what stands for keys.
    pub(super) fn take_keys(self) -> (Vec<Flag>, bool) {
        let flag = self.status_listen.map(|value| Flag { name: "status-listen", value });
        (flag.into_iter().collect(), self.ready)
    }
}

/// Runs the command.
pub(super) fn run(source: &Source, ready: bool) -> Exit {
    let path = if ready { "/readyz" } else { "/livez" };
    match ask(source, path) {
        Ok((true, text)) => match out::print(&text) {
            // Nobody reads it, and it lives all the same.
            Ok(()) | Err(_) => Exit::Success,
        },
        Ok((false, text)) => {
            out::error(&text);
            Exit::Problem
        }
        Err(reason) => {
            out::error(&format!("{reason}\n"));
            Exit::Problem
        }
    }
}

/// The answer: whether it is a good one, and its text.
fn ask(source: &Source, path: &str) -> Result<(bool, String), String> {
    let (listen, answer) = fetch(source, path)?;
    parse(&answer).ok_or_else(|| format!("{listen}: what answers there is not Mailwarden"))
}

/// The text of an answer, whatever it is, to another question.
///
/// # Errors
/// Why there is none.
pub(super) fn text(source: &Source, path: &str) -> Result<String, String> {
    let (_, answer) = fetch(source, path)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
}

fn fetch(source: &Source, path: &str) -> Result<(Listen, Vec<u8>), String> {
    let status = config::load_status(source).map_err(|errors| errors.to_string())?;
    let Some(status) = status else {
        return Err("status.listen is \"off\": there is nobody to ask".to_owned());
    };
    let listen = &status.listen;
    let until = Instant::now() + PATIENCE;
    let answer = match &listen.at {
        ListenAt::Tcp { addr, .. } => over_tcp(reachable(*addr), path, until),
        ListenAt::Unix(socket) => over_unix(socket, path, until),
        ListenAt::Systemd(_) => {
            return Err(format!(
                "status.listen is \"{listen}\", whose address only the service manager knows; name it with --status-listen"
            ));
        }
    };
    let answer = answer.map_err(|error| format!("{listen}: {}", config::os_reason(&error)))?;
    Ok((listen.clone(), answer))
}

/// All addresses of a machine are listened on, and loopback is one of them.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

fn over_tcp(addr: SocketAddr, path: &str, until: Instant) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    exchange(&stream, &stream, |wait| stream.set_read_timeout(Some(wait)), path, until)
}

fn over_unix(socket: &Path, path: &str, until: Instant) -> io::Result<Vec<u8>> {
    // Where as many wait as can wait, a connection that blocks would wait too.
    let connection = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    connection.set_nonblocking(true)?;
    connection.connect(&SockAddr::unix(socket)?)?;
    connection.set_nonblocking(false)?;
    let stream = UnixStream::from(OwnedFd::from(connection));
    exchange(&stream, &stream, |wait| stream.set_read_timeout(Some(wait)), path, until)
}

fn exchange(
    mut to: impl Write,
    mut from: impl Read,
    wait_at_most: impl Fn(Duration) -> io::Result<()>,
    path: &str,
    until: Instant,
) -> io::Result<Vec<u8>> {
    to.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while (answer.len() as u64) < ANSWER {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        wait_at_most(left)?;
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// Whether the answer is a good one, and its body; none if no status listener of ours gave it.
fn parse(answer: &[u8]) -> Option<(bool, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let is_plain = |character: char| matches!(character, '\n' | ' '..='~');
    if !body.chars().all(is_plain) {
        return None;
    }
    if head.starts_with("HTTP/1.1 200 ") && (body.starts_with("alive\n") || body.starts_with("ready\n")) {
        Some((true, body.to_owned()))
    } else {
        head.starts_with("HTTP/1.1 503 ").then(|| (false, body.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_good_bad_or_none() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\na: b\r\n\r\nalive\n"), Some((true, "alive\n".to_owned())));
        assert_eq!(parse(b"HTTP/1.1 503 X\r\n\r\nno users\n"), Some((false, "no users\n".to_owned())));
        for other in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 404 X\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 20",
            "HTTP/1.1 2000 OK\r\n\r\nalive\n",
            "HTTP/1.1 200 OK\r\n\r\n<html>another program</html>",
            "HTTP/1.1 503 X\r\n\r\n\u{1b}[2J",
        ] {
            assert_eq!(parse(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn an_address_for_all_is_asked_at_loopback() {
        for (listen, asked) in
            [("0.0.0.0:9080", "127.0.0.1:9080"), ("[::]:1", "[::1]:1"), ("192.0.2.7:9080", "192.0.2.7:9080")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer: Vec<u8>) {
            let _ = parse(&answer);
        }
    }
}
