//! sslyze and testssl.sh, whose findings are the README's words on TLS.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{NAME, Served, text};
use crate::process::tool;

/// Whether Mozilla's configuration of that name is met, and what sslyze says.
fn compliant(served: &Served, configuration: &str) -> (bool, String) {
    let mut scan = Command::new(tool("sslyze/bin/sslyze"));
    scan.arg(format!("--mozilla_config={configuration}")).args(["--sni", NAME, "--certinfo_ca_file"]);
    scan.arg(served.file("authority.pem")).arg(format!("127.0.0.1:{}", served.port()));
    let output = scan.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("COMPLIANCE AGAINST"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

#[test]
fn sslyze_finds_mozillas_intermediate_configuration_and_with_1_3_alone_the_modern_one() {
    let served = Served::new();
    let (is_met, said) = compliant(&served, "intermediate");
    assert!(is_met, "{said}");
    for finding in ["VULNERABLE -", "Compression enabled", "FAILED - Not compliant"] {
        assert!(!said.contains(finding), "{finding}: {said}");
    }
    assert!(said.contains("Supplied CA file CA Store (N/A):   OK"), "{said}");
    // A scanner that finds nothing wrong with anything would pass the above.
    assert!(!compliant(&served, "modern").0);
    let modern = Served::with(|builder, _| builder.config("tls.min_version = \"1.3\""));
    let (is_met, said) = compliant(&modern, "modern");
    assert!(is_met, "{said}");
}

#[test]
fn testssl_finds_nothing_wrong_but_that_clients_choose_and_nobody_revokes() {
    let served = Served::new();
    let found = served.file("testssl.json");
    let mut scan = Command::new("testssl");
    scan.args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1"]);
    // Protocols, ciphers, forward secrecy, what is preferred, certificate, vulnerabilities: all but the simulated clients.
    scan.args(["-p", "-s", "-f", "-P", "-S", "-U", "--jsonfile"]).arg(&found).arg("--add-ca");
    scan.arg(served.file("authority.pem")).arg(format!("https://{NAME}:{}/", served.port()));
    let output = scan.stdin(Stdio::null()).output().unwrap();
    let findings: Value = serde_json::from_str(&std::fs::read_to_string(&found).unwrap_or_default())
        .unwrap_or_else(|_| panic!("{}", text(&output.stdout)));
    let findings = findings.as_array().unwrap();
    assert!(findings.len() > 60, "{}", text(&output.stdout));
    let wrong: Vec<&str> = findings
        .iter()
        .filter(|finding| !matches!(finding["severity"].as_str().unwrap(), "OK" | "INFO"))
        .map(|finding| finding["id"].as_str().unwrap())
        // Its client can be gone before a ticket of TLS 1.3 comes, which is behind the handshake; `openssl` resumes elsewhere.
        .filter(|id| *id != "sessionresumption_ticket")
        .collect();
    let expected = [
        "engine_problem",  // of the scanner's own OpenSSL
        "cipher_order", // all ciphers are good, so the client may choose: a telephone takes the one that it computes faster
        "cert_revocation", // whoever trusts a local authority hears of no lists
    ];
    assert_eq!(wrong, expected, "{}", text(&output.stdout));
    served.serves();
}
