//! HTTP/2 by the programs that people use: curl, nghttp2's load generator, Python's httpx, Chromium.

use std::path::Path;
use std::process::Command;

use crate::process::{Program, tool, tools};
use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::Gate;

const ANNA: &str = "anna:secret";

/// What curl says of a request: the version, the status and, in brackets, what went wrong.
fn curl(gate: &Gate, path: &str, more: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--insecure", "--http2", "--max-time", "20", "--output", "/dev/null"])
        .args(["--write-out", "%{http_version} %{http_code} [%{errormsg}]"])
        .args(more)
        .arg(format!("https://{}{path}", gate.addr()))
        .output()
        .expect("tests/run installs curl");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn curl_reads_uploads_and_is_refused() {
    let catcher = Catcher::start(Options::default());
    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), vec![b'x'; 900_000]).unwrap();
    let large = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(large.path(), vec![b'x'; 3_000_000]).unwrap();
    let of = |file: &tempfile::NamedTempFile| format!("@{}", file.path().display());
    let (upload, large) = (of(&upload), of(&large));
    let gate = Gate::to(catcher.http_addr()).config("upstream.catcher = \"generic\"").secure().start();
    catcher.always("POST /", Script::reply("200 OK", &[], "ok"));
    for (more, said) in [
        (&["--user", ANNA][..], "2 200 []"),
        (&["--user", ANNA, "--head"], "2 200 []"),
        (&[], "2 401 []"),
        (&["--user", ANNA, "--data-binary", &upload], "2 200 []"),
        (&["--user", ANNA, "--data-binary", &large], "2 413 []"),
        (&["--user", "anna:wrong", "--data-binary", &large], "2 401 []"),
    ] {
        assert_eq!(curl(&gate, "/", more), said, "{more:?}");
    }
}

#[test]
fn h2load_gets_every_answer() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).secure().start();
    let output = Command::new("h2load")
        .args(["-n", "1000", "-c", "4", "-m", "50", "-H", "authorization: Basic YW5uYTpzZWNyZXQ="])
        .arg(format!("https://{}/favicon.ico", gate.addr()))
        .output()
        .expect("tests/run installs h2load");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("1000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(said.contains("Application protocol: h2"), "{said}");
}

#[test]
fn httpx_asks_for_many_at_once() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).secure().start();
    let script = "import asyncio, httpx, sys\n\
                  async def main():\n\
                  \x20   async with httpx.AsyncClient(http2=True, verify=False, auth=('anna', 'secret')) as client:\n\
                  \x20       answers = await asyncio.gather(*[client.get(sys.argv[1]) for _ in range(80)])\n\
                  \x20       print({(one.http_version, one.status_code, 'Hello' in one.text) for one in answers})\n\
                  asyncio.run(main())\n";
    let output = Command::new(tool("http2/bin/python"))
        .args(["-c", script, &format!("https://{}/messages", gate.addr())])
        .output()
        .unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), "{('HTTP/2', 200, True)}", "{complaint}");
}

#[test]
fn chromiums_page_and_its_socket_come_by_http2() {
    tool("playwright/node_modules/playwright-core/package.json");
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).secure().start();
    let mut script = Program::start(
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/http2.mjs"))
            .arg(format!("https://dev.test:{}/", gate.addr().port()))
            .env("TEST_TOOLS", tools()),
    );
    while let Some(subject) = script.next("do: mail: ") {
        catcher.deliver(Mail::new(&subject));
    }
    assert!(script.wait().success());
    assert_eq!(script.said(|line| line.starts_with("by: ")), ["by: h2"]);
    // RFC 8441, as Chromium does it where a connection says that it may.
    gate.access_line(|line| line.contains("status=101") && line.contains("version=HTTP/2.0"));
    assert!(!gate.access_log().iter().any(|line| line.contains("HTTP/1")));
}
