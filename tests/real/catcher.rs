//! A mail catcher of another kind, and the gate that stands before it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use socket2::{Domain, Socket, Type};

use crate::process::{Program, tool, tools};
use crate::support::gate::Gate;
use crate::support::kind::Kind;
use crate::support::patience::eventually;
use crate::support::raw::Client;
use crate::support::smtp_client::send_html;

/// A running catcher.
pub(crate) struct Catcher {
    _program: Program,
    _held: [Socket; 2],
    pub(crate) http: SocketAddr,
    pub(crate) smtp: SocketAddr,
}

impl Catcher {
    /// Starts the command that is made for an HTTP and an SMTP port, and waits until it listens on both.
    pub(crate) fn start(command: impl FnOnce(u16, u16) -> Command) -> Self {
        let held = [held_port(), held_port()];
        let [http, smtp] = held.each_ref().map(|socket| socket.local_addr().unwrap().as_socket().unwrap());
        let mut program = Program::start(&mut command(http.port(), smtp.port()));
        eventually("the catcher to listen", || {
            assert!(program.ended().is_none(), "the catcher ended before it listened");
            (TcpStream::connect(http).is_ok() && TcpStream::connect(smtp).is_ok()).then_some(())
        });
        Self { _program: program, _held: held, http, smtp }
    }

    /// A gate before it, which knows nothing of its routes.
    pub(crate) fn behind_a_gate(&self) -> Gate {
        Gate::to(self.http).config(r#"upstream.catcher = "generic""#).start()
    }
}

/// A port for a program that cannot be told to take any and to say which.
///
/// It stays bound here for as long as the program runs. Both sides say that the address may be used again and only the
/// program listens, so Linux lets it bind too, and gives the port to nobody else in between. Without that the test's
/// own knocking could take it: a connection to a port that is free may get that very port for its own end.
fn held_port() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket
}

/// Reads up to the end of `wanted`, which comes while its answer goes on.
pub(crate) fn read_until(client: &mut Client, wanted: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(wanted.as_bytes()) {
        let byte = client.read(1);
        assert!(!byte.is_empty(), "it ended before {wanted:?}: {}", String::from_utf8_lossy(&read));
        read.extend(byte);
    }
    String::from_utf8(read).unwrap()
}

/// A mail with a script is shown by the catcher's own page in Chromium, and runs nowhere: not in the page, and not in tabs
/// of its own at the first two paths, where `ID` stands for its id in the list, the third. Its picture of another server is
/// asked for with `allow` only.
pub(crate) fn a_mail_is_shown_and_its_script_runs_nowhere(
    kind: &Kind,
    catcher: &Catcher,
    mode: &str,
    paths: [&str; 3],
) {
    tool("playwright/node_modules/playwright-core/package.json");
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = format!("http://elsewhere.test:{}/x.png", elsewhere.local_addr().unwrap().port());
    elsewhere.set_nonblocking(true).unwrap();
    let config = format!("upstream.catcher = {:?}\nmail.remote_content = {mode:?}", kind.name);
    let gate = Gate::to(catcher.http).config(&config).start();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/kinds.mjs");
    let url = format!("http://dev.test:{}/", gate.addr().port());
    let mut script = Program::start(
        Command::new("node").arg(file).args([url.as_str(), "anna", "secret"]).args(paths).env("TEST_TOOLS", tools()),
    );
    script.line("send a mail").expect("it opens the page");
    send_html(
        catcher.smtp,
        "a mail with a script",
        &format!(
            "<html><head></head><body><p>It is shown.</p><script>tellThatItRan(location.href)</script>\
             <img src=\"data:image/png,x\" onerror=\"tellThatItRan('handler')\"><img src=\"{remote}\"></body></html>"
        ),
    );
    if mode == "allow" {
        // Nobody answers there, so nothing is waited for but that it is asked.
        drop(eventually("the picture to be asked for", || elsewhere.accept().ok()));
        drop(elsewhere);
        script.line("that was all");
    } else {
        script.line("that was all");
        assert!(elsewhere.accept().is_err(), "nobody else learns that it was opened");
    }
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");
}
