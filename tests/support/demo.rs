//! A try without installing anything: the gate in front of a made-up catcher that holds six made-up mails.
//!
//! `cargo run --release --example demo` prints an address, a user and a password, and how to send a mail. Everything
//! is in memory and ends with Ctrl-C. `--port N` asks for another port, `--catcher-only` leaves the gate out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a demo that cannot go on should stop")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the person who started it")]

mod catcher;
mod samples;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use catcher::{Catcher, Options};
use mailwarden::config::{self, Flag, Source};
use mailwarden::net::inherited::Inherited;
use mailwarden::{daemon, logging};

const USER: &str = "demo";
const GATE_PORT: u16 = 8080;
const SMTP_PORT: u16 = 1025;

fn main() -> ExitCode {
    let wanted = match Wanted::from_args(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(reason) => {
            eprintln!("{reason}\n\nusage: cargo run --release --example demo [-- [--port N] [--catcher-only]]");
            return ExitCode::from(2);
        }
    };
    let smtp = local(free_port_or_any(SMTP_PORT));
    let catcher = Catcher::start(Options { smtp, ..Options::default() });
    for mail in samples::six() {
        catcher.deliver(mail);
    }
    if wanted.catcher_only {
        println!("the catcher, with nothing in front of it: http://{}/", catcher.http_addr());
        print_how_to_send(&catcher);
        wait_for_quit(&catcher);
        return ExitCode::SUCCESS;
    }

    let port = free_port_or_any(wanted.port);
    if port != wanted.port {
        println!("Port {} is taken, so the gate gets another one.\n", wanted.port);
    }
    let password = new_password();
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let users_file = directory.path().join("users");
    std::fs::write(&users_file, users_line(USER, &password)).expect("the users file can be written");

    let listen = local(if port == 0 { any_free_port() } else { port });
    let source = gate_source(catcher.http_addr(), &users_file, listen);
    let config = match config::load(&source) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::FAILURE;
        }
    };
    println!("  inbox     http://{listen}/");
    println!("  user      {USER}");
    println!("  password  {password}");
    println!();
    println!("The catcher behind the gate is at http://{}/ and asks nobody for a password.", catcher.http_addr());
    print_how_to_send(&catcher);
    println!();
    // The gate as the daemon runs it, in this process. It ends with Ctrl-C, and the catcher with it.
    let log = logging::start(&config.start.log).expect("a thread can be started");
    let ended = daemon::run(daemon::Start { source, config, inherited: Inherited::default() });
    log.flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// What `mailwarden serve --listen … --upstream … --users-file … --status-listen off` says.
fn gate_source(catcher: SocketAddr, users_file: &Path, listen: SocketAddr) -> Source {
    let flag = |name, value: String| Flag { name, value };
    Source {
        flags: vec![
            flag("listen", listen.to_string()),
            flag("upstream", format!("http://{catcher}")),
            flag("users-file", users_file.display().to_string()),
            flag("status-listen", "off".to_owned()),
        ],
        ..Source::default()
    }
}

fn print_how_to_send(catcher: &Catcher) {
    let smtp = catcher.smtp_addr();
    println!();
    println!("Send a mail and see it arrive:");
    println!();
    println!("  printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | \\");
    println!("    curl smtp://{smtp} --mail-from you@example.com --mail-rcpt me@example.com --upload-file -");
    println!();
    println!("Ctrl-C ends it all.");
}

/// Returns when the catcher was told to quit; Ctrl-C ends the process.
fn wait_for_quit(catcher: &Catcher) {
    while !catcher.wait_until(std::time::Duration::from_secs(1), |state| state.quit) {}
    println!("the catcher was told to quit");
}

fn new_password() -> String {
    let mut bytes = [0; 9];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn users_line(user: &str, password: &str) -> String {
    let hash = Argon2::default().hash_password(password.as_bytes()).expect("a short password can be hashed");
    format!("{user}:{hash}\n")
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The port when nobody has it, else 0: whatever the system gives.
fn free_port_or_any(port: u16) -> u16 {
    if TcpListener::bind(local(port)).is_ok() { port } else { 0 }
}

fn any_free_port() -> u16 {
    TcpListener::bind(local(0)).and_then(|socket| socket.local_addr()).expect("the system has a free port").port()
}

struct Wanted {
    port: u16,
    catcher_only: bool,
}

impl Wanted {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Wanted, String> {
        let mut wanted = Wanted { port: GATE_PORT, catcher_only: false };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--port" => {
                    let text = args.next().ok_or("--port wants a number")?;
                    wanted.port = text.parse().map_err(|_| format!("{text} is not a port"))?;
                }
                "--catcher-only" => wanted.catcher_only = true,
                other => return Err(format!("{other} is not known here")),
            }
        }
        Ok(wanted)
    }
}
