//! Sessions that are taken up again, also after a reload, by the program that most people try it with.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Secured, table};
use crate::reload::reload;
use crate::support::gate::AS_ANNA;
use crate::support::tls::Authority;

/// One request by `openssl s_client`, which keeps its session in `file` or takes it from there; what it says of it.
fn ask(secured: &Secured, version: &str, how: &str, file: &Path) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &secured.addr().to_string(), "-servername", "dev.test", "-ign_eof", version])
        .arg(how)
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}Connection: close\r\n\r\n");
    client.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let said = String::from_utf8_lossy(&client.wait_with_output().unwrap().stdout).into_owned();
    assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
    said
}

#[test]
fn a_session_of_either_version_is_resumed_by_any_worker_after_a_reload_with_another_certificate() {
    let secured = Secured::with("", |gate| gate.config("workers = 2"));
    let resumed = || secured.gate.metric("mailwarden_tls_handshakes_total{kind=\"resumed\"}").unwrap_or(0.0);
    for (version, name) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let file = secured.files.path().join(name);
        let said = ask(&secured, version, "-sess_out", &file);
        assert!(said.contains(&format!("New, {name}")), "{said}");
        let said = ask(&secured, version, "-sess_in", &file);
        assert!(said.contains(&format!("Reused, {name}")), "{said}");
        let before = resumed();
        assert!(before >= 1.0);
        let renewed = secured.authority.server(&["dev.test"]);
        renewed.write(secured.files.path(), "dev");
        reload(&secured.gate);
        assert_eq!(secured.client.shown(secured.addr(), "dev.test"), renewed.der());
        for _ in 0..3 {
            let said = ask(&secured, version, "-sess_in", &file);
            assert!(said.contains(&format!("Reused, {name}")), "{said}");
        }
        assert_eq!(resumed(), before + 3.0);
    }
}

/// It would be let in without the certificate that everybody needs from now on.
#[test]
fn a_session_from_before_certificates_were_asked_for_is_not_resumed() {
    let secured = Secured::start();
    let file = secured.files.path().join("session");
    for version in ["-tls1_3", "-tls1_2"] {
        ask(&secured, version, "-sess_out", &file);
    }
    let config = std::fs::read_to_string(secured.gate.config_file()).unwrap();
    std::fs::write(secured.files.path().join("ca.pem"), Authority::new().pem()).unwrap();
    let (before, _) = config.split_once("[tls]").unwrap();
    let tls = table(secured.files.path(), "client_ca_file = \"DIR/ca.pem\"");
    std::fs::write(secured.gate.config_file(), format!("{before}{tls}")).unwrap();
    reload(&secured.gate);
    let status = Command::new("openssl")
        .args(["s_client", "-connect", &secured.addr().to_string(), "-servername", "dev.test", "-ign_eof", "-tls1_2"])
        .arg("-sess_in")
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(!status.status.success() && !said.contains("Reused"), "{said}");
    assert!(secured.failures("client certificate").unwrap() >= 1.0);
}
