//! Listening sockets: addresses of both families, Unix sockets, and every reason not to start.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate, binary};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;

/// Starts a gate that must not start: its exit code, and what it says on standard error.
fn refused(listen: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("htpasswd");
    std::fs::write(&users, ANNA).unwrap();
    let mut command = binary();
    command.args(["serve", "--upstream", "http://127.0.0.1:9", "--users-file"]).arg(&users);
    for listen in listen {
        command.args(["--listen", listen]);
    }
    // No configuration file of the machine's own.
    let config = dir.path().join("mailwarden.toml");
    std::fs::write(&config, "").unwrap();
    command.arg("--config").arg(&config);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("the gate started");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(out, "", "standard output is the access log's");
    (status.code(), err)
}

fn is_served(mut client: Client) {
    assert_eq!(client.request("GET /messages", "").status, 401);
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[test]
fn ipv4_and_ipv6_and_several_at_once_are_served() {
    let catcher = Catcher::start(Options::default());
    let listen = r#"["127.0.0.1:0", "[::1]:0", "127.0.0.2:0", "unix:DIR/one.sock", "unix:DIR/two.sock"]"#;
    let gate = Gate::to(catcher.http_addr()).listen(listen).start();
    assert_eq!(gate.addrs().len(), 3);
    for &addr in gate.addrs() {
        is_served(Client::connect(addr));
    }
    for name in ["one.sock", "two.sock"] {
        is_served(Client::connect_unix(&gate.dir().join(name)));
    }
    eventually("the lines of all", || (gate.access_log().len() == 10).then_some(()));
    let from = |client: &str| gate.access_log().iter().filter(|line| line.contains(client)).count();
    // Whoever connects to 127.0.0.2 does so from 127.0.0.1.
    assert_eq!((from("client=127.0.0.1 "), from("client=::1 "), from("client=unix ")), (4, 2, 4));
}

/// A pair of listeners as in the default, with one port.
#[test]
fn one_port_can_be_had_on_every_address_of_both_families() {
    let catcher = Catcher::start(Options::default());
    // A port that the kernel gives for IPv4 may be taken on IPv6.
    let port = eventually("a port that is free for both", || {
        let v4 = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        socket.set_only_v6(true).unwrap();
        let v6: SocketAddr = format!("[::]:{port}").parse().unwrap();
        socket.bind(&v6.into()).is_ok().then_some(port)
    });
    let listen = format!(r#"["0.0.0.0:{port}", "[::]:{port}"]"#);
    let gate = Gate::to(catcher.http_addr()).listen(&listen).start();
    is_served(Client::connect(SocketAddr::from(([127, 0, 0, 1], port))));
    is_served(Client::connect(format!("[::1]:{port}").parse().unwrap()));
    // Not ::ffff:127.0.0.1, which rules for IPv4 addresses would not fit.
    gate.access_line(|line| line.contains("client=127.0.0.1 status=200"));
    gate.access_line(|line| line.contains("client=::1 status=200"));
}

#[test]
fn an_ipv6_address_takes_no_ipv4_connection() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).listen(r#"["[::]:0"]"#).start();
    is_served(Client::connect(format!("[::1]:{}", gate.addr().port()).parse().unwrap()));
    assert!(TcpStream::connect(("127.0.0.1", gate.addr().port())).is_err());
}

#[test]
fn a_unix_socket_is_served_and_has_no_address_in_the_log() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).listen(r#"["unix:DIR/gate.sock"]"#).config("workers = 2").start();
    let path = gate.dir().join("gate.sock");
    // On both workers.
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect_unix(&path)).collect();
    for client in &mut clients {
        assert_eq!(client.request("GET /messages", "").status, 401);
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
    gate.access_line(|line| line.contains("client=unix status=401 auth=no-credentials"));
    gate.access_line(|line| line.contains("client=unix status=200 auth=ok"));
    gate.log_line(&format!("listening addr=unix:{}", path.display()));
}

#[test]
fn a_unix_sockets_mode_is_what_was_asked_for() {
    let catcher = Catcher::start(Options::default());
    for (config, mode) in [("", 0o660), ("unix_socket_mode = \"0600\"", 0o600), ("unix_socket_mode = \"0666\"", 0o666)]
    {
        // The mask must not have its say.
        let runner = ["sh", "-c", "umask 077; exec \"$0\" \"$@\""];
        let listen = r#"["unix:DIR/gate.sock"]"#;
        let gate = Gate::to(catcher.http_addr()).listen(listen).config(config).run_by(&runner).start();
        let path = gate.dir().join("gate.sock");
        // Set after the bind, but before anyone is told that it listens.
        let data = std::fs::symlink_metadata(&path).unwrap();
        assert!(data.file_type().is_socket());
        assert_eq!(data.permissions().mode() & 0o7777, mode, "{config}");
    }
}

