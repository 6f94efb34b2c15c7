//! OpenSSL's client: each version and cipher, resumption, renegotiation.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::{NAME, Served, text};

/// What OpenSSL's client says to these arguments, after `input`.
fn client(served: &Served, arguments: &[&str], input: &str) -> Output {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &format!("127.0.0.1:{}", served.port()), "-servername", NAME]);
    client.args(["-verify_return_error", "-verify_hostname", NAME, "-no-CApath", "-CAfile"]);
    client.arg(served.file("authority.pem")).args(arguments);
    let child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The version and the cipher that were agreed on; none if there was no handshake.
fn agreed(served: &Served, arguments: &[&str]) -> Option<(String, String)> {
    let output = client(served, &[&["-brief"], arguments].concat(), "");
    let said = text(&output.stderr);
    let value = |label: &str| said.lines().find_map(|line| line.strip_prefix(label)).map(|rest| rest.trim().to_owned());
    assert_eq!(output.status.success(), value("Ciphersuite:").is_some(), "{said}");
    value("Protocol version:").zip(value("Ciphersuite:"))
}

#[test]
fn every_modern_version_cipher_and_group_is_spoken() {
    let served = Served::new();
    for (version, flag, ciphers) in [
        (
            "TLSv1.2",
            &["-tls1_2", "-cipher"][..],
            &["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"],
        ),
        (
            "TLSv1.3",
            &["-tls1_3", "-ciphersuites"],
            &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
        ),
    ] {
        for cipher in ciphers {
            let expected = Some((version.to_owned(), (*cipher).to_owned()));
            assert_eq!(agreed(&served, &[flag, &[cipher]].concat()), expected);
        }
        // Before 1.3 the list has to hold the certificate's own group as well.
        for groups in ["X25519:P-256", "P-256", "P-384:P-256"] {
            let found = agreed(&served, &[flag[0], "-groups", groups]);
            assert!(found.is_some_and(|(found, _)| found == version), "{version} {groups}");
        }
    }
}

#[test]
fn a_certificate_with_an_rsa_key_is_shown_by_its_name() {
    let served = Served::with(|builder, dir| {
        // As people have them from elsewhere.
        let rsa = |name: &str| dir.join(format!("rsa.{name}")).display().to_string();
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=rsa.test"]);
        make.args(["-addext", "subjectAltName=DNS:rsa.test", "-keyout", &rsa("key"), "-out", &rsa("pem")]);
        assert!(make.output().unwrap().status.success());
        builder.config(&format!("tls.certificates = [{{ cert_file = {:?}, key_file = {:?} }}]", rsa("pem"), rsa("key")))
    });
    let trusted = served.file("rsa.pem").display().to_string();
    for (flag, cipher, expected) in [
        ("-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("-tls1_2", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
        ("-tls1_2", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("-tls1_3", "DEFAULT", "TLS_AES_256_GCM_SHA384"),
    ] {
        let own = ["-servername", "rsa.test", "-verify_hostname", "rsa.test", "-CAfile", &trusted];
        let found = agreed(&served, &[&[flag, "-cipher", cipher][..], &own].concat());
        assert_eq!(found.map(|(_, cipher)| cipher).as_deref(), Some(expected));
    }
    served.serves();
}

#[test]
fn what_is_broken_is_refused_with_an_alert() {
    let served = Served::new();
    for arguments in [
        &["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"],
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "eNULL@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "aNULL@SECLEVEL=0"],
        &["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"],
        &["-tls1_3", "-groups", "P-521"],
        &["-alpn", "spdy/3"],
    ] {
        let output = client(&served, &[&["-brief"], arguments].concat(), "");
        assert!(!output.status.success(), "{arguments:?} is spoken");
        assert!(text(&output.stderr).contains("alert"), "{arguments:?}: {}", text(&output.stderr));
    }
    served.serves();
}

#[test]
fn with_a_minimum_of_1_3_nothing_older_is_spoken() {
    let served = Served::with(|builder, _| builder.config("tls.min_version = \"1.3\""));
    assert_eq!(agreed(&served, &["-tls1_2"]), None);
    assert_eq!(agreed(&served, &["-tls1_3"]).unwrap().0, "TLSv1.3");
}

/// Asks with what is remembered of the time before, and remembers; whether the session was taken up.
fn resumes(served: &Served, arguments: &[&str], from: Option<&str>) -> bool {
    let session = served.file("session.pem").display().to_string();
    let mut all = [&["-ign_eof", "-sess_out", &session], arguments].concat();
    if from.is_some() {
        all.extend(["-sess_in", &session]);
    }
    let request = format!(
        "GET /messages HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Basic YW5uYTpzZWNyZXQ=\r\nConnection: close\r\n\r\n"
    );
    let output = client(served, &all, &request);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("HTTP/1.1 200 OK"), "{arguments:?}: {said} {}", text(&output.stderr));
    assert!(fs::metadata(&session).is_ok(), "there is a session to take up");
    said.contains("\nReused, ")
}

#[test]
fn sessions_are_resumed_by_tickets_and_by_numbers_and_reloads_do_not_end_them() {
    let served = Served::new();
    for arguments in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-no_ticket"]] {
        let _ = fs::remove_file(served.file("session.pem"));
        assert!(!resumes(&served, arguments, None));
        assert!(resumes(&served, arguments, Some("before")), "{arguments:?}");
        let reloads = served.gate.log().iter().filter(|line| line.contains("reloaded")).count();
        served.gate.signal("HUP");
        crate::support::patience::eventually("the reload", || {
            (served.gate.log().iter().filter(|line| line.contains("reloaded")).count() > reloads).then_some(())
        });
        assert!(resumes(&served, arguments, Some("before")), "{arguments:?} after a reload");
    }
}

#[test]
fn renegotiation_is_refused_and_costs_its_connection_only() {
    let served = Served::new();
    // OpenSSL's client takes a line with R for the wish.
    let output = client(&served, &["-tls1_2", "-legacy_renegotiation"], "R\n");
    let said = text(&output.stderr).to_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("RENEGOTIATING"), "{said}");
    assert!(!output.status.success() || said.contains("no renegotiation"), "{said}");
    served.serves();
}
