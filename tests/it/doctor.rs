//! `doctor` beside a gate and a catcher that run: exit codes, the form of what it prints, and what it learns by asking. What it
//! finds on a machine with a network is in `tests/real/isolation`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{Gate, binary};

/// Its status, and the severity by the kind of finding.
fn doctor(words: &[&str]) -> (i32, BTreeMap<String, String>) {
    let output = binary().args(["doctor", "--format", "json", "--smtp-port", "1"]).args(words).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = report["findings"].as_array().unwrap();
    for finding in findings {
        assert!(
            ["seen", "why"].iter().all(|key| finding[key].as_str().is_some_and(|text| !text.is_empty())),
            "{finding}"
        );
        assert!(finding["mend"].is_array(), "{finding}");
    }
    let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let told = findings.iter().map(|finding| (text(finding, "id"), text(finding, "severity"))).collect();
    (output.status.code().unwrap(), told)
}

/// The same for a gate that runs.
fn doctor_of(gate: &Gate) -> (i32, BTreeMap<String, String>) {
    let (config, status) = (gate.config_file().display().to_string(), gate.status_addr().to_string());
    doctor(&["--config", &config, "--status-listen", &status])
}

#[test]
fn a_gate_before_its_catcher_has_nothing_wrong_and_one_before_another_program_has() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    let (status, findings) = doctor_of(&gate);
    assert_eq!(status, 0);
    for id in ["upstream-other", "upstream-unreachable", "wide-bind", "plain-http", "degraded", "proxy-unseen"] {
        assert!(!findings.contains_key(id), "{findings:?}");
    }
    // A status listener speaks HTTP, and has no list of messages.
    let other = Gate::to(gate.status_addr()).with_status().start();
    assert_eq!(doctor_of(&other).1["upstream-other"], "warning");
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alone = Gate::to(nothing).with_status().start();
    assert_eq!(doctor_of(&alone).1["upstream-unreachable"], "warning");
}

#[test]
fn trusted_proxies_that_never_came_are_told_until_one_comes() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config("trusted_proxies = [\"127.0.0.77\"]").with_status().start();
    let answer = |from: [u8; 4]| {
        let mut client = crate::support::raw::Client::connect_from(from.into(), gate.addr());
        assert_eq!(client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").answer().status, 401);
    };
    answer([127, 0, 0, 1]);
    assert_eq!(doctor_of(&gate).1.get("proxy-unseen").map(String::as_str), Some("warning"));
    answer([127, 0, 0, 77]);
    assert_eq!(doctor_of(&gate).1.get("proxy-unseen"), None);
    assert_eq!(gate.metric("mailwarden_connections_from_trusted_proxies_total"), Some(1.0));
}

#[test]
fn a_users_file_for_everybody_is_a_warning_and_strict_makes_it_count() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    let mode = |mode| std::fs::set_permissions(gate.users_file(), PermissionsExt::from_mode(mode)).unwrap();
    for (bits, id) in [(0o646, "users-file-writable"), (0o644, "users-file-readable")] {
        mode(bits);
        assert_eq!(doctor_of(&gate).1[id], "warning");
    }
    let (config, status) = (gate.config_file().display().to_string(), gate.status_addr().to_string());
    assert_eq!(doctor(&["--config", &config, "--status-listen", &status, "--strict"]).0, 1);
    mode(0o640);
    let (_, findings) = doctor_of(&gate);
    assert!(
        !findings.keys().any(|id| ["users-file-writable", "users-file-readable"].contains(&id.as_str())),
        "{findings:?}"
    );
    // Its one hash is a weak one.
    assert_eq!(findings["users-file-lines"], "warning");
}

#[test]
fn wrong_usage_and_a_bad_configuration_have_their_codes() {
    let run = |words: &[&str]| binary().arg("doctor").args(words).output().unwrap().status.code().unwrap();
    assert_eq!(run(&["--smtp-port", "x"]), 2);
    assert_eq!(run(&["--from-outside", "127.0.0.1"]), 2);
    assert_eq!(run(&["--upstream", "https://x"]), 78);
}
