//! HTTP/2 as RFC 9113 has it, by the cases of h2spec's successor httpwg.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tokio::net::TcpListener;

use crate::process::tool;
use crate::support::catcher::{Catcher, Options, Script};
use crate::support::gate::Gate;
use crate::support::secure;

/// Where the gate does something else than a case asks for, and what.
const OTHERWISE: &[(&str, &[&str])] = &[
    (
        "the library ends the connection for it as it should, and calls every such error PROTOCOL_ERROR",
        &[
            "invalid header block fragment",
            "closed sends headers frame",
            "closed sends headers frame after rst stream",
            "half closed remote sends data frame",
            "half closed remote sends headers frame",
            "sends data frame on invalid stream state",
            "sends ping frame with invalid length",
            "sends priority frame with invalid length",
            "sends rst stream frame with invalid length",
            "sends settings frame with ack and payload",
            "sends settings frame with invalid length",
            "sends settings initial window size with exceeded max window size value",
            "sends settings initial window size with invalid value",
            "sends window update frame with invalid length",
        ],
    ),
    (
        "it is answered 400 or 405 and goes no further, where a case takes a reset only",
        &[
            "sends connect without authority",
            "sends headers frame with leading space in field value",
            "sends headers frame with mismatched host authority",
            "sends headers frame with trailing tab in field value",
        ],
    ),
    ("what follows a body is dropped unread", &["sends headers frame with pseudo header in trailer"]),
    (
        "the case never ends its PUSH_PROMISE (END_HEADERS), and the library waits for the rest",
        &["client sends push promise frame"],
    ),
];

/// Passes on to the gate what comes in clear text, for a client that knows no TLS.
async fn pass_on(listener: TcpListener, gate: SocketAddr) {
    while let Ok((mut plain, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut secure = secure::connect(gate, &["h2"]).await;
            // What one side ends, in whatever way, ends for the other.
            let _ = tokio::io::copy_bidirectional(&mut plain, &mut secure).await;
        });
    }
}

#[tokio::test]
async fn every_case_is_met_but_those_that_are_listed() {
    let suite = tool("httpwg/bin/httpwg");
    let catcher = Catcher::start(Options::default());
    catcher.always("POST /", Script::reply("200 OK", &[("Content-Type", "text/plain")], "taken"));
    // So that requests get as far as they can.
    let open = "upstream.catcher = \"generic\"\nhosts = [\"localhost\"]\nauth.anonymous_from = [\"127.0.0.0/8\"]\n\
        access.anonymous = [\"view\", \"write\"]";
    let gate = Gate::to(catcher.http_addr()).config(open).secure().start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(pass_on(listener, gate.addr()));
    let mut command = Command::new(suite);
    command.args(["--connect-timeout", "10000", "--frame-timeout", "2000", "--address", &address]);
    command.envs([("SEQUENTIAL", "1"), ("RUST_LOG", "error"), ("BUFFET_NUM_BUFS", "4096"), ("RUST_BACKTRACE", "0")]);
    let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let cases = |label: &str| {
        let named = said.lines().filter_map(|line| line.split_once(label)?.1.rsplit(" :: ").next());
        let mut named: Vec<String> = named.map(|name| name.trim().to_owned()).collect();
        named.sort();
        named
    };
    let (met, otherwise) = (cases("Test passed: "), cases("Test failed: "));
    let mut expected: Vec<&str> = OTHERWISE.iter().flat_map(|(_, names)| *names).copied().collect();
    expected.sort_unstable();
    assert_eq!(otherwise, expected, "{said}");
    assert_eq!(met.len() + otherwise.len(), 107, "{said}");
}