#[test]
fn a_socket_that_a_dead_gate_left_is_replaced() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.sock");
    let listen = format!(r#"["{}"]"#, unix(&path));
    let gate = Gate::to(catcher.http_addr()).listen(&listen).start();
    let old = std::fs::metadata(&path).unwrap();
    // Killed, it cannot clean up.
    drop(gate);
    assert!(path.exists());
    let _gate = Gate::to(catcher.http_addr()).listen(&listen).start();
    let new = std::fs::metadata(&path).unwrap();
    assert_ne!((old.ino(), old.ctime_nsec()), (new.ino(), new.ctime_nsec()));
    is_served(Client::connect_unix(&path));
}

#[test]
fn a_socket_that_somebody_listens_on_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("theirs.sock");
    let theirs = UnixListener::bind(&path).unwrap();
    let before = std::fs::metadata(&path).unwrap().ino();
    let (code, said) = refused(&[&unix(&path)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {}", unix(&path))), "{said}");
    assert!(said.contains("another program"), "{said}");
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), before);
    theirs.set_nonblocking(true).unwrap();
    // The gate's question whether anyone is there, and then still there for others.
    let _ = theirs.accept();
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
}

#[test]
fn a_second_gate_does_not_take_the_firsts_socket() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).listen(r#"["unix:DIR/gate.sock"]"#).start();
    let path = gate.dir().join("gate.sock");
    let (code, said) = refused(&[&unix(&path)]);
    assert_eq!(code, Some(1), "{said}");
    is_served(Client::connect_unix(&path));
}

#[test]
fn files_and_folders_where_the_socket_should_be_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &folder, &link] {
        let (code, said) = refused(&[&unix(path)]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("cannot listen on {}", unix(path))), "{said}");
        assert!(said.contains("it is no socket"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert!(folder.is_dir() && std::fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_folder_that_does_not_exist_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no/such/folder/gate.sock");
    let (code, said) = refused(&[&unix(&path)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {}: No such file or directory", unix(&path))), "{said}");
}

#[test]
fn a_port_in_use_is_named() {
    for addr in ["127.0.0.1:0", "[::1]:0"] {
        let theirs = TcpListener::bind(addr).unwrap();
        let addr = theirs.local_addr().unwrap().to_string();
        let (code, said) = refused(&[&addr]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("cannot listen on {addr}: Address already in use")), "{said}");
        assert!(said.contains("another program (perhaps the nginx that this replaces) is there"), "{said}");
        assert!(!said.contains("listening"), "{said}");
    }
}

#[test]
fn an_address_of_another_machine_is_said() {
    // TEST-NET-1 and the documentation prefix belong to nobody.
    for addr in ["192.0.2.1:0", "[2001:db8::1]:0"] {
        let (code, said) = refused(&[addr]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("cannot listen on {addr}: ")), "{said}");
        assert!(said.contains("this machine does not have that address"), "{said}");
    }
}

/// All or nothing: a gate that listens on a part of what was asked for looks as if it ran.
#[test]
fn one_address_that_cannot_be_had_is_one_too_many_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.sock");
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = theirs.local_addr().unwrap().to_string();
    let (code, said) = refused(&["127.0.0.1:0", &unix(&path), &addr]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {addr}")) && !said.contains("listening"), "{said}");
    assert!(!path.exists());
}

/// With its old connections in TIME_WAIT the port must be had again at once.
#[test]
fn a_restart_gets_its_port_back() {
    let catcher = Catcher::start(Options::default());
    let mut gate = Gate::to(catcher.http_addr()).start();
    let addr = gate.addr();
    let mut kept = gate.connect();
    assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
    // The gate closes first, so that the waiting is on its side.
    gate.signal("TERM");
    assert!(kept.is_ended());
    drop(kept);
    assert!(gate.wait().success());
    let _gate = Gate::to(catcher.http_addr()).listen(&format!(r#"["{addr}"]"#)).start();
    is_served(Client::connect(addr));
}
