//! Chromium, which trusts the authority, at the inbox.

use std::path::Path;
use std::process::Command;

use super::{NAME, Served};
use crate::cert::trust_in_browsers;
use crate::process::{Program, tool, tools};
use crate::support::smtp_client::send_mail;

#[test]
fn over_https_the_inbox_lists_and_shows_mail_and_updates_without_reloading() {
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
            .env("HOME", served.home.path()),
    );
    let subject = script.line("send a mail:").expect("it gets to the inbox");
    send_mail(served.catcher.smtp_addr(), &subject, "It came while the page was open.");
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");
    for line in served.gate.access_log() {
        eprintln!("{line}");
    }
}
