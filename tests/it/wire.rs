//! Whatever bytes come in, those that go out to the catcher are in the small grammar of the crate's documentation.
//!
//! Twice: many cases within this process, where nothing but the connections is left out, and fewer through the real
//! program. The bytes that arrive are read by a parser of their own (`support::grammar`).

mod hostile;
mod recorder;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use http::Request;
use http::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mailwarden::access_log::AccessLog;
use mailwarden::app::{App, Connected, Live};
use mailwarden::auth::{AuthLimits, Authenticator, Plaintext, Proven, Users};
use mailwarden::body::Body;
use mailwarden::client_addr::Peer;
use mailwarden::config::{self, Source};
use mailwarden::forward::tunnels::Tunnels;
use mailwarden::metrics::Metrics;
use mailwarden::session::Sessions;
use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::recorder::Recorder;
use crate::support::gate::{ANNA, Gate};
use crate::support::grammar::Grammar;
use crate::support::http2::frames;
use crate::support::patience::PATIENCE;

/// Each kind of gate: what it is configured with, and what it may send.
const KINDS: [(&str, &str, Grammar); 4] = [
    ("", "", Grammar { secure: false, generic: false, prefix: "", quit: false, user: "anna" }),
    (
        "access.default = [\"view\", \"delete\", \"clear\", \"quit\"]",
        "/mail",
        Grammar { secure: false, generic: false, prefix: "/mail", quit: true, user: "anna" },
    ),
    (
        "upstream.catcher = \"generic\"\nlimits.body = \"1KiB\"",
        "",
        Grammar { secure: false, generic: true, prefix: "", quit: true, user: "anna" },
    ),
    (
        "upstream.catcher = \"generic\"\naccess.default = [\"view\"]",
        "/mail",
        Grammar { secure: false, generic: true, prefix: "/mail", quit: false, user: "anna" },
    ),
];

/// How many connections' worth of bytes each kind of gate is sent; through the program, up to ten times as many until
/// enough of them told something.
const WITHIN: u32 = 1_500;
const THROUGH: u32 = 250;
const BY_HTTP2: u32 = 120;

/// The longest head that is read.
const HEAD: usize = 64 << 10;

/// The gate without its sockets: what a connection hands requests to.
fn app(dir: &Path, upstream: SocketAddr, config: &str, prefix: &str) -> Arc<App> {
    let users = dir.join("htpasswd");
    std::fs::write(&users, ANNA).unwrap();
    let file = dir.join("mailwarden.toml");
    let text = format!("workers = 1\nstate_dir = {dir:?}\nupstream.url = \"http://{upstream}{prefix}\"\n{config}\n");
    std::fs::write(&file, text).unwrap();
    let config = config::load(&Source { path: Some(file), ..Source::default() }).unwrap();
    let users = Users::load(&users, Plaintext::Refused).unwrap();
    let metrics = Arc::new(Metrics::new(SystemTime::now()).unwrap());
    let tunnels = Tunnels::new(TaskTracker::new(), CancellationToken::new(), Arc::clone(&metrics));
    Arc::new(App::new(
        &config.start,
        Live::new(&config.live, Arc::new(users), None, &config.start),
        Authenticator::new(&AuthLimits::default()).unwrap(),
        Sessions::new(&config.start.state_dir).unwrap(),
        AccessLog::off(),
        tunnels,
        metrics,
    ))
}

/// Has the gate read these bytes to their end, and waits until it has answered.
async fn served(app: &Arc<App>, bytes: &[u8]) {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let peer = Peer::Tcp(Ipv4Addr::LOCALHOST.into());
    let peer_value = Some(HeaderValue::from_static("127.0.0.1"));
    let (given, proven) = (Mutex::default(), Proven::default());
    let connected =
        Arc::new(Connected { peer, local: None, peer_value, worker: 0, secured: None, by_tls: false, given, proven });
    let app = Arc::clone(app);
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (app, connected) = (Arc::clone(&app), Arc::clone(&connected));
        async move {
            let request = request.map(|incoming| Body::stream(incoming, Some(PATIENCE)));
            Ok::<_, Infallible>(app.handle(request, &connected).await)
        }
    });
    let connection =
        http1::Builder::new().max_header_size(HEAD).serve_connection(TokioIo::new(server), service).with_upgrades();
    let talk = async {
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answers = Vec::new();
        let _ = client.read_to_end(&mut answers).await;
    };
    let both = async { tokio::join!(connection, talk) };
    let _ = tokio::time::timeout(PATIENCE, both).await.expect("every connection ends");
}

