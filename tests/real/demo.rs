use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::process::Program;
use crate::support::raw::Client;
use crate::support::smtp_client::send_mail;

/// How often it is started.
const TRIES: usize = 5;

/// The README's first command, and what it printed.
pub(crate) struct Demo {
    _program: Program,
    pub(crate) gate: SocketAddr,
    pub(crate) smtp: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Demo {
    /// Starts it on ports that nobody else has; another try if somebody takes one that it has just found free.
    pub(crate) fn start() -> Self {
        let started = std::iter::repeat_with(Self::try_start).take(TRIES).flatten().next();
        started.expect("the demo ended before it listened, every time; its reason is above")
    }

    fn try_start() -> Option<Self> {
        let mut program = Program::start(Command::new(example("demo")).args(["--port", "0"]));
        let inbox = program.line("inbox  ")?;
        let gate = inbox.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        let user = program.line("user  ")?;
        let password = program.line("password  ")?;
        let smtp = program.line("curl smtp://")?.split(' ').next()?.parse().unwrap();
        program.line("listening addr=")?;
        Some(Self { _program: program, gate, smtp, user, password })
    }

    fn login(&self) -> String {
        format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }

    fn subjects(&self) -> Vec<String> {
        let answer = Client::connect(self.gate).request("GET /messages", &self.login());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list: Value = serde_json::from_slice(&answer.body).unwrap();
        list.as_array().unwrap().iter().map(|mail| mail["subject"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// An example that cargo built with this test: `cargo test` and `cargo nextest run` build all of them.
fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).expect("cargo puts tests two levels deep");
    let example = profile.join("examples").join(name);
    assert!(example.exists(), "{} is missing: cargo build --examples", example.display());
    example
}

#[test]
fn its_address_wants_the_login_that_it_prints() {
    let demo = Demo::start();
    assert_eq!(Client::connect(demo.gate).request("GET /messages", "").status, 401);
    assert!(!demo.subjects().is_empty(), "it holds sample mails");
}

#[test]
fn its_smtp_address_takes_mail() {
    let demo = Demo::start();
    send_mail(demo.smtp, "sent as it says", "text");
    assert!(demo.subjects().iter().any(|subject| subject == "sent as it says"), "{:?}", demo.subjects());
}
