//! Proxies that hand on bytes, HAProxy and nginx's stream module, with the PROXY headers that they really send.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::process::Command;

use crate::process::Program;
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;
use crate::support::secure::{self, Secure};

/// The client, which is an address of this machine other than the proxy's.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// A proxy on a socket that the test has opened, so that nobody has to find a port.
struct Balancer {
    _program: Program,
    _dir: tempfile::TempDir,
    addr: SocketAddr,
}

/// A socket that a program inherits.
fn inherited(at: &str) -> TcpListener {
    let listener = TcpListener::bind(at).unwrap();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    listener
}

/// HAProxy, whose server is the gate with these words; `bind` has words of its own.
fn haproxy(gate: &Gate, at: &str, bind: &str, server: &str) -> Balancer {
    let listener = inherited(at);
    let addr = listener.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = secure::certificate();
    std::fs::write(dir.path().join("both.pem"), cert + &key).unwrap();
    let bind = bind.replace("DIR", &dir.path().display().to_string());
    let config = format!(
        "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n\
         listen mail\n  bind fd@{} {bind}\n  option httpchk\n  http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host dev.test\n  \
         server gate {} {server}\n",
        listener.as_raw_fd(),
        gate.addr()
    );
    let file = dir.path().join("haproxy.cfg");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("haproxy");
    let program = Program::start(command.arg("-db").arg("-f").arg(&file));
    Balancer { _program: program, _dir: dir, addr }
}

/// nginx's stream module, which knows version 1 only. Not as a single process: with a socket that it inherits 1.22 crashes.
fn nginx(gate: &Gate) -> Balancer {
    let listener = inherited("127.0.0.1:0");
    let addr = listener.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let config = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off; user root; worker_processes 1; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         stream {{ server {{ listen {addr}; proxy_pass {}; proxy_protocol on; }} }}\n",
        gate.addr()
    );
    let file = dir.path().join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.env("NGINX", format!("{};", listener.as_raw_fd())).arg("-c").arg(&file).args(["-e", "stderr"]);
    let program = Program::start(&mut command);
    Balancer { _program: program, _dir: dir, addr }
}

fn gate(catcher: &Catcher) -> Gate {
    Gate::to(catcher.http_addr())
        .config("proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]\nhealth_path = \"/healthz\"")
        .start()
}

/// The status of a request for the inbox, once the proxy hands on.
fn asked(mut connect: impl FnMut() -> Client) -> u16 {
    eventually("an answer by the proxy", || {
        let mut client = connect();
        client.try_send(format!("GET / HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n{AS_ANNA}\r\n")).ok()?;
        client.try_answer(false).map(|answer| answer.status)
    })
}

fn came_from(gate: &Gate, catcher: &Catcher, client: &str) {
    let value = |name: &str| catcher.requests().pop().unwrap().value(name);
    assert_eq!(value("x-forwarded-for").as_deref(), Some(client));
    gate.access_line(|line| line.contains(&format!("client={client} ")) && line.contains("status=200"));
    assert!(!gate.log().iter().any(|line| line.contains("PROXY header")), "{:?}", gate.log());
}

#[test]
fn haproxys_headers_of_both_versions_name_the_client() {
    let catcher = Catcher::start(Options::default());
    for server in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"] {
        let gate = gate(&catcher);
        let proxy = haproxy(&gate, "127.0.0.1:0", "", server);
        assert_eq!(asked(|| Client::connect_from(CLIENT, proxy.addr)), 200, "{server}");
        came_from(&gate, &catcher, "127.0.0.9");
    }
    // By IPv6 to the proxy, by IPv4 to the gate.
    for server in ["send-proxy", "send-proxy-v2"] {
        let gate = gate(&catcher);
        let proxy = haproxy(&gate, "[::1]:0", "", server);
        assert_eq!(asked(|| Client::connect(proxy.addr)), 200, "{server}");
        came_from(&gate, &catcher, "::1");
    }
}

#[test]
fn haproxys_health_checks_are_its_own() {
    let catcher = Catcher::start(Options::default());
    for server in ["send-proxy check inter 200ms", "send-proxy-v2 check inter 200ms"] {
        let gate = gate(&catcher);
        let proxy = haproxy(&gate, "127.0.0.1:0", "", server);
        gate.access_line(|line| {
            line.contains("client=127.0.0.1 ") && line.contains("/healthz") && line.contains("200")
        });
        assert_eq!(asked(|| Client::connect_from(CLIENT, proxy.addr)), 200, "{server}");
        came_from(&gate, &catcher, "127.0.0.9");
    }
}

#[test]
fn tls_that_ends_at_haproxy_is_tls() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher);
    let proxy = haproxy(&gate, "127.0.0.1:0", "ssl crt DIR/both.pem", "send-proxy-v2-ssl");
    let mut secure = Secure::connect(proxy.addr, &[]);
    secure.write(format!("GET / HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n{AS_ANNA}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while secure.read(&mut answer, PATIENCE).unwrap() > 0 {}
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(catcher.requests().pop().unwrap().value("x-forwarded-proto").as_deref(), Some("https"));
}

#[test]
fn without_a_header_haproxys_connections_are_closed() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher);
    let proxy = haproxy(&gate, "127.0.0.1:0", "", "");
    let mut client = Client::connect_from(CLIENT, proxy.addr);
    client.send(format!("GET / HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
    assert_eq!(client.rest(), b"");
    gate.log_line("a trusted proxy sends no PROXY header");
    assert!(catcher.requests().is_empty());
}

#[test]
fn nginxs_header_names_the_client() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher);
    let proxy = nginx(&gate);
    assert_eq!(asked(|| Client::connect_from(CLIENT, proxy.addr)), 200);
    came_from(&gate, &catcher, "127.0.0.9");
}