/// What has gone out, each checked; none of it may be anything else.
fn judge(recorder: &Recorder, grammar: &Grammar, kinds: &mut BTreeSet<String>) -> Result<(), TestCaseError> {
    let (requests, rests) = recorder.take();
    for request in requests {
        grammar.check(&request).map_err(TestCaseError::fail)?;
        let text = String::from_utf8_lossy(&request).into_owned();
        let handshake = if text.contains("\r\nupgrade: websocket\r\n") { " (handshake)" } else { "" };
        let body = if text.ends_with("\r\n\r\n") { "" } else { " (body)" };
        kinds.insert(format!("{}{handshake}{body}", text.lines().next().unwrap_or_default()));
    }
    // A body that breaks off takes its connection with it; a head never does.
    let broken = rests.iter().find(|rest| !grammar.generic || !rest.windows(4).any(|window| window == b"\r\n\r\n"));
    broken.map_or(Ok(()), |rest| Err(TestCaseError::fail(format!("no request: {:?}", String::from_utf8_lossy(rest)))))
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() })
}

/// How many kinds of request must have arrived for anything to be shown.
const TELLING: usize = 8;

/// What is missing for the bytes to have been worth anything: without requests that arrive nothing is shown.
fn missing(kinds: &BTreeSet<String>, grammar: &Grammar, least: usize) -> Option<String> {
    let seen = |what: &str| kinds.iter().any(|kind| kind.contains(what));
    let missing = match () {
        () if kinds.len() < least => "more kinds",
        () if !seen("(handshake)") => "a handshake",
        () if grammar.generic && grammar.quit && !seen("(body)") => "a body",
        () => return None,
    };
    Some(format!("{grammar:?}: {missing}, beside {kinds:?}"))
}

/// Goes on to the next case until `least` have been, and then until nothing is missing.
fn goes_on(case: u32, least: u32, kinds: &BTreeSet<String>, grammar: &Grammar) -> bool {
    let missing = missing(kinds, grammar, TELLING);
    assert!(case < 10 * least || missing.is_none(), "there never was {}", missing.unwrap_or_default());
    case < least || missing.is_some()
}

#[test]
fn whatever_comes_in_what_goes_out_is_in_the_grammar() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (config, prefix, grammar) in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let (recorder, upstream) = runtime.block_on(Recorder::start());
        let app = runtime.block_on(async { app(dir.path(), upstream, config, prefix) });
        let kinds = Mutex::new(BTreeSet::new());
        let result = runner(WITHIN).run(&hostile::bytes(prefix), |bytes| {
            runtime.block_on(served(&app, &bytes));
            judge(&recorder, &grammar, &mut kinds.lock().unwrap())
        });
        result.unwrap_or_else(|failure| panic!("{grammar:?}: {failure}"));
        assert_eq!(missing(&kinds.into_inner().unwrap(), &grammar, 15), None);
    }
}

#[test]
fn whatever_comes_in_to_the_program_what_goes_out_is_in_the_grammar() {
    for (config, prefix, grammar) in KINDS {
        let (recorder, upstream) = recorder();
        let gate = Gate::to_url(format!("http://{upstream}{prefix}")).config(config).start();
        let mut runner = runner(THROUGH);
        let mut kinds = BTreeSet::new();
        for case in 0.. {
            if !goes_on(case, THROUGH, &kinds, &grammar) {
                break;
            }
            let bytes = hostile::bytes(prefix).new_tree(&mut runner).unwrap();
            let bytes = proptest::strategy::ValueTree::current(&bytes);
            let mut client = gate.connect();
            // It may have had enough before all was sent.
            let _ = client.try_send(&bytes);
            client.finish().rest();
            judge(&recorder, &grammar, &mut kinds).unwrap_or_else(|failure| {
                panic!("{grammar:?}: {failure}\nby {:?}", String::from_utf8_lossy(&bytes));
            });
        }
    }
}

#[test]
fn whatever_comes_in_by_http2_what_goes_out_is_in_the_same_grammar() {
    for (config, prefix, grammar) in KINDS {
        let grammar = Grammar { secure: true, ..grammar };
        let (recorder, upstream) = recorder();
        let gate = Gate::to_url(format!("http://{upstream}{prefix}")).config(config).secure().start();
        let mut runner = runner(BY_HTTP2);
        let mut kinds = BTreeSet::new();
        for case in 0.. {
            if !goes_on(case, BY_HTTP2, &kinds, &grammar) {
                break;
            }
            let tree = hostile::frames(prefix).new_tree(&mut runner).unwrap();
            let (bytes, streams) = proptest::strategy::ValueTree::current(&tree);
            let mut client = frames::Client::connect(&gate, &[]);
            let _ = client.try_send(&bytes);
            let mut waiting: BTreeSet<u32> = (0..streams).map(|at| at * 2 + 1).collect();
            while !waiting.is_empty() {
                match client.next() {
                    Some(frame) if matches!(frame.kind, frames::HEADERS | frames::RST_STREAM) => {
                        _ = waiting.remove(&frame.stream)
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            drop(client);
            judge(&recorder, &grammar, &mut kinds).unwrap_or_else(|failure| {
                panic!("{grammar:?}: {failure}\nby {:?}", String::from_utf8_lossy(&bytes));
            });
        }
    }
}

/// A recorder on a thread of its own, which ends with the test's process.
fn recorder() -> (Recorder, SocketAddr) {
    let (sender, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(Recorder::start().await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    started.recv().unwrap()
}
