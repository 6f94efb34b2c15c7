//! The nginx block that most people run in front of MailCatcher, as every guide has it: what the README says of it is so.
//!
//! The catcher behind it is the stand-in of the tests, which has the real one's quirks.

use std::path::Path;
use std::process::Command;

use crate::process::Program;
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::{Answer, Client};

/// A running nginx, and the folder of its files.
struct Nginx {
    _program: Program,
    dir: tempfile::TempDir,
}

impl Nginx {
    /// Starts it in front of the catcher, with more lines in the block.
    fn start(catcher: &Catcher, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        std::fs::write(dir.path().join("htpasswd"), ANNA).unwrap();
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
             http {{ access_log {at}/access.log combined;\n\
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
             uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             server {{ listen unix:{at}/socket;\n\
               location / {{\n\
                 auth_basic \"Restricted\"; auth_basic_user_file {at}/htpasswd;\n\
                 proxy_pass http://{};\n\
                 proxy_set_header Host $host;\n\
                 proxy_set_header X-Real-IP $remote_addr;\n\
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
                 {more}\n\
               }} }} }}\n",
            catcher.http_addr()
        );
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let program = Program::start(Command::new("/usr/sbin/nginx").arg("-c").arg(&file).args(["-e", "stderr"]));
        let nginx = Self { _program: program, dir };
        eventually("nginx to listen", || {
            let socket = nginx.at("socket");
            (socket.exists() && std::os::unix::net::UnixStream::connect(socket).is_ok()).then_some(())
        });
        nginx
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.dir.path()).join(name)
    }

    /// Asks as anna does, by a name with a port.
    fn ask(&self, line: &str, fields: &str) -> Answer {
        Client::connect_unix(&self.at("socket")).request(line, &format!("{AS_ANNA}{fields}"))
    }
}

const EVIL: &str = "Origin: http://evil.test\r\n";

/// A handshake.
const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn the_usual_block_does_what_the_readme_says_of_it() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(5);
    let nginx = Nginx::start(&catcher, "");
    let last = || catcher.requests().pop().unwrap();

    let unknown = Client::connect_unix(&nginx.at("socket")).request("GET /messages", "");
    assert_eq!(unknown.status, 401);
    assert!(catcher.requests().is_empty(), "it asks for a password");

    let list = nginx.ask(
        "GET /messages",
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-User: root\r\nRemote-User: root\r\nSome_Name: 1\r\nTE: trailers\r\n",
    );
    assert_eq!((list.status, list.field("cache-control")), (200, None), "caches may keep mail");
    let seen = last();
    assert!(seen.value("authorization").is_some(), "the password goes on to the catcher");
    assert_eq!(seen.value("host").as_deref(), Some("dev.test"), "the port is lost");
    assert!(seen.value("x-forwarded-for").unwrap().starts_with("6.6.6.6"), "what a client says goes first");
    assert_eq!(seen.value("x-forwarded-user").as_deref(), Some("root"));
    assert_eq!(seen.value("remote-user").as_deref(), Some("root"));
    assert_eq!((seen.value("some_name"), seen.value("te")), (None, None));

    // No live updates: the handshake arrives as an ordinary request.
    assert_eq!(nginx.ask("GET /messages", HANDSHAKE).status, 200);
    assert_eq!((last().value("upgrade"), catcher.open_sockets()), (None, 0));

    assert_eq!(nginx.ask("TRACE /", "").status, 405);
    let before = catcher.requests().len();
    assert_eq!(nginx.ask("POST /messages", "Content-Length: 0\r\n").status, 404);
    assert_eq!(catcher.requests().len(), before + 1, "methods that the catcher does not have go on to it");

    assert_eq!(nginx.ask("DELETE /messages/1", EVIL).status, 204, "another site's page deletes");
    assert_eq!(nginx.ask("DELETE /messages/2abc", "").status, 204, "2abc is 2 to MailCatcher");
    let rebound = Client::connect_unix(&nginx.at("socket"))
        .send(format!("DELETE /messages/3 HTTP/1.1\r\nHost: evil.test\r\nOrigin: http://evil.test\r\n{AS_ANNA}\r\n"))
        .answer();
    assert_eq!(rebound.status, 204, "under any name");
    assert_eq!(catcher.message_ids(), [4, 5]);
    assert_eq!(nginx.ask("DELETE /messages", EVIL).status, 204, "and clears");

    // "hunter2:", whose name is a password that somebody typed in the wrong place.
    let typed = "Authorization: Basic aHVudGVyMjo=\r\n";
    assert_eq!(Client::connect_unix(&nginx.at("socket")).request("GET /", typed).status, 401);
    for _ in 0..30 {
        let wrong = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
        assert_eq!(
            Client::connect_unix(&nginx.at("socket")).request("GET /", wrong).status,
            401,
            "as often as one likes"
        );
    }
    eventually("the line of the log", || {
        std::fs::read_to_string(nginx.at("access.log")).unwrap().contains("hunter2").then_some(())
    });

    nginx.ask("DELETE /messages/%2e%2e", "");
    assert!(catcher.wait_until(PATIENCE, |state| state.quit), "everybody who is logged in can end the catcher");
    eventually("its 502", || (nginx.ask("GET /", "").status == 502).then_some(()));
}

#[test]
fn its_usual_mendings_leave_these_open() {
    // With the lines for WebSockets: every site's.
    let catcher = Catcher::start(Options::default());
    let sockets =
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";";
    let nginx = Nginx::start(&catcher, sockets);
    let mut socket = Client::connect_unix(&nginx.at("socket"));
    assert_eq!(socket.request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}{EVIL}")).status, 101);
    std::fs::write(nginx.at("htpasswd"), "").unwrap();
    assert_eq!(nginx.ask("GET /messages", "").status, 401, "a changed file holds at once");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    catcher.send_text_to_sockets("still here");
    assert!(socket.read(12).ends_with(b"still here"), "but whoever is in stays in");
    std::fs::write(nginx.at("htpasswd"), ANNA).unwrap();
    let old = nginx.ask("GET /messages", &HANDSHAKE.replace("websocket", "anything"));
    assert_ne!(old.status, 101);
    assert_eq!(catcher.requests().pop().unwrap().value("upgrade").as_deref(), Some("anything"));

    // With a rule against quitting: one of its spellings.
    let rule = "set $what $request_method:$uri; if ($what = DELETE:/) { return 403; }";
    let nginx = Nginx::start(&catcher, rule);
    assert_eq!(nginx.ask("DELETE /", "").status, 403);
    assert_eq!(nginx.ask("DELETE /messages/%2e%2e", "").status, 403);
    assert!(!catcher.has_quit());
    nginx.ask("DELETE /\\", "");
    assert!(catcher.wait_until(PATIENCE, |state| state.quit));
}
