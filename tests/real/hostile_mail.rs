use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Program, tool, tools};
use crate::support::catcher::{Catcher, Mail, Options};
use crate::support::gate::Gate;
use crate::support::smtp_client::send_mail;

fn browser(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(file)
}

/// A catcher with every hostile mail there is.
fn catcher() -> Catcher {
    let catcher = Catcher::start(Options::default());
    let mut files: Vec<PathBuf> = fs::read_dir(browser("mails")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        catcher.deliver(Mail::from_source(text.replace('\n', "\r\n")));
    }
    catcher
}

fn script(file: &str, arguments: &[&str]) {
    tool("playwright/node_modules/playwright-core/package.json");
    let mut script = Program::start(Command::new("node").arg(browser(file)).args(arguments).env("TEST_TOOLS", tools()));
    script.line("that was all");
    let status = script.wait();
    assert!(status.success(), "{file} {arguments:?}: {status}; what it found is below");
}

#[test]
fn no_hostile_mail_comes_to_anything_behind_the_gate() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    script("hostile.mjs", &["shut", &format!("http://dev.test:{}/", gate.addr().port()), "anna", "secret"]);
}

#[test]
fn the_same_mails_do_what_they_are_meant_to_without_the_gate() {
    let catcher = catcher();
    script("hostile.mjs", &["open", &format!("http://dev.test:{}/", catcher.http_addr().port()), "anna", "secret"]);
}

/// A mail with everything that mails have, opened by a person, who sees `mode` and is sent another mail meanwhile.
fn everything_is_shown(mode: &str) {
    tool("playwright/node_modules/playwright-core/package.json");
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(3);
    let text = fs::read_to_string(browser("shown.eml")).unwrap();
    catcher.deliver(Mail::from_source(text.replace('\n', "\r\n")));
    let gate = Gate::to(catcher.http_addr()).config(&format!("mail.remote_content = {mode:?}")).start();
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shown-{mode}.png"));
    let mut script = Program::start(
        Command::new("node")
            .arg(browser("shown.mjs"))
            .args([mode, &format!("http://dev.test:{}/", gate.addr().port()), "anna", "secret"])
            .arg(picture)
            .env("TEST_TOOLS", tools()),
    );
    let subject = script.line("send a mail:").expect("it gets through the mail");
    send_mail(catcher.smtp_addr(), &subject, "It came while the page was open.");
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");
}

#[test]
fn a_mail_looks_as_it_is_meant_to_and_the_page_works() {
    everything_is_shown("allow");
}

#[test]
fn with_remote_content_blocked_a_mail_asks_nobody_for_anything_and_what_came_with_it_is_shown() {
    everything_is_shown("block");
}

#[test]
fn with_remote_content_blocked_a_browser_may_connect_ahead_but_asks_for_nothing() {
    let catcher = Catcher::start(Options::default());
    let html = "<link rel=preconnect href=http://evil.test/><iframe src=http://evil.test/frame></iframe>\
        <img src=http://evil.test/pixel.svg><p>Nothing is loaded</p>";
    catcher.deliver(Mail::from_source(format!("Subject: Ahead\r\nContent-Type: text/html\r\n\r\n{html}\r\n")));
    let gate = Gate::to(catcher.http_addr()).config("mail.remote_content = \"block\"").start();
    script("ahead.mjs", &[&format!("http://dev.test:{}/", gate.addr().port()), "anna", "secret"]);
}
