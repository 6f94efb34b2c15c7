//! Listening sockets: every family, several at once, and files that are ours to remove or not.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate, binary};
use crate::support::patience::eventually;
use crate::support::raw::Client;

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

fn serves(mut client: Client) {
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

/// A gate that should not start; ended in any case.
struct Failing(Child);

impl Drop for Failing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its end and what it said.
fn refusal(dir: &Path, listen: &str) -> (ExitStatus, String) {
    let users = dir.join("htpasswd");
    let config = dir.join("mailwarden.toml");
    std::fs::write(&users, ANNA).unwrap();
    std::fs::write(&config, format!("listen = {listen}\nauth.users_file = {:?}\n", users.to_str().unwrap())).unwrap();
    let said = std::fs::File::create(dir.join("log")).unwrap();
    let mut command = binary();
    command.args(["serve", "--config"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    let mut gate = Failing(command.spawn().unwrap());
    let status = eventually("the gate to refuse", || gate.0.try_wait().unwrap());
    (status, std::fs::read_to_string(dir.join("log")).unwrap())
}

#[test]
fn ipv6_is_served_and_logged_as_such() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).listen(r#"["[::1]:0"]"#).start();
    assert!(gate.addr().is_ipv6());
    serves(gate.connect());
    gate.access_line(|line| line.contains("client=::1 "));
    assert_eq!(catcher.requests()[0].value("x-forwarded-for").unwrap(), "::1");
}

#[test]
fn the_same_port_in_both_families_is_two_listeners() {
    let catcher = catcher();
    // A port that the kernel found free in one family is taken from it in the other, unless somebody else was quicker.
    let gate = eventually("a port that is free in both families", || {
        let port = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        let other = TcpListener::bind(SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port)));
        drop(other.ok()?);
        Some(Gate::to(catcher.http_addr()).listen(&format!(r#"["[::]:{port}", "0.0.0.0:{port}"]"#)).start())
    });
    let port = gate.addr().port();
    assert_eq!(gate.addrs().len(), 2);
    serves(Client::connect(SocketAddr::from(([127, 0, 0, 1], port))));
    serves(Client::connect(format!("[::1]:{port}").parse().unwrap()));
    // Each came by its own: an IPv4 client is never ::ffff:127.0.0.1.
    gate.access_line(|line| line.contains("client=127.0.0.1 "));
    gate.access_line(|line| line.contains("client=::1 "));
}

#[test]
fn an_ipv6_listener_takes_no_ipv4() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).listen(r#"["[::]:0"]"#).start();
    let v4 = SocketAddr::from(([127, 0, 0, 1], gate.addr().port()));
    // Nobody else has the port, or the gate would not have got it: reuse is only for what is not listening.
    assert!(std::net::TcpStream::connect(v4).is_err());
    serves(Client::connect(format!("[::1]:{}", gate.addr().port()).parse().unwrap()));
}

#[test]
fn several_listeners_of_all_kinds_serve_at_once() {
    let catcher = catcher();
    let listen = r#"["127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "unix:DIR/a.sock", "unix:DIR/b.sock"]"#;
    let gate = Gate::to(catcher.http_addr()).listen(listen).start();
    for addr in gate.addrs() {
        serves(Client::connect(*addr));
    }
    for name in ["a.sock", "b.sock"] {
        serves(Client::connect_unix(&gate.dir().join(name)));
    }
    assert_eq!(catcher.requests().len(), 5);
}

#[test]
fn a_unix_socket_has_the_mode_that_is_configured() {
    let catcher = catcher();
    for (config, mode) in [("", 0o660), (r#"unix_socket_mode = "0606""#, 0o606)] {
        let gate = Gate::to(catcher.http_addr()).listen(r#"["unix:DIR/http.sock"]"#).config(config);
        let gate = gate.start();
        let path = gate.dir().join("http.sock");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        serves(Client::connect_unix(&path));
        gate.access_line(|line| line.contains("client=unix "));
    }
    assert_eq!(catcher.requests()[0].values("x-forwarded-for").len(), 0);
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let catcher = catcher();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("http.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let gate = Gate::to(catcher.http_addr()).listen(&format!(r#"["unix:{}"]"#, path.display())).start();
    serves(Client::connect_unix(&path));
    drop(gate); // killed: nobody cleans up
    assert!(path.exists());
    let _gate = Gate::to(catcher.http_addr()).listen(&format!(r#"["unix:{}"]"#, path.display())).start();
    serves(Client::connect_unix(&path));
}

#[test]
fn a_socket_that_another_process_listens_on_is_left_alone() {
    let catcher = catcher();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("http.sock");
    let _first = Gate::to(catcher.http_addr()).listen(&format!(r#"["unix:{}"]"#, path.display())).start();
    let (status, said) = refusal(dir.path(), &format!(r#"["unix:{}"]"#, path.display()));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains(&format!("cannot listen on unix:{}", path.display())), "{said}");
    assert!(said.contains("another program"), "{said}");
    serves(Client::connect_unix(&path));
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let (status, said) = refusal(dir.path(), &format!(r#"["unix:{}"]"#, path.display()));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("no socket"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");

    // Nor what a link of that name leads to.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let (status, _) = refusal(dir.path(), &format!(r#"["unix:{}"]"#, link.display()));
    assert_eq!(status.code(), Some(1));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

#[test]
fn at_its_end_a_socket_file_that_is_not_ours_any_more_stays() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).listen(r#"["unix:DIR/http.sock"]"#).start();
    let path = gate.dir().join("http.sock");
    // A successor has put its own there.
    std::fs::rename(&path, gate.dir().join("old.sock")).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(std::fs::symlink_metadata(&path).unwrap().file_type().is_socket());
}

#[test]
fn an_address_in_use_ends_it_with_1_and_a_word_about_who_it_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let (status, said) = refusal(dir.path(), &format!(r#"["{addr}"]"#));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains(&format!("cannot listen on {addr}")) && said.contains("nginx"), "{said}");
    assert!(!said.contains("listening"), "{said}");
}

#[test]
fn one_listener_that_cannot_be_is_none_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let (status, said) = refusal(dir.path(), &format!(r#"["unix:{}", "198.51.100.1:8080"]"#, socket.display()));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("does not have that address"), "{said}");
    assert!(!socket.exists(), "what was made is removed");
}

#[test]
fn a_port_is_taken_again_at_once_after_connections_were_open_on_it() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).start();
    let addr = gate.addr();
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    // The gate closes first, so that TIME_WAIT is on its side.
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(client.is_ended());
    drop(client);
    let gate = Gate::to(catcher.http_addr()).listen(&format!(r#"["{addr}"]"#)).start();
    serves(gate.connect());
}
