//! Handshakes that are slow, broken, or many: each costs its own connection, and people are served meanwhile.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::{NAME, Served, text};
use crate::support::patience::{PATIENCE, eventually};

/// A client that trusts the authority.
fn client(served: &Served) -> ClientConnection {
    ClientConnection::new(config(served), ServerName::try_from(NAME).unwrap()).unwrap()
}

fn config(served: &Served) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(served.file("authority.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config =
        config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// The bytes that begin a handshake.
fn hello(served: &Served) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(served).write_tls(&mut bytes).unwrap();
    bytes
}

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.gate.addr()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until the gate ends the connection; what came, and none if it did not end it in time.
fn rest(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        // A reset is an end too.
        _ => Some(all),
    }
}

#[test]
fn a_byte_at_a_time_ends_at_the_deadline_and_others_are_served_meanwhile() {
    let served = Served::with(|builder, _| builder.config("timeouts.handshake = \"3s\""));
    let hello = hello(&served);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                let (mut stream, begun) = (connect(&served), Instant::now());
                stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                for byte in &hello {
                    let is_over = stream.write_all(&[*byte]).is_err()
                        || match stream.read(&mut [0; 64]) {
                            Ok(length) => length == 0,
                            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                        };
                    if is_over {
                        break;
                    }
                }
                let took = begun.elapsed();
                assert!((Duration::from_secs(2)..PATIENCE).contains(&took), "{took:?}, of {} bytes", hello.len());
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        while done.load(Ordering::Relaxed) < 30 && !std::thread::panicking() {
            served.serves();
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}

/// A record of TLS with that type and content.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3, length[0], length[1]], content].concat()
}

#[test]
fn whatever_is_no_handshake_ends_its_connection_and_nothing_else() {
    let mut served = Served::with(|builder, _| builder.config("timeouts.handshake = \"2s\""));
    let hello = hello(&served);
    let mut spoilt = hello.clone();
    let middle = spoilt.len() / 2;
    spoilt[middle..].fill(0xff);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("noughts", vec![0; 4096]),
        ("all ones", vec![0xff; 4096]),
        ("a greeting of SMTP", b"EHLO mail.dev.test\r\n".to_vec()),
        ("a hello of SSL 2", [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[7; 37]].concat()),
        ("half a hello", hello[..hello.len() / 2].to_vec()),
        ("a hello that is spoilt", spoilt),
        ("two hellos", hello.repeat(2)),
        ("a hello of no length", record(22, &[1, 0, 0, 0])),
        ("a hello that promises 16 MiB", record(22, &[1, 0xff, 0xff, 0xff, 3, 3])),
        (
            "the same, and keeps some of it",
            record(22, &[1, 0xff, 0xff, 0xff]).into_iter().chain(record(22, &[7; 16_000]).repeat(60)).collect(),
        ),
        ("a record that is too long", vec![22, 3, 3, 0xff, 0xff]),
        ("data before the handshake", record(23, &[7; 64])),
        ("a fatal alert", record(21, &[2, 40])),
        ("a flood of warnings", record(21, &[1, 90]).repeat(20_000)),
        ("a hello and a flood of warnings", [hello.clone(), record(21, &[1, 90]).repeat(20_000)].concat()),
        ("a flood of records without content", record(22, &[]).repeat(20_000)),
        ("a flood of changed ciphers", record(20, &[1]).repeat(20_000)),
        ("a hello and a flood of changed ciphers", [hello.clone(), record(20, &[1]).repeat(20_000)].concat()),
        ("a hello in records of one byte", hello[5..].iter().take(200).flat_map(|byte| record(22, &[*byte])).collect()),
    ];
    let before = served.gate.memory();
    for (what, bytes) in cases {
        for half_closed in [false, true] {
            let mut stream = connect(&served);
            let _ = stream.write_all(&bytes);
            if half_closed {
                let _ = stream.shutdown(Shutdown::Write);
            }
            assert!(rest(&mut stream).is_some(), "{what}, half closed: {half_closed}: it is still open");
        }
        served.serves();
    }
    let grown = served.gate.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
    assert!(served.gate.is_running());
    let said = served.gate.log().into_iter().filter(|line| line.contains("ERROR") || line.contains("panicked"));
    assert_eq!(said.collect::<Vec<_>>(), [""; 0], "strangers' rubbish is no error of the gate's");
}

#[test]
fn whoever_names_no_name_of_ours_gets_the_first_certificate() {
    let served = Served::new();
    let long = format!("{}.test", "a.".repeat(100));
    for name in
        ["other.test", "MAIL.DEV.TEST", "127.0.0.1", "mail.dev.test.", "*.dev.test", "under_score.test", "xn--", &long]
    {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-brief", "-connect", &format!("127.0.0.1:{}", served.port()), "-servername", name]);
        let output = openssl.stdin(Stdio::null()).output().unwrap();
        let said = text(&output.stderr);
        // A name that is none at all (RFC 6066, 3) may be refused, by an alert.
        assert!(output.status.success() || said.contains("alert"), "{name}: {said}");
    }
    served.serves();
}

#[test]
fn a_flood_of_handshakes_is_bounded_and_a_person_elsewhere_is_served_soon() {
    let served = Served::new();
    served.serves();
    let before = served.gate.memory();
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let config = config(&served);
    let hello = hello(&served);
    // Some begin and go no further.
    let half: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = connect(&served);
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut stream = connect(&served);
                    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                    let name = ServerName::try_from(NAME).unwrap();
                    let mut tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
                    // Waiting in the flooder's own turn is an end as well.
                    if tls.complete_io(&mut stream).is_ok() {
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        // From an address of his own: the flood's share is its own.
        for _ in 0..30 {
            let begun = Instant::now();
            let output = served.curl(
                &["--interface", "127.0.0.77", "--output", "/dev/null", "--write-out", "%{http_code}"],
                "/messages",
            );
            assert_eq!(text(&output.stdout), "200", "{}", text(&output.stderr));
            times.push(begun.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
    });
    let grown = served.gate.memory().saturating_sub(before);
    times.sort();
    let (middle, worst) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!(
        "{} handshakes in the flood; a person waits {middle:?}, at worst {worst:?}; {grown} KiB more",
        made.load(Ordering::Relaxed)
    );
    assert!(middle < PATIENCE / 10 && worst < PATIENCE / 3, "{times:?}");
    assert!(grown < 48 << 10, "{grown} KiB more");
    drop(half);
    eventually("the flood to be gone", || (served.gate.metric("mailwarden_connections") == Some(0.0)).then_some(()));
    served.serves();
}
