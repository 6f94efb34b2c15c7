//! How long does each step of a request take? `cargo bench --bench steps`
//!
//! The steps are called one by one, as `App::handle` calls them for a page's request with a browser's fields. Printed is
//! the least time of a hundred batches, which is nearest to the truth on a busy machine, in nanoseconds. What takes its
//! arguments for itself gets copies, and the time of making them stands beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and its answer is what it prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use mailwarden::access::Access;
use mailwarden::access_log::{AccessLog, Auth};
use mailwarden::auth::{AuthLimits, Authenticator, Credentials, Users};
use mailwarden::catcher::{self, Asked, Catcher as _, MailCatcher};
use mailwarden::client_addr::{self, Client, Peer};
use mailwarden::config::model::LogFormat;
use mailwarden::config::model::TrustedProxies;
use mailwarden::forward::headers::{self, Way};
use mailwarden::forward::outgoing::{Described, Outgoing, Rules};
use mailwarden::permission::{Permission, PermissionSet};
use mailwarden::{guard, path};

/// Calls in a batch, and batches.
const CALLS: u32 = 1_000;
const BATCHES: u32 = 100;

fn main() {
    let parts = request();
    let peer = Peer::tcp("192.0.2.7:40000".parse().unwrap());
    let client = credentials(&parts, peer);
    decisions(&parts, peer);
    fields(&parts, peer, client);
    line(&parts, peer);
}

/// What a browser sends for the list.
fn request() -> Parts {
    let request = Request::get("/messages/1.plain")
        .header("host", "dev.test:8080")
        .header("authorization", "Basic YW5uYTpzZWNyZXQ=")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header("accept", "application/json, text/javascript, */*; q=0.01")
        .header("accept-encoding", "gzip, deflate")
        .header("accept-language", "en")
        .header("x-requested-with", "XMLHttpRequest")
        .header("referer", "http://dev.test:8080/")
        .header("connection", "keep-alive");
    request.body(()).unwrap().into_parts().0
}

/// Who it is from.
fn credentials(parts: &Parts, peer: Peer) -> Client {
    let trust = TrustedProxies::default();
    print("client address", time(|| client_addr::client(peer, &parts.headers, &trust)));
    print("credentials, read", time(|| Credentials::from_headers(&parts.headers)));
    let gate = Authenticator::new(&AuthLimits::default()).unwrap();
    let users = Users::parse(b"anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // Within one run of the runtime, whose beginning and end are no part of a request.
    let least = runtime.block_on(async {
        let mut least = Duration::MAX;
        for _ in 0..BATCHES {
            let begun = Instant::now();
            for _ in 0..CALLS {
                black_box(gate.authenticate(&parts.headers, peer, &users, Instant::now()).await).unwrap();
            }
            least = least.min(begun.elapsed());
        }
        least
    });
    print("credentials, read and remembered", nanoseconds(least));
    client_addr::client(peer, &parts.headers, &trust)
}

/// What it asks for, and whether it may.
fn decisions(parts: &Parts, peer: Peer) {
    print("checks of the head", time(|| guard::check(parts).is_ok()));
    let slashes = MailCatcher.slashes();
    print("canonical path, as it is", time(|| path::canonical(black_box("/messages/1.plain"), slashes)));
    print("canonical path, escaped", time(|| path::canonical(black_box("/messages/%31.plain"), slashes)));
    let asked = Asked { method: &parts.method, path: parts.uri.path(), query: None, websocket: false };
    let action = || catcher::route(&MailCatcher, "", black_box(&asked)).unwrap();
    print("action, with its canonical path", time(action));
    let gate = Authenticator::new(&AuthLimits::default()).unwrap();
    let users = Users::parse(b"anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let identity = runtime.block_on(gate.authenticate(&parts.headers, peer, &users, Instant::now())).unwrap();
    let all = PermissionSet::EMPTY.with(Permission::View);
    let access = Access::new(all, [(b"bert".to_vec(), all)], all);
    print("permission, with an action and a copy of who it is", time(|| access.permit(identity.clone(), action())));
}

/// What the catcher and the client are told.
fn fields(parts: &Parts, peer: Peer, client: Client) {
    let value = headers::address_value(peer);
    let host = guard::host(parts);
    let user = HeaderValue::from_static("anna");
    let rules =
        Rules { is_handshake: false, takes_overrides: true, takes_cookies: false, described: Described::AsItCame };
    let authority = HeaderValue::from_static("127.0.0.1:1080");
    let sent = || {
        let way = Way { peer, peer_value: value.as_ref(), client, host: host.clone(), secured: false };
        let outgoing = Outgoing::new(&parts.headers, rules, &way, Some(user.clone()), &authority, None);
        let mut length = 0;
        outgoing.each(|name, value| length += name.as_str().len() + value.len());
        length
    };
    print("the request's fields, as they go", time(sent));
    let answer = Response::builder()
        .header("content-type", "application/json")
        .header("content-length", "1024")
        .header("x-content-type-options", "nosniff")
        .header("connection", "keep-alive")
        .header("server", "thin");
    let answer = answer.body(()).unwrap().into_parts().0.headers;
    print("a copy of the answer's fields", time(|| answer.clone()));
    let cleaned = || -> HeaderMap {
        let mut fields = answer.clone();
        headers::clean_answer(&mut fields);
        fields
    };
    print("the answer's fields, cleaned, with a copy", time(cleaned));
}

/// What is remembered of it.
fn line(parts: &Parts, peer: Peer) {
    for (name, format) in [("log line", LogFormat::Text), ("log line, JSON", LogFormat::Json)] {
        let log = AccessLog::to(std::io::sink(), format).unwrap();
        let request = Request::from_parts(parts.clone(), ());
        let user = HeaderValue::from_static("anna");
        let write = || {
            let mut record = log.start(&request, peer).unwrap();
            record.auth(Auth::Ok, Some(user.clone()));
            record.upstream(Duration::from_micros(300));
            record.answer(StatusCode::OK, "");
            record.sent(1024);
            record.ended();
        };
        // What nobody has read in time would be dropped, which costs less than a line.
        print(name, time_between(write, || log.flush(Duration::from_secs(5))));
        assert_eq!(log.dropped(), 0);
    }
}

/// The least time of a call over all batches, in nanoseconds.
fn time<T>(step: impl FnMut() -> T) -> f64 {
    time_between(step, || {})
}

/// The same, with something between two batches that is not measured.
fn time_between<T>(mut step: impl FnMut() -> T, mut between: impl FnMut()) -> f64 {
    let batches = (0..BATCHES).map(|_| {
        between();
        let begun = Instant::now();
        for _ in 0..CALLS {
            black_box(step());
        }
        begun.elapsed()
    });
    nanoseconds(batches.min().unwrap_or_default())
}

fn nanoseconds(batch: Duration) -> f64 {
    batch.as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn print(step: &str, nanoseconds: f64) {
    println!("{nanoseconds:>8.1} ns  {step}");
}
