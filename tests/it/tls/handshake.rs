//! Handshakes, and every way in which there is none.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use rustls::version::{TLS12, TLS13};

use super::Secured;
use crate::support::gate::{AS_ANNA, binary};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;
use crate::support::tls::TlsClient;

fn is_counted(secured: &Secured, reason: &str, times: f64) {
    eventually(reason, || (secured.failures(reason) == Some(times)).then_some(()));
}

fn socket(secured: &Secured) -> TcpStream {
    let socket = TcpStream::connect(secured.addr()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn both_versions_are_spoken_and_the_older_can_be_refused() {
    for (config, oldest_is_spoken) in [("", true), ("min_version = \"1.3\"", false)] {
        let secured = Secured::with(config, |gate| gate);
        let only = |version| TlsClient::only(&secured.authority, version).shake(secured.addr(), "dev.test");
        assert!(only(&TLS13).is_ok());
        assert_eq!(only(&TLS12).is_ok(), oldest_is_spoken);
        if !oldest_is_spoken {
            is_counted(&secured, "nothing in common", 1.0);
        }
    }
}

#[test]
fn older_versions_and_weak_ciphers_get_an_alert() {
    let secured = Secured::start();
    for arguments in [&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"]]
    {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &secured.addr().to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("alert"), "{arguments:?}: {said}");
    }
    is_counted(&secured, "nothing in common", 2.0);
}

#[test]
fn curl_gets_the_list_over_both_versions() {
    let secured = Secured::start();
    let ca = secured.files.path().join("ca.pem");
    std::fs::write(&ca, secured.authority.pem()).unwrap();
    let at = format!("dev.test:{}:127.0.0.1", secured.addr().port());
    for version in ["1.2", "1.3"] {
        let output = Command::new("curl")
            .args(["-sS", "--http1.1", "--tls-max", version, "--resolve", &at, "-u", "anna:secret", "--cacert"])
            .arg(&ca)
            .arg(format!("https://dev.test:{}/messages", secured.addr().port()))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "[]", "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn http_without_tls_is_told_to_write_https() {
    let secured = Secured::start();
    let mut client = Client::connect(secured.addr());
    let answer = client.request("GET /messages", AS_ANNA);
    assert_eq!(answer.status, 400);
    assert!(answer.whole && answer.text().contains("This port speaks HTTPS: write https://"), "{}", answer.text());
    assert!(client.is_ended());
    is_counted(&secured, "plain http", 1.0);
    secured.gate.access_line(|line| line.contains("status=400") && line.contains("plain HTTP at an https port"));
    assert_eq!(secured.catcher.requests().len(), 0);
}

#[test]
fn tls_at_a_plain_port_does_no_harm_and_is_logged_as_such() {
    let secured = Secured::start();
    assert!(secured.client.shake(secured.plain_addr(), "dev.test").is_err());
    secured.gate.access_line(|line| line.contains("status=400") && line.contains("TLS at a plain port"));
    assert_eq!(Client::connect(secured.plain_addr()).request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn whoever_does_not_finish_his_handshake_is_sent_away_in_time() {
    let secured = Secured::with("", |gate| gate.config("timeouts.handshake = \"300ms\""));
    let mut silent = socket(&secured);
    assert_eq!(silent.read(&mut [0; 8]).unwrap(), 0);
    is_counted(&secured, "silent", 1.0);
    let mut slow = socket(&secured);
    slow.write_all(&[0x16, 3, 1, 2, 0]).unwrap();
    assert!(matches!(slow.read(&mut [0; 8]), Ok(0) | Err(_)));
    is_counted(&secured, "timeout", 1.0);
    assert_eq!(secured.connect().request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn whoever_breaks_off_or_sends_rubbish_is_counted_and_others_notice_nothing() {
    let secured = Secured::with("", |gate| gate.config("log.level = \"debug\""));
    let mut broken = socket(&secured);
    broken.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
    drop(broken);
    is_counted(&secured, "broke off", 1.0);
    let mut rubbish = socket(&secured);
    rubbish.write_all(&[0x16; 600]).unwrap();
    let mut alert = [0; 7];
    rubbish.read_exact(&mut alert).unwrap();
    assert_eq!(alert[0], 0x15, "an alert");
    is_counted(&secured, "malformed", 1.0);
    drop(socket(&secured));
    is_counted(&secured, "silent", 1.0);
    secured.gate.log_line("a TLS handshake failed");
    assert_eq!(secured.connect().request("GET /messages", AS_ANNA).status, 200);
}

/// Five hundred from one machine: loopback has no share, so they fill every place there is, and time frees them.
#[test]
fn a_flood_of_handshakes_that_go_no_further_is_bounded() {
    let secured = Secured::with("", |gate| gate.config("timeouts.handshake = \"1s\""));
    let mut open: Vec<TcpStream> = (0..700).map(|_| socket(&secured)).collect();
    for socket in &mut open {
        socket.write_all(&[0x16, 3, 1]).unwrap();
    }
    let going_on = || secured.gate.metric("mailwarden_tls_handshakes").unwrap();
    let most = eventually("all places taken", || Some(going_on()).filter(|going_on| *going_on >= 512.0));
    assert_eq!(most, 512.0);
    eventually("an end", || (going_on() == 0.0).then_some(()));
    assert_eq!(secured.connect().request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn tls_over_a_unix_socket_works_as_well() {
    let secured = Secured::with("", |gate| gate.listen(r#"["https://127.0.0.1:0", "https://unix:DIR/gate.sock"]"#));
    let path = secured.gate.dir().join("gate.sock");
    let output = Command::new("curl")
        .args(["-sSk", "-u", "anna:secret", "--unix-socket"])
        .arg(&path)
        .arg("https://dev.test/messages")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[]", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn https_without_a_certificate_and_a_certificate_without_https_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailwarden.toml");
    for (config, said) in [
        (
            "listen = [\"https://0.0.0.0:8443\"]",
            "listen: \"https://0.0.0.0:8443\" needs a certificate: write tls.cert_file and tls.key_file",
        ),
        (
            "tls.cert_file = \"a\"\ntls.key_file = \"b\"",
            "tls.cert_file: is there, and no entry of listen is https; write listen = [\"https://0.0.0.0:8443\"]",
        ),
    ] {
        std::fs::write(&file, config).unwrap();
        for command in ["serve", "check"] {
            let output = binary().arg(command).arg("--config").arg(&file).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{error}");
            assert!(error.contains(said), "{error}");
        }
    }
}
