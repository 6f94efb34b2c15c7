//! Sends a mail as an application does: by SMTP, one command at a time.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::SystemTime;

use super::patience::PATIENCE;

/// Hands a mail to the server, which has taken it when this returns.
pub(crate) fn send_mail(server: SocketAddr, subject: &str, text: &str) {
    send_timed(server, subject, text);
}

/// The same with HTML.
pub(crate) fn send_html(server: SocketAddr, subject: &str, html: &str) {
    send(server, subject, "html", html);
}

/// As [`send_mail`], and the moment right before the last line of it was sent, to which the 250 is the answer: whoever
/// measures from there measures no less than from the 250.
pub(crate) fn send_timed(server: SocketAddr, subject: &str, text: &str) -> SystemTime {
    send(server, subject, "plain", text)
}

fn send(server: SocketAddr, subject: &str, kind: &str, text: &str) -> SystemTime {
    let stream = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut replies = BufReader::new(&stream);
    expect(&mut replies, "connecting", "220");
    let mut say = |line: &str, wanted: &str| {
        (&stream).write_all(format!("{line}\r\n").as_bytes()).unwrap();
        expect(&mut replies, line, wanted);
    };
    say("EHLO dev.test", "250");
    say("MAIL FROM:<app@dev.test>", "250");
    say("RCPT TO:<anna@dev.test>", "250");
    say("DATA", "354");
    let before = SystemTime::now();
    say(
        &format!(
            "From: Application <app@dev.test>\r\nTo: anna@dev.test\r\nSubject: {subject}\r\n\
             Content-Type: text/{kind}; charset=utf-8\r\n\r\n{text}\r\n."
        ),
        "250",
    );
    say("QUIT", "221");
    before
}

/// Reads a reply, of several lines perhaps: all but the last have a dash behind the code.
fn expect(replies: &mut impl BufRead, after: &str, wanted: &str) {
    loop {
        let mut line = String::new();
        replies.read_line(&mut line).unwrap();
        assert!(line.starts_with(wanted), "after {after:?} the server said {line:?}");
        if line.as_bytes().get(3) != Some(&b'-') {
            return;
        }
    }
}
