//! How much a client may send and open, and what becomes of a gate that has no descriptors left.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::upgrade;
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::{Answer, Client};

fn lives(gate: &Gate) {
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
}

/// Sends a request whose sending may be broken off by the answer, and reads that.
fn refused(gate: &Gate, request: &str) -> (Answer, Client) {
    let mut client = gate.connect();
    let _ = client.try_send(request);
    (client.answer(), client)
}

#[test]
fn header_blocks_of_32_kib_pass() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    // One long line, as single sign-on makes them, and many short ones.
    let long = format!("Accept-Language: {}\r\n", "x".repeat(32 * 1024));
    let many: String = (0..80).map(|n| format!("X-Field-{n}: {}\r\n", "y".repeat(400))).collect();
    for fields in [long, many] {
        assert!(fields.len() >= 32 * 1024);
        assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 200);
    }
}

#[test]
fn a_head_over_the_limit_is_431_and_has_its_line() {
    let catcher = Catcher::start(Options::default());
    for (config, fits, too_much) in [("", 60 * 1024, 66 * 1024), ("limits.head = \"16KiB\"", 14 * 1024, 17 * 1024)] {
        let gate = Gate::to(catcher.http_addr()).config(config).start();
        let request = |size| {
            format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}X-Filler: {}\r\n\r\n", "x".repeat(size))
        };
        assert_eq!(gate.connect().send(request(fits)).answer().status, 200);
        let before = catcher.requests().len();
        let (answer, mut client) = refused(&gate, &request(too_much));
        assert_eq!(answer.status, 431);
        assert!(client.is_ended());
        let line = gate.access_line(|line| line.contains("status=431"));
        assert!(line.contains("client=127.0.0.1 ") && line.contains(r#"reason="head too large""#), "{line}");
        assert_eq!(catcher.requests().len(), before);
        lives(&gate);
    }
}

#[test]
fn a_head_without_end_is_431_while_it_comes() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    let mut client = gate.connect();
    client.send("GET /messages HTTP/1.1\r\nHost: dev.test\r\n");
    let taken = client.flood(format!("X-Filler: {}\r\n", "x".repeat(1000)).as_bytes(), 10_000, PATIENCE);
    assert!(taken < 10_000_000, "the whole of it was taken");
    gate.access_line(|line| line.contains("status=431"));
    lives(&gate);
}

#[test]
fn too_many_fields_are_431() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let fields: String = (0..2000).map(|n| format!("F{n}: x\r\n")).collect();
    let (answer, _) = refused(&gate, &format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{fields}\r\n"));
    assert_eq!(answer.status, 431);
    gate.access_line(|line| line.contains("status=431"));
    lives(&gate);
}

