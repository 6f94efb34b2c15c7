//! Chromium, which trusts the authority, at the inbox.

use std::path::Path;
use std::process::Command;

use super::{NAME, Served};
use crate::cert::trust_in_browsers;
use crate::process::{Program, tool, tools};
use crate::support::smtp_client::send_mail;

/// Has a person at the inbox, in a browser with those flags, and returns the lines of the access log.
fn at_the_inbox(flags: &str) -> Vec<String> {
    tool("playwright/node_modules/playwright-core/package.json");
    let served = Served::new();
    trust_in_browsers(served.home.path(), &served.said);
    served.catcher.deliver_many(6);
    let mut script = Program::start(
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/inbox.mjs"))
            .args([&format!("https://{NAME}:{}/", served.port()), "anna", "secret"])
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("inbox-https.png"))
            .env("TEST_TOOLS", tools())
            .env("BROWSER_FLAGS", flags)
            .env("HOME", served.home.path()),
    );
    let subject = script.line("send a mail:").expect("it gets to the inbox");
    send_mail(served.catcher.smtp_addr(), &subject, "It came while the page was open.");
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");
    // The line of the socket comes when it ends.
    served.gate.access_line(is_socket);
    served.gate.access_log()
}

/// The live updates' own line: MailCatcher's page opens its socket where the list is.
fn is_socket(line: &str) -> bool {
    line.contains("path=\"/messages\"") && (line.contains("status=101") || line.contains("method=CONNECT"))
}

#[test]
fn over_http_2_the_inbox_works_and_its_socket_is_a_stream_among_others() {
    let lines = at_the_inbox("");
    let socket = lines.iter().find(|line| is_socket(line)).unwrap();
    assert!(socket.contains("version=HTTP/2.0"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("path=\"/\"") && line.contains("version=HTTP/2.0")), "{lines:#?}");
}

#[test]
fn over_https_of_http_1_the_inbox_works_and_its_socket_is_wss() {
    let lines = at_the_inbox("--disable-http2");
    let socket = lines.iter().find(|line| is_socket(line)).unwrap();
    assert!(socket.contains("status=101") && socket.contains("version=HTTP/1.1"), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("HTTP/2")), "{lines:#?}");
}
