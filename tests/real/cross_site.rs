//! Another site's page in the browser of somebody who is logged in, by names that are not loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use crate::process::{Program, tool, tools};
use crate::support::catcher::{Catcher, Options, Script};
use crate::support::gate::Gate;

/// A site that has nothing but an empty page; it ends with the test's process.
fn site() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let page = "<!doctype html><title>another site</title><body><p>another site</p>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    addr
}

/// Has the browser try it all on a gate with this configuration, which lets pages of `app.dev.test` in.
fn tried(catcher: &Catcher, config: &str) -> Gate {
    tool("playwright/node_modules/playwright-core/package.json");
    let site = site();
    let [allowed, far, near, nearest] =
        ["app.dev.test", "evil.test", "evil.dev.test", "dev.test"].map(|name| format!("http://{name}:{}", site.port()));
    let gate = Gate::to(catcher.http_addr()).config(&format!("allowed_origins = [{allowed:?}]\n{config}")).start();
    let mut script = Program::start(
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/cross_site.mjs"))
            .args([
                &format!("http://dev.test:{}/", gate.addr().port()),
                "anna",
                "secret",
                &allowed,
                &far,
                &near,
                &nearest,
            ])
            .env("TEST_TOOLS", tools()),
    );
    script.line("the hostile page:").expect("it tries");
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");
    // The password was there: what stopped it is where it came from.
    let refused: Vec<_> =
        gate.access_log().into_iter().filter(|line| line.contains("reason=\"another site\"")).collect();
    assert!(refused.iter().any(|line| line.contains("user=\"anna\"")), "{refused:?}");
    gate
}

#[test]
fn another_sites_page_clears_nothing_reads_nothing_and_opens_no_socket_and_an_allowed_one_does() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(5);
    drop(tried(&catcher, "access.default = [\"view\", \"delete\", \"clear\", \"quit\"]"));
    assert_eq!(catcher.message_ids(), [2, 3, 4, 5], "what the allowed page deleted is gone");
    let changes: Vec<_> = catcher.requests().into_iter().filter(|asked| asked.method != "GET").collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(!catcher.has_quit());
}

#[test]
fn before_a_generic_catcher_another_sites_form_writes_nothing() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(5);
    let stream = [("Content-Type", "text/event-stream")];
    catcher.always("GET /events", Script::reply("200 OK", &stream, "data: x\n\n"));
    let gate = tried(&catcher, "upstream.catcher = \"generic\"");
    gate.access_line(|line| line.contains("path=\"/events\"") && line.contains("reason=\"another site\""));
    assert_eq!(catcher.message_ids(), [2, 3, 4, 5]);
    let changes: Vec<_> = catcher.requests().into_iter().filter(|asked| asked.method != "GET").collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    gate.access_line(|line| line.contains("method=POST") && line.contains("reason=\"another site\""));
}
