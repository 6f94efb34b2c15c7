//! Mailpit and MailHog, as far as their documentation tells: neither can be installed by a test.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Mailpit,
    MailHog,
}

/// A running one, which ends with the process.
pub(crate) struct Double {
    pub(crate) addr: SocketAddr,
    state: Arc<State>,
}

struct State {
    dialect: Mutex<Dialect>,
    mails: Mutex<Vec<(String, String)>>,
    requests: Mutex<Vec<(String, String)>>,
}

impl Double {
    pub(crate) fn start(dialect: Dialect) -> Self {
        Self::start_at(dialect, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// The same at an address.
    pub(crate) fn start_at(dialect: Dialect, addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).unwrap();
        let addr = listener.local_addr().unwrap();
        let state =
            Arc::new(State { dialect: Mutex::new(dialect), mails: Mutex::default(), requests: Mutex::default() });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&serving);
                std::thread::spawn(move || serve(&state, &stream));
            }
        });
        Self { addr, state }
    }

    /// Is the other one from now on.
    pub(crate) fn turn_into(&self, dialect: Dialect) {
        *self.state.dialect.lock().unwrap() = dialect;
    }

    /// Puts a mail in.
    pub(crate) fn deliver(&self, subject: &str) {
        let mut mails = self.state.mails.lock().unwrap();
        let id = format!("x{subject}-{}", mails.len());
        let id =
            if *self.state.dialect.lock().unwrap() == Dialect::MailHog { format!("{id}=@mailhog.example") } else { id };
        mails.push((id, subject.to_owned()));
    }

    /// What it was asked for: the request line without the version, and the body.
    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        self.state.requests.lock().unwrap().clone()
    }
}

fn serve(state: &State, stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let line = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
        let body = String::from_utf8(body).unwrap();
        let (status, kind, text) = answer(state, &line, &body);
        state.requests.lock().unwrap().push((line, body));
        let head = format!("HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", text.len());
        let mut stream = stream;
        if stream.write_all((head + &text).as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(state: &State, line: &str, body: &str) -> (u16, &'static str, String) {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    let (start, limit): (usize, usize) = (asked("start").unwrap_or(0), asked("limit").unwrap_or(50));
    let mut mails = state.mails.lock().unwrap();
    let json = |value: Value| (200, "application/json", value.to_string());
    let time = |at: usize| format!("2026-11-23T08:24:{:02}.5Z", at % 60);
    // Newest first.
    let page = |mails: &[(String, String)], told: &dyn Fn(usize, &(String, String)) -> Value| {
        let page: Vec<Value> =
            mails.iter().enumerate().rev().skip(start).take(limit).map(|(at, mail)| told(at, mail)).collect();
        page
    };
    let dialect = *state.dialect.lock().unwrap();
    match (dialect, method, path) {
        (Dialect::Mailpit, "GET", "/") => {
            (200, "text/html", "<title>Mailpit</title><script src=\"dist/app.js\"></script>".to_owned())
        }
        (Dialect::MailHog, "GET", "/") => {
            (200, "text/html", "<title>MailHog</title><script src=\"js/controllers.js\"></script>".to_owned())
        }
        (Dialect::Mailpit, "GET", "/dist/app.js") | (Dialect::MailHog, "GET", "/js/controllers.js") => {
            (200, "text/javascript", String::new())
        }
        (Dialect::Mailpit, "GET", "/api/v1/info") => json(json!({ "Version": "v1.30.5", "Messages": mails.len() })),
        (Dialect::Mailpit, "GET", "/api/v1/messages") => {
            let told = |at, (id, subject): &(String, String)| json!({ "ID": id, "Subject": subject, "Size": 9, "Created": time(at) });
            json(json!({ "total": mails.len(), "start": start, "messages": page(&mails, &told) }))
        }
        (Dialect::Mailpit, "DELETE", "/api/v1/messages") => {
            let named: Value = serde_json::from_str(body).unwrap_or_default();
            let named: Vec<String> = serde_json::from_value(named["IDs"].clone()).unwrap_or_default();
            mails.retain(|(id, _)| !named.is_empty() && !named.contains(id));
            (200, "text/plain", "ok".to_owned())
        }
        (Dialect::MailHog, "GET", "/api/v2/messages") => {
            let told = |at, (id, subject): &(String, String)| {
                let headers = json!({ "Subject": [subject] });
                json!({ "ID": id, "Created": time(at), "Content": { "Headers": headers, "Size": 9 } })
            };
            json(json!({ "total": mails.len(), "count": 0, "start": start, "items": page(&mails, &told) }))
        }
        (Dialect::MailHog, "DELETE", "/api/v1/messages") => {
            mails.clear();
            (200, "text/plain", String::new())
        }
        (Dialect::MailHog, "DELETE", _) if path.starts_with("/api/v1/messages/") => {
            mails.retain(|(id, _)| !path.ends_with(id.as_str()));
            (200, "text/plain", String::new())
        }
        _ => (404, "text/plain", "404 page not found".to_owned()),
    }
}