#[test]
fn a_target_that_is_too_long_is_414_and_has_its_line() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config("limits.head = \"128KiB\"").start();
    let target = format!("/{}", "x".repeat(65_535));
    let (answer, mut client) = refused(&gate, &format!("GET {target} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
    assert_eq!(answer.status, 414);
    assert!(client.is_ended());
    let line = gate.access_line(|line| line.contains("client=127.0.0.1 "));
    assert!(line.contains("status=414") && line.contains(r#"reason="target too long""#), "{line}");
    lives(&gate);
    assert_eq!(catcher.requests().len(), 1);
}

// --- connections

#[test]
fn loopback_and_unix_sockets_have_no_limit() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr())
        .config("limits.connections = 2\nlimits.connections_per_address = 1")
        .listen(r#"["127.0.0.1:0", "[::1]:0", "unix:DIR/gate.sock"]"#)
        .start();
    let path = gate.dir().join("gate.sock");
    let mut clients: Vec<Client> = gate.addrs().iter().cycle().take(8).map(|&addr| Client::connect(addr)).collect();
    clients.extend((0..4).map(|_| Client::connect_unix(&path)));
    for client in &mut clients {
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
}

#[test]
fn a_head_without_end_costs_no_more_memory_than_the_limit() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let before = gate.memory();
    let mut clients: Vec<Client> = (0..20).map(|_| gate.connect()).collect();
    for client in &mut clients {
        let _ = client.try_send("GET / HTTP/1.1\r\nHost: a\r\n");
        let _ = client.flood("X: y\r\n".repeat(10_000).as_bytes(), 20, Duration::from_millis(500));
    }
    assert!(gate.memory() < before + (10 << 10), "{} KiB more", gate.memory() - before);
    for client in &mut clients {
        assert!(client.rest().starts_with(b"HTTP/1.1 431 ") || client.is_ended());
    }
}

/// A network namespace for the gate, and a cable to it that ends here with several addresses: the only way to be other
/// clients than loopback without the machine's own addresses.
pub(crate) struct Net {
    name: String,
    first: u32,
}

impl Net {
    const CLIENTS: u32 = 4;

    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (pid, made) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        // 198.18.0.0/15 is for tests (RFC 2544) and holds 8192 networks of 16 addresses.
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (pid * 4 + made) % 8192 * 16;
        let net = Self { name: format!("mw{pid}x{made}"), first };
        let name = net.name.as_str();
        ip(&["netns", "add", name]);
        ip(&["link", "add", name, "type", "veth", "peer", "name", "gate", "netns", name]);
        for client in 0..Self::CLIENTS {
            ip(&["addr", "add", &format!("{}/28", net.client(client)), "dev", name]);
        }
        ip(&["link", "set", name, "up"]);
        ip(&["-n", name, "addr", "add", &format!("{}/28", net.gate()), "dev", "gate"]);
        ip(&["-n", name, "link", "set", "gate", "up"]);
        net
    }

    /// Makes one of the clients the gate's way to everywhere else.
    pub(crate) fn route_by(&self, client: u32) {
        ip(&["-n", &self.name, "route", "add", "default", "via", &self.client(client).to_string()]);
    }

    pub(crate) fn client(&self, number: u32) -> IpAddr {
        Ipv4Addr::from(self.first + 1 + number).into()
    }

    pub(crate) fn gate(&self) -> IpAddr {
        Ipv4Addr::from(self.first + 14).into()
    }

    /// A catcher on this side of the cable.
    pub(crate) fn catcher(&self) -> Catcher {
        Catcher::start(Options { http: SocketAddr::new(self.client(0), 0), ..Options::default() })
    }

    /// A gate on the other.
    pub(crate) fn start(&self, catcher: &Catcher, config: &str) -> Gate {
        Gate::to(catcher.http_addr())
            .listen(&format!(r#"["{}:0"]"#, self.gate()))
            .run_by(&["ip", "netns", "exec", &self.name])
            .config(config)
            .start()
    }

    /// One that is spoken to by TLS.
    pub(crate) fn start_secure(&self, catcher: &Catcher, config: &str) -> Gate {
        Gate::to(catcher.http_addr())
            .secure()
            .listen(&format!(r#"["https://{}:0"]"#, self.gate()))
            .run_by(&["ip", "netns", "exec", &self.name])
            .config(config)
            .start()
    }

    /// A connection from one of the addresses here.
    pub(crate) fn connect(&self, gate: &Gate, client: u32) -> Client {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(self.client(client), 0).into()).unwrap();
        socket.connect_timeout(&gate.addr().into(), PATIENCE).unwrap();
        Client::over(TcpStream::from(socket))
    }

    /// One that is served.
    fn served(&self, gate: &Gate, client: u32) -> Client {
        let mut connection = self.connect(gate, client);
        assert_eq!(connection.request("GET /messages", AS_ANNA).status, 200);
        connection
    }

    /// One that is told to go.
    fn is_refused(&self, gate: &Gate, client: u32, reason: &str) {
        let mut connection = self.connect(gate, client);
        // It is told without being asked; what it sends is not looked at.
        let _ = connection.try_send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
        let answer = connection.answer();
        assert_eq!((answer.status, answer.whole), (503, true));
        assert_eq!(answer.field("retry-after").as_deref(), Some("5"));
        assert_eq!(answer.field("connection").as_deref(), Some("close"));
        assert_eq!(answer.text(), "Too many connections are open here.\n");
        assert!(connection.is_ended());
        let line = format!("client={} status=503 ", self.client(client));
        gate.access_line(|said| said.contains(&line) && said.contains(&format!("reason=\"{reason}\"")));
    }

    /// Waits until a connection is served again.
    fn is_served_again(&self, gate: &Gate, client: u32) -> Client {
        eventually("a place to be given back", || {
            let mut connection = self.connect(gate, client);
            (connection.request("GET /messages", AS_ANNA).status == 200).then_some(connection)
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // The cable goes with one of its ends, but only when no socket of the namespace is left.
        let _ = Command::new("ip").args(["link", "del", &self.name]).output();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().expect("ip(8) is needed here");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {}: {said}(network namespaces take root)", arguments.join(" "));
}

const BY_ADDRESS: &str = "too many connections from this address";
const IN_ALL: &str = "too many connections";
const THREE_OF_FIVE: &str = "workers = 2\nlimits.connections_per_address = 3\nlimits.connections = 5";

#[test]
fn one_address_and_all_together_have_their_limits() {
    let net = Net::new();
    let catcher = net.catcher();
    let gate = net.start(&catcher, THREE_OF_FIVE);
    let mut first: Vec<Client> = (0..3).map(|_| net.served(&gate, 0)).collect();
    net.is_refused(&gate, 0, BY_ADDRESS);
    // Others are not touched, until all places are taken.
    let second: Vec<Client> = (0..2).map(|_| net.served(&gate, 1)).collect();
    net.is_refused(&gate, 2, IN_ALL);
    // Those who have a place keep it.
    assert_eq!(first[0].request("GET /messages", AS_ANNA).status, 200);

    drop(second);
    let _third = net.is_served_again(&gate, 2);
    net.is_refused(&gate, 0, BY_ADDRESS);
    drop(first.pop());
    let _fourth = net.is_served_again(&gate, 0);
    net.is_refused(&gate, 0, BY_ADDRESS);
}

#[test]
fn a_socket_keeps_its_place() {
    let net = Net::new();
    let catcher = net.catcher();
    let gate = net.start(&catcher, THREE_OF_FIVE);
    let mut sockets: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = net.connect(&gate, 1);
            let answer = client.request("GET /messages", &format!("{AS_ANNA}{}", upgrade::HANDSHAKE));
            assert_eq!(answer.status, 101);
            client
        })
        .collect();
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 3));
    net.is_refused(&gate, 1, BY_ADDRESS);
    drop(sockets.pop());
    net.is_served_again(&gate, 1);
}

#[test]
fn a_connection_that_is_told_to_go_and_stays_takes_no_place() {
    let net = Net::new();
    let catcher = net.catcher();
    let gate = net.start(&catcher, THREE_OF_FIVE);
    let kept: Vec<Client> = (0..3).map(|_| net.served(&gate, 1)).collect();
    // More than are told so at one time: the rest are just closed.
    let mut many: Vec<Client> = (0..100).map(|_| net.connect(&gate, 1)).collect();
    let told = many.iter_mut().filter_map(|client| client.try_answer(false)).inspect(|it| assert_eq!(it.status, 503));
    assert!((1..=100).contains(&told.count()));
    drop(kept);
    net.is_served_again(&gate, 1);
}

#[test]
fn trusted_proxies_have_no_limit() {
    let net = Net::new();
    let catcher = net.catcher();
    let config = format!("{THREE_OF_FIVE}\ntrusted_proxies = [\"{}\"]", net.client(1));
    // The list must stand above tables, which dotted keys are not.
    let gate = net.start(&catcher, &config);
    let _proxy: Vec<Client> = (0..8).map(|_| net.served(&gate, 1)).collect();
    let _others: Vec<Client> = (0..3).map(|_| net.served(&gate, 2)).collect();
    net.is_refused(&gate, 2, BY_ADDRESS);
}

// --- descriptors

#[test]
fn a_gate_without_descriptors_waits_says_so_once_and_goes_on() {
    let catcher = Catcher::start(Options::default());
    let mut gate = Gate::to(catcher.http_addr()).config("workers = 1").run_by(&["prlimit", "--nofile=40:40"]).start();
    assert!(gate.log_line("the limit on open files is too low").contains("allowed=40"));
    // The request leaves a connection to the catcher behind, on which later ones can go.
    let mut kept = gate.connect();
    assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
    let said = |gate: &Gate| gate.log().iter().filter(|line| line.contains("connections wait")).count();
    let pid = gate.pid();
    let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    for _ in 0..2 {
        let many: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(gate.addr()).unwrap()).collect();
        eventually("the gate to run out", || (open() >= 40).then_some(()));
        assert!(gate.log_line("connections wait").contains("Too many open files"));
        assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
        // Asking again and again would take all of a processor, 60 ticks.
        let (before, until) = (gate.ticks(), Instant::now() + Duration::from_millis(600));
        while Instant::now() < until {
            assert!(gate.is_running());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(gate.ticks() - before < 15, "{} ticks of 60", gate.ticks() - before);
        drop(many);
        lives(&gate);
        // All that waited has been taken and is gone, so that the next round begins anew.
        eventually("the descriptors to be free", || (open() < 30).then_some(()));
    }
    assert_eq!(said(&gate), 1);
}

#[test]
fn the_soft_limit_on_descriptors_is_raised_to_the_hard_one() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).run_by(&["prlimit", "--nofile=64:2048"]).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gate.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["2048", "2048"], "{line}");
    let mut clients: Vec<Client> = (0..150).map(|_| gate.connect()).collect();
    assert_eq!(clients.last_mut().unwrap().request("GET /messages", AS_ANNA).status, 200);
}
