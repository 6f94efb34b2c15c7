use std::path::Path;
use std::process::Command;

use crate::demo::Demo;
use crate::process::{Program, tool, tools};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::Gate;
use crate::support::smtp_client::send_mail;

/// The script says what it wants done and ends with 0 when all that it looked for was there.
#[test]
fn the_inbox_lists_and_shows_mail_and_updates_without_reloading() {
    tool("playwright/node_modules/playwright-core/package.json");
    let demo = Demo::start();
    let mut script = Program::start(
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/inbox.mjs"))
            .args([&format!("http://dev.test:{}/", demo.gate.port()), &demo.user, &demo.password])
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("inbox.png"))
            .env("TEST_TOOLS", tools()),
    );
    let subject = script.line("send a mail:").expect("it gets to the inbox");
    send_mail(demo.smtp, &subject, "It came while the page was open.");
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");
}

#[test]
fn a_person_logs_in_by_the_form_sees_mail_arrive_and_logs_out_and_no_other_site_can() {
    tool("playwright/node_modules/playwright-core/package.json");
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(6);
    let state = tempfile::tempdir().unwrap();
    let config = format!("auth.login_page = true\nauth.realm = \"Mail of the team\"\nstate_dir = {:?}", state.path());
    let gate = Gate::to(catcher.http_addr()).config(&config).start();
    let picture = |name: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut script = Program::start(
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/login.mjs"))
            .args([&format!("http://dev.test:{}/", gate.addr().port()), "anna", "secret"])
            .args([picture("login-light.png"), picture("login-dark.png")])
            .env("TEST_TOOLS", tools()),
    );
    let subject = script.line("send a mail:").expect("it gets to the inbox");
    send_mail(catcher.smtp_addr(), &subject, "It came while the page was open.");
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");
}
