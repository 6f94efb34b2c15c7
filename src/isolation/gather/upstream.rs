//! Whether what is on `upstream.url` is the catcher that was said.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};

use super::super::facts::Upstream;
use super::PATIENCE;
use crate::config::model::{CatcherKind, Config};
use crate::config::os_reason;

/// Asks the catcher for what only it answers. The answer is not read to its end: a list can be long.
pub(super) fn ask(config: &Config) -> Upstream {
    let upstream = &config.live.site.upstream;
    let host = upstream.host.to_string();
    let addrs: io::Result<Vec<SocketAddr>> =
        (host.trim_start_matches('[').trim_end_matches(']'), upstream.port).to_socket_addrs().map(Iterator::collect);
    let addrs = match addrs {
        Ok(addrs) => addrs,
        Err(error) => return Upstream::Unreachable(format!("the name cannot be resolved: {}", os_reason(&error))),
    };
    let mut why = "the name has no address".to_owned();
    for addr in addrs {
        match TcpStream::connect_timeout(&addr, PATIENCE) {
            Ok(stream) if config.live.site.catcher == CatcherKind::MailCatcher => {
                return match head(
                    stream,
                    &format!("{}/messages", upstream.prefix),
                    &format!("{host}:{}", upstream.port),
                ) {
                    Ok(answer) => judge_answer(&answer),
                    Err(error) => Upstream::Other(no_answer(&error)),
                };
            }
            Ok(_) => return Upstream::Speaks,
            Err(error) => why = os_reason(&error),
        }
    }
    Upstream::Unreachable(why)
}

pub(super) fn no_answer(error: &io::Error) -> String {
    match error.kind() {
        // How the system says that a read took too long.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer to a request within {} s", PATIENCE.as_secs())
        }
        _ => format!("no answer to a request: {}", os_reason(error)),
    }
}

fn head(mut stream: TcpStream, path: &str, host: &str) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    // Up to the first byte of the body.
    while answer.len() < 16 * 1024 && !answer.windows(5).any(|window| window.starts_with(b"\r\n\r\n")) {
        match stream.read(&mut chunk)? {
            0 => break,
            count => answer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
    Ok(answer)
}

/// A list in JSON, or a login of the catcher's own.
pub(super) fn judge_answer(answer: &[u8]) -> Upstream {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status: String =
        head.lines().next().unwrap_or_default().chars().filter(|character| !character.is_control()).collect();
    let code = status.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
    let is_json =
        head.to_ascii_lowercase().lines().any(|line| line.starts_with("content-type:") && line.contains("json"));
    match code {
        "200" if is_json && body.starts_with(|first: char| first == '[' || first.is_ascii_hexdigit()) => {
            Upstream::Speaks
        }
        "401" => Upstream::Speaks,
        "" => Upstream::Other("it does not speak HTTP".to_owned()),
        _ => Upstream::Other(format!("{status} for the list of messages")),
    }
}
